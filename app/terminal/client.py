"""The command line's side of the REST API: submit a study, follow it, cancel it."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import httpx

TIMEOUT_S = 30.0
RETRY_S = 1.0
"""Before the events are asked for again."""
GIVE_UP_S = 60.0
"""Without an answer from the server."""
ENDED = frozenset({"done", "cancelled"})


class ClientError(Exception):
    """The server refused, or did not answer; the message is for the person at the terminal."""


class Happening(NamedTuple):
    """One server-sent event of a study."""

    kind: str
    """state, progress, log, study."""
    data: dict[str, Any]


class Client:
    """Speaks to one server with one token.

    Args:
        url: The server's address.
        token: A bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self._url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=False,  # A proxy must not see the token, nor stand before a server on this machine.
        )

    def submit(self, text: str) -> dict[str, Any]:
        """Store a study; returns it as the server keeps it."""
        return self._ask("POST", "/studies", content=text)

    def study(self, study: str) -> dict[str, Any]:
        """A study with its runs."""
        return self._ask("GET", f"/studies/{quote(study, safe='')}")

    def cancel(self, study: str) -> str:
        """Cancel what is left of a study; returns its state."""
        return str(self._ask("POST", f"/studies/{quote(study, safe='')}/cancel")["state"])

    def compare(self, runs: Sequence[str]) -> dict[str, Any]:
        """Runs side by side."""
        return self._ask("GET", f"/compare?runs={quote(','.join(runs), safe=',')}")

    def plan(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The planner's answer, with the server's team's devices."""
        return self._ask("GET", f"/plan?{urlencode(given)}")

    def plan_of_file(self, given: Mapping[str, str], beginning: bytes) -> dict[str, Any]:
        """The same about the model of a GGUF file.

        Args:
            given: the question's fields.
            beginning: of the file, up to its tensors.
        """
        query = f"?{urlencode(given)}" if given else ""
        return self._ask("POST", f"/plan/gguf{query}", beginning, "application/octet-stream")

    def guide(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The guide's answer, with what the server's team measured."""
        return self._ask("GET", f"/guide?{urlencode(given)}")

    def page(self, study: dict[str, Any]) -> str:
        """Address of a study's page."""
        return str(httpx.URL(self._url).join(study["url"]))

    def follow(self, study: str) -> Iterator[Happening]:
        """What happens to a study until it ends; connects again when the connection is lost.

        Raises:
            ClientError: The server refuses, or stays away.
        """
        last = ""
        state, heard = self.study(study)["state"], time.monotonic()
        while state not in ENDED:
            try:
                for number, happening in self._listen(study, last):
                    last = number or last
                    yield happening
                    if happening.kind == "study" and happening.data.get("state") in ENDED:
                        return
            except httpx.HTTPError:
                time.sleep(RETRY_S)
            try:
                state, heard = self.study(study)["state"], time.monotonic()
            except ClientError as error:
                if not isinstance(error.__cause__, httpx.HTTPError) or time.monotonic() - heard > GIVE_UP_S:
                    raise
                time.sleep(RETRY_S)

    def _listen(self, study: str, last: str) -> Iterator[tuple[str, Happening]]:
        """Events of a study after one that is known, until the connection ends."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with self._client.stream("GET", f"/studies/{quote(study, safe='')}/events", headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                raise ClientError(_reason(answer))
            yield from _events(answer.iter_lines())

    def _ask(
        self, method: str, path: str, content: str | bytes | None = None, media: str = "application/json"
    ) -> dict[str, Any]:
        headers = {"Content-Type": media} if method == "POST" else {}
        try:
            answer = self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise ClientError(f"{self._url} does not answer: {error}") from error
        if not answer.is_success:
            raise ClientError(_reason(answer))
        body = answer.json()
        assert isinstance(body, dict)
        return body


def _reason(answer: httpx.Response) -> str:
    """What a refusal says, one line for each field that is wrong."""
    try:
        problem = answer.json()
    except ValueError:
        return f"the server answered {answer.status_code}"
    lines = [str(problem.get("detail", f"the server answered {answer.status_code}"))]
    for each in problem.get("errors") or []:
        lines.append(f"{each.get('field')}: {each.get('message')} {each.get('hint') or ''}".rstrip())
    if len(lines) == 1 and problem.get("hint"):
        lines.append(str(problem["hint"]))
    return "\n".join(lines)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Happening]]:
    """Server-sent events with their ids (WHATWG HTML, 9.2.6)."""
    number = kind = data = ""
    for line in lines:
        if not line:
            if data:
                yield number, Happening(kind or "message", json.loads(data))
            kind = data = ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            number = value
        elif field == "event":
            kind = value
        elif field == "data":
            data += value
