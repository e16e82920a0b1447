"""The roofline tab of a study: another device picked in the address, and what to do about what binds; the latter on a run's page too."""

import re

from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read


def test_another_device_is_picked_in_the_address(full: House) -> None:
    study = f"/studies/{full.studies['done']}"
    page = read(full, f"{study}?tab=roofline")
    assert '<optgroup label="NVIDIA">' in page
    assert "estimate, not measured" not in page
    picked = read(full, f"{study}?tab=roofline&what_if=H100+PCIe")
    assert '<option value="H100 PCIe" selected>' in picked
    assert 'data-reads="what_if"' in picked
    refused = read(full, f"{study}?tab=roofline&what_if=Abacus", 422)
    assert "H100 PCIe" in refused


def test_the_twin_reads_it_too(full: House) -> None:
    chart = f"/api/v1/studies/{full.studies['done']}/charts/roofline"
    assert full.browser.get(f"{chart}?what_if=A10").status_code == 200
    assert full.browser.get(f"{chart}?what_if=").status_code == 200
    refused = full.browser.get(f"{chart}?what_if=Abacus")
    assert (refused.status_code, refused.json()["field"]) == (422, "what_if")


def test_advice_stands_beside_what_binds(full: House) -> None:
    page = read(full, f"/studies/{full.studies['done']}?tab=roofline")
    advice = page[page.index('id="binds"') :]
    assert "Memory bandwidth binds: what to do" in advice
    assert '<a href="/techniques/int8_weight_only">Int8 weight-only</a>' in advice
    assert "Roofline" in advice
    assert "Overhead binds: what to do" not in advice, "nothing is bound by it"
    run = re.search(r'href="(/runs/[0-9A-Z]{26})"', advice)
    assert run is not None
    assert "Memory bandwidth binds: what to do" in read(full, run[1])
