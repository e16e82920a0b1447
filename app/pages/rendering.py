"""Templates become answers: the Jinja environment, what every page is told, one function."""

from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.door import assets
from app.pages.commands import commands
from app.pages.formatting import FILTERS

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
_asked: ContextVar[Request | None] = ContextVar("asked", default=None)


async def remember(request: Request) -> None:
    """Let the page that is being made know what was asked for; every page depends on this."""
    _asked.set(request)


@lru_cache
def environment() -> Environment:
    """The templates: everything is escaped, and a name that nobody set is an error."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(FILTERS)
    jinja.globals.update(asset=assets.address, places=())
    return jinja


def page(
    template: str, *, here: str, twin: str | None, signed_in: bool = True, status: int = 200, **context: Any
) -> HTMLResponse:
    """One page.

    Args:
        template: file name in the templates folder.
        here: which entry of the navigation is current.
        twin: address of the same data as JSON; None where there is none (signing in).
        signed_in: whether to show the navigation.
        status: HTTP status.
        context: what the template reads.
    """
    asked = _asked.get()
    text = (
        environment()
        .get_template(template)
        .render(
            here=here,
            twin=twin,
            signed_in=signed_in,
            status=status,
            demo=asked.app.state.demo if asked else None,
            # An address that signs in is a secret until it is used up, and stays off every page.
            address=str(asked.url) if asked and signed_in else "",
            commands=commands(str(asked.base_url), twin) if asked and twin else [],
            **context,
        )
    )
    return HTMLResponse(text, status_code=status)
