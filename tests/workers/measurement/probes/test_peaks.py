"""The sweep answers something well-formed on a real CPU; what a format cannot do is a note. No bound on any speed."""

import pytest
import torch

from workers.measurement.probes import peaks

CPU = torch.device("cpu")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that take no time."""
    monkeypatch.setitem(peaks.SETS, "cpu", (64 * peaks.KIB, peaks.MIB))
    monkeypatch.setitem(peaks.SIZES, "cpu", (32, 64))
    monkeypatch.setattr(peaks, "SAMPLE_S", 1e-4)


@pytest.mark.usefixtures("small")
def test_every_stream_and_format_has_its_ceilings() -> None:
    found = peaks.sweep(CPU, budget_s=1.0)
    assert [(each.stream, each.working_set) for each in found.bandwidths] == [
        ("copy", 64 * peaks.KIB),
        ("read", 64 * peaks.KIB),
        ("copy", peaks.MIB),
        ("read", peaks.MIB),
    ]
    assert {each.dtype for each in found.products} >= {"float32", "bfloat16"}
    for each in (*found.bandwidths, *found.products):
        assert 0 < each.low <= each.value <= each.high
        assert each.n >= peaks.FEWEST
    assert found.dispatch_s > 0
    assert found.transfers == []


@pytest.mark.usefixtures("small")
def test_a_format_that_cannot_be_multiplied_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("addmm_impl_cpu_ not implemented for 'Half'\nmore")

    monkeypatch.setattr(peaks, "_product", refuse)
    found = peaks.sweep(CPU, budget_s=0.2)
    assert found.products == []
    assert "No products in float16: addmm_impl_cpu_ not implemented for 'Half'" in found.notes


@pytest.mark.usefixtures("small")
def test_larger_sizes_are_left_out_when_the_time_is_up() -> None:
    assert list(peaks._products(CPU, "float32", -1.0, [])) == []


def test_factors_are_random() -> None:
    """Zeros draw less power, so a chip would look faster than it is."""
    torch.manual_seed(0)
    for dtype in ("float32", "bfloat16", "int8"):
        product = peaks._product(CPU, dtype, 16)
        answer = product()
        assert isinstance(answer, torch.Tensor)
        assert answer.shape == (16, 16)
        assert len(set(answer.float().flatten().tolist())) > 100
