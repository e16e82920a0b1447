"""What a page shows, as commands for a shell: by REST, and on the command line where it has a word for it."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urljoin, urlsplit

from app.pages.reproduce import quoted


class Command(NamedTuple):
    """One way to the same data."""

    title: str
    text: str


def commands(server: str, twin: str) -> list[Command]:
    """The commands that give what a page shows.

    Args:
        server: address of this server.
        twin: address of the page's data as JSON, below it.
    """
    given = '-H "Authorization: Bearer $TRADESPACE_TOKEN"'
    found = [Command("curl", f"curl --compressed {given} {quoted(urljoin(server, twin))}")]
    words = _words(twin)
    if words:
        found.append(Command("Command line", f"{words} --server {quoted(server.rstrip('/'))}"))
    return found


def _words(twin: str) -> str | None:
    """What ``tradespace`` calls it; None where it has no command."""
    parts = urlsplit(twin)
    if study := re.fullmatch(r"/api/v1/studies/([0-9A-Z]{26})", parts.path):
        return f"tradespace wait {study[1]}"
    if parts.path == "/api/v1/compare" and (runs := parse_qs(parts.query).get("runs")):
        return " ".join(["tradespace compare", *(quoted(run) for run in runs[0].split(","))])
    return None
