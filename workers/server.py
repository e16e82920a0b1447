"""The worker's side of the server's REST API: announce, claim, start, beat, finish, release."""

from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Paper
from workers.catalog.lease import Announcement, Beat, Claim, Finish, Granted, Pulse, Release, Start, Work

PaperType = TypeVar("PaperType", bound=BaseModel)
CONFLICT = 409


class Unreachable(Exception):
    """The server did not answer, or could not; the same request may succeed later.

    ``answered`` tells a server that failed from one that is not there.
    """

    def __init__(self, message: str, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class Refused(Exception):
    """The server answered no, and would again."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code} ({status}): {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class Server:
    """Speaks to one server with one worker's token; may be used from several threads.

    Args:
        url: The server's address.
        token: A bearer token with the scope ``worker``.
        timeout_s: For one answer.
    """

    def __init__(self, url: str, token: str, timeout_s: float = 15.0) -> None:
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
            trust_env=False,  # A proxy for the web must not see the token, nor stand before a server on this machine.
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def announce(self, announcement: Announcement) -> str:
        """Say that the worker is there; returns its id."""
        return str(self._ask("POST", "/workers", announcement)["worker"])

    def work(self, worker: str) -> Work:
        """How many runs wait that this worker could claim, and what else is asked of it."""
        return self._read(Work, self._ask("GET", f"/workers/{worker}/work"))

    def ceilings(self, worker: str, ceilings: Ceilings) -> None:
        """Hand over what the worker's device can do at most."""
        self._ask("PUT", f"/workers/{worker}/ceilings", ceilings)

    def claim(self, run: str, claim: Claim) -> Granted:
        """Ask for a run."""
        return self._read(Granted, self._ask("POST", f"/runs/{run}/claim", claim))

    def start(self, run: str, start: Start) -> Pulse:
        """Say that the measuring program runs."""
        return self._read(Pulse, self._ask("POST", f"/runs/{run}/start", start))

    def beat(self, run: str, beat: Beat) -> Pulse:
        """Say that the attempt lives, and how far it is."""
        return self._read(Pulse, self._ask("POST", f"/runs/{run}/beat", beat))

    def finish(self, run: str, finish: Finish) -> None:
        """Hand over the report."""
        self._ask("POST", f"/runs/{run}/finish", finish)

    def release(self, run: str, release: Release) -> None:
        """Give the run back without a report."""
        self._ask("POST", f"/runs/{run}/release", release)

    def _ask(self, method: str, path: str, paper: Paper | None = None) -> Any:
        """One request.

        Raises:
            Unreachable: No answer, an answer that is no JSON, or one that blames the server (5xx, 408, 425, 429).
            Refused: Any other answer that is not a success.
        """
        headers = {"Content-Type": "application/json"} if paper else {}
        try:
            answer = self._client.request(
                method, path, content=paper.model_dump_json() if paper else None, headers=headers
            )
            body = answer.json() if answer.content else None
        except (httpx.HTTPError, ValueError) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        if answer.is_success:
            return body
        problem = body if isinstance(body, dict) else {}
        if answer.is_server_error or answer.status_code in (408, 425, 429):
            said = f"{method} {path}: answered {answer.status_code} {problem.get('code', '')}".strip()
            raise Unreachable(said, answered=True)
        raise Refused(answer.status_code, str(problem.get("code", "")), str(problem.get("detail", "")))

    def _read(self, kind: type[PaperType], body: Any) -> PaperType:
        try:
            return kind.model_validate(body)
        except ValidationError as error:
            raise Unreachable(
                f"the server's answer is no {kind.__name__}; are the versions the same? {error}"
            ) from error
