"""What the team's own runs teach of a device, from the shipped studies as they are taken in."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.db import device_lists
from app.db.migrate import migrate
from app.devices import hardware
from app.main import create_app
from app.planner import learnt, team
from app.planner.plan import plan
from app.planner.question import Question, of_body
from app.settings import Settings
from app.terminal.demo import load


def test_decoding_is_learnt_from_runs(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    migrate(settings)
    load(settings)
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1:8000"), app.state.database.reading() as session:
        table = app.state.columns.table(session)
        (machine,) = team.machines(session, table)
        (plain,) = team.machines(session)
        (device,) = hardware.devices(session)
        runs = device_lists.run_ids(session, device.id)
    assert machine.measured
    assert not plain.calibrations
    assert set(machine.calibrations) >= {"fp32", "bf16"}
    for found in machine.calibrations.values():
        assert 1e9 < found.bandwidth < 1e12
        assert 0 <= found.layer_s < 0.01
        assert found.points >= 2
    assert learnt.calibrations(table, "another device") == {}
    # Of two devices with one name, each is learnt of by its own runs.
    assert learnt.calibrations(table, machine.title, runs) == machine.calibrations
    assert learnt.calibrations(table, machine.title, frozenset()) == {}
    question = Question(model="Llama-3.2-1B", computing="fp32", device=machine.title)
    answer = plan(of_body(question, (machine,)))
    assert answer.fit is not None
    token = answer.fit.speeds[1]
    assert "learnt from" in token.source
    assert token.seconds == pytest.approx(machine.calibrations["fp32"].seconds(16, token.bytes))
    before = plan(of_body(question, (plain,)))
    assert before.fit is not None
    assert "learnt from" not in before.fit.speeds[1].source
