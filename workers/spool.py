"""Reports on disk until the server has them: written before the first try, removed once accepted or refused for good."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from workers.catalog.lease import Finish
from workers.catalog.report import Report
from workers.server import Refused, Server, Unreachable

log = logging.getLogger(__name__)

UNAUTHORIZED = 401
FORBIDDEN = 403
TOO_LARGE = 413
UNPROCESSABLE = 422


class Spool:
    """A folder with one file for each report that the server has not answered for.

    Whoever delivers a report holds its file's lock, so that two processes do not deliver it at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._answered = True
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def hand_in(self, server: Server, run: str, finish: Finish) -> bool:
        """Keep a report, then deliver it; where it cannot be kept, deliver it all the same.

        Returns:
            Whether the server has answered for it; if not, it waits here.

        Raises:
            OSError: It can neither be kept (the disk is full) nor delivered.
        """
        try:
            return self._keep_and_send(server, run, finish)
        except OSError as error:
            log.error("the report of run %s cannot be kept in the spool: %s", run, error)
            try:
                server.finish(run, finish)
            except Unreachable:
                raise error from None
            return True

    def _keep_and_send(self, server: Server, run: str, finish: Finish) -> bool:
        path = self.folder / f"{run}-{finish.token}.json"
        new = path.with_suffix(".new")
        with new.open("w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(finish.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
            new.rename(path)
            self._settle()
            return self._send(server, path, finish)

    def deliver(self, server: Server) -> int:
        """Deliver what waits, oldest first, until nobody answers; returns how many are gone.

        A report that makes the server fail waits here, and those behind it are tried all the same.
        """
        gone = 0
        for path in sorted(self.folder.glob("*.json"), key=lambda path: path.name):
            with _locked(path) as content:
                if content is None:
                    continue
                try:
                    finish = Finish.model_validate_json(content)
                except ValidationError:
                    log.error("the spooled report %s is damaged; it is set aside as .damaged", path.name)
                    path.rename(path.with_suffix(".damaged"))
                    continue
                if self._send(server, path, finish):
                    gone += 1
                elif not self._answered:
                    break
        return gone

    def _send(self, server: Server, path: Path, finish: Finish) -> bool:
        run = path.stem.rpartition("-")[0]
        try:
            server.finish(run, finish)
        except Unreachable as error:
            self._answered = error.answered
            log.warning("the report of run %s waits in the spool: %s", run, error)
            return False
        except Refused as error:
            if error.status in (UNAUTHORIZED, FORBIDDEN):
                log.error("the report of run %s waits in the spool: the worker's token is refused: %s", run, error)
                return False
            if error.status in (TOO_LARGE, UNPROCESSABLE) and finish.report.outcome != "error":
                log.error("the server cannot take the report of run %s: %s", run, error)
                said = Report(
                    outcome="error", phase="report", message=f"The server refused the report: {error.detail}"[:2_000]
                )
                return self._send(server, path, Finish(token=finish.token, report=said))
            log.warning("fenced: the report of run %s with token %d is dropped: %s", run, finish.token, error)
        path.unlink(missing_ok=True)
        self._settle()
        return True

    def _settle(self) -> None:
        """Make the folder's entries durable."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _locked(path: Path) -> Iterator[bytes | None]:
    """The file's content under its lock; None when somebody else delivers it, or has."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read() if path.exists() else None
