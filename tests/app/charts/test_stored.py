"""Charts of stored studies: raw samples and ceilings come from the database for the charts that show them alone."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.charts import BY_NAME, CHARTS
from app.charts.chart import Choice
from app.charts.drawing import Drawing, draw_stored
from app.db import queries
from app.db.session import Database
from app.devices import ceilings
from app.study import comparison, samples
from tests import demo
from tests.services import BOTH_DATABASES
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.report import Measurement, Report
from workers.catalog.spec import PlannedRun

ORDER = demo.order(variants=demo.order()["variants"][:2], sweep={"sequence_length": [128, 512]})


def counted(planned: PlannedRun) -> Report:
    """The report of a run that also counted its work and read its energy."""
    found = demo.report(planned)
    more = (("compute.intensity", 4.0, "FLOP/B"), ("compute.rate", 30.0, "FLOP/s"), ("energy.token", 0.4, "J"))
    read = tuple(
        Measurement(metric=name, phase="prefill", arm="variant", value=value, low=value, high=value, unit=unit, n=3)
        for name, value, unit in more
    )
    environment = demo.ENVIRONMENT | {"energy.method": "RAPL package counter of 1 CPU package"}
    return found.model_copy(update={"measurements": (*found.measurements, *read), "environment": environment})


@pytest.fixture
def study(database: Database, client: TestClient) -> str:
    """Id of a study that was measured on a device with known ceilings."""
    demo.present(database)
    found = demo.submit(database, ORDER, demo.owner(database))
    demo.measure(database, found, brings=counted)
    with database.reading() as session:
        worker = queries.workers(session).items[0].id
    with database.writing() as session:
        ceilings.keep(session, worker, MEASURED)
    return found


def drawn(database: Database, study: str, name: str, **choice: Any) -> Drawing:
    with database.reading() as session:
        compared = comparison.of_study(session, queries.study(session, study))
        return draw_stored(session, BY_NAME[name], compared, Choice(**choice))


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_samples_ceilings_and_methods_are_read(database: Database, study: str) -> None:
    lines = drawn(database, study, "distribution")
    assert lines.table is not None
    # Three runs at the point, two arms each, three pairs of 60 samples.
    assert [row[1] for row in lines.table.rows] == ["180"] * 6
    roofs = drawn(database, study, "roofline", point=1)
    assert roofs.figure is not None
    assert sum(trace["mode"] == "lines" for trace in roofs.figure["data"]) == 3
    assert "RAPL package counter" in drawn(database, study, "energy").caption


def test_other_charts_read_none_of_it(database: Database, study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(samples, "of_runs", refused)
    monkeypatch.setattr(ceilings, "of_runs", refused)
    for chart in CHARTS:
        if chart.name not in ("distribution", "roofline"):
            drawn(database, study, chart.name)
    with pytest.raises(AssertionError, match="read"):
        drawn(database, study, "distribution")


def test_the_api_hands_out_every_chart_and_refuses_with_what_is_there(client: TestClient, study: str) -> None:
    path = f"/api/v1/studies/{study}/charts"
    for chart in CHARTS:
        answer = client.get(f"{path}/{chart.name}")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["figure"] is None) == bool(told["reason"])
    assert client.get(f"{path}/distribution?view=over_time&point=1").json()["figure"]["layout"]["yaxis3"]
    problem = client.get(f"{path}/scaling?over=batch_size").json()["errors"][0]
    assert (problem["field"], problem["code"], problem["hint"]) == ("over", "not_swept", "Swept: sequence_length.")
    for wrong in ("waterfall?budget=-1", "waterfall?budget=inf", "energy?price=0", "distribution?view=pie"):
        assert client.get(f"{path}/{wrong}").status_code == 422, wrong
