"""What fuzzing needs besides what schemathesis makes up: who may sign, and what there is to ask about.

Nobody guesses a signature, so a made-up request alone would never come further than the first 401. It is therefore
sent in several ways:

- as it was made up, and once more signed by an agent (or with an operator's token);
- *dressed*: pointed at somebody who is there and given a key that is one, everything else left as it was made up;
  without a signature, and with one, which is the way to a 200;
- *spoiled*: dressed and signed, but for one value of it, which is one that breaks much elsewhere. These are tried one
  after the other in every place, not by chance.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

import requests
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis import Case
from schemathesis.schemas import APIOperation

from operator_desk import new_token
from services import BASE, HOST, TOOL, Agent, Services
from vestry_signatures import PrivateKey, Request, generate, sign
from vestry_signatures.errors import VestryError
from vestry_signatures.key_proof import add_key_proof

COVERED: Final = ("@authority", "@method", "@path", "content-digest")


class Signed(AuthBase):
    """Signs a request as it is about to be sent: method, path and body are covered."""

    def __init__(self, agent: Agent, new: PrivateKey | None = None) -> None:
        """Sign as an agent, or as a key that has no uid yet; `new`: the key that the request brings, if it does."""
        self._agent = agent
        self._new = new

    def __call__(self, prepared: PreparedRequest) -> PreparedRequest:
        body = prepared.body or b""
        body = body.encode() if isinstance(body, str) else body
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        lines = {"Content-Digest": f"sha-256=:{digest}:"}
        request = Request.of(str(prepared.method), BASE + prepared.path_url, lines.items())
        prepared.headers.update({**lines, **self._sign(request, int(time.time()))})
        return prepared

    def _sign(self, request: Request, now: int) -> dict[str, str]:
        if not self._agent.uid:
            return sign(request, self._agent.key, created=now, components=COVERED)
        covered = [*COVERED, '"signature-agent";key="sig1"']
        headers = sign(request, self._agent.key, created=now, agent_url=self._agent.url, components=covered)
        return headers if self._new is None else add_key_proof(request, headers, self._new, created=now)


class Bearer(AuthBase):
    """Shows a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, prepared: PreparedRequest) -> PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self._token}"
        return prepared


class World:
    """Some running services, whoever is registered there, and the ways to ask them."""

    def __init__(self, services: Services) -> None:
        """Take the services; make an operator, and an agent for requests that change nothing."""
        self.services = services
        self.operator = Bearer(asyncio.run(new_token(services.database_url, "fuzzer")))
        self.session = requests.Session()
        self.session.trust_env = False
        self.reader = self.agent()

    def url(self, service: str, port: str) -> str:
        """Where a port of a service answers."""
        return f"http://127.0.0.1:{getattr(getattr(self.services, service), port)}"

    def agent(self, path: str = "/register") -> Agent:
        """Register an agent, or with another path a tool."""
        agent = Agent()
        agent.uid = self.post("port", path, {"public_jwk": agent.key.public.jwk}, Signed(agent))["uid"]
        return agent

    def further_key(self, agent: Agent) -> str:
        """Give an agent one key more and return its kid."""
        key = generate()
        self.post("port", "/keys", {"public_jwk": key.public.jwk}, Signed(agent, key))
        return key.public.kid

    def token(self) -> int:
        """Make an enrolment token and return its number."""
        made = self.post("internal_port", "/admin/enrolment-tokens", {"label": "a fuzz"}, self.operator)
        number: int = made["id"]
        return number

    def post(self, port: str, path: str, facts: Any, auth: AuthBase) -> Any:
        """Send a registrar what is in order."""
        url = self.url("registrar", port) + path
        body = json.dumps(facts).encode()
        answer = self.session.post(url, body, auth=auth, headers={"Host": HOST}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()


Dress = Callable[[World, Case], AuthBase | None]


def members(case: Case, **changes: Any) -> None:
    """Give some members of a body other values; a body that is no object becomes one."""
    given = case.body if isinstance(case.body, dict) else {}
    case.body = {**given, **changes}
    case.media_type = "application/json"


def bring_key(case: Case) -> PrivateKey:
    """Put a new key into a body, with whatever else its JWK was given."""
    key = generate()
    given = case.body.get("public_jwk") if isinstance(case.body, dict) else None
    times = {name: given[name] for name in ("nbf", "exp") if name in given} if isinstance(given, dict) else {}
    members(case, public_jwk={**times, **key.public.jwk})
    return key


def _enrol(_world: World, case: Case) -> AuthBase:
    return Signed(Agent(bring_key(case)))


def _by_agent(world: World, _case: Case) -> AuthBase:
    return Signed(world.reader)


def _change_key(world: World, case: Case) -> AuthBase:
    return Signed(world.agent(), bring_key(case))


def _retire(world: World, case: Case) -> AuthBase:
    agent = world.agent()
    case.path_parameters["kid"] = world.further_key(agent)
    return Signed(agent)


def _revoke(world: World, case: Case) -> AuthBase:
    agent = world.agent()
    if not isinstance(case.body, dict) or "agent" not in case.body:
        members(case, kid=agent.key.public.kid)
    return Signed(agent)


def _read_agent(world: World, case: Case) -> None:
    agent = world.reader
    if "uid" in case.path_parameters:
        case.path_parameters["uid"] = agent.uid
    else:
        case.headers["Host"] = f"{agent.uid}.{HOST}"


def _tell(world: World, case: Case) -> None:
    agent = world.reader
    case.path_parameters = {"uid": agent.uid, "kid": agent.key.public.kid}


def _search(world: World, case: Case) -> AuthBase:
    for name in ("cursor", "since", "until"):  # which can hardly be made up
        case.query.pop(name, None)
    return world.operator


def _about_agent(world: World, case: Case) -> AuthBase:
    agent = world.agent()
    case.path_parameters["uid"] = agent.uid
    if "kid" in case.path_parameters:
        case.path_parameters["kid"] = agent.key.public.kid
    return _explained(world, case)


def _about_tool(world: World, case: Case) -> AuthBase:
    case.path_parameters["uid"] = world.agent("/tool/register").uid
    return _explained(world, case)


def _about_token(world: World, case: Case) -> AuthBase:
    case.path_parameters["id"] = world.token()
    return _explained(world, case)


def _explained(world: World, case: Case) -> AuthBase:
    if case.method == "POST":
        members(case, reason="a fuzz")
    return world.operator


def _label(world: World, case: Case) -> AuthBase:
    members(case, label="a fuzz")
    return world.operator


def _question(world: World, case: Case) -> None:
    members(case, **_asked(world, case.body))


def _questions(world: World, case: Case) -> None:
    given = case.body.get("requests") if isinstance(case.body, dict) else None
    members(
        case,
        requests=[_asked(world, each) for each in (given if isinstance(given, list) and given else [{}])],
    )


def _asked(world: World, given: Any) -> dict[str, Any]:
    """Make of what was made up a question that may be answered."""
    agent = world.reader
    given = given if isinstance(given, dict) else {}
    method, url = given.get("method"), given.get("url")
    try:
        headers = agent.sign(method, url)
    except (VestryError, TypeError, ValueError, AttributeError):
        method, url = "GET", TOOL
        headers = agent.sign(method, url)
    lines = given.get("headers") if isinstance(given.get("headers"), dict) else {}
    known = {name: line for name, line in lines.items() if not name.lower().startswith("signature")}
    return {**given, "method": method, "url": url, "headers": {**known, **headers}, "body": None}


def _held_by_nginx(world: World, case: Case) -> None:
    case.headers.update(
        {"X-Original-Method": "GET", "X-Original-URL": TOOL, **world.reader.sign("GET", TOOL)}
    )


def _held_by_traefik(world: World, case: Case) -> None:
    scheme, _, host, path = TOOL.split("/", 3)
    said = {"Method": "GET", "Proto": scheme.rstrip(":"), "Host": host, "Uri": f"/{path}"}
    case.headers.update({f"X-Forwarded-{name}": value for name, value in said.items()})
    case.headers.update(world.reader.sign("GET", TOOL))


def _held_by_envoy(world: World, case: Case) -> None:
    case.path_parameters["scheme"] = "https"
    case.headers.update(world.reader.sign(case.method, BASE, covered=('"@authority"',)))


SPOILS: Final = (
    *("\0", "a\0b", "é", "\u212a", "9" * 30, "k" * 5000),
    *(-1, 2**63, 10**400, 0.5, True, None, [], {}),
)
ADMIN_AGENT: Final = "/admin/agents/{uid}"
ADMIN_TOKENS: Final = "/admin/enrolment-tokens"
DRESSES: Final[Mapping[str, Dress]] = {
    "/": _read_agent,
    "/.well-known/http-message-signatures-directory": _read_agent,
    "/agents/{uid}/.well-known/http-message-signatures-directory": _read_agent,
    "/register": _enrol,
    "/tool/register": _enrol,
    "/whoami": _by_agent,
    "GET /keys": _by_agent,
    "POST /keys": _change_key,
    "/rotate": _change_key,
    "/keys/{kid}": _retire,
    "/revoke": _revoke,
    "/internal/agents/{uid}/keys/{kid}": _tell,
    "/admin/agents": _search,
    "/admin/tools": _search,
    f"GET {ADMIN_TOKENS}": _search,
    f"POST {ADMIN_TOKENS}": _label,
    f"{ADMIN_TOKENS}/{{id}}/revoke": _about_token,
    "/admin/counts": _search,
    "/verify": _question,
    "/verify/explain": _question,
    "/verify/batch": _questions,
    "/verify/auth-request": _held_by_nginx,
    "/verify/forward-auth": _held_by_traefik,
    "/verify/ext-authz/{scheme}/{original}": _held_by_envoy,
}
"""By path, or by method and path."""


def dress(world: World, case: Case) -> tuple[Case, AuthBase | None]:
    """Make of a request that was made up one that may be answered, and say how it is signed."""
    dressed = case.operation.Case(
        method=case.method,
        path_parameters=dict(case.path_parameters or {}),
        headers=dict(case.headers or {}),
        query=dict(case.query or {}),
        body=deepcopy(case.body) if isinstance(case.body, dict | list) else case.body,
        media_type=case.media_type,
    )
    return dressed, _dress_of(case)(world, dressed)


def plain(operation: APIOperation) -> Case:
    """Make a request that only needs to be dressed."""
    path = {parameter.name: "x" for parameter in operation.path_parameters}
    return operation.Case(path_parameters=path, **({"body": {}} if operation.body else {}))


def spoiled(world: World, operation: APIOperation) -> Iterator[tuple[Case, AuthBase | None]]:
    """Make requests that are in order but for one value."""
    for value in SPOILS:
        [*places] = _places(dress(world, plain(operation))[0], value)
        for number in range(len(places)):
            case, auth = dress(world, plain(operation))
            part, name = list(_places(case, value))[number]
            part[name] = value
            yield case, auth


def _places(case: Case, value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Where a value can stand: texts in the path and in the query, everything in a body."""
    if isinstance(value, str):
        yield from ((case.path_parameters, name) for name in case.path_parameters)
        yield from ((case.query, parameter.name) for parameter in case.operation.query)
    yield from _members(case.body)


def _members(told: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(told, dict):
        for name, value in told.items():
            yield told, name
            yield from _members(value)
    elif isinstance(told, list):
        for value in told:
            yield from _members(value)


def _dress_of(case: Case) -> Dress:
    for name in (f"{case.method} {case.path}", case.path):
        if name in DRESSES:
            return DRESSES[name]
    if case.path.startswith(ADMIN_AGENT):
        return _about_agent
    return _about_tool if case.path.startswith("/admin/tools/") else lambda _world, _case: None
