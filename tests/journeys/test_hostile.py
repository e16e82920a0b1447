"""Forty hostile texts in every field that people fill, in Chromium: nothing runs, nothing is asked of another origin."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, expect

from app.db import queries
from app.door.security import create_token
from tests import demo
from tests.hostile import PAYLOADS
from tests.journeys.test_browser import WIDE, Site, open_page, serving

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, list[str]]]:
    """A study whose 40 variants and 40 notes are the texts, others named so, tags on it and on a run; all their pages."""
    with serving(tmp_path_factory.mktemp("hostile")) as site:
        demo.present(site.database)
        site.link()
        owner = demo.owner(site.database)
        stack = demo.order()["variants"][0]["stack"]
        variants = [{"name": text, "stack": stack} for text in PAYLOADS]
        study = demo.submit(site.database, demo.order(name=PAYLOADS[0], variants=variants), owner)
        demo.measure(site.database, study)
        for text in PAYLOADS[1:]:
            demo.submit(site.database, demo.order(name=text, variants=[]), owner)
        with site.database.reading() as session:
            runs = [run.id for run in queries.runs(session, study)]
        with site.database.writing() as session:
            token = create_token(session, "me", "submit")
        with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
            for text in PAYLOADS:
                assert client.post(f"/api/v1/studies/{study}/notes", json={"text": text}).status_code == 201
            for place, texts in ((f"studies/{study}", PAYLOADS[:20]), (f"runs/{runs[1]}", PAYLOADS[20:])):
                for text in texts:
                    tagged = client.post(f"/api/v1/{place}/tags", json={"tag": text[:40]})
                    assert tagged.status_code == 200, tagged.text
        picks = [f"/compare?runs={','.join(runs[first : first + 10])}" for first in (1, 11, 21, 31)]
        yield site, ["/", "/studies", f"/studies/{study}", f"/runs/{runs[1]}", *picks, "/compare?pick=true"]


def test_nothing_of_it_runs(pages: tuple[Site, list[str]], browser: Browser) -> None:
    site, paths = pages
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    dialogs: list[str] = []

    def answered(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    seen.page.on("dialog", answered)
    seen.page.add_init_script(
        "window.violations = []; addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective))"
    )
    seen.page.goto(site.link())
    for path in paths:
        seen.page.goto(site.url + path)
        seen.page.wait_for_load_state("networkidle")
        assert seen.page.evaluate("window.violations") == [], path
        for fold in seen.page.locator("details").all():
            fold.evaluate("node => { node.open = true; }")
        for mark in seen.page.locator(".plot .point").all()[:5]:
            mark.hover(force=True)
    seen.page.goto(site.url + paths[2])
    first = seen.page.locator(".note").first
    first.get_by_role("button", name="Edit").click()
    expect(first.get_by_label("Your text")).to_have_value(PAYLOADS[0])
    context.close()
    assert (dialogs, seen.faults) == ([], [])
