"""The only place on the web side that speaks to the broker: it publishes the hint "run N may be claimed"."""

from __future__ import annotations

import shutil
import time
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from workers.catalog import hint

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger()

READ_S = 3_600.0
"""How long the embedded broker's files of hints that were read are left alone."""

IMPATIENT = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_max": 0.1,
}
"""How the server connects to a broker that is a service; seconds."""


class Queue:
    """Publishes hints. A hint that cannot be published is dropped: the reaper publishes it again."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url

    @cached_property
    def _celery(self) -> Celery:
        # At the first hint: a server that has nothing to measure starts sooner without Celery, and needs less memory.
        from celery import Celery

        celery = Celery("tradespace", set_as_current=False)
        settings = hint.celery_settings(self._broker_url)
        if hint.folder(self._broker_url) is None:
            # The reaper does not wait for a broker that is away: the next round publishes the hint again.
            settings["broker_transport_options"] = settings.get("broker_transport_options", {}) | IMPATIENT
        celery.conf.update(settings)
        return celery

    def publish(self, run_id: str, device_kind: str) -> bool:
        """Tell the workers of a kind of device about a run. Whether the broker took it."""
        from kombu.exceptions import OperationalError

        try:
            hint.prepare(self._broker_url)
            self._celery.send_task(hint.TASK, args=[run_id], queue=device_kind, ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("broker unreachable", reason=str(error))
            return False
        return True

    def empty(self) -> None:
        """Drop every hint of the embedded broker, torn ones included; a broker that is a service is left alone."""
        place = hint.folder(self._broker_url)
        if place is not None and place.is_dir():
            shutil.rmtree(place)

    def answers(self) -> bool:
        """Whether the broker can be reached now."""
        from kombu.exceptions import OperationalError

        try:
            with self._celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=1, timeout=3)
        except (OperationalError, OSError):
            return False
        return True

    def forget_read(self) -> None:
        """Remove the embedded broker's files of hints that were read long ago."""
        place = hint.read_folder(self._broker_url)
        if place is not None and place.is_dir():
            for file in place.iterdir():
                if file.stat().st_mtime < time.time() - READ_S:
                    file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connections to the broker, if there are any."""
        if "_celery" in self.__dict__:
            self._celery.close()
