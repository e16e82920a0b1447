"""The page New study as the server writes it: the reader's own drafts, readable without scripts."""

from app.ordering import drafts
from tests.app.pages.conftest import HOSTILE, House
from tests.submitting import owner


def test_it_lists_the_reader_s_drafts_and_no_others(house: House) -> None:
    other = owner(house.database, "bob")
    with house.database.writing() as session:
        mine = drafts.save(session, house.owner_id, HOSTILE, {})
        drafts.save(session, other, "somebody else's", {})
    page = house.browser.get("/studies/new").text
    assert f'<a href="/studies/new?draft={mine.id}">&lt;img src=x' in page
    assert "<img src=x" not in page
    assert "somebody else" not in page
