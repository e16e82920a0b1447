"""The menus over REST, as their files declare them, and an API description that programs can use."""

from fastapi.testclient import TestClient

from workers.catalog import evaluations, metrics, models, techniques, workloads


def test_the_menus_are_complete_and_in_their_order(client: TestClient) -> None:
    for name, words in (
        ("techniques", [t.word for t in techniques.TECHNIQUES]),
        ("models", [m.word for m in models.MODELS]),
        ("workloads", [w.word for w in workloads.WORKLOADS]),
        ("evaluations", [e.word for e in evaluations.EVALUATIONS]),
        ("metrics", [m.name for m in metrics.METRICS]),
    ):
        answer = client.get(f"/api/v1/{name}")
        assert answer.status_code == 200
        assert [item["name"] for item in answer.json()["items"]] == words


def test_a_technique_says_what_it_needs_and_what_is_known_of_it(client: TestClient) -> None:
    items = {item["name"]: item for item in client.get("/api/v1/techniques").json()["items"]}
    precision = items["precision"]
    assert precision["parameters"]["properties"]["dtype"]["enum"] == ["fp32", "tf32", "fp16", "bf16"]
    assert precision["expected"][0]["source"]["url"].startswith("https://")
    assert precision["requires"]["devices"] == ["cpu", "cuda"]
    for name, item in items.items():
        for other in item["conflicts"]:
            assert name in items[other]["conflicts"], "conflicts are told from both sides"


def test_the_description_names_every_call_and_its_refusals(client: TestClient) -> None:
    description = client.get("/api/v1/openapi.json").json()
    post = description["paths"]["/api/v1/studies"]["post"]
    assert {"201", "401", "403", "422"} <= set(post["responses"])
    assert "application/problem+json" in post["responses"]["422"]["content"]
    assert any(parameter["name"] == "Idempotency-Key" for parameter in post["parameters"])
    assert not any(path.startswith("/studies") for path in description["paths"])


def test_no_page_of_the_framework_loads_scripts_from_elsewhere(client: TestClient) -> None:
    for path in ("/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
    assert '<script src="http' not in client.get("/docs").text
