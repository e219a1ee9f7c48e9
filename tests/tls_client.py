"""Clients over TLS that send exactly what they are told: HTTP/1.1 in bytes, HTTP/2 with any headers at all."""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from multidict import CIMultiDict

from bare_client import Answer, Headers, pairs, parse

Lines = Iterable[tuple[str, str]]


@lru_cache
def _context(protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # this machine's roots would take time to read
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


async def _connect(port: int, protocol: str, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=_context(protocol), server_hostname=host)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def send1(
    port: int,
    method: str,
    target: str,
    headers: Headers,
    host: str,
    body: bytes = b"",
    sni: str | None = None,
) -> Answer:
    """Send a request by HTTP/1.1. A `Connection` among the headers takes the place of ours."""
    lines = [("Host", host), *pairs(headers)]
    if not any(name.lower() == "connection" for name, _ in lines):
        lines.append(("Connection", "close"))
    if body:
        lines.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    raw = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
    reader, writer = await _connect(port, "http/1.1", sni or host)
    try:
        writer.write(raw)
        return parse(await reader.read())
    finally:
        await _hang_up(writer)


async def send2(
    port: int,
    method: str,
    target: str,
    headers: Headers,
    host: str,
    body: bytes = b"",
    sni: str | None = None,
) -> Answer:
    """Send a request by HTTP/2."""
    pseudo = [(":method", method), (":scheme", "https"), (":authority", host), (":path", target)]
    lines = [(name.lower(), value) for name, value in pairs(headers)]
    if body:
        lines.append(("content-length", str(len(body))))
    return await send_fields(port, [*pseudo, *lines], sni or host, body)


async def send_fields(port: int, fields: Lines, sni: str, body: bytes = b"") -> Answer:
    """Send a request by HTTP/2, with these fields in this order. A stream that is reset is status 0."""
    reader, writer = await _connect(port, "h2", sni)
    try:
        talk = H2Connection(
            H2Configuration(
                header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        talk.initiate_connection()
        talk.send_headers(
            1, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields], not body
        )
        if body:
            talk.send_data(1, body, end_stream=True)
        writer.write(talk.data_to_send())
        return await _answer(reader, writer, talk)
    finally:
        await _hang_up(writer)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, talk: H2Connection) -> Answer:
    status, headers, body = 0, CIMultiDict[str](), b""
    while data := await reader.read(65536):
        for event in talk.receive_data(data):
            if isinstance(event, ResponseReceived):
                headers = CIMultiDict([(str(name), str(value)) for name, value in event.headers or []])
                status = int(headers.pop(":status"))
            elif isinstance(event, DataReceived):
                body += event.data or b""
                talk.acknowledge_received_data(event.flow_controlled_length or 0, 1)
            elif isinstance(event, StreamEnded | StreamReset | ConnectionTerminated):
                return Answer(status, headers, body)
        writer.write(talk.data_to_send())
    return Answer(status, headers, body)
