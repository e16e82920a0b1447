"""The web process and the Celery process never import torch; the web serves every page with torch not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "torchao", "bitsandbytes", "accelerate")
REFUSE = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)
sys.meta_path.insert(0, Refuse())
"""


def run(code: str, tmp_path: Path) -> str:
    """Run code in a fresh interpreter with an empty data folder and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRADESPACE_")}
    environment["TRADESPACE_DATA"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["app.main", "app.cli", "workers.tasks", "workers.launcher", "workers.terminal"])
def test_importing_leaves_torch_out(module: str, tmp_path: Path) -> None:
    printed = run(
        f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])",
        tmp_path,
    )
    assert printed.strip() == "[]"


def test_every_page_is_served_with_torch_uninstalled(tmp_path: Path) -> None:
    code = REFUSE + (
        "from fastapi.testclient import TestClient\n"
        "from app.main import create_app\n"
        "from app.settings import Settings\n"
        "from app.db.migrate import migrate\n"
        "from app.db.session import Database\n"
        "from app.door.security import create_token\n"
        "settings = Settings()\n"
        "migrate(settings)\n"
        "application = create_app(settings)\n"
        "with TestClient(application, base_url='http://127.0.0.1:8000') as client:\n"
        "    with application.state.database.writing() as session:\n"
        "        token = create_token(session, name='test', scope='admin')\n"
        "    client.headers['Authorization'] = 'Bearer ' + token\n"
        "    for path in ('/', '/studies', '/studies/new', '/explore', '/compare', '/coverage', '/runs', '/views', '/techniques',\n"
        "        '/techniques/precision', '/models', '/hardware', '/workers', '/docs', '/api/v1/techniques', '/api/v1/models'):\n"
        "        answer = client.get(path)\n"
        "        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in " + repr(HEAVY) + "))\n"
    )
    assert run(code, tmp_path).strip().endswith("[]")
