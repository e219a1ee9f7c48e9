"""A DNS server on loopback, and a resolver that asks it (RFC 1035, as far as A and AAAA records go).

A name has a list of answers, each a list of addresses: every look-up takes the next one and the last one stays, so a
test can let a name point elsewhere from one look-up to the next. `silent` names are never answered.
"""

import asyncio
import secrets
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

A, AAAA, IN = 1, 28, 1
_FAMILIES = {A: socket.AF_INET, AAAA: socket.AF_INET6}


class NameServer(asyncio.DatagramProtocol):
    """Answers for the names it is given. Attributes: `port`, and `asked`: the names of A questions, in order."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self._answers: dict[str, list[list[str]]] = {}
        self._now: dict[str, list[str]] = {}
        self._transport: asyncio.DatagramTransport

    def point(self, name: str, *answers: list[str]) -> None:
        """Let a name point to these addresses, one list after the other."""
        self._answers[name] = list(answers)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        name, end = _read_name(data, 12)
        kind, _ = struct.unpack_from("!HH", data, end)
        if kind == A:
            self.asked.append(name)
            answers = self._answers.get(name, [[]])
            self._now[name] = answers.pop(0) if len(answers) > 1 else answers[0]
        if name in self.silent:
            return
        wanted = [each for each in self._now.get(name, []) if (":" in each) == (kind == AAAA)]
        records = b"".join(_record(kind, address) for address in wanted)
        head = struct.pack("!HHHHHH", *struct.unpack_from("!H", data), 0x8180, 1, len(wanted), 0, 0)
        self._transport.sendto(head + data[12 : end + 4] + records, sender)

    async def lookup(self, name: str, _known: bool = False) -> list[str]:
        """Resolve a name by asking this server over UDP, IPv4 first."""
        return await self._ask(name, A) + await self._ask(name, AAAA)

    async def _ask(self, name: str, kind: int) -> list[str]:
        question = struct.pack("!HHHHHH", secrets.randbits(16), 0x0100, 1, 0, 0, 0)
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        question += labels + b"\0" + struct.pack("!HH", kind, IN)
        loop = asyncio.get_running_loop()
        # A plain socket, since an endpoint that is being made cannot be closed by who is cancelled meanwhile.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect(("127.0.0.1", self.port))
            await loop.sock_sendall(asking, question)
            return _addresses(await loop.sock_recv(asking, 4096), kind)


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


def _record(kind: int, address: str) -> bytes:
    packed = socket.inet_pton(_FAMILIES[kind], address)
    return struct.pack("!HHHIH", 0xC00C, kind, IN, 0, len(packed)) + packed


def _addresses(data: bytes, kind: int) -> list[str]:
    _, end = _read_name(data, 12)
    size = 16 if kind == AAAA else 4
    rest = data[end + 4 :]
    return [
        socket.inet_ntop(_FAMILIES[kind], rest[start + 12 : start + 12 + size])
        for start in range(0, len(rest), 12 + size)
    ]


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Run a DNS server on a free loopback port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
