"""The guide's page, its twin, and its words on the command line; with an empty database and with results."""

import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from app.db import queries
from app.devices import ceilings
from app.planner.team import machines
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read
from tests.app.test_cli import run
from workers.catalog.applicability import problems
from workers.catalog.ceilings import Bandwidth, Ceilings, Products
from workers.catalog.spec import StudySpec

ASKED = {"model": "Llama-3.1-8B", "device": "RTX 4090", "sequence": "512"}
TUNED = {
    "model": "Llama-3.1-8B",
    "task": "finetune",
    "device": "RTX 4060",
    "batch": "4",
    "stack": "qlora,checkpointing",
}
SHIPPED = {"model": "llama tiny", "task": "prefill", "device": "RTX 4090", "sequence": "128", "tolerance": "1 %"}

CEILINGS = Ceilings(
    device="cpu", name="a processor", environment="0123456789abcdef", threads=2, measured_at="2026-01-01T00:00:00+00:00",
    seconds=8.0, contention=0.0, dispatch_s=1e-6,
    bandwidths=(Bandwidth(stream="copy", working_set=10**8, value=1e10, low=1e10, high=1e10, n=9, seconds=0.1),),
    products=tuple(
        Products(dtype=dtype, size=512, value=value, low=value, high=value, n=9, seconds=0.1)
        for dtype, value in (("float32", 1e11), ("bfloat16", 2e11))
    ),
)  # fmt: skip


def api(house: House, given: dict[str, str]) -> dict[str, object]:
    reply = house.browser.get(f"/api/v1/guide?{urlencode(given)}", headers={"Accept": "application/json"})
    assert reply.status_code == 200, reply.text
    found: dict[str, object] = reply.json()
    return found


@pytest.mark.parametrize("given", [ASKED, TUNED, SHIPPED])
def test_the_page_says_what_its_twin_says(house: House, given: dict[str, str]) -> None:
    page = read(house, f"/guide?{urlencode(given)}")
    found = api(house, given)
    advice = found["advice"]
    assert isinstance(advice, dict)
    assert advice["headline"] in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", page)
    for stack in advice["ranked"]:
        assert " + ".join(stack["titles"]) in page
    for one in advice["rejected"]:
        assert one["title"] in page
        assert one["because"]
    for one in found["evidence"]:  # type: ignore[attr-defined]
        assert f'id="evidence-{one["id"].replace(":", "-")}"' in page


def test_every_figure_of_the_pick_has_its_evidence(house: House) -> None:
    found = api(house, ASKED)
    shown = {one["id"] for one in found["evidence"]}  # type: ignore[attr-defined]
    for stack in found["advice"]["ranked"]:  # type: ignore[index]
        for name in ("memory", "time", "ratio", "loss"):
            assert stack[name]["evidence"] or name == "loss", (stack["words"], name)
            assert set(stack[name]["evidence"]) <= shown
            assert stack[name]["grade"] in "ABCD"


def test_what_would_be_measured_can_be_ordered(house: House) -> None:
    found = api(house, SHIPPED)
    study = found["study"]
    assert study, found["not_measurable"]
    spec = StudySpec.model_validate(study)
    assert not problems(spec)
    own = {"Origin": "http://127.0.0.1:8000"}
    made = house.browser.post("/api/v1/studies", json=study, headers=own)
    assert made.status_code == 201, made.text
    names = [variant["name"] for variant in study["variants"]]  # type: ignore[index]
    assert [run["variant"] for run in made.json()["runs"]][1:] == names
    page = read(house, f"/guide?{urlencode(SHIPPED)}")
    held = re.search(r'data-queue="([^"]*)"', page)
    assert held is not None
    assert json.loads(held[1].replace("&#34;", '"').replace("&#39;", "'")) == study
    told = api(house, TUNED)
    assert told["study"] is None
    assert "QLoRA" in str(told["not_measurable"])


@pytest.mark.parametrize("given", [ASKED, SHIPPED])
def test_what_would_be_queued_is_named_and_whether_the_pick_is_among_it(house: House, given: dict[str, str]) -> None:
    found = api(house, given)
    page = unescape(read(house, f"/guide?{urlencode(given)}"))
    listed = re.search(r'<ul class="queued">(.*?)</ul>', page)
    assert listed is not None
    shown = re.findall(r"<li>(.*?)</li>", listed[1])
    pick = " + ".join(found["advice"]["ranked"][0]["titles"])  # type: ignore[index]
    names = [variant["name"] for variant in found["study"]["variants"]]  # type: ignore[index]
    assert shown == [f"{name} (the pick)" if name == pick else name for name in names]
    assert ("The pick is not among them" in page) == (pick not in names)


def test_what_the_team_measured_comes_first(full: House) -> None:
    with full.database.writing() as session:
        ceilings.keep(session, queries.workers(session).items[0].id, CEILINGS)
    with full.database.reading() as session:
        (own,) = machines(session)
    given = {"model": "llama tiny", "task": "prefill", "device": own.title, "sequence": "128", "batch": "1"}
    found = api(full, given)
    measured = [one for one in found["evidence"] if one["kind"] == "measured"]  # type: ignore[attr-defined]
    assert measured
    page = read(full, f"/guide?{urlencode(given, quote_via=quote)}")
    assert f'href="{measured[0]["url"]}">measured here' in page


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"model": "Llama-3.1-8B"}, {"device"}),
        ({"model": "GPT-3", "device": "x", "stack": "qlor"}, {"model", "device", "stack.0"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "generated": "0"}, {"generated"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "task": "prefill", "generated": "8"}, {"generated"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "memory": "100 GiB"}, {"memory"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "tolerance": "-1"}, {"tolerance"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "tolerance": "120 %"}, {"tolerance"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "latency": "soon"}, {"latency"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "effort": "none"}, {"effort"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "colour": "<b>red"}, {"colour"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "memory": "8"}, {"memory"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "memory": "much"}, {"memory"}),
        ({"model": "Llama-3.1-8B", "device": "RTX 4060", "batch": ""}, {"batch"}),
        ({"model": "ResNet-50", "device": "T4"}, {"task"}),
        ({"config": "{", "device": "T4"}, {"config"}),
        ({"config": '{"model_type": "llama"}', "device": "T4"}, {"config.hidden_size"}),
    ],
)
def test_what_is_wrong_is_named(house: House, given: dict[str, str], fields: set[str]) -> None:
    reply = house.browser.get(f"/guide?{urlencode(given)}")
    assert reply.status_code == 422
    assert "<b>red" not in reply.text
    told = house.browser.get(f"/api/v1/guide?{urlencode(given)}", headers={"Accept": "application/json"})
    assert told.status_code == 422
    assert {one["field"] for one in told.json()["errors"]} == fields
    assert all(one["hint"] for one in told.json()["errors"]), told.json()["errors"]


def test_a_body_is_exact(house: House) -> None:
    own = {"Origin": "http://127.0.0.1:8000"}
    body = {"model": "Llama-3.1-8B", "device": "RTX 4090", "sequence": 512}
    assert house.browser.post("/api/v1/guide", json=body, headers=own).status_code == 200
    for wrong in ({"batch": "4"}, {"batch": True}, {"stack": "qlora"}, {"memory": "8 GiB"}, {"tolerance": None}):
        assert house.browser.post("/api/v1/guide", json=body | wrong, headers=own).status_code == 422, wrong


def test_the_command_line_answers_without_a_server(tmp_path: Path) -> None:
    done = run(["guide", "Llama-3.1-8B", "device=RTX 4090", "sequence=512"], tmp_path)
    assert done.returncode == 0
    assert "What binds" in done.stdout
    assert "Left out" in done.stdout
    refused = run(["guide", "GPT-3", "device=x"], tmp_path)
    assert refused.returncode == 2
    assert "model 'GPT-3'" in refused.stderr
    assert "device 'x'" in refused.stderr


def test_the_planner_is_offered_where_it_has_an_answer(house: House) -> None:
    def offered(given: dict[str, str]) -> dict[str, str] | None:
        held = re.search(r'href="(/plan\?[^"]*)">In the planner', read(house, f"/guide?{urlencode(given)}"))
        if held is None:
            return None
        address = unescape(held[1])
        assert house.browser.get(address).status_code == 200
        return dict(parse_qsl(address.partition("?")[2]))

    chat = offered({**ASKED, "generated": "64", "memory": "20 GiB"})
    assert chat == {
        "model": "Llama-3.1-8B", "phase": "inference", "device": "GeForce RTX 4090", "batch": "1", "sequence": "512",
        "generated": "64", "memory": f"{20 * 2**30}", "weights": "bf16", "computing": "bf16", "cache": "bf16", "flash": "true",
    }  # fmt: skip
    tuned = offered(TUNED)
    assert tuned is not None
    assert (tuned["phase"], "generated" in tuned, "memory" in tuned) == ("qlora", False, False)
    assert (tuned["weights"], tuned["computing"], tuned["rank"]) == ("nf4_double", "bf16", "16")
    for given, needed in ((TUNED, tuned), ({**TUNED, "task": "train", "stack": "checkpointing,accumulation"}, None)):
        asked = needed or offered(given)
        assert asked is not None
        before = api(house, given)["advice"]["before"]["memory"]  # type: ignore[index]
        plan = house.browser.get(f"/api/v1/plan?{urlencode(asked)}").json()
        assert plan["bytes"] == pytest.approx(before["value"])
    assert offered(SHIPPED) is None
    assert offered({"model": "ResNet-50", "task": "classify", "device": "T4"}) is None
    of_class = offered(
        {"model": "Llama-3.2-1B", "task": "prefill", "device": "Server CPU, AMX, 32 cores", "memory": "64 GiB"}
    )
    assert of_class is not None
    assert of_class["memory"] == f"{64 * 2**30}"
