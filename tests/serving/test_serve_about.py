"""What a server says of itself."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from serving.in_process import client, ready

import youtu_st
from youtu_st import Encoder
from youtu_st.serving.fields import CohereFields, EmbeddingFields, RerankFields
from youtu_st.serving.server import Server


async def test_it_lives_and_is_ready(server: Server) -> None:
    async with client(server) as http:
        assert (await http.get("/health")).json() == {"status": "ok"}
        assert (await http.get("/ready")).json() == {"status": "ready"}
        assert (await http.head("/health")).status_code == 200


async def test_the_names(server: Server) -> None:
    async with client(server) as http:
        models = (await http.get("/v1/models")).json()
        assert models["object"] == "list"
        assert [one["id"] for one in models["data"]] == ["tiny", "tiny:query", "tiny:document", "judge"]
        for one in models["data"]:
            assert one["object"] == "model"
            assert (await http.get(f"/v1/models/{one['id']}")).json() == one
        unknown = await http.get("/v1/models/other")
        assert unknown.status_code == 404
        assert "tiny:query" in unknown.json()["error"]["message"]


async def test_a_name_with_a_slash(encoder: Encoder) -> None:
    async with client(ready(encoder, name="org/tiny")) as http:
        assert (await http.get("/v1/models/org/tiny:query")).json()["id"] == "org/tiny:query"


async def test_info(server: Server, encoder: Encoder) -> None:
    async with client(server) as http:
        info = (await http.get("/info")).json()
    assert (info["server"], info["version"]) == ("youtu-st", youtu_st.__version__)
    model = info["model"]
    assert (model["identity"], model["fingerprint"]) == (encoder.identity, encoder.fingerprint)
    assert model["names"] == ["tiny", "tiny:query", "tiny:document"]
    assert (model["dimensions"], model["max_length"]) == ([8, 16, 32], 96)
    assert (model["takes_instructions"], model["roles_differ"]) == (True, True)
    assert info["limits"]["texts"] == 64


async def test_nothing_is_known_before_the_model_is_loaded(encoder: Encoder) -> None:
    from youtu_st.serving.settings import ServerSettings

    loading = Server(ServerSettings(name="tiny"), lambda: encoder)
    async with client(loading) as http:
        assert (await http.get("/health")).status_code == 200
        assert [(await http.get(path)).status_code for path in ("/ready", "/info")] == [503, 503]
        assert len((await http.get("/v1/models")).json()["data"]) == 3
        assert (await http.get("/metrics")).status_code == 200


async def test_metrics_count_by_route_and_status_and_hold_no_text(encoder: Encoder) -> None:
    server = ready(encoder, name="tiny")
    async with client(server) as http:
        body = {"input": ["xylophone", "xylophone"], "model": "tiny:query"}
        for path in ("/v1/embeddings", "/v1/embeddings", "/xylophone", "/v1/models/xylophone"):
            await http.post(path, json=body)
        await http.post("/v1/embeddings", json=body | {"input": ["word " * 200], "truncate": True})
        page = (await http.get("/metrics")).text
    assert 'youtu_st_requests_total{route="/v1/embeddings",status="200"} 3.0' in page
    assert 'youtu_st_requests_total{route="other",status="404"} 1.0' in page
    assert "youtu_st_texts_truncated_total 1.0" in page
    assert "xylophone" not in page


async def test_the_page_lists_every_route_and_field_and_loads_nothing(server: Server) -> None:
    async with client(server) as http:
        page = await http.get("/docs")
        description = (await http.get("/openapi.json")).json()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    for path in description["paths"]:
        assert f" {path}</code>" in page.text
    for kind in (EmbeddingFields, CohereFields, RerankFields):
        for name in kind.model_fields:
            assert f"<td><code>{name}</code>" in page.text


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/embeddings", EmbeddingFields), ("/v2/embed", CohereFields), ("/rerank", RerankFields)],
)
async def test_the_description_has_the_bodies(server: Server, path: str, kind: type) -> None:
    async with client(server) as http:
        description = (await http.get("/openapi.json")).json()
    body = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == list(kind.model_fields)
    assert body["additionalProperties"] is False
    assert all(re.search(r"\w", field["description"]) for field in body["properties"].values())
    operations = [one["operationId"] for methods in description["paths"].values() for one in methods.values()]
    assert len(operations) == len(set(operations))


def test_the_routes_load_no_torch() -> None:
    """So that a process answers that it lives long before its model's libraries are there."""
    code = "import sys, youtu_st.serving.app; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
