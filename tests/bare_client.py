"""A client that sends exactly the request it is told to: any Host, two Hosts, none, headers twice."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back on one connection."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer that is one."""
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def verdict(self) -> tuple[int, str]:
        """Status and reason: `(200, "")` where there is nothing to complain about."""
        return self.status, "" if self.status < 400 else self.error["reason"]


def pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


async def send(
    port: int, method: str, target: str, headers: Headers = (), body: bytes = b"", host: str | None = None
) -> Answer:
    """Send one request, with `Host` where `host` is given, and `Content-Length` unless the headers frame the body."""
    lines = pairs(headers)
    if host is not None:
        lines.insert(0, ("Host", host))
    names = {name.lower() for name, _ in lines}
    if (body or method == "POST") and not names & {"content-length", "transfer-encoding"}:
        lines.append(("Content-Length", str(len(body))))
    lines.append(("Connection", "close"))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return await send_bytes(port, f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)


async def send_bytes(port: int, raw: bytes) -> Answer:
    """Send bytes and read until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(15):
            return parse(await reader.read())
    finally:
        writer.close()


def parse(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return Answer(
        int(first.split()[1]), CIMultiDict([(name, value.strip()) for name, _, value in fields]), body
    )
