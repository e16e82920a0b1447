"""Claims joined: strict filters, what was measured before what was reckoned, and what bound runs here."""

from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from app.db.bound_lists import BoundRun
from app.errors import Invalid, NotFound
from app.knowledge import claims as known
from app.presentation import claims
from app.presentation.claims import STATUSES, Wanted
from tests.app.pages.conftest import House
from tests.app.pages.conftest import full as full


def test_an_address_is_read_strictly() -> None:
    assert claims.wanted([("status", "wrong"), ("technique", ""), ("topic", "optimizer")]) == Wanted(
        "wrong", None, "optimizer"
    )
    with pytest.raises(Invalid) as refused:
        claims.wanted(
            [("state", "wrong"), ("technique", "presicion"), ("topic", "x"), ("status", "wrong"), ("status", "right")]
        )
    found = {problem.field: problem for problem in refused.value.problems}
    assert "One of status, technique, topic." in found["state"].hint
    assert "Did you mean precision?" in found["technique"].message
    assert "optimizer" in found["topic"].hint
    assert found["status"].code == "said_twice"


def test_the_study_of_a_claim_or_why_there_is_none() -> None:
    assert claims.study("bf16-speed")["variants"][0]["stack"] == [{"technique": "precision", "dtype": "bf16"}]
    with pytest.raises(Invalid, match="No study of its own tests adamw-states"):
        claims.study("adamw-states")
    with pytest.raises(NotFound) as missing:
        claims.study("bf16-sped")
    assert "Did you mean bf16-speed?" in str(missing.value.hint)


def row(kind: str, phase: str = "decode", arm: str = "variant") -> BoundRun:
    said: JsonValue = [{"arm": arm, "phase": phase, "kind": kind, "sentence": "So it is."}]
    return BoundRun("01RUN", "bf16", "llama tiny", "decode", "cpu", said)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ((), "not_measured"),
        (("unclear",), "undecided"),
        (("bandwidth", "unclear"), "confirmed"),
        (("overhead", "compute"), "contradicted"),
        (("bandwidth", "overhead"), "mixed"),
    ],
)
def test_what_bound_runs_decides(kinds: Sequence[str], status: str) -> None:
    found = claims.bound_here([row(kind) for kind in kinds], "bandwidth")
    assert found.status == status
    assert sum(found.counts.values()) == len(kinds)


def test_only_the_whole_step_of_the_variant_counts() -> None:
    rows = [row("compute", phase="attention"), row("compute", arm="baseline")]
    assert claims.bound_here(rows, "bandwidth").status == "not_measured"
    assert claims.bound_here([row("bandwidth")._replace(bottlenecks=None)], "bandwidth").status == "not_measured"


def test_every_claim_of_the_file_is_shown_once(full: House) -> None:
    found = full.browser.get("/api/v1/claims").json()
    words = [one["word"] for one in found["items"]]
    assert len(words) == len(set(words)) == sum(found["counts"].values())
    for held in (known.claims(), known.null_tests(), known.reckoned(), known.bounds(), known.unmeasurable()):
        assert {one.word for one in held} <= set(words)
    items = {one["word"]: one for one in found["items"]}
    of_technique = full.browser.get("/api/v1/techniques/precision").json()["known"]["claims"]
    assert of_technique
    for one in of_technique:
        same = items[one["statement"]["word"]]["measured"]
        assert [same[name] for name in ("statement", "status", "counts", "runs", "environments")] == [
            one[name] for name in ("statement", "status", "counts", "runs", "environments")
        ]
        assert [met["effect"] for met in same["cases"]] == [met["effect"] for met in one["cases"]]
    assert items["bf16-memory"]["measured"]["cases"][0]["case"]["url"].startswith("/runs/")
    assert (items["adamw-states"]["status"], items["gguf"]["status"]) == ("wrong", "not_measured")
    assert items["noise"]["measured"]["runs"] > 0
    bound = items["prefill-compute"]
    assert (bound["status"], bound["reckoned"]["verdict"]) == ("contradicted", "right"), "what was measured comes first"
    assert set(bound["binding"]["counts"]) == {"bandwidth"}
    assert items["decoding-bandwidth"]["status"] == "right", "nothing was decoded here"


def test_filters_choose_and_the_counts_stay(full: House) -> None:
    everything = full.browser.get("/api/v1/claims").json()["counts"]
    assert set(everything) <= set(STATUSES)
    for status, count in everything.items():
        found = full.browser.get(f"/api/v1/claims?status={status}").json()
        assert (len(found["items"]), found["counts"]) == (count, everything)
    about = full.browser.get("/api/v1/claims?technique=attention&topic=attention").json()["items"]
    assert len(about) == 20
    assert {one["topic"] for one in about} == {"attention"}
    refused = full.browser.get("/api/v1/claims?status=true")
    assert (refused.status_code, refused.json()["field"]) == (422, "status")
    assert "confirmed" in refused.json()["errors"][0]["hint"]
    study = full.browser.get(next(one["study"] for one in about if one["study"])).json()["study"]
    assert study["workload"]["name"] == "attention"
    assert full.browser.get("/api/v1/advice").json()["overhead"]["steps"][0]["techniques"] == ["torch_compile"]
