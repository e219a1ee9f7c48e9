"""Every operation of every document, fuzzed against running services: no fault, and no answer beyond the document."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requests.auth import AuthBase
from schemathesis import Case, CheckFunction, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fuzzing import World, dress, plain, spoiled
from openapi_documents import reasons
from services import BASE, HOST, UNLIMITED, running
from stores import PostgresServer, ValkeyServer, running_valkey
from tools_files import tool
from vestry_registrar.openapi.internal import internal_document as registrar_internal
from vestry_registrar.openapi.public import public_document as registrar_public
from vestry_service.openapi_errors import ERROR, error_schemas
from vestry_verifier.openapi import internal_document as verifier_internal
from vestry_verifier.openapi import public_document as verifier_public

DOCUMENTS = {
    ("registrar", "port"): registrar_public(BASE),
    ("registrar", "internal_port"): registrar_internal(),
    ("verifier", "port"): verifier_public(),
    ("verifier", "internal_port"): verifier_internal(),
}
SCHEMAS = {place: schemathesis.openapi.from_dict(document) for place, document in DOCUMENTS.items()}
OPERATIONS = [
    (place, found.ok()) for place, schema in SCHEMAS.items() for found in schema.get_all_operations()
]
STANDARD = {"content-type", "content-length", "date", "connection"}


def headers_are_documented(_context: object, response: Response, case: Case) -> None:
    """No header comes that the document does not name."""
    told = case.operation.responses.find_by_status_code(response.status_code)
    known = {name.lower() for name, _ in told.headers.items()} if told else set()
    assert set(response.headers) - STANDARD <= known


FIXED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
DOCUMENTED = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    headers_are_documented,
]


class Asked:
    """One operation that is asked again and again, and the statuses that were seen."""

    def __init__(
        self, world: World, url: str, checks: Sequence[CheckFunction] = (*DOCUMENTED, not_a_server_error)
    ):
        self._world = world
        self._url = url
        self._checks = list(checks)
        self.seen: set[int] = set()

    def send(self, case: Case, auth: AuthBase | None = None, accept: str = "*/*") -> Response:
        """Send a request; whatever comes must be in the document."""
        headers = {"Host": case.headers.pop("Host", HOST), "Accept": accept}
        response = case.call(self._url, self._world.session, headers=headers, auth=auth)
        case.validate_response(response, checks=self._checks)
        self.seen.add(response.status_code)
        return response


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A registrar and a verifier that limit nobody, believe proxies here and explain; and an operator."""
    folder = tmp_path_factory.mktemp("fuzz")
    tools = folder / "tools.toml"
    tools.write_text('[default]\nauthorities = "*"\nexplain = true\n')
    environ = {**UNLIMITED, "TRUSTED_PROXIES": "127.0.0.1", "TOOLS_FILE": str(tools)}
    with running_valkey(folder / "valkey") as valkey:
        url = postgres.create_database()
        with running(url, valkey.url, **environ) as services:
            yield World(services)
        postgres.drop_database(url)


@pytest.mark.parametrize("place", SCHEMAS, ids="-".join)
def test_documents_are_openapi(place: tuple[str, str]) -> None:
    """Each document is OpenAPI 3.1, by the schema of its specification."""
    SCHEMAS[place].validate()


each_operation = pytest.mark.parametrize(
    ("place", "operation"),
    OPERATIONS,
    ids=[f"{service}-{port}-{operation.label}" for (service, port), operation in OPERATIONS],
)


@each_operation
def test_made_up_requests(world: World, place: tuple[str, str], operation: APIOperation) -> None:
    """Whatever is sent, the answer is documented; what is in order passes, and what is unsigned does not."""
    asked = Asked(world, world.url(*place))

    @given(case=st.one_of(*(operation.as_strategy(mode) for mode in GenerationMode)))
    @settings(FIXED, max_examples=10 if operation.method == "get" or operation.body else 3)
    def fuzz(case: Case) -> None:
        dressed, auth = dress(world, case)
        asked.send(case, accept="application/problem+json")
        if auth is not None:
            asked.send(case, auth)
            asked.send(dressed)
        asked.send(dressed, auth)

    fuzz()
    assert 200 in asked.seen
    needed = operation.definition.raw.get("security")
    if needed and {} not in needed:
        assert 401 in asked.seen


@each_operation
def test_spoiled_requests(world: World, place: tuple[str, str], operation: APIOperation) -> None:
    """One bad value in a request that is in order otherwise is no fault of ours, in whatever place it stands."""
    asked = Asked(world, world.url(*place))
    asked.send(*dress(world, plain(operation)))
    assert asked.seen == {200}
    for case, auth in spoiled(world, operation):
        asked.send(case, auth)


REGISTRAR = SCHEMAS["registrar", "port"]


@pytest.mark.parametrize(
    ("environ", "answers"),
    [
        ({"REGISTRATION": "closed"}, ["REGISTRATION_CLOSED"]),
        ({"REGISTRATION": "token"}, ["TOKEN_REQUIRED"]),
        ({"REGISTRATION": "approval"}, ["pending"]),
        ({"LIMIT_REGISTER": "1/60"}, ["", "RATE_LIMITED"]),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else None,
)
def test_answers_under_other_settings(world: World, environ: dict[str, str], answers: list[str]) -> None:
    """What only some settings bring about is documented too."""
    with world.services.another_registrar(**{**UNLIMITED, **environ}) as registrar:
        asked = Asked(world, f"http://127.0.0.1:{registrar.port}")
        for answer in answers:
            case, auth = dress(world, plain(REGISTRAR["/register"]["POST"]))
            facts = asked.send(case, auth).json()
            assert answer == facts.get("error", {}).get("reason", facts.get("state", ""))


VERIFIER = SCHEMAS["verifier", "port"]
EXT_AUTHZ = "/verify/ext-authz/{scheme}/{original}"
PROXIES = {"/verify/auth-request": "GET", "/verify/forward-auth": "GET", EXT_AUTHZ: "POST"}


@pytest.mark.parametrize(
    ("rules", "answers"),
    [
        (tool(), [(403, 403, 403, "TOKEN_REQUIRED")]),
        ('[default]\nauthorities = ["other.example"]\n', [(401, 401, 401, "WRONG_AUTHORITY")]),
        (
            '[default]\nauthorities = "*"\nallow = ["nobody.example"]\n',
            [(403, 403, 403, "AGENT_NOT_ALLOWED")],
        ),
        (
            '[default]\nauthorities = "*"\nrate = "3/60"\n',
            [(200, 200, 200, ""), (401, 429, 429, "RATE_LIMITED")],
        ),
    ],
    ids=["no token", "another authority", "denied", "too often"],
)
def test_answers_to_proxies_by_the_rules_of_a_tool(
    world: World, tmp_path: Path, rules: str, answers: list[tuple[int, int, int, str]]
) -> None:
    """Each kind of proxy is refused in its own statuses, and these are documented with their reasons."""
    file = tmp_path / "tools.toml"
    file.write_text(rules)
    with world.services.another_verifier(TOOLS_FILE=str(file), TRUSTED_PROXIES="127.0.0.1") as verifier:
        asked = Asked(world, f"http://127.0.0.1:{verifier.port}")
        for *statuses, reason in answers:
            held = [dress(world, plain(VERIFIER[path][method]))[0] for path, method in PROXIES.items()]
            told = [asked.send(each) for each in held]
            assert [each.status_code for each in told] == statuses
            assert [each.headers.get("x-agent-reason", [""]) for each in told] == [[reason]] * 3


def test_answers_without_a_store(database_url: str, own_valkey: ValkeyServer) -> None:
    """With Redis away every port says so, as its document tells, and each proxy in a status that it understands."""
    with running(database_url, own_valkey.url, **UNLIMITED, TRUSTED_PROXIES="127.0.0.1") as services:
        world = World(services)
        held = [dress(world, plain(VERIFIER[path][method])) for path, method in PROXIES.items()]
        whoami = dress(world, plain(REGISTRAR["/whoami"]["GET"]))
        verify = dress(world, plain(VERIFIER["/verify"]["POST"]))
        own_valkey.stop()
        for service, case, auth in (("registrar", *whoami), ("verifier", *verify)):
            asked = Asked(world, world.url(service, "port"), DOCUMENTED)
            ready = SCHEMAS[service, "port"]["/readyz"]["GET"].Case()
            asked.send(ready)
            asked.send(case, auth)
            assert asked.seen == {503}
        asked = Asked(world, world.url("verifier", "port"), DOCUMENTED)
        assert [asked.send(*each).status_code for each in held] == [401, 503, 401]


def test_answers_without_replicas(world: World) -> None:
    """Where replicas are wanted and missing, the check that says so is documented."""
    ready = VERIFIER["/readyz"]["GET"].Case()
    with world.services.another_verifier(NONCE_REPLICAS="1") as verifier:
        answer = Asked(world, f"http://127.0.0.1:{verifier.port}", DOCUMENTED).send(ready)
    assert answer.json()["checks"]["replicas"]["reason"] == "TooFewReplicas"


def test_every_reason_is_documented() -> None:
    """Each reason of the code is in a document."""
    told = set().union(*map(reasons, DOCUMENTS.values()))
    known = {schema.removeprefix(ERROR) for schema in error_schemas() if schema.startswith(ERROR)}
    assert known - told == set()
