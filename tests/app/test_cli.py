"""The command line says clearly what is wrong, and tokens work against the data folder alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(words: list[str], data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`tradespace` with an empty environment of its own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    return subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", *words],
        env=inherited | {"TRADESPACE_DATA": str(data)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_token_is_the_last_word_and_is_listed_and_revoked(tmp_path: Path) -> None:
    made = run(["token", "create", "--name", "me", "--scope", "submit"], tmp_path)
    assert made.returncode == 0
    token = made.stdout.split()[-1]
    assert token.startswith("tsp_")
    listed = run(["token", "list"], tmp_path).stdout
    assert token[:8] in listed
    assert token not in listed
    assert run(["token", "revoke", "me"], tmp_path).stdout == "revoked 1\n"
    assert "revoked" in run(["token", "list"], tmp_path).stdout
    again = run(["token", "revoke", "me"], tmp_path)
    assert again.returncode == 1
    assert "no token 'me'" in again.stderr


@pytest.mark.parametrize(
    ("words", "environment", "code", "says"),
    [
        (["serve"], {"TRADESPACE_PORT": "99999"}, 2, "TRADESPACE_PORT: "),
        (["serve"], {"TRADESPACE_DATA": "/proc/nowhere"}, 2, "TRADESPACE_DATA: cannot use the folder"),
        (["serve"], {"TRADESPACE_DATABASE_URL": "mysql://x"}, 2, "TRADESPACE_DATABASE_URL: must begin with"),
        (["serve"], {"TRADESPACE_HOST": "0.0.0.0", "TRADESPACE_PORT": "0"}, 2, "there is no administrator yet"),
        (["submit", "/no/such/file"], {"TRADESPACE_TOKEN": "x"}, 2, "No such file"),
        (["wait", "x"], {}, 2, "a token is needed"),
        (["compare", "x", "y"], {}, 2, "a token is needed"),
        (["wait", "x"], {"TRADESPACE_TOKEN": "x", "TRADESPACE_SERVER_URL": "http://127.0.0.1:9"}, 1, "does not answer"),
        (["token", "create", "--name", "x", "--scope", "god"], {}, 2, "'read'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], environment: dict[str, str], code: int, says: str, tmp_path: Path
) -> None:
    done = run(words, tmp_path, **environment)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_yaml_study_is_read_before_the_server_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    environment = {"TRADESPACE_TOKEN": "x", "TRADESPACE_SERVER_URL": "http://127.0.0.1:9"}
    file.write_text("name: a\nname: b\n")
    wrong = run(["submit", str(file)], tmp_path, **environment)
    assert (wrong.returncode, wrong.stderr) == (2, "tradespace: the study name is given twice. (line 2)\n")
    file.write_text("name: a\n")
    assert "does not answer" in run(["submit", str(file)], tmp_path, **environment).stderr
