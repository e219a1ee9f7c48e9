"""The registrar's two documents say what its two ports do: route by route, and as plain OpenAPI."""

import io
from collections.abc import AsyncIterator

import pytest

from bare_client import send
from openapi_documents import dangling, documented, loose, operations, routed
from services import BASE, HOST, Services
from stores import ValkeyServer
from vestry_registrar.app import Registrar, open_registrar
from vestry_registrar.migrate import migrate
from vestry_registrar.openapi.internal import internal_document
from vestry_registrar.openapi.public import public_document
from vestry_registrar.settings import RegistrarSettings
from vestry_service.logging import make_logger
from vestry_service.metrics import Metrics
from vestry_service.openapi_parts import Json
from vestry_service.settings import load

DOCUMENTS = {"public": public_document(BASE), "internal": internal_document()}


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> Json:
    """Each document."""
    return DOCUMENTS[request.param]


@pytest.fixture
async def registrar(database_url: str, valkey: ValkeyServer) -> AsyncIterator[Registrar]:
    """A registrar that does not listen."""
    migrate(database_url)
    stores = {"DATABASE_URL": database_url, "REDIS_URL": valkey.url}
    settings = load(RegistrarSettings, {"PUBLIC_URL": BASE, **stores})
    logger = make_logger("registrar", "test", "error", "json", io.BytesIO())
    async with open_registrar(settings, logger, Metrics("registrar", "test")) as opened:
        yield opened


async def test_every_route_is_documented_and_every_documented_path_is_a_route(registrar: Registrar) -> None:
    """Paths and methods of each port and of its document are the same, none more and none less."""
    assert routed(registrar.public) == documented(DOCUMENTS["public"])
    assert routed(registrar.internal) == documented(DOCUMENTS["internal"])


@pytest.mark.parametrize(("name", "port"), [("public", "port"), ("internal", "internal_port")])
async def test_each_port_serves_its_document(services: Services, name: str, port: str) -> None:
    """`/openapi.json` is the document of the very port that was asked."""
    answer = await send(getattr(services.registrar, port), "GET", "/openapi.json", host=HOST)
    assert answer.status == 200
    assert answer.json == DOCUMENTS[name]


async def test_agents_urls_serve_no_document(services: Services) -> None:
    """At an agent's URL there are its keys and nothing else."""
    agent = await services.agent()
    answer = await services.call("GET", "/openapi.json", host=f"{agent.uid}.{HOST}")
    assert answer.verdict == (421, "MISDIRECTED_REQUEST")


def test_references_lead_somewhere(document: Json) -> None:
    """A program that reads the document finds everything it refers to, and a name of its own for each operation."""
    assert dangling(document) == set()
    names = [each["operationId"] for each in operations(document)]
    assert len(names) == len(set(names))


def test_answers_name_all_their_members() -> None:
    """Only the details of an audit event, which depend on the event, and a document itself are left open."""
    itself = "/answered/readDescription/200/content/application/json/schema"
    assert loose(DOCUMENTS["public"]) == {itself}
    assert loose(DOCUMENTS["internal"]) == {itself, "/schemas/AuditEvent/properties/details"}
