"""Ask a server in bytes, as no HTTP client would."""

import asyncio
import json
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What came back, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        error = json.loads(self.body)["error"]
        assert isinstance(error, dict)
        return error


class Served:
    """A server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def raw(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """Send bytes and return everything that comes until the server hangs up, or a while of silence."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause)
            return await _until_silence(reader)
        finally:
            writer.close()

    async def ask(self, *parts: bytes, pause: float = 0.0) -> Answer:
        """Send bytes and return the one answer."""
        return answer_of(await self.raw(*parts, pause=pause))

    async def get(self, target: str, **headers: str) -> Answer:
        """Send a plain GET that asks to hang up afterwards."""
        return await self.send("GET", target, **headers)

    async def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a plain request; `_` in a header's name stands for `-`."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return await self.ask("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


async def _until_silence(reader: asyncio.StreamReader) -> bytes:
    found = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65536), 0.4):
            found += chunk
    except (TimeoutError, ConnectionError):
        pass
    return found


def answer_of(found: bytes) -> Answer:
    """Take the first answer in `found` apart."""
    head, _, body = found.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Answer(int(status.split()[1]), headers, body)
