"""A registration answered the short way is the one that the ordinary way answers, to the byte."""

import asyncio
import re
from typing import Any

import pytest

import signer
from bare_client import parse
from limited import an_address, limited
from services import BASE, HOST, Service, Services, jwk_body
from two_ways import note_taken
from vestry_service.lean import Lean
from vestry_signatures import PrivateKey, generate

_SOME = re.compile(
    rb'Date: [^\r]*|X-Request-Id: [0-9a-f]{32}|nonce="[^"]*"|; *t=\d+|agent-[0-9a-f]{24}|tool-[0-9a-f]{24}'
)
_LOGGED = ("method", "route", "status", "outcome", "reason", "uid", "kid", "authority", "client_ip")
ENROLMENTS = pytest.mark.parametrize("path", ["/register", "/tool/register"])


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every read that was offered to the short way, whether it took it."""
    return note_taken(monkeypatch)


class Told:
    """What was answered, and what else can be seen of it, without what differs by right."""

    def __init__(self, answer: bytes, line: dict[str, Any], key: PrivateKey) -> None:
        shown = answer
        for mine in (key.public.kid, key.public.jwk["x"]):
            shown = shown.replace(mine.encode(), b"mine")
        self.answer = _SOME.sub(b"", shown)
        self.status = int(answer.split()[1])
        self.line = {name: line.get(name) for name in _LOGGED}
        if line.get("uid"):
            self.line["uid"] = str(line["uid"])[:5]
        if line.get("kid") == key.public.kid:
            self.line["kid"] = "mine"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Told) and (self.answer, self.line) == (other.answer, other.line)

    def __hash__(self) -> int:
        return hash(self.answer)

    def __repr__(self) -> str:
        return f"{self.answer!r} {self.line}"


class Desk:
    """One registrar, and what is said to it over a connection that stays open."""

    def __init__(self, services: Services, registrar: Service | None = None) -> None:
        self._registrar = registrar or services.registrar

    async def enrol(
        self,
        path: str,
        key: PrivateKey,
        *,
        whole: bool,
        host: str = HOST,
        body: bytes | None = None,
        also: dict[str, str] | None = None,
        signed: dict[str, str] | None = None,
        **changes: signer.Parameter,
    ) -> Told:
        if signed is None:
            signed = signer.sign(key, "POST", BASE + path, **{"tag": "null", **changes})
        content = jwk_body(key.public.jwk) if body is None else body
        fields = {"Host": host, **signed, **(also or {}), "Content-Length": str(len(content))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return await self._say(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content, key, whole=whole)

    async def _say(self, request: bytes, key: PrivateKey, *, whole: bool) -> Told:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._registrar.port)
        try:
            for part in () if whole else (request[:20],):
                writer.write(part)
                await asyncio.sleep(0.03)
            writer.write(request if whole else request[20:])
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                content = await reader.readexactly(int(length[1])) if length else b""
        finally:
            writer.close()
        answer = parse(head + content)
        return Told(head + content, await self._registrar.line_of(answer), key)


CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "a new key": (200, {}),
    "an unsigned request": (401, {"signed": {}}),
    "another's keyid": (401, {"keyid": "another"}),
    "a signature that is over": (401, {"created": 1, "expires": 2}),
    "a signature of something else": (401, {"base": b"something else"}),
    "no nonce": (401, {"nonce": None}),
    "a problem": (401, {"signed": {}, "also": {"Accept": "application/problem+json"}}),
    "an agent of its own": (401, {"also": {"Signature-Agent": 'sig1="https://x.example"'}}),
    "no body": (400, {"body": b""}),
    "no JSON": (400, {"body": b"{"}),
    "no key": (400, {"body": b"{}"}),
    "a key that is none": (422, {"body": jwk_body({"kty": "OKP", "crv": "Ed25519", "x": "Ag" + "A" * 41})}),
    "a private key": (422, {"body": jwk_body({**generate().public.jwk, "d": "x"})}),
    "an agent's host": (421, {"host": f"agent-{'0' * 24}.{HOST}"}),
    "a host that is not ours": (421, {"host": "elsewhere.example"}),
    "another spelling of the host": (200, {"host": f"{HOST.upper()}:443"}),
    "a header with odd bytes": (200, {"also": {"X-Odd": "é"}}),
    "a token that is none": (200, {"also": {"Authorization": "Bearer vestry_enr_x"}}),
    "an attach token of nobody": (401, {"also": {"Authorization": f"Bearer vestry_att_{'x' * 43}"}}),
}  # fmt: skip


@ENROLMENTS
@pytest.mark.parametrize("case", CASES)
async def test_both_ways_answer_alike(services: Services, taken: list[bool], path: str, case: str) -> None:
    """Answer and line, whatever is wrong; each with a key and a signature of its own."""
    status, how = CASES[case]
    if path == "/tool/register" and "attach" in case:
        status = 200  # tools attach nothing
    desk = Desk(services)
    short = await desk.enrol(path, generate(), whole=True, **how)
    assert taken == [True]
    ordinary = await desk.enrol(path, generate(), whole=False, **how)
    assert taken.count(True) == 1
    assert short == ordinary
    assert short.status == status


@ENROLMENTS
async def test_the_two_ways_know_of_each_other(services: Services, taken: list[bool], path: str) -> None:
    """A key that registered the one way is known the other way, and a signature counts once over both."""
    desk, key = Desk(services), generate()
    signed = signer.sign(key, "POST", BASE + path, tag="null")
    first = await desk.enrol(path, key, whole=True, signed=signed)
    assert b'"is_new":true' in first.answer
    replayed = [await desk.enrol(path, key, whole=whole, signed=signed) for whole in (True, False)]
    assert replayed[0] == replayed[1]
    assert b"REPLAYED_NONCE" in replayed[0].answer
    known = [await desk.enrol(path, key, whole=whole) for whole in (True, False)]
    assert known[0] == known[1]
    assert b'"is_new":false' in known[0].answer
    assert taken.count(True) == 3


@ENROLMENTS
async def test_limits_count_and_show_alike(services: Services, taken: list[bool], path: str) -> None:
    """What is left, refusals with what was counted before them, and the one too many."""
    short, ordinary = await _limited(services, path, whole=True), await _limited(services, path, whole=False)
    assert short == ordinary
    assert [told.status for told in short] == [200, 401, 401, 429]
    assert all(b"RateLimit-Policy: " in told.answer for told in short)
    assert b'"register";r=3' in short[0].answer
    assert b'"failed-proofs";r=0' in short[2].answer
    assert taken.count(True) == 4


async def _limited(services: Services, path: str, *, whole: bool) -> list[Told]:
    with limited(services, LIMIT_REGISTER="4/3600", LIMIT_FAILED_PROOFS="2/3600") as registrar:
        desk = Desk(services, registrar.registrar)
        # A proxy vouches for it, and each side comes from a client of its own.
        mine = an_address()
        also = {"X-Forwarded-For": mine}
        hows: list[dict[str, Any]] = [{}, {"base": b"else"}, {"base": b"else"}, {}]
        told = [await desk.enrol(path, generate(), whole=whole, also=also, **how) for how in hows]
        for each in told:
            each.line["client_ip"] = "mine" if each.line["client_ip"] == mine else "another's"
        return told


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The heads that were remembered."""
    heads: list[bytes] = []
    remember = Lean._remember

    def noted(self: Lean, head: bytes, plain: Any) -> None:
        heads.append(head)
        remember(self, head, plain)

    monkeypatch.setattr(Lean, "_remember", noted)
    return heads


async def test_heads_that_come_once_are_not_remembered(
    services: Services, taken: list[bool], remembered: list[bytes]
) -> None:
    """Every registration has another one: hundreds of them would push out those that come again."""
    desk = Desk(services)
    for _ in range(3):
        await desk.enrol("/register", generate(), whole=True)
    assert taken == [True] * 3
    assert remembered == []
