"""The verifier's questions to the registrar, against registrars of every kind."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientError

from listeners import listening_with, response
from registrar_process import free_port
from services import until
from vestry_service.live_records import LiveRecord
from vestry_signatures import generate
from vestry_signatures.errors import DirectoryUnreachable
from vestry_verifier.registrar import MAX_ANSWER, QUESTIONS, STRANGERS, open_registrar

UID = "agent-" + "1" * 24
KEY = generate().public
RECORD = LiveRecord(7, UID, KEY.kid, "active", 0, 0, KEY.jwk["x"])


def told(record: Any, **more: Any) -> bytes:
    return response("200 OK", json.dumps({"record": record, **more}).encode())


async def ask(answer: bytes, kid: str = KEY.kid, delay: float = 0) -> LiveRecord | None:
    async with listening_with(answer, delay) as listener, open_registrar(listener.url) as registrar:
        return await registrar.ask(UID, kid)


async def test_record() -> None:
    """The pair's record, as the registrar has it; one plain request, without cookies or credentials."""
    async with listening_with(told(RECORD._asdict())) as listener, open_registrar(listener.url) as registrar:
        assert await registrar.ask(UID, KEY.kid) == RECORD
        await registrar.alive()
    first = listener.heads[0]
    assert first.startswith(f"GET /internal/agents/{UID}/keys/{KEY.kid} HTTP/1.1\r\n")
    assert "Cookie" not in first
    assert "Authorization" not in first


async def test_no_such_pair() -> None:
    """An answer that there is none is an answer."""
    assert await ask(told(None)) is None


@pytest.mark.parametrize(
    "answer",
    [
        told({**RECORD._asdict(), "kid": generate().public.kid}),
        told({**RECORD._asdict(), "uid": "agent-" + "2" * 24}),
        told({**RECORD._asdict(), "surprise": 1}),
        told({"uid": UID, "kid": KEY.kid}),
        told("active"),
        told([]),
        told(5),
        response("200 OK", b"{}"),
        response("200 OK", b"[]"),
        response("200 OK", b"null"),
        response("200 OK", b"<html>"),
        response("200 OK", b""),
        response("200 OK", b'{"record":' + b" " * MAX_ANSWER + b"null}"),
        response("200 OK", b"\x1f\x8b nonsense", "Content-Encoding: gzip"),
        response("404 Not Found", b'{"record":null}'),
        response("500 Internal Server Error", b'{"record":null}'),
        response("503 Service Unavailable", b'{"record":null}'),
        response("201 Created", b'{"record":null}'),
        response("204 No Content"),
        response("301 Moved Permanently", b'{"record":null}', "Location: http://127.0.0.1:1/"),
        b"not HTTP at all\r\n\r\n",
    ],
)
async def test_what_is_no_answer(answer: bytes) -> None:
    """A wrong pair, garbage, too much, a redirect, any status but 200: it cannot be told now."""
    with pytest.raises(DirectoryUnreachable):
        await ask(answer)


async def test_redirect_is_not_followed() -> None:
    """Nobody is led from the registrar to anywhere else."""
    async with listening_with(told(RECORD._asdict())) as elsewhere:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            moved = response(status, b"", f"Location: {elsewhere.url}/")
            with pytest.raises(DirectoryUnreachable):
                await ask(moved)
        assert elsewhere.connections == 0


async def test_endless_answer() -> None:
    """An answer without end is cut off at the limit and not read on."""
    chunk = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 64
    started = time.monotonic()
    with pytest.raises(DirectoryUnreachable):
        await ask(endless)
    assert time.monotonic() - started < 1


async def test_nobody_there() -> None:
    """A registrar that is away is said at once."""
    async with open_registrar(f"http://127.0.0.1:{free_port()}") as registrar:
        with pytest.raises(DirectoryUnreachable):
            await registrar.ask(UID, KEY.kid)
        with pytest.raises(ClientError):
            await registrar.alive()


@pytest.mark.parametrize(
    ("answer", "delay"),
    [
        (told(None), 5.0),
        (b"", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 0),
    ],
    ids=["late", "never", "begun and not finished"],
)
async def test_slow_registrar(monkeypatch: pytest.MonkeyPatch, answer: bytes, delay: float) -> None:
    """A question ends after its time limit, whatever the registrar is doing."""
    monkeypatch.setattr("vestry_verifier.registrar.TIMEOUT", 0.3)
    started = time.monotonic()
    with pytest.raises(DirectoryUnreachable):
        await ask(answer, delay=delay)
    assert 0.25 < time.monotonic() - started < 2


async def test_shared_question() -> None:
    """Many who want to know the same are answered by one question; the next one is a question of its own."""
    async with (
        listening_with(told(RECORD._asdict()), delay=0.05) as listener,
        open_registrar(listener.url) as registrar,
    ):
        assert await asyncio.gather(*(registrar.ask(UID, KEY.kid) for _ in range(50))) == [RECORD] * 50
        assert len(listener.heads) == 1
        await registrar.ask(UID, KEY.kid)
        assert len(listener.heads) == 2


async def test_waiter_that_goes_away() -> None:
    """A caller who hangs up takes the answer from nobody else, also if he asked first."""
    async with (
        listening_with(told(RECORD._asdict()), delay=0.05) as listener,
        open_registrar(listener.url) as registrar,
    ):
        first = asyncio.create_task(registrar.ask(UID, KEY.kid))
        second = asyncio.create_task(registrar.ask(UID, KEY.kid))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == RECORD
        assert len(listener.heads) == 1
        alone = asyncio.create_task(registrar.ask(UID, KEY.kid))
        await asyncio.sleep(0.01)
        alone.cancel()
        await asyncio.sleep(0.1)
        assert await registrar.ask(UID, KEY.kid) == RECORD


async def test_bounded_concurrency() -> None:
    """At most 16 questions are under way, 12 of them unproven; the others wait their turn."""
    async with listening_with(told(None)) as listener, open_registrar(listener.url) as registrar:
        listener.answering.clear()
        kids = [generate().public.kid for _ in range(QUESTIONS * 2)]
        unproven = asyncio.gather(*(registrar.ask(UID, kid) for kid in kids))
        await until(listener.has_been_asked(STRANGERS))
        await asyncio.sleep(0.05)
        assert len(listener.heads) == STRANGERS
        proven = asyncio.gather(*(registrar.ask(UID, kid, proven=True) for kid in kids))
        await until(listener.has_been_asked(QUESTIONS))
        await asyncio.sleep(0.05)
        assert len(listener.heads) == QUESTIONS
        listener.answering.set()
        assert await unproven == await proven == [None] * len(kids)
        assert len(listener.heads) == 2 * len(kids)


async def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxies are not for questions inside a deployment."""
    async with listening_with(response("200 OK", b"{}")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert await ask(told(RECORD._asdict())) == RECORD
        assert proxy.connections == 0


@pytest.mark.parametrize("spoil", [str.upper, lambda kid: kid + "A", lambda kid: "A" * 43])
async def test_answer_about_another_kid(spoil: Callable[[str], str]) -> None:
    """An answer counts only for the very kid that was asked about."""
    with pytest.raises(DirectoryUnreachable):
        await ask(told(RECORD._asdict()), kid=spoil(KEY.kid))
