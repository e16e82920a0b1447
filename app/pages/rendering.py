"""Templates become answers: the Jinja environment, links to static files that change with their content, one function."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.pages.formatting import FILTERS

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"


@lru_cache
def asset(path: str) -> str:
    """Address of a static file; a new content is a new address, so browsers may keep it.

    Args:
        path: inside the static folder.
    """
    return f"/static/{path}?v={hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]}"


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
    jinja.globals.update(asset=asset)
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
    text = (
        environment().get_template(template).render(here=here, twin=twin, signed_in=signed_in, status=status, **context)
    )
    return HTMLResponse(text, status_code=status)
