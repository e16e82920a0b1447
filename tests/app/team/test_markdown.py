"""Markdown of notes: what it may be, and that nothing in it acts."""

import re
import time

import pytest

from app.team import markdown
from tests.hostile import PAYLOADS

ALLOWED = re.compile(
    r'</?(?:p|br|hr|h4|strong|em|s|code|pre|blockquote|ul|ol|li|table|thead|tbody|tr|th|td)>|<ol start="\d+">|</a>'
    # With one of these schemes, or with none: a place on this server.
    r'|<a href="(?:https?://|mailto:|(?![a-z][a-z0-9+.-]*:))[^"<>]*"(?: title="[^"<>]*")? rel="noopener nofollow noreferrer">',
    re.IGNORECASE,
)


def test_what_people_write_becomes_elements() -> None:
    written = "# Why\n\nfp32 *swapped*, see [the log](https://example.org 'log') ~~twice~~\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```py\nx < 1\n```\n"
    html = markdown.html(written)
    for part in (
        "<h4>Why</h4>",
        "<em>swapped</em>",
        "<s>twice</s>",
        "<th>a</th>",
        "<td>2</td>",
        "<code>x &lt; 1\n</code>",
    ):
        assert part in html
    assert '<a href="https://example.org" title="log" rel="noopener nofollow noreferrer">the log</a>' in html


def test_pictures_are_links_and_other_schemes_are_no_links() -> None:
    assert "<img" not in markdown.html("![a](https://evil.example/pixel.png)")
    assert 'href="https://evil.example/pixel.png"' in markdown.html("![a](https://evil.example/pixel.png)")
    for address in ("javascript:alert(1)", "vbscript:x", "data:text/html,x", "file:///etc/passwd", "ftp://x/y"):
        assert "href" not in markdown.html(f"[x]({address}) <{address}>")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_but_what_is_allowed_comes_out(payload: str) -> None:
    for text in (
        payload,
        f"> {payload}",
        f"```\n{payload}\n```",
        f"[{payload}](https://x.example)",
        f"[x](<{payload}>)",
    ):
        left = ALLOWED.sub("", markdown.html(text))
        assert "<" not in left, left


@pytest.mark.parametrize(
    "hard", ["[" * 20_000, "*a " * 6_000, "> " * 10_000, "![" * 10_000, "`" * 20_000, "|a" * 9_000]
)
def test_no_note_holds_the_server_up(hard: str) -> None:
    began = time.process_time()
    markdown.html(hard)
    assert time.process_time() - began < 5.0
