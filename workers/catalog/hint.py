"""The hint "run N may be claimed": its task name, its queues, and the broker settings both sides must share.

The database is the truth. A hint may be lost, doubled, late or forged without effect, so it is acknowledged before the
run and never redelivered (reliability: leases, not the broker, bring lost runs back).
"""

from pathlib import Path
from typing import Any

TASK = "tradespace.run_may_be_claimed"
QUEUES = ("cpu", "cuda")
"""One queue for each kind of device."""


def embedded(data: Path) -> str:
    """The broker that needs no service: kombu's filesystem transport in the data folder."""
    return f"filesystem://{(data / 'broker').resolve()}"


def folder(broker_url: str) -> Path | None:
    """The folder of an embedded broker; None for a broker that is a service."""
    return Path(broker_url.removeprefix("filesystem://")) if broker_url.startswith("filesystem://") else None


def prepare(broker_url: str) -> None:
    """Make the folders of an embedded broker, for its owner's eyes only; a broker that is a service needs nothing."""
    place = folder(broker_url)
    if place is not None:
        for name in ("hints", "read", "control"):
            (place / name).mkdir(parents=True, exist_ok=True, mode=0o700)


def read_folder(broker_url: str) -> Path | None:
    """Where an embedded broker puts the hints that were read; None for a broker that is a service."""
    place = folder(broker_url)
    return place / "read" if place is not None else None


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Celery's configuration for publisher and worker, the same on both sides."""
    settings: dict[str, Any] = {
        "broker_url": broker_url,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "task_publish_retry": False,
        "task_create_missing_queues": False,
        "task_queues": {name: {"exchange": name, "routing_key": name} for name in QUEUES},
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_soft_shutdown_timeout": 20,
        "worker_hijack_root_logger": False,
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_channel_error_retry": True,
    }
    place = folder(broker_url)
    if place is not None:
        # The host means nothing to this transport, but without one it complains at every connection.
        settings["broker_url"] = "filesystem://localhost"
        settings["broker_transport_options"] = {
            "data_folder_in": str(place / "hints"),
            "data_folder_out": str(place / "hints"),
            "processed_folder": str(place / "read"),
            "control_folder": str(place / "control"),
            "store_processed": True,
            "polling_interval": 0.2,
        }
    elif broker_url.startswith(("redis://", "rediss://")):
        settings["worker_disable_prefetch"] = True
        settings["broker_transport_options"] = {
            "visibility_timeout": 600,
            "global_keyprefix": "tradespace:",
            "socket_keepalive": True,
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            "health_check_interval": 25,
            "retry_on_timeout": True,
        }
    return settings
