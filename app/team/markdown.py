"""Markdown that people wrote becomes HTML that is safe to show: no HTML of theirs, no pictures, no scripts.

Two fences, each enough by itself: the parser treats HTML as text, and what it writes is cleaned by an allow-list of
elements, attributes and schemes of links. The pages' content security policy is the third.
"""

from collections.abc import Sequence
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

HEADING = "h4"
"""All headings of a note: its place in the page is below a heading of the page's own, whatever its author thought."""
TAGS = {
    *("p", "br", "hr", HEADING, "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
REL = "noopener nofollow noreferrer"
"""A linked page gets no handle on ours, no vote and no address of where the link stood."""
KEPT = 256
"""Notes that were turned into HTML lately."""


@lru_cache(maxsize=KEPT)
def html(text: str) -> Markup:
    """A text in Markdown (CommonMark with tables and strikethrough) as HTML.

    Args:
        text: whatever somebody typed.
    """
    tokens = _parser().parse(text)
    _flatten(tokens)
    written = _parser().renderer.render(tokens, _parser().options, {})
    clean = nh3.clean(written, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=REL)
    return Markup(clean)


@lru_cache
def _parser() -> MarkdownIt:
    """CommonMark with HTML as text; pictures would be loaded from elsewhere, so they are links."""
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["image"])


def _flatten(tokens: Sequence[Token]) -> None:
    """Give every heading the same level."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = HEADING
