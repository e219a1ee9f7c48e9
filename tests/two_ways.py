"""An application served the short way and the ordinary way, and the same bytes for both."""

import asyncio
import json
import re
from typing import Any

from by_hand import line_to, running
from service_log import Log
from vestry_service.app import make_app
from vestry_service.exchange import Exchange, Reply
from vestry_service.lean import Lean, add_post
from vestry_service.metrics import Metrics
from vestry_signatures.errors import ExpiredSignature, ReplayStoreUnavailable

LIMIT = 64


class Side:
    """An application served one way, and what it left behind."""

    def __init__(self, *, is_lean: bool) -> None:
        self.log = Log()
        self.metrics = Metrics("verifier", "1.2.3")
        # An application with a guard has no lean routes: the same endpoints, the ordinary way.
        # The offer is one that does not change: by default each one proposes a nonce of its own.
        self.app = make_app(
            self.log.logger,
            self.metrics,
            guard=None if is_lean else lambda request: None,
            accept_signature=lambda request: 'sig1=("@authority")',
        )
        self.gate = asyncio.Event()
        self.asked = 0
        for path, answer in (("/echo", self._echo), ("/refuse", self._refuse), ("/slow", self._slow)):
            add_post(self.app, path, answer)
        for path, error in (("/away", ReplayStoreUnavailable()), ("/break", ValueError("secret"))):
            add_post(self.app, path, self._raising(error))

    async def _echo(self, exchange: Exchange) -> Reply:
        self.asked += 1
        body = await exchange.body(LIMIT)
        exchange.seen.uid = "agent-1"
        said = {"body": body.decode("latin-1"), "tag": exchange.headers.getall("X-Tag", [])}
        return Reply(json.dumps(said).encode(), {"X-More": "yes"} if body == b"more" else {})

    async def _slow(self, exchange: Exchange) -> Reply:
        await self.gate.wait()
        return await self._echo(exchange)

    async def _refuse(self, exchange: Exchange) -> Reply:
        raise ExpiredSignature

    @staticmethod
    def _raising(error: Exception) -> Any:
        async def answer(exchange: Exchange) -> Reply:
            raise error

        return answer

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log, without what differs by right."""
        found = []
        for line in self.log.lines:
            line |= dict.fromkeys(({"ts", "duration_ms"} & line.keys()), "some")
            if re.fullmatch(r"[0-9a-f]{32}", line.get("request_id", "")):
                line["request_id"] = "made"
            line.pop("exception", None)
            found.append(line)
        return found

    @property
    def counts(self) -> list[str]:
        text = self.metrics.render()[0].decode()
        return [line for line in text.splitlines() if re.match(r"http_requests(_total|_in_progress)\{", line)]


def plain(path: str = "/echo", body: bytes = b"", *fields: str, host: str = "a.example") -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
HIDDEN = plain(body=b"hidden")
SHORT: dict[str, list[bytes]] = {
    "a plain request": [plain(body=b"hello")],
    "the same head twice": [plain(body=b"one"), plain(body=b"two")],
    "an id of its own": [plain("/echo", b"", "X-Request-Id: mine-1")],
    "an id that is not repeated": [plain("/echo", b"", "X-Request-Id: a b")],
    "no body and no length": [b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n"],
    "a field twice": [plain("/echo", b"", "X-Tag: 1", "x-tag: 2 \t")],
    "bytes outside ASCII": [plain("/echo", b"\xff\x00", "X-Tag: \xe4")],
    "a body that is too long": [plain(body=b"x" * (LIMIT + 1)), plain()],
    "a header of its own": [plain(body=b"more")],
    "a refusal": [plain("/refuse"), plain()],
    "a refusal as problem": [plain("/refuse", b"", "Accept: application/problem+json")],
    "something away": [plain("/away")],
    "a fault": [plain("/break"), plain()],
    "another route between": [plain(), b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", plain()],
    "a body in pieces before": [plain(body=b"hello")[:-3], b"l", b"lo", plain(body=b"again")],
}
ORDINARY: dict[str, list[bytes]] = {
    "HTTP/1.0": [plain().replace(b"1.1", b"1.0"), plain()],
    "a client that leaves": [plain("/echo", b"x", "Connection: close"), plain()],
    "an expectation": [plain("/echo", b"x", "Expect: 100-continue")],
    "an expectation that cannot be met": [plain("/echo", b"x", "Expect: wonders")],
    "chunks": [CHUNKED],
    "an upgrade": [plain("/echo", b"", "Connection: upgrade", "Upgrade: websocket")],
    "an unknown upgrade": [plain("/echo", b"", "Connection: upgrade", "Upgrade: h2c"), plain()],
    "a coded body": [plain("/echo", b"x", "Content-Encoding: gzip")],
    "an unknown coding": [plain("/echo", b"x", "Content-Encoding: none"), b""],
    "an empty host": [plain(host="")],
    "no host": [plain().replace(b"Host", b"Toast")],
    "two hosts": [plain("/echo", b"", "Host: b")],
    "two lengths": [plain("/echo", b"", "Content-Length: 1")],
    "a length that is no number": [plain().replace(b": 0", b": +0")],
    "a query": [plain("/echo?x=1")],
    "an absolute target": [plain("http://a.example/echo")],
    "another host's target": [plain("http://b.example/echo")],
    "another method": [plain().replace(b"POST", b"PUT")],
    "no method": [plain().replace(b"POST", b"post")],
    "a line break first": [b"\r\n" + plain()],
    "bare line feeds": [plain().replace(b"\r\n", b"\n")],
    "a folded field": [plain("/echo", b"", "X-Tag: 1", " 2")],
    "a NUL": [plain("/echo", b"", "X-Tag: \0")],
    "a head in pieces": [plain(body=b"abc")[:20], plain(body=b"abc")[20:]],
    "two in one read": [plain(body=b"1") + plain(body=b"2")],
    "a body with something behind it": [plain(body=b"1") + b"garbage\r\n\r\n"],
    "a long head": [plain("/echo", b"", "X-Tag: " + "x" * 4000)],
    "a head that is too long": [plain("/echo", b"", "X-Tag: " + "x" * 20000)],
    "too many fields": [plain("/echo", b"", *["X-Tag: 1"] * 200)],
}
OUTER = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
# What looks like a plain request at the begin of a read, and is the middle of another.
SMUGGLED: dict[str, list[bytes]] = {
    "in a field": [plain() + b"POST /echo HTTP/1.1\r\nHost: a\r\nX-Tag: ", HIDDEN],
    "in a body": [OUTER % (b"echo", len(HIDDEN)), HIDDEN],
    "in a body that began": [OUTER % (b"echo", len(HIDDEN) + 1) + b"x", HIDDEN],
    "in a body behind line breaks": [
        b"\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 63\r\n\r\n", b"x" * 59, HIDDEN,
    ],
    "in a chunk": [CHUNKED.partition(b"\r\n\r\n")[0] + b"\r\n\r\n%x\r\n" % len(HIDDEN), HIDDEN, b"\r\n0\r\n\r\n"],
    "behind a body that nobody reads": [OUTER % (b"nothing", len(HIDDEN)), HIDDEN],
}  # fmt: skip


async def told(side: Side, parts: list[bytes]) -> tuple[str, bool, list[dict[str, Any]], list[str]]:
    """Send reads to one side; return everything that can be seen from outside."""
    runner = await running(side.app)
    try:
        line = await line_to(runner)
        await line.say(*parts)
        return line.said, line.wire.hung_up, side.lines, side.counts
    finally:
        await runner.cleanup()


async def assert_alike(parts: list[bytes]) -> None:
    lean, ordinary = await told(Side(is_lean=True), parts), await told(Side(is_lean=False), parts)
    assert lean == ordinary


def note_taken(monkeypatch: Any) -> list[bool]:
    """Note of every read that is offered to the short way whether it takes it."""
    found: list[bool] = []
    read = Lean.read

    def noted(self: Lean, data: bytes) -> Any:
        taken = read(self, data)
        found.append(taken is not None)
        return taken

    monkeypatch.setattr(Lean, "read", noted)
    return found
