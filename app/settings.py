"""What the web side is told by its environment; no other file of it reads the environment."""

import ipaddress
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from workers.catalog import hint

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class CannotStart(Exception):
    """Why the program cannot start, in one line for the person who started it. The exit code is 2."""

    exit_code = 2


class Settings(BaseSettings):
    """Settings of the web server; each is read from ``TRADESPACE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TRADESPACE_", extra="ignore", frozen=True)

    data: Path = Path("data")
    """Folder for the database and the embedded broker."""
    host: str = Field("127.0.0.1", min_length=1, max_length=255)
    """Address to listen on."""
    port: int = Field(8000, ge=0, le=65_535)
    """Port to listen on; 0 takes a free one."""
    database_url: str | None = None
    """None is a SQLite file in the data folder."""
    broker_url: str | None = None
    """Where hints are published; None is the embedded broker in the data folder."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which browsers may reach the server, besides its own address and the loopback names."""
    insecure_http: bool = False
    """Allow signing in over plain HTTP from another machine."""

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return url

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("filesystem:///", "redis://", "rediss://")):
            raise ValueError("must begin with redis://, rediss:// or filesystem:///")
        return url

    @property
    def database(self) -> str:
        """Address of the database in use."""
        return self.database_url or f"sqlite:///{self.data.resolve() / 'tradespace.sqlite'}"

    @property
    def broker(self) -> str:
        """Address of the broker in use."""
        return self.broker_url or hint.embedded(self.data)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def host_names(self) -> frozenset[str]:
        """Every name that a request's Host header may have, without its port, in lower case."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, own, *self.allowed_hosts))


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        CannotStart: a variable has a value that cannot be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        raise CannotStart(f"TRADESPACE_{name}: {first['msg'].removeprefix('Value error, ')}") from error
    except SettingsError as error:
        raise CannotStart(f"{error}; lists are written as JSON, for example '[\"example.org\"]'") from error
