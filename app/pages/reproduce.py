"""Commands that repeat what a page shows; they are complete and can be pasted into a shell."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

FILE = "study.json"


def study(spec: JsonValue, server: str) -> list[tuple[str, str]]:
    """A study from the command line, by REST, and with no server, each with its title.

    Args:
        spec: the study as it was posted.
        server: address of this server, ending in a slash.
    """
    return [
        ("The study as a file", _file(FILE, spec)),
        ("Command line", f"tradespace submit {FILE}"),
        ("REST", posted(f"@{FILE}", server)),
        ("Without a server", f"tradespace measure {FILE}"),
    ]


def run(spec: JsonValue) -> str:
    """One run by hand, with torch and nothing else."""
    return f"{_file('run.json', spec)}\npython -I -m workers.measurement < run.json > report.json"


def posted(body: str, server: str) -> str:
    """A curl command that submits a study.

    Args:
        body: the study as JSON, or ``@`` and the name of a file.
        server: address of this server, ending in a slash.
    """
    return (
        f"curl {server}api/v1/studies \\\n"
        '  -H "Authorization: Bearer $TRADESPACE_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {quoted(body)}"
    )


def quoted(text: str) -> str:
    """One word for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _file(name: str, content: JsonValue) -> str:
    filled = (
        {key: value for key, value in content.items() if value is not None} if isinstance(content, Mapping) else content
    )
    return f"cat > {name} <<'JSON'\n{json.dumps(filled, ensure_ascii=False)}\nJSON"
