"""The first study, for real: `tradespace serve`, Chromium, a sign-in link, a small Llama measured on this CPU, a chart and a table."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.keys import Keys

pytestmark = pytest.mark.long

TRADESPACE = Path(sys.executable).with_name("tradespace")
PATIENCE_MS = 280_000
DESIGN_STUDY = {
    "name": "tiny llama, precision",
    "model": {"name": "llama", "preset": "tiny"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
    "evaluation": {"name": "divergence"},
    "baseline": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]},
    "variants": [{"name": "bf16", "stack": [{"technique": "precision", "dtype": "bf16"}]}],
    "sweep": {"sequence_length": [128, 256]},
    "device": "cpu",
    "effort": "quick",
}


class Served(NamedTuple):
    """A running `tradespace serve`."""

    url: str
    link: str
    environment: dict[str, str]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """`tradespace serve` on an empty data folder, with its CPU worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    environment |= {
        "TRADESPACE_DATA": str(tmp_path / "data"),
        "TRADESPACE_PORT": str(port),
        "TRADESPACE_LOCKS": str(tmp_path / "locks"),
    }
    with subprocess.Popen([str(TRADESPACE), "serve"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            link = next(
                (found for line in process.stdout if (found := re.search(r"http://\S+/sign-in/\S+", line))), None
            )
            assert link, "no sign-in link was printed"
            yield Served(f"http://127.0.0.1:{port}", link.group(), environment)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_submit_watch_decide_by_keyboard_alone(served: Served, browser: Browser) -> None:
    page = browser.new_page()
    keys = Keys(page)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(served.url) else refused.append(request.url))
    page.goto(served.link)
    keys.press("n")
    names = page.locator('[data-slot="variants"] .variant-head input')
    expect(names).to_have_count(4)
    assert [name.input_value() for name in names.all()] == ["bf16", "flash attention", "compile", "int8"]
    expect(page.locator('[data-slot="runs"]')).to_have_text("5 runs")
    for name in ("compile", "int8"):  # Two variants show the same as four, in half the time.
        keys.to(page.get_by_role("button", name=f"Remove variant {name}"))
        keys.press("Enter")
    expect(page.locator('[data-slot="runs"]')).to_have_text("3 runs")
    keys.write(page.locator('[data-slot="name"] input'), "by keyboard")
    keys.to(page.get_by_role("button", name="Measure"))
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/studies/[0-9A-Z]{26}$"))
    expect(page.locator("h1")).to_contain_text("by keyboard")
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#study-state")).to_contain_text("running", timeout=PATIENCE_MS, ignore_case=True)
    expect(page.locator("#study-state")).to_contain_text("done", timeout=3 * PATIENCE_MS, ignore_case=True)
    assert page.evaluate("window.sameDocument"), "the page was loaded again while it was watched"
    study = page.url.rsplit("/", 1)[1].partition("?")[0]
    plot = page.locator('[data-chart="trade_off"] .plot.js-plotly-plot')
    expect(plot).to_be_visible()
    _decide(page, keys, plot)
    assert keys.pointed() is None
    _check_table(page)
    token = _token(served, "read")
    answer = httpx.get(f"{served.url}/api/v1/studies/{study}", headers={"Authorization": f"Bearer {token}"}).json()
    assert {run["outcome"] for run in answer["runs"]} == {"ok"}
    for run in answer["runs"]:
        latency = next(e for e in run["effects"] if (e["metric"], e["phase"]) == ("latency", "prefill"))
        assert latency["low"] <= latency["ratio"] <= latency["high"]
        assert latency["verdict"] in ("faster", "slower", "same", "undecided")
    null_test = answer["runs"][0]
    assert null_test["variant"] == "fp32"
    assert next(e["verdict"] for e in null_test["effects"] if e["metric"] == "latency") in ("same", "undecided")
    assert refused == []
    page.close()


@pytest.mark.timeout(600)
def test_a_study_by_rest(served: Served) -> None:
    token = _token(served, "submit")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "first"}
    with httpx.Client(base_url=f"{served.url}/api/v1", headers=headers, timeout=30) as client:
        made = client.post("/studies", json=DESIGN_STUDY)
        assert made.status_code == 201
        assert client.post("/studies", json=DESIGN_STUDY).json()["id"] == made.json()["id"]
        with client.stream("GET", f"/studies/{made.json()['id']}/events", timeout=None) as events:
            for line in events.iter_lines():
                if (
                    line.startswith("data:")
                    and '"done"' in line
                    and client.get(f"/studies/{made.json()['id']}").json()["state"] == "done"
                ):
                    break
        study = client.get(f"/studies/{made.json()['id']}").json()
    assert study["state"] == "done"
    assert [(run["variant"], run["point"]) for run in study["runs"]] == [
        ("fp32", {"sequence_length": 128}),
        ("bf16", {"sequence_length": 128}),
        ("fp32", {"sequence_length": 256}),
        ("bf16", {"sequence_length": 256}),
    ]
    for run in study["runs"]:
        assert run["outcome"] == "ok"
        assert {"metric", "phase", "arm", "value", "low", "high", "unit", "n"} <= set(run["measurements"][0])


@pytest.mark.timeout(600)
def test_a_study_in_the_terminal_with_no_server(tmp_path: Path) -> None:
    study = {name: value for name, value in DESIGN_STUDY.items() if name != "sweep"}
    (tmp_path / "study.json").write_text(json.dumps(study))
    environment = os.environ | {
        "TRADESPACE_DATA": str(tmp_path / "data"),
        "TRADESPACE_LOCKS": str(tmp_path / "locks"),
        "COLUMNS": "160",
    }
    done = subprocess.run(
        [str(TRADESPACE), "measure", str(tmp_path / "study.json")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "bf16" in done.stdout
    assert re.search(r"faster|slower|same|undecided", done.stdout)


def _decide(page: Page, keys: Keys, plot: Locator) -> None:
    """A budget that nothing keeps, the smallest relaxation, the run behind a point of the front, then all effects."""
    fitting = page.locator("[data-fitting]")
    expect(fitting).to_have_text(re.compile(r"^(\d+) of \1 options$"))
    whole = fitting.inner_text()
    budget = page.locator("[data-budget]").first
    keys.to(budget.get_by_role("slider"))
    keys.press("Home")
    expect(fitting).not_to_have_text(whole)
    tight = fitting.inner_text()
    keys.to(budget.locator("[data-says] a"))
    keys.press("Enter")
    expect(fitting).not_to_have_text(tight)
    keys.to(plot)
    keys.press("ArrowRight")
    expect(page.locator("[data-walk]")).to_contain_text("on the front")
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\w+$"))
    keys.to(page.locator('main a[href^="/studies/"]').first)
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/studies/\w+"))
    keys.to(page.get_by_role("navigation", name="Views of this study").get_by_role("link", name="Effects"))
    keys.press("Enter")
    page.wait_for_url(re.compile(r"tab=effects"))


def _check_table(page: Page) -> None:
    """Every row has an interval and a verdict; the null test is the first."""
    rows = page.locator('section[aria-labelledby="against"] tbody tr')
    expect(rows).to_have_count(3)
    for row in rows.all():
        text = row.inner_text()
        assert re.search(r"faster|slower|same|undecided", text), text
        assert "–" in text or "…" in text or "to" in text, text


def _token(served: Served, scope: str) -> str:
    made = subprocess.run(
        [str(TRADESPACE), "token", "create", "--name", f"test-{scope}", "--scope", scope],
        env=served.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.split()[-1]
