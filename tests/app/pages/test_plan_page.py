"""The planner's page, its twin and its words on the command line say the same, and refuse the same."""

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from app.door.limits import HEADER_BYTES
from app.pages.plan import FIRST
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read
from tests.app.planner.models.test_gguf import small
from tests.app.test_cli import run

ASKED = {"model": "Llama-3.1-8B", "phase": "qlora", "batch": "4", "sequence": "2048", "device": "RTX 4060"}
WAYS = [
    ASKED,
    {"model": "DeepSeek-V3", "weights": "fp8", "device": "H200 SXM"},
    {"model": "GPT-2", "device": "GeForce RTX 4090"},
    {"model": "Llama-3.1-70B", "phase": "training", "sharding": "zero3", "devices": "8", "device": "H100 SXM"},
    {"model": "Qwen3-4B", "weights": "q4_k_m", "memory": "6 GiB"},
]


def api(house: House, given: dict[str, str]) -> dict[str, object]:
    reply = house.browser.get(f"/api/v1/plan?{urlencode(given)}", headers={"Accept": "application/json"})
    assert reply.status_code == 200, reply.text
    found: dict[str, object] = reply.json()
    return found


def test_home_leads_to_the_answer(house: House) -> None:
    page = read(house, "/")
    form = page[page.index('action="/plan"') :]
    form = form[: form.index("</form>")]
    for name in ("model", "phase", "batch", "sequence", "device"):
        assert f'name="{name}"' in form
        assert FIRST[name] in form
    answer = read(
        house, f"/plan?{urlencode({name: FIRST[name] for name in ('model', 'phase', 'batch', 'sequence', 'device')})}"
    )
    assert re.search(r"No:?\s+GeForce RTX 4060 is too small", re.sub(r"<svg.*?</svg>", "", answer, flags=re.DOTALL))
    assert "What would make it fit" in answer
    assert "loss in chunks" in answer


@pytest.mark.parametrize("given", WAYS)
def test_the_page_says_what_its_twin_says(house: House, given: dict[str, str]) -> None:
    page = read(house, f"/plan?{urlencode(given)}")
    found = api(house, given)
    fit = found["fit"]
    assert isinstance(fit, dict)
    words = {"fits": "Yes, it fits", "tight": "It may fit, or may not", "no": "No"}
    assert words[fit["verdict"]] in re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    for instant in found["instants"]:  # type: ignore[attr-defined]
        if instant["name"] == found["peak"]:
            for part in instant["parts"]:
                assert (
                    part["high"] <= 0
                    or part["source"].replace("'", "&#39;").replace("&", "&amp;").replace("&amp;#39;", "&#39;") in page
                )
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", page)
    for link in set(re.findall(r'href="(/plan[^"#]*)"', page)):
        assert house.browser.get(link.replace("&amp;", "&")).status_code == 200, link


@pytest.mark.parametrize(
    "given",
    [
        {"model": "GPT-3"},
        {"model": "GPT-2", "batch": "0"},
        {"model": "GPT-2", "colour": "<b>red"},
        {"config": "{" * 50},
    ],
)
def test_what_is_wrong_is_said_beside_its_field(house: House, given: dict[str, str]) -> None:
    reply = house.browser.get(f"/plan?{urlencode(given)}")
    assert reply.status_code == 422
    assert "This cannot be answered." in reply.text
    assert "<b>red" not in reply.text
    told = house.browser.get(f"/api/v1/plan?{urlencode(given)}", headers={"Accept": "application/json"})
    assert told.status_code == 422
    for one in told.json()["errors"]:
        assert f"<code>{one['field']}</code>" in reply.text


def test_a_config_goes_in_a_body(house: House) -> None:
    own = {"Origin": "http://127.0.0.1:8000"}
    config = {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "architectures": ["x"]}  # fmt: skip
    reply = house.browser.post("/api/v1/plan", json={"config": config}, headers=own)
    assert reply.status_code == 200
    assert reply.json()["model"]["parameters"] == 1_235_814_400
    assert "architectures" not in reply.json()["question"]["config"]
    huge = house.browser.post(
        "/api/v1/plan", json={"config": {"model_type": "llama", "x": "y" * 30_000_000}}, headers=own
    )
    assert huge.status_code == 413
    for body, field in (
        ({"config": {"model_type": "llama"}}, "config.hidden_size"),
        ({"model": "GPT-2", "batch": True}, "batch"),
    ):
        refused = house.browser.post("/api/v1/plan", json=body, headers=own)
        assert refused.status_code == 422
        assert refused.json()["field"] == field


def test_a_gguf_header_goes_as_it_is(house: House, tmp_path: Path) -> None:
    held, _ = small(tmp_path)
    headers = {"Origin": "http://127.0.0.1:8000", "Content-Type": "application/octet-stream"}
    reply = house.browser.post("/api/v1/plan/gguf?sequence=64&device=T4&computing=fp16", content=held, headers=headers)
    assert reply.status_code == 200, reply.text
    found = reply.json()
    weights = next(part for part in found["instants"][0]["parts"] if part["name"] == "weights")
    assert weights["bytes"] == found["question"]["stored_bytes"] < len(held)
    page = house.browser.post("/plan/gguf?sequence=64&device=T4&computing=fp16", content=held, headers=headers)
    assert page.status_code == 200
    assert "T4" in page.text
    for body, field in ((b"", "gguf.magic"), (b"GGUF" + b"\xff" * 100, None), (held[:200], None)):
        refused = house.browser.post("/api/v1/plan/gguf", content=body, headers=headers)
        assert refused.status_code == 422, body[:8]
        assert field in (None, refused.json()["field"])
    assert house.browser.post("/api/v1/plan/gguf", json={}, headers={"Origin": headers["Origin"]}).status_code == 415
    assert house.browser.post("/api/v1/plan", content=b"GGUF", headers=headers).status_code == 415
    assert house.browser.post("/api/v1/plan/gguf", content=b"x" * 33_000_000, headers=headers).status_code == 413


def test_the_command_line_says_the_same(house: House, tmp_path: Path) -> None:
    done = run(
        ["plan", "Llama-3.1-8B", *(f"{name}={value}" for name, value in ASKED.items() if name != "model")], tmp_path
    )
    assert done.returncode == 1
    assert "GeForce RTX 4060: does not fit" in done.stdout
    assert "loss in chunks" in done.stdout
    told = run(["plan", "GPT-2", "device=T4", "computing=fp16", "--json"], tmp_path)
    assert told.returncode == 0
    assert '"verdict": "fits"' in told.stdout
    for words, says in (
        (["GPT-3"], "model 'GPT-3'"),
        (["GPT-2", "batch=0"], "batch '0'"),
        (["GPT-2", "batch"], "batch needs a value"),
        (["/no/such.json"], "cannot be read"),
    ):
        refused = run(["plan", *words], tmp_path)
        assert refused.returncode == 2
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_page_sends_as_much_of_a_file_as_the_door_lets_in(house: House) -> None:
    assert f'data-header-bytes="{HEADER_BYTES}"' in house.browser.get("/plan").text
