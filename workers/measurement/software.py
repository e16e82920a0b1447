"""How torch and the libraries under it are built and set in a measuring process; part of the environment's fingerprint."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

MAPS = Path("/proc/self/maps")
OPENMP = re.compile(r"/(lib(?:gomp|iomp5|omp)\b[^/\s]*)")
ALLOCATORS = re.compile(r"/(lib(?:jemalloc|tcmalloc|mimalloc|hoard)[^/\s]*)")
INTEL = re.compile(r"Math Kernel Library Version (\S+)")
ONEDNN = re.compile(r"MKL-DNN (v\S+)")
STANDARD = re.compile(r"OpenMP (\d+)")
BLAS = re.compile(r"BLAS_INFO=(\w+)")
OPTIONAL = re.compile(r"([\w.-]+).*;\s*extra\s*==\s*['\"]([\w-]+)['\"]")
"""A package that an extra brings, as a distribution's metadata names it: ``lm-eval; extra == 'eval'``."""


def missing(package: str) -> str:
    """What is said of a package that is not there, with the extra of ours that brings it.

    Args:
        package: Its import name.
    """
    said = f"the package {package}, which is not installed here."
    try:
        wanted = importlib.metadata.requires("tradespace") or []
    except importlib.metadata.PackageNotFoundError:  # Run from a copy that nobody installed.
        return said
    for found in filter(None, map(OPTIONAL.match, wanted)):
        # A distribution may carry its maker's name before that of the package.
        if re.sub(r"[-.]", "_", found[1]).lower().removeprefix("nvidia_") == package.lower():
            return f"{said} To get it: pip install 'tradespace[{found[2]}]'"
    return said


def fields(on: torch.device, seed: int) -> dict[str, JsonValue]:
    """Versions, threads, precisions, switches and libraries of this process.

    Args:
        on: The device of the run.
        seed: Of the run.
    """
    backends: Any = torch.backends
    loaded = _maps()
    said = torch.__config__.parallel_info()
    found: dict[str, JsonValue] = {
        "torch.version": torch.__version__,
        "torch.git": torch.version.git_version,
        "torch.cuda": torch.version.cuda,
        "torch.cudnn": backends.cudnn.version(),
        "torch.cpu_capability": backends.cpu.get_cpu_capability(),
        "torch.threads": torch.get_num_threads(),
        "torch.interop_threads": torch.get_num_interop_threads(),
        "torch.mkl": backends.mkl.is_available(),
        "torch.mkldnn": backends.mkldnn.is_available() and backends.mkldnn.enabled,
        "torch.openmp": backends.openmp.is_available(),
        "torch.fp32_precision": backends.fp32_precision,
        "torch.matmul_precision": torch.get_float32_matmul_precision(),
        "torch.deterministic": torch.are_deterministic_algorithms_enabled(),
        "library.blas": _first(BLAS, torch.__config__.show()),
        "library.mkl": _first(INTEL, said),
        "library.onednn": _first(ONEDNN, said),
        "library.openmp": _first(STANDARD, said),
        "library.openmp_runtime": _all(OPENMP, loaded),
        "allocator.host": _all(ALLOCATORS, loaded) or " ".join(platform.libc_ver()).strip(),
        "run.seed": seed,
    }
    if on.type == "cuda":
        found |= {
            "torch.cudnn_benchmark": backends.cudnn.benchmark,
            "torch.cudnn_deterministic": backends.cudnn.deterministic,
            "torch.cuda_fp32_precision": backends.cuda.matmul.fp32_precision,
            "torch.cuda_fp16_reduced": backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
            "torch.cuda_bf16_reduced": backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
            "torch.flash_attention": backends.cuda.flash_sdp_enabled(),
            "torch.cudnn_attention": backends.cuda.cudnn_sdp_enabled(),
            "allocator.cuda": torch.cuda.get_allocator_backend(),
        }
    return found


def _maps() -> str:
    """The files mapped into this process, libraries among them; empty where the kernel does not list them."""
    try:
        return MAPS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1) if found else None


def _all(pattern: re.Pattern[str], text: str) -> str | None:
    """File names without their folders; the number that a wheel's builder puts into one is kept: it is a version."""
    return ", ".join(sorted(set(pattern.findall(text)))) or None
