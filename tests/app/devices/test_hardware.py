"""Devices: datasheets with their sources, matched by name and memory alone; what was measured of what was said."""

import pytest
from fastapi.testclient import TestClient

from app.devices import hardware
from app.devices.datasheets import Datasheet, datasheet, datasheets
from tests.app.api.test_runs import announce
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.ceilings import Bandwidth, Products


@pytest.mark.parametrize("sheet", datasheets(), ids=lambda sheet: sheet.title)
def test_a_datasheet_is_complete(sheet: Datasheet) -> None:
    assert sheet.sources
    assert all(source.url and source.url.startswith("https://") for source in sheet.sources)
    assert set(sheet.peaks) <= set(hardware.FORMATS)
    assert 1e11 < sheet.bandwidth < 1e13
    assert 2**32 < sheet.memory < 2**39
    # Shorter formats are never slower, and what is dense is never twice the documented sparse rate.
    assert sheet.peaks["float32"] <= sheet.peaks["float16"] <= sheet.peaks.get("float8_e4m3fn", 1e17)


def test_names_are_of_one_device_each() -> None:
    names = [(name.casefold(), sheet.memory) for sheet in datasheets() for name in sheet.names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "gib", "title"),
    [
        ("NVIDIA H200", 140.4, "H200 SXM"),
        ("Tesla T4", 15.0, "T4"),
        ("NVIDIA GeForce RTX 3080", 10.0, "GeForce RTX 3080 10GB"),
        ("NVIDIA GeForce RTX 3080", 12.0, None),
        ("NVIDIA GeForce RTX 3080 Ti", 12.0, None),
        ("AMD EPYC 9B45", 23.5, None),
    ],
)
def test_a_device_has_its_own_datasheet_or_none(name: str, gib: float, title: str | None) -> None:
    found = datasheet(name, int(gib * 2**30))
    assert (found.title if found else None) == title


def test_what_is_reached_is_the_best_measured_over_what_is_said() -> None:
    sheet = datasheet("NVIDIA H200", int(140.4 * 2**30))
    assert sheet is not None
    rate = {"low": 1.0, "high": 1e16, "n": 9, "seconds": 0.1}
    measured = MEASURED.model_copy(
        update={
            "bandwidths": (
                Bandwidth(stream="copy", working_set=1 << 20, value=9.0e12, **rate),
                Bandwidth(stream="copy", working_set=1 << 32, value=4.0e12, **rate),
                Bandwidth(stream="read", working_set=1 << 32, value=4.2e12, **rate),
            ),
            "products": (
                Products(dtype="bfloat16", size=4096, value=6.0e14, **rate),
                Products(dtype="bfloat16", size=8192, value=7.0e14, **rate),
            ),
        }
    )
    found = {one.what: one for one in hardware.reached(measured, sheet)}
    assert found["memory"].value == 4.2e12
    assert found["memory"].share == pytest.approx(4.2 / 4.8)
    assert (found["cache"].value, found["cache"].share) == (9.0e12, None)
    assert found["bfloat16"].value == 7.0e14
    assert found["bfloat16"].share == pytest.approx(7.0 / 9.895)
    assert (found["int8"].value, found["int8"].datasheet) == (None, 1.979e15)
    assert hardware.ridges(measured) == {"bfloat16": pytest.approx(7.0e14 / 4.2e12)}


def test_without_a_datasheet_nothing_is_compared() -> None:
    assert {one.share for one in hardware.reached(MEASURED, None)} == {None}
    assert hardware.reached(None, None) == ()


def test_devices_over_rest(client: TestClient, worker: TestClient) -> None:
    assert client.get("/api/v1/hardware").json()["items"] == []
    path = f"/api/v1/workers/{announce(worker)}/ceilings"
    worker.put(path, json=MEASURED.model_dump(mode="json"))
    (shown,) = client.get("/api/v1/hardware").json()["items"]
    assert (shown["datasheet"], shown["workers"][0]["present"]) == (None, True)
    assert shown["reached"][0] == {
        "what": "memory",
        "unit": "B/s",
        "value": 15.0,
        "low": 14.0,
        "high": 16.0,
        "n": 9,
        "datasheet": None,
        "share": None,
    }
    client.post(f"{path}/again")
    detail = client.get(f"/api/v1{shown['url']}").json()
    assert detail["hardware"]["asked_at"] > 0
    assert detail["runs"] == []
    refused = client.get("/api/v1/hardware/nowhere/cpu")
    assert (refused.status_code, shown["id"] in refused.json()["hint"]) == (404, True)
