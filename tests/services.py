"""Registrars and verifiers for tests: the real ones, on real stores, listening on loopback ports of their own.

They run on an event loop in a thread of its own, so one set of them can serve the tests of a whole run, and
a test that waits never keeps them waiting. Requests come over TCP, so what HTTP parsing does is part of every test.
"""

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import uvloop
from aiohttp import web
from redis import Redis

import bare_client
import signer
from bare_client import Answer, Headers
from signer import Parameter
from vestry_registrar.app import open_registrar
from vestry_registrar.migrate import migrate
from vestry_registrar.settings import RegistrarSettings
from vestry_service.logging import make_logger
from vestry_service.metrics import Metrics
from vestry_service.protocol import Runner
from vestry_service.settings import load
from vestry_service.sockets import listening
from vestry_signatures import PrivateKey, generate
from vestry_verifier.app import open_verifier
from vestry_verifier.foreign.open import INTERNET, Outside
from vestry_verifier.settings import VerifierSettings

BASE = "https://agents.example"
HOST = "agents.example"
TOOL = "https://tool.example/inbox"
DIRECTORY = "/.well-known/http-message-signatures-directory"

# Tests come from one address, all of them; those about limits say which ones they want.
UNLIMITED = {"LIMIT_REGISTER": "off", "LIMIT_CHANGES": "off", "LIMIT_FAILED_PROOFS": "off"}

T = TypeVar("T")
Clock = Callable[[], float]


class Background:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], patience: float = 30) -> T:
        """Run something there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(patience)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Service:
    """One running service.

    Attributes:
        port, internal_port: where it listens on 127.0.0.1.
        metrics: its own.
    """

    def __init__(self, name: str, background: Background) -> None:
        self.metrics = Metrics(name, "test")
        self._log = io.BytesIO()
        self.logger = make_logger(name, "test", "debug", "json", self._log)
        self._background = background
        self._stack = AsyncExitStack()
        self.port = self.internal_port = 0

    def start(self, opening: AbstractAsyncContextManager[Any]) -> None:
        self._background.run(self._start(opening))

    async def _start(self, opening: AbstractAsyncContextManager[Any]) -> None:
        opened = await self._stack.enter_async_context(opening)
        self.port = await self._listen(opened.public)
        self.internal_port = await self._listen(opened.internal)

    async def _listen(self, app: web.Application) -> int:
        runner = Runner(app, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        [sock] = listening(["127.0.0.1"], 0)
        await web.SockSite(runner, sock).start()
        port: int = sock.getsockname()[1]
        return port

    def stop(self) -> None:
        self._background.run(self._stack.aclose())

    @property
    def log(self) -> str:
        return self._log.getvalue().decode()

    def lines(self, event: str = "request") -> list[dict[str, Any]]:
        """The lines of the log with this event, so far."""
        found = (json.loads(line) for line in self.log.splitlines())
        return [line for line in found if line["event"] == event]

    async def line_of(self, answer: Answer) -> dict[str, Any]:
        """The one line of the log about this answer's request. It may be written a moment after the answer."""
        found: list[dict[str, Any]] = []

        async def written() -> bool:
            lines = (json.loads(line) for line in self.log.splitlines())
            wanted = answer.headers["X-Request-Id"]
            found[:] = [
                line for line in lines if line.get("request_id") == wanted and line["event"] != "judged"
            ]
            return bool(found)

        await until(written)
        [line] = found
        return line

    def count(self, name: str, **labels: str) -> float:
        """The value of one metric; 0 where it was never counted."""
        self._background.run(self._settle())
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def _settle(self) -> None:
        self.metrics.tally.settle()  # by itself it does in a moment

    async def ready(self) -> Answer:
        return await bare_client.send(self.port, "GET", "/readyz", host="probe")

    async def failing(self) -> list[str]:
        """The names of the checks that fail."""
        checks = (await self.ready()).json["checks"]
        return sorted(name for name, check in checks.items() if check["status"] != "ok")


@dataclass
class Agent:
    """A key pair and, once registered, whose it is."""

    key: PrivateKey = field(default_factory=generate)
    uid: str = ""

    @property
    def url(self) -> str:
        return f"https://{self.uid}.{HOST}"

    @property
    def header(self) -> str:
        return f'sig1="{self.url}"'

    def sign(
        self, method: str = "GET", url: str = TOOL, *, named: str | None = None, **changes: Any
    ) -> dict[str, str]:
        """Sign as a released client does, but for the changes; `named` is the text of Signature-Agent."""
        header = {"Signature-Agent": self.header if named is None else named}
        headers = {**header, **changes.pop("headers", {})}
        return {**signer.sign(self.key, method, url, headers=headers, **changes), **headers}

    def sign_strictly(self, method: str = "GET", url: str = TOOL, **changes: Any) -> dict[str, str]:
        """Sign by the profile web-bot-auth: Signature-Agent is covered."""
        covered = (signer.AUTHORITY, '"signature-agent";key="sig1"')
        return self.sign(method, url, **{"covered": covered, **changes})

    def at(self, uid: str) -> "Agent":
        """The same key, under the name of somebody else."""
        return Agent(self.key, uid)


async def until(reached: Callable[[], Awaitable[bool]], patience: float = 10) -> None:
    """Ask again and again until something is so."""
    async with asyncio.timeout(patience):
        while not await reached():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


def jwk_body(jwk: Any) -> bytes:
    return json.dumps({"public_jwk": jwk}).encode()


def reasons(answers: Sequence[Answer]) -> set[str]:
    """What all these answers came to: `verified`, and the reasons of refusals."""
    return {"verified" if answer.status == 200 else answer.json["error"]["reason"] for answer in answers}


class Services:
    """Some registrars and verifiers on the same stores, and what is said to them. See `running`."""

    def __init__(self, background: Background, database_url: str, redis_url: str) -> None:
        self._background = background
        self.database_url = database_url
        self.redis_url = redis_url
        self.registrars: list[Service] = []
        self.verifiers: list[Service] = []

    @property
    def registrar(self) -> Service:
        return self.registrars[0]

    @property
    def verifier(self) -> Service:
        return self.verifiers[0]

    def add_registrar(self, clock: Clock = time.time, **environ: str) -> Service:
        service = Service("registrar", self._background)
        stores = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        settings = load(RegistrarSettings, {"PUBLIC_URL": BASE, **UNLIMITED, **stores, **environ})
        service.start(open_registrar(settings, service.logger, service.metrics, clock))
        self.registrars.append(service)
        return service

    def add_verifier(
        self,
        clock: Clock = time.time,
        outside: Outside = INTERNET,
        **environ: str,
    ) -> Service:
        service = Service("verifier", self._background)
        asked = (
            {"REGISTRAR_URL": f"http://127.0.0.1:{self.registrar.internal_port}"} if self.registrars else {}
        )
        settings = load(
            VerifierSettings, {"PUBLIC_URL": BASE, "REDIS_URL": self.redis_url, **asked, **environ}
        )
        service.start(open_verifier(settings, service.logger, service.metrics, clock, outside))
        self.verifiers.append(service)
        return service

    @contextmanager
    def another_registrar(self, clock: Clock = time.time, **environ: str) -> Iterator[Service]:
        """Run one more registrar for a while, perhaps with other settings."""
        service = self.add_registrar(clock, **environ)
        try:
            yield service
        finally:
            self.drop(service)

    @contextmanager
    def another_verifier(
        self,
        clock: Clock = time.time,
        outside: Outside = INTERNET,
        **environ: str,
    ) -> Iterator[Service]:
        """Run one more verifier for a while, perhaps with other settings, or in another world."""
        service = self.add_verifier(clock, outside, **environ)
        try:
            yield service
        finally:
            self.drop(service)

    def drop(self, service: Service) -> None:
        """Stop a service before the others."""
        (self.registrars if service in self.registrars else self.verifiers).remove(service)
        service.stop()

    def stop(self) -> None:
        for service in (*self.verifiers, *self.registrars):
            service.stop()

    def sql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, arguments).fetchall()

    def stored(self) -> list[tuple[Any, ...]]:
        """Everything the registrar has stored about agents, tools and keys, to see that nothing changed."""
        return [
            *self.sql("SELECT id, uid, version, state FROM agents ORDER BY id"),
            *self.sql("SELECT id, uid FROM tools ORDER BY id"),
            *self.sql("SELECT agent_id, tool_id, kid, value, state FROM public_jwks ORDER BY id"),
        ]

    def spent(self) -> set[bytes]:
        """The names of all spent nonces in the store."""
        with Redis.from_url(self.redis_url) as client:
            return set(client.scan_iter("n{*", count=10_000))

    async def call(
        self,
        method: str,
        path: str,
        headers: Headers = (),
        body: bytes = b"",
        host: str = HOST,
        registrar: Service | None = None,
    ) -> Answer:
        """Send a request to a registrar."""
        port = (registrar or self.registrar).port
        return await bare_client.send(port, method, path, headers, body, host)

    async def register(
        self,
        key: PrivateKey,
        path: str = "/register",
        also: Mapping[str, str] | None = None,
        registrar: Service | None = None,
        **changes: Parameter,
    ) -> Answer:
        """Register a key; `also`: further headers."""
        changes.setdefault("tag", "null")  # as released clients do
        headers = {**signer.sign(key, "POST", BASE + path, **changes), **(also or {})}
        return await self.call("POST", path, headers, jwk_body(key.public.jwk), registrar=registrar)

    async def agent(self, registrar: Service | None = None) -> Agent:
        """Register a new agent."""
        agent = Agent()
        answer = await self.register(agent.key, registrar=registrar)
        assert answer.status == 200, answer.body
        agent.uid = answer.json["uid"]
        return agent

    async def whoami(self, agent: Agent, **changes: Any) -> Answer:
        return await self.call("GET", "/whoami", agent.sign("GET", f"{BASE}/whoami", **changes))

    async def rotate(self, agent: Agent, new: PrivateKey, **changes: Any) -> Answer:
        """Rotate to a new key; `agent` keeps its old one."""
        signed = agent.sign("POST", f"{BASE}/rotate", **changes)
        return await self.call("POST", "/rotate", signed, jwk_body(new.public.jwk))

    async def directory(self, agent: Agent) -> list[str]:
        """The kids in an agent's directory."""
        answer = await self.call("GET", DIRECTORY, host=f"{agent.uid}.{HOST}")
        return [key["kid"] for key in answer.json["keys"]]

    async def verify(
        self,
        headers: Mapping[str, str | Sequence[str]],
        method: str = "GET",
        url: str = TOOL,
        verifier: Service | None = None,
        body: bytes | None = None,
        **members: Any,
    ) -> Answer:
        """Ask a verifier who signed."""
        if body is not None:
            members["body"] = base64.b64encode(body).decode()
        return await self.ask({"method": method, "url": url, "headers": dict(headers), **members}, verifier)

    async def ask(self, question: Any, verifier: Service | None = None, path: str = "/verify") -> Answer:
        """Send a verifier any JSON, or bytes that are none."""
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        port = (verifier or self.verifier).port
        return await bare_client.send(port, "POST", path, {"Content-Type": "application/json"}, body, "v")

    async def explain(self, question: Any, verifier: Service | None = None, **headers: str) -> Answer:
        """Ask a verifier's internal port why it would answer what it would answer."""
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        port = (verifier or self.verifier).internal_port
        headers = {"Content-Type": "application/json", **headers}
        return await bare_client.send(port, "POST", "/verify/explain", headers, body, "v")

    async def ask_many(self, questions: Sequence[Any], verifier: Service | None = None) -> Answer:
        """Ask a verifier many questions in one call."""
        return await self.ask({"requests": list(questions)}, verifier, "/verify/batch")


def asked(signed: Mapping[str, str], method: str = "GET", url: str = TOOL) -> dict[str, Any]:
    """A question as a tool asks it."""
    return {"method": method, "url": url, "headers": dict(signed)}


@contextmanager
def services_on(database_url: str, redis_url: str) -> Iterator[Services]:
    """Yield a handle without any service, on a migrated database; what is added to it ends with it."""
    migrate(database_url)
    background = Background()
    services = Services(background, database_url, redis_url)
    try:
        yield services
    finally:
        services.stop()
        background.close()


@contextmanager
def running(
    database_url: str, redis_url: str, verifiers: int = 1, clock: Clock = time.time, **environ: str
) -> Iterator[Services]:
    """Run a registrar and some verifiers with the same settings."""
    with services_on(database_url, redis_url) as services:
        services.add_registrar(clock, **environ)
        for _ in range(verifiers):
            services.add_verifier(clock, **environ)
        yield services
