"""Processors: complete, with sources, and apart from the devices that drivers name."""

import pytest

from app.devices.datasheets import Datasheet, Processor, datasheets, processors


@pytest.mark.parametrize("one", processors(), ids=lambda one: one.title)
def test_a_processor_is_complete(one: Processor) -> None:
    assert one.sources
    assert all(source.url and source.url.startswith("https://") for source in one.sources)
    assert one.flags
    assert 1e10 < one.bandwidth < 1e12
    assert one.peaks["float32"] <= one.peaks.get("bfloat16", 1e17)
    # What is reckoned says so.
    assert any("reckoned" in doubt for doubt in one.doubt)
    assert one.title not in {sheet.title for sheet in datasheets()}


@pytest.mark.parametrize("sheet", datasheets(), ids=lambda sheet: sheet.title)
def test_capability_and_link_are_of_the_architecture(sheet: Datasheet) -> None:
    least = {"Volta": (7, 0), "Turing": (7, 5), "Ampere": (8, 0), "Ada": (8, 9), "Hopper": (9, 0), "Blackwell": (10, 0)}
    assert (sheet.capability is None) is (sheet.maker != "NVIDIA")
    if sheet.capability is not None:
        assert sheet.capability >= least[sheet.architecture]
        assert ("bfloat16" in sheet.peaks) is (sheet.capability >= (8, 0))
        assert ("float8_e4m3fn" in sheet.peaks) is (sheet.capability >= (8, 9))
    assert sheet.link is None or 1e10 < sheet.link < 1e12
