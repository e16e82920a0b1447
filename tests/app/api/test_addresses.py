"""Addresses of the API are exact: a name that says nothing is refused with those that would, wherever it stands."""

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from app.api.calls import StrictRoute
from tests.contracts.test_every_route_is_guarded import filled

BUDGETS = "/api/v1/studies/{study_id}/charts/{name}"
"""Its budgets are named after quantities, of which a study may have any."""


def paths(app: FastAPI) -> list[str]:
    """What can be read of the API."""
    found = iter_route_contexts(app.routes)
    return [
        one.path
        for one in found
        if isinstance(one.original_route, StrictRoute)
        and one.path
        and "GET" in (one.methods or ())
        and one.path != BUDGETS
    ]


def test_every_address_refuses_a_name_that_it_does_not_know(app: FastAPI, client: TestClient) -> None:
    app.state.is_stopping = lambda: True  # Streams end at once.
    known = paths(app)
    assert len(known) > 30, "the walk finds the routes"
    for path in known:
        answer = client.get(f"{filled(path)}?nonsense=1")
        assert answer.status_code == 422, path
        problems = {one["field"]: one for one in answer.json()["errors"]}
        assert problems["nonsense"]["hint"], path


@pytest.mark.parametrize(
    ("address", "message", "hint"),
    [
        ("/api/v1/hardware?x=1", "is no part of this address.", "It takes no parameters."),
        (
            "/api/v1/runs?stat=queued",
            "Did you mean state?",
            "One of cursor, device, limit, outcome, sort, state, study.",
        ),
        ("/api/v1/claims?stat=wrong", "is no part of this address.", "One of status, technique, topic."),
    ],
)
def test_a_refusal_says_what_would_do(client: TestClient, address: str, message: str, hint: str) -> None:
    (problem,) = client.get(address).json()["errors"]
    assert message in problem["message"]
    assert problem["hint"] == hint


def test_what_changes_something_is_as_exact(client: TestClient) -> None:
    answer = client.post("/api/v1/studies/check?dry=1", json={})
    assert (answer.status_code, answer.json()["field"]) == (422, "dry")
