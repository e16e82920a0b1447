"""What a worker is told by its environment; no other file of the worker reads it."""

import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workers.catalog import hint

PROGRAM = (sys.executable, "-I", "-m", "workers.measurement")
SHARE_OF_MEMORY = 0.8
"""Of this machine's memory a sitting may hold before it counts as out of memory; the rest keeps the machine alive."""


class BadSettings(Exception):
    """A variable of the environment has a value that cannot be used; the message names it, in one line."""


def _words(command: object) -> object:
    return shlex.split(command) if isinstance(command, str) else command


class Settings(BaseSettings):
    """Settings of a worker; each is read from ``TRADESPACE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TRADESPACE_", env_ignore_empty=True, extra="ignore", frozen=True)

    data: Path = Path("data")
    """Folder for the spool."""
    server_url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://\S+$")
    worker_token: SecretStr | None = None
    broker_url: str | None = None
    """Where hints come from; None is the embedded broker in the data folder."""
    models: Path | None = None
    """Folder with local models; None is ``models`` in the data folder."""
    datasets: Path | None = None
    """Folder with texts and evaluation tasks; None is ``datasets`` in the data folder."""
    hub_models: str = ""
    """Models of the hub that may be loaded: patterns such as ``my-org/*``, separated by commas."""
    memory_limit: int | None = Field(None, ge=1)
    """Bytes a sitting may hold in host memory; None is a share of what this machine has."""
    locks: Path = Path(tempfile.gettempdir()) / f"tradespace-locks-{os.getuid()}"
    """Folder of the devices' locks; all workers of one machine share it."""
    program: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), Field(min_length=1)] = PROGRAM
    """The measuring program; a Python that has torch where this one has not."""

    device: str = "cpu"
    """What this worker measures on: ``cpu``, ``cuda:0``, …"""
    worker_id: str | None = None
    """Id the server gave; the launcher tells it to the Celery process."""

    @property
    def broker(self) -> str:
        """Address of the broker in use."""
        return self.broker_url or hint.embedded(self.data)

    @property
    def spool(self) -> Path:
        """Folder of reports that wait for the server."""
        return self.data.resolve() / "spool"

    @property
    def local_models(self) -> Path:
        """Folder with local models."""
        return (self.models or self.data / "models").resolve()

    @property
    def local_datasets(self) -> Path:
        """Folder with texts and evaluation tasks."""
        return (self.datasets or self.data / "datasets").resolve()

    @property
    def for_program(self) -> dict[str, str]:
        """The variables of ours that the measuring program is given."""
        return {
            "TRADESPACE_MODELS": str(self.local_models),
            "TRADESPACE_HUB_MODELS": self.hub_models,
            "TRADESPACE_DATASETS": str(self.local_datasets),
        }


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        BadSettings: A value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise BadSettings(f"TRADESPACE_{str(first['loc'][0]).upper()}: {first['msg']}") from error
