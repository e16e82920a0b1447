"""What a terminal asks the planner: here, or a server that knows its team's devices, and the same about a file."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.guide.rejected import CLASS_WORDS
from app.planner.plan import plan
from app.planner.question import of_address
from app.terminal.client import Client
from app.terminal.planned import answered, lines


def test_a_server_is_asked_about_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    asked: list[httpx.Request] = []
    told = plan(of_address({"model": "Llama-3.1-8B", "device": "RTX 4090"}))

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=json.loads(told.model_dump_json()))

    client = Client("http://house", "token")
    client._client = httpx.Client(base_url="http://house/api/v1", transport=httpx.MockTransport(answer))
    assert answered(str(file), ["device=RTX 4090"], client) == told
    (request,) = asked
    assert (request.method, request.url.path) == ("POST", "/api/v1/plan/gguf")
    assert dict(request.url.params) == {"device": "RTX 4090"}
    assert request.content == file.read_bytes()
    assert request.headers["Content-Type"] == "application/octet-stream"


def test_what_binds_has_the_words_of_the_guide() -> None:
    found = plan(of_address({"model": "Llama-3.1-8B", "device": "RTX 4090"}))
    assert found.fit is not None
    text = "\n".join(lines(found))
    for speed in found.fit.speeds:
        assert f"; {CLASS_WORDS[speed.binds]} binds;" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["plan", "Llama-3.2-1B", "device=RTX 4090"], 0),
        (["plan", "Llama-3.1-70B", "device=RTX 4060"], 1),
        (["plan", "Llama-3.1-70B", "device=RTX 40600"], 2),
        (["plan", "Llama-3.2-1B", "--server", "http://127.0.0.1:9", "--token", "x"], 2),
        (["guide", "Llama-3.1-70B", "task=train", "device=RTX 4060"], 1),
        (["guide", "Llama-3.1-70B", "task=trai", "device=RTX 4060"], 2),
    ],
)
def test_what_a_command_ends_with_is_its_answer(words: list[str], code: int) -> None:
    """1 says that it does not fit; whoever asked wrongly, or nobody, hears 2."""
    assert CliRunner().invoke(app, words).exit_code == code
