"""Memory that no tensor of the model accounts for: the device's context, workspaces, what the allocator cannot use."""

from app.planner.memory.parts import Part, about

GIB = 2**30


def context() -> Part:
    """A CUDA context with torch's kernels."""
    return about(
        "context", 0.5 * GIB, 0.47 * GIB, 0.92 * GIB, "0.47 to 0.92 GiB for each process",
        "CUDA context of torch 2 on A100: 0.47 GiB with lazy loading of modules, 0.92 GiB without",
    )  # fmt: skip


def workspace() -> Part:
    """Where the libraries of matrix products keep intermediate sums; torch allocates it like a tensor."""
    return about(
        "workspace", 8_519_680, 0.0, 64 * 2**20, "8.1 MiB, up to 32 MiB for each of cuBLAS and cuBLASLt",
        "pytorch/pytorch#120925: CUBLAS_WORKSPACE_CONFIG :4096:2:16:8 by default, 32 MiB on Hopper",
    )  # fmt: skip


def fragmentation(held: float, converted: bool = False) -> Part:
    """What the caching allocator reserves beyond what is asked for.

    Args:
        held: bytes that are allocated.
        converted: whether larger weights lay on the device before, whose segments are now half empty.
    """
    if converted:
        return about(
            "allocator", 0.2 * held, 0.05 * held, 0.35 * held, "5 to 35 % of what is allocated, after larger weights were there",
            "reserved over allocated in the table of pytorch/ao, torchao/quantization/README.md, whose models are quantised in place",
        )  # fmt: skip
    return about(
        "allocator", 0.02 * held, 0.0, 0.10 * held, "0 to 10 % of what is allocated",
        "torch's caching allocator: segments of 2 and 20 MiB; 0 to 2 % with expandable segments, up to 10 % without",
    )  # fmt: skip


def with_these(parts: list[Part], on_gpu: bool, converted: bool = False) -> tuple[Part, ...]:
    """Parts of an instant, and on a GPU what is held besides."""
    if not on_gpu:
        return tuple(parts)
    held = [*parts, workspace()]
    return (*held, fragmentation(sum(part.bytes for part in held), converted), context())
