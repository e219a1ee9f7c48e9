"""The verifier's two documents say what its two ports do: route by route, and as plain OpenAPI."""

import io
from collections.abc import AsyncIterator

import pytest

from bare_client import send
from openapi_documents import dangling, documented, loose, operations, routed
from services import BASE, Services
from stores import ValkeyServer
from vestry_service.logging import make_logger
from vestry_service.metrics import Metrics
from vestry_service.settings import load
from vestry_verifier.app import Verifier, open_verifier
from vestry_verifier.openapi import internal_document, public_document
from vestry_verifier.settings import VerifierSettings

DOCUMENTS = {"public": public_document(), "internal": internal_document()}


@pytest.fixture
async def verifier(valkey: ValkeyServer) -> AsyncIterator[Verifier]:
    """A verifier that does not listen."""
    settings = load(VerifierSettings, {"PUBLIC_URL": BASE, "REDIS_URL": valkey.url})
    logger = make_logger("verifier", "test", "error", "json", io.BytesIO())
    async with open_verifier(settings, logger, Metrics("verifier", "test")) as opened:
        yield opened


async def test_every_route_is_documented_and_every_documented_path_is_a_route(verifier: Verifier) -> None:
    """Paths and methods of each port and of its document are the same, none more and none less."""
    assert routed(verifier.public) == documented(DOCUMENTS["public"])
    assert routed(verifier.internal) == documented(DOCUMENTS["internal"])


@pytest.mark.parametrize(("name", "port"), [("public", "port"), ("internal", "internal_port")])
async def test_each_port_serves_its_document(services: Services, name: str, port: str) -> None:
    """`/openapi.json` is the document of the very port that was asked."""
    answer = await send(getattr(services.verifier, port), "GET", "/openapi.json", host="v")
    assert answer.status == 200
    assert answer.json == DOCUMENTS[name]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_references_lead_somewhere(name: str) -> None:
    """A program that reads the document finds everything it refers to, and a name of its own for each operation."""
    assert dangling(DOCUMENTS[name]) == set()
    names = [each["operationId"] for each in operations(DOCUMENTS[name])]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_answers_name_all_their_members(name: str) -> None:
    """Only the document itself is left open."""
    assert loose(DOCUMENTS[name]) == {"/answered/readDescription/200/content/application/json/schema"}
