"""Settings come from the environment alone; a bad one is one clear line that names it."""

from pathlib import Path

import pytest

from app.settings import CannotStart, Settings, is_loopback, read_settings


def test_the_defaults_need_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert settings.database == f"sqlite:///{tmp_path}/data/tradespace.sqlite"
    assert settings.broker == f"filesystem://{tmp_path}/data/broker"
    assert settings.is_loopback
    assert settings.host_names == {"localhost", "127.0.0.1", "[::1]"}


def test_every_setting_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATA": "/srv/data",
        "HOST": "::",
        "PORT": "80",
        "DATABASE_URL": "postgresql+psycopg://x/y",
        "BROKER_URL": "redis://x/0",
        "ALLOWED_HOSTS": '["Box.Example"]',
        "INSECURE_HTTP": "1",
    }.items():
        monkeypatch.setenv(f"TRADESPACE_{name}", value)
    settings = read_settings()
    assert settings.database == "postgresql+psycopg://x/y"
    assert settings.broker == "redis://x/0"
    assert settings.host_names >= {"box.example", "[::]"}
    assert settings.insecure_http
    assert not settings.is_loopback


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "x"),
        ("PORT", "99999"),
        ("HOST", ""),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", ""),
        ("BROKER_URL", "amqp://x"),
        ("INSECURE_HTTP", "perhaps"),
        ("ALLOWED_HOSTS", '"x"'),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TRADESPACE_{name}", value)
    with pytest.raises(CannotStart) as refused:
        read_settings()
    assert f"TRADESPACE_{name}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_list_that_is_no_json_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADESPACE_ALLOWED_HOSTS", "example.org")
    with pytest.raises(CannotStart, match="written as JSON"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("LOCALHOST", True), ("0.0.0.0", False),
     ("::", False), ("box.example", False), ("10.0.0.1", False), ("", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(name: str, expected: bool) -> None:
    assert is_loopback(name) == expected
