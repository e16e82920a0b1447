"""Notes and tags over REST: nobody overwrites what they have not read or is not theirs, limits hold, history and audit are kept."""

import threading
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import col

from app.db.session import Database
from app.db.tables import Audit
from app.team import markdown
from app.team.notes import MAX_BYTES, MAX_NOTES
from app.team.tags import MAX_TAGS
from tests.conftest import signed_in
from tests.services import BOTH_DATABASES
from tests.submitting import submitted

both = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def on(database: Database, kind: str = "studies") -> str:
    """Address of a study, or of one of its runs."""
    study, first, *_ = submitted(database)
    return f"/api/v1/{kind}/{study if kind == 'studies' else first}"


def tags(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["tag"] for one in answer.json()["items"]]


@both
@pytest.mark.parametrize("kind", ["studies", "runs"])
def test_a_note_is_written_edited_and_taken_away(client: TestClient, database: Database, kind: str) -> None:
    notes = f"{on(database, kind)}/notes"
    made = client.post(notes, json={"text": "first\r\nline\n"})
    note = made.json()
    assert (made.status_code, note["version"], note["author"], note["text"]) == (201, 1, "ada", "first\nline")
    place = made.headers["location"]
    assert client.get(place).headers["etag"].startswith('W/"'), "of the body, like every other answer's"
    assert client.put(place, json={"text": "second", "version": 1}).json()["version"] == 2
    assert client.put(place, json={"text": "third", "version": 2}).json()["version"] == 3
    assert client.put(place, json={"text": "third", "version": 3}).json()["version"] == 3, "nothing was said anew"
    assert [one["text"] for one in client.get(notes).json()["items"]] == ["third"]
    assert client.delete(f"{place}?version=3").json()["text"] is None
    assert client.get(notes).json()["items"] == []
    assert client.get(place).status_code == 404
    assert client.put(place, json={"text": "again", "version": 4}).status_code == 404
    history = client.get(f"{place}/history").json()["items"]
    assert [one["text"] for one in history] == [None, "third", "second", "first\nline"]
    with database.reading() as session:
        rows = session.execute(select(Audit).where(col(Audit.action).like("note%")).order_by(col(Audit.id))).scalars()
        assert [(row.actor, row.action) for row in rows] == [
            ("ada", "note"), ("ada", "note_edit"), ("ada", "note_edit"), ("ada", "note_edit"), ("ada", "note_remove")
        ]  # fmt: skip


def test_an_edit_of_an_older_version_gets_the_newer_text(app: FastAPI, client: TestClient, database: Database) -> None:
    made = client.post(f"{on(database)}/notes", json={"text": "first"})
    place = made.headers["location"]
    bob = signed_in(app, database, "bob", "admin")
    assert bob.put(place, json={"text": "by bob", "version": 1}).status_code == 200
    for refused in (
        client.put(place, json={"text": "mine", "version": 1}),
        client.delete(f"{place}?version=1"),
    ):
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["field"]) == (409, "note_changed", "version")
        assert (problem["current"]["version"], problem["current"]["text"]) == (2, "by bob")
        assert "bob has changed the note" in problem["detail"]
    assert client.get(place).json()["text"] == "by bob"
    assert client.put(place, json={"text": "mine", "version": 2}).json()["version"] == 3


@both
def test_a_note_is_changed_by_who_wrote_it_and_by_administrators(
    app: FastAPI, client: TestClient, database: Database
) -> None:
    notes = f"{on(database)}/notes"
    bob, eve = signed_in(app, database, "bob", "submit"), signed_in(app, database, "eve", "submit")
    place = bob.post(notes, json={"text": "by bob"}).headers["location"]
    for refused in (eve.put(place, json={"text": "by eve", "version": 1}), eve.delete(f"{place}?version=1")):
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (403, "not_allowed")
        assert problem["detail"].startswith("bob wrote this note; only bob or an administrator edits it")
        assert "your own" in problem["hint"]
    assert [one["text"] for one in client.get(f"{place}/history").json()["items"]] == ["by bob"]
    assert eve.post(notes, json={"text": "by eve"}).status_code == 201
    edited = client.put(place, json={"text": "by ada", "version": 1}).json()
    assert (edited["author"], edited["writer"], edited["version"]) == ("ada", "bob", 2)
    # It stays its writer's, whoever has edited it.
    assert bob.put(place, json={"text": "by bob again", "version": 2}).json()["version"] == 3
    weak = signed_in(app, database, "bob", "read")
    may = {
        name: [one["may_change"] for one in reader.get(notes).json()["items"]]
        for name, reader in (("ada", client), ("bob", bob), ("eve", eve), ("bob, reading", weak))
    }
    assert may == {"ada": [True, True], "bob": [True, False], "eve": [False, True], "bob, reading": [False, False]}
    assert weak.put(place, json={"text": "x", "version": 3}).status_code == 403
    assert client.delete(f"{place}?version=3").json()["text"] is None


def test_a_preview_is_what_the_note_will_show(client: TestClient, app: FastAPI, database: Database) -> None:
    text = "**swapped**, see <b>log</b> ![x](http://elsewhere/x.png) [y](javascript:alert(1))"
    shown = client.post("/api/v1/notes/preview", json={"text": text}).json()["html"]
    assert shown == str(markdown.html(text))
    assert "<strong>swapped</strong>" in shown
    assert not any(wrong in shown for wrong in ("<b>", "<img", 'href="javascript'))
    assert client.post("/api/v1/notes/preview", json={"text": " "}).json()["field"] == "text"
    assert signed_in(app, database, "eve", "read").post("/api/v1/notes/preview", json={"text": "x"}).status_code == 403


@both
def test_of_many_edits_at_once_one_gets_in(client: TestClient, database: Database) -> None:
    place = client.post(f"{on(database)}/notes", json={"text": "first"}).headers["location"]
    answers: list[int] = []

    def edit(number: int) -> None:
        answers.append(client.put(place, json={"text": f"by {number}", "version": 1}).status_code)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    assert len(client.get(f"{place}/history").json()["items"]) == 2


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"text": ""}, "text", "blank"),
        ({"text": " \n "}, "text", "blank"),
        ({"text": "é" * (MAX_BYTES // 2 + 1)}, "text", "a note holds 20,480"),
        ({"text": "a\u0007b"}, "text", "control character"),
        ({"text": "a\u0000b"}, "text", ""),
        ({"text": 7}, "text", ""),
        ({}, "text", "missing"),
        ({"text": "a", "html": "b"}, "html", "not a field"),
    ],
)
def test_a_bad_note_is_named(client: TestClient, database: Database, body: Any, field: str, says: str) -> None:
    notes = f"{on(database)}/notes"
    refused = client.post(notes, json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert says in refused.json()["detail"]
    assert client.get(notes).json()["items"] == []


def test_an_edit_says_which_version_it_read(client: TestClient, database: Database) -> None:
    place = client.post(f"{on(database)}/notes", json={"text": "é" * (MAX_BYTES // 2)}).headers["location"]
    for refused in (
        client.put(place, json={"text": "x"}),
        client.put(place, json={"text": "x", "version": "1"}),
        client.put(place, json={"text": "x", "version": 0}),
        client.delete(place),
        client.delete(f"{place}?version=first"),
    ):
        assert (refused.status_code, refused.json()["field"]) == (422, "version")
    assert client.get(place).json()["version"] == 1


def test_the_same_key_writes_one_note(client: TestClient, database: Database) -> None:
    notes = f"{on(database)}/notes"
    made = [client.post(notes, json={"text": "x"}, headers={"Idempotency-Key": "k"}).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert len(client.get(notes).json()["items"]) == 1


def test_a_note_is_where_it_was_written_and_nowhere_else(client: TestClient, database: Database) -> None:
    here, there = on(database), on(database, "runs")
    note = client.post(f"{here}/notes", json={"text": "x"}).json()["id"]
    for path in (f"{there}/notes/{note}", f"{there}/notes/{note}/history", f"{here}/notes/nothing"):
        assert client.get(path).status_code == 404
    assert client.get("/api/v1/studies/01ARZ3NDEKTSV4RRFFQ69G5FAV/notes").status_code == 404
    assert client.get("/api/v1/workers/01ARZ3NDEKTSV4RRFFQ69G5FAV/notes").status_code == 422


def test_there_is_an_end_to_notes(client: TestClient, database: Database) -> None:
    notes = f"{on(database)}/notes"
    for number in range(MAX_NOTES):
        assert client.post(notes, json={"text": str(number)}).status_code == 201
    refused = client.post(notes, json={"text": "one more"})
    assert (refused.status_code, f"{MAX_NOTES} notes" in refused.json()["detail"]) == (409, True)


@both
def test_tags_are_equal_without_regard_to_case(client: TestClient, database: Database) -> None:
    here, run = on(database), on(database, "runs")
    assert tags(client.post(f"{here}/tags", json={"tag": "  Fits   8 GB "})) == ["Fits 8 GB"]
    assert tags(client.post(f"{here}/tags", json={"tag": "FITS 8 gb"})) == ["Fits 8 GB"]
    assert tags(client.post(f"{run}/tags", json={"tag": "fits 8 gb"})) == ["Fits 8 GB"], "the first spelling stays"
    assert tags(client.post(f"{here}/tags", json={"tag": "A100"})) == ["A100", "Fits 8 GB"]
    found = client.get("/api/v1/studies?tag=fitS%208%20gB").json()["items"]
    assert [(one["url"], one["tags"]) for one in found] == [(here.removeprefix("/api/v1"), ["A100", "Fits 8 GB"])]
    assert client.get("/api/v1/studies?tag=fits").json()["items"] == []
    assert client.get("/api/v1/tags").json()["items"] == [
        {"tag": "A100", "studies": 1, "runs": 0},
        {"tag": "Fits 8 GB", "studies": 1, "runs": 1},
    ]
    assert tags(client.delete(f"{here}/tags?tag=fits%208%20gb")) == ["A100"]
    assert tags(client.delete(f"{here}/tags?tag=fits%208%20gb")) == ["A100"]
    assert client.get("/api/v1/studies?tag=Fits 8 GB").json()["items"] == []


@both
def test_a_tag_is_renamed_and_removed_everywhere(client: TestClient, database: Database) -> None:
    here, run = on(database), on(database, "runs")
    for place, name in ((here, "a"), (run, "a"), (here, "b")):
        client.post(f"{place}/tags", json={"tag": name})
    assert tags(client.put("/api/v1/tags?tag=A", json={"tag": "A"})) == ["A", "b"]
    assert tags(client.get(f"{run}/tags")) == ["A"]
    assert tags(client.put("/api/v1/tags?tag=a", json={"tag": "B"})) == ["b"], "the two became one"
    assert (tags(client.get(f"{here}/tags")), tags(client.get(f"{run}/tags"))) == (["b"], ["b"])
    assert client.put("/api/v1/tags?tag=nothing", json={"tag": "x"}).status_code == 404
    assert tags(client.delete("/api/v1/tags?tag=b")) == []


@both
def test_a_tag_is_changed_for_everybody_by_its_maker_and_by_administrators(
    app: FastAPI, client: TestClient, database: Database
) -> None:
    here, run = on(database), on(database, "runs")
    bob, eve = signed_in(app, database, "bob", "submit"), signed_in(app, database, "eve", "submit")
    assert tags(bob.post(f"{here}/tags", json={"tag": "H100"})) == ["H100"]
    assert tags(eve.post(f"{run}/tags", json={"tag": "h100"})) == ["H100"]
    for refused in (eve.put("/api/v1/tags?tag=h100", json={"tag": "mine"}), eve.delete("/api/v1/tags?tag=H100")):
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["field"]) == (403, "not_allowed", "tag")
        assert problem["detail"].startswith("bob was the first to use the tag; only bob or an administrator")
    assert tags(client.get("/api/v1/tags")) == ["H100"]
    # Study by study, whoever may submit does as they like.
    assert tags(eve.delete(f"{here}/tags?tag=H100")) == []
    assert tags(eve.put("/api/v1/tags?tag=H100", json={"tag": "H200"})) == ["H200"], "hers is the oldest left"
    assert tags(bob.post(f"{here}/tags", json={"tag": "h200"})) == ["H200"]
    assert bob.delete("/api/v1/tags?tag=h200").status_code == 403
    assert tags(client.put("/api/v1/tags?tag=h200", json={"tag": "B200"})) == ["B200"]
    assert tags(eve.delete("/api/v1/tags?tag=b200")) == []
    assert tags(eve.delete("/api/v1/tags?tag=b200")) == [], "there is none, so it is nobody's"


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\nb", "a\u200bb", "a\u202eb", "\u2800\u0000", "a\tb", 7])
def test_a_bad_tag_is_named(client: TestClient, database: Database, name: Any) -> None:
    refused = client.post(f"{on(database)}/tags", json={"tag": name})
    assert (refused.status_code, refused.json()["field"]) == (422, "tag")


def test_there_is_an_end_to_tags(client: TestClient, database: Database) -> None:
    place = f"{on(database)}/tags"
    for number in range(MAX_TAGS):
        assert client.post(place, json={"tag": f"tag {number}"}).status_code == 200
    refused = client.post(place, json={"tag": "one more"})
    assert (refused.status_code, refused.json()["field"]) == (409, "tag")
    assert client.post(place, json={"tag": "TAG 3"}).status_code == 200


def test_who_may_only_read_writes_nothing(app: FastAPI, client: TestClient, database: Database) -> None:
    here = on(database)
    place = client.post(f"{here}/notes", json={"text": "x"}).headers["location"]
    reader = signed_in(app, database, "eve", "read")
    assert reader.get(place).status_code == 200
    for method, path, body in (
        ("POST", f"{here}/notes", {"text": "y"}),
        ("PUT", place, {"text": "y", "version": 1}),
        ("DELETE", f"{place}?version=1", None),
        ("POST", "/api/v1/notes/preview", {"text": "y"}),
        ("POST", f"{here}/tags", {"tag": "y"}),
        ("DELETE", f"{here}/tags?tag=y", None),
        ("PUT", "/api/v1/tags?tag=y", {"tag": "z"}),
        ("DELETE", "/api/v1/tags?tag=y", None),
    ):
        assert reader.request(method, path, json=body).status_code == 403, (method, path)
