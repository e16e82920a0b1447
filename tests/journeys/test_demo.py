"""`tradespace demo`: one command to a dashboard with what ships, beside the user's own data and not in it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.journeys.house import DOUBLE, until
from workers import processes

SAID = 6
"""Lines it prints when it is ready."""


def start(tmp_path: Path) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    own = {
        "TRADESPACE_DATA": str(tmp_path),
        "TRADESPACE_DATABASE_URL": f"sqlite:///{tmp_path}/mine.sqlite",
        "TRADESPACE_LOCKS": str(tmp_path / "locks"),
        "TRADESPACE_PORT": "0",
        "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE}",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo"], env=inherited | own, stdout=subprocess.PIPE, text=True
    )


def test_one_command_shows_what_ships(tmp_path: Path) -> None:
    process = start(tmp_path)
    try:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(SAID)]
        assert re.fullmatch(rf"Demo data: +\d+ studies, \d+ runs, loaded into {re.escape(str(tmp_path))}/demo", said[0])
        with httpx.Client(trust_env=False, headers={"Accept": "text/html"}, follow_redirects=True) as browser:
            home = browser.get(said[2].split()[-1]).text
            assert " that the project measured on " in home
            assert "/studies/" in home
        assert (tmp_path / "demo/tradespace.sqlite").is_file()
        assert not (tmp_path / "mine.sqlite").exists(), "the user's own database"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        members = processes.tree(process.pid)
        process.kill()
        process.communicate()
        until(lambda: not any(map(processes.alive, members)), "everything ends with the supervisor")
