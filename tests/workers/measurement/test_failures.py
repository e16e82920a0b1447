"""What went wrong becomes the right word."""

import signal
import warnings

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from workers.catalog.model import Unsupported
from workers.measurement import failures
from workers.measurement.failures import Invalid


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 - that is what is asked for
        return caught


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "oom_device"),
        (RuntimeError("CUDA error: out of memory"), "oom_device"),
        (MemoryError(), "oom_host"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."), "oom_host"),
        (OSError(12, "Cannot allocate memory"), "oom_host"),
        (Unsupported("no such device"), "unsupported"),
        (ModuleNotFoundError("No module named 'bitsandbytes'", name="bitsandbytes"), "unsupported"),
        (Invalid("loss is nan"), "invalid"),
        (ValueError("something else"), "error"),
        (RuntimeError("shapes do not fit"), "error"),
    ],
)
def test_an_exception_becomes_its_outcome(error: BaseException, outcome: str) -> None:
    failed = failures.typed(raised(error))
    assert failed.outcome == outcome
    assert failed.message


def test_real_host_memory_errors_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert failures.typed(caught.value).outcome == "oom_host"


def test_a_wrapped_exception_counts_as_what_it_wraps() -> None:
    assert failures.typed(raised(RuntimeError("backend failed"), MemoryError())).outcome == "oom_host"


def test_an_error_keeps_class_message_and_tail() -> None:
    failed = failures.typed(raised(KeyError("layer")))
    assert failed.message == "KeyError: 'layer'"
    assert failed.tail is not None
    assert "Traceback" in failed.tail


def test_a_kernel_that_refuses_is_unsupported() -> None:
    query = torch.zeros(1, 1, 4, 8)
    with (
        sdpa_kernel(SDPBackend.FLASH_ATTENTION),
        warnings.catch_warnings(action="ignore"),
        pytest.raises(RuntimeError) as refused,
    ):
        scaled_dot_product_attention(query, query, query, dropout_p=0.5)
    assert failures.typed(refused.value).outcome == "unsupported"


def test_a_missing_package_is_named() -> None:
    failed = failures.typed(ModuleNotFoundError("No module named 'torchao.quantization'", name="torchao.quantization"))
    assert "'torchao'" in failed.message


@pytest.mark.parametrize(
    ("code", "tail", "oom_killed", "outcome", "number"),
    [
        (-signal.SIGSEGV, "", False, "crashed", signal.SIGSEGV),
        (-signal.SIGABRT, "free(): invalid pointer", False, "crashed", signal.SIGABRT),
        (
            -signal.SIGABRT,
            "terminate called after throwing an instance of 'std::bad_alloc'",
            False,
            "oom_host",
            signal.SIGABRT,
        ),
        (-signal.SIGKILL, "", True, "oom_host", signal.SIGKILL),
        (-signal.SIGKILL, "", False, "killed_unknown", signal.SIGKILL),
        (3, "", False, "error", None),
        (1, "libgomp: Thread creation failed: Resource temporarily unavailable", False, "oom_host", None),
    ],
)
def test_an_end_without_an_answer_becomes_its_outcome(
    code: int, tail: str, oom_killed: bool, outcome: str, number: int | None
) -> None:
    failed, by = failures.ended(code, tail, oom_killed)
    assert failed.outcome == outcome
    assert by == number
