"""Redis is asked once and quickly; a server that may forget nonces is refused."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from service_log import Log
from stores import ValkeyServer
from vestry_service.errors import StartError
from vestry_service.redis import connect, require_noeviction
from vestry_service.store.open import open_primaries
from vestry_signatures.errors import ReplayStoreUnavailable


async def seconds_until_it_fails(ask: Callable[[], object]) -> float:
    begun = perf_counter()
    with pytest.raises(ReplayStoreUnavailable):
        await ask()  # type: ignore[misc]
    return perf_counter() - begun


async def test_a_server_that_is_away_is_told_at_once() -> None:
    """No retries: redis-py's own would take seconds."""
    async with connect("redis://127.0.0.1:1/0") as client:
        assert await seconds_until_it_fails(client.ping) < 0.4


async def test_a_server_that_accepts_and_says_nothing_is_not_waited_for() -> None:
    """Connecting works, the answer never comes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0") as client:
            assert await seconds_until_it_fails(client.ping) < 0.4


async def test_a_paused_server_is_not_waited_for_and_found_again(own_valkey: ValkeyServer) -> None:
    """Also on a connection that stood before."""
    async with connect(own_valkey.url) as client:
        await client.ping()
        own_valkey.pause()
        try:
            assert await seconds_until_it_fails(client.ping) < 0.4
        finally:
            own_valkey.resume()
        await client.ping()


@asynccontextmanager
async def counting_server(
    reply: bytes, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that takes what it is sent and answers by hanging up, unless there is a reply."""
    heard: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", heard


async def test_nothing_is_sent_twice() -> None:
    """A `SET NX` whose answer is lost, sent again, would make an honest request look like a replay."""
    async with counting_server(b"") as (url, heard), connect(url) as client:
        with pytest.raises(ReplayStoreUnavailable):
            await client.ping()
    assert len(heard) == 1


async def test_unix_sockets_users_and_databases_are_taken_from_the_url(own_valkey: ValkeyServer) -> None:
    """`unix://user:password@/path?db=N`."""
    assert own_valkey.url.startswith("unix:///")
    own_valkey.command("ACL", "SETUSER", "someone", "on", ">p@w", "~*", "+@all")
    primaries = open_primaries(
        own_valkey.url.replace("unix://", "unix://someone:p%40w@") + "?db=1&client_name=us"
    )
    [link] = (await primaries.links()).values()
    said = await link.ask(("ACL", "WHOAMI"), ("CLIENT", "GETNAME"), ("SET", "only-in-1", "x"))
    assert said == [b"someone", b"us", b"OK"]
    await primaries.aclose()
    assert own_valkey.command("GET", "only-in-1") == b"$-1\r\n"


async def test_tls_is_verified_against_the_authority_in_the_url(tmp_path: Path) -> None:
    """`rediss://` with `ssl_ca_certs`; a certificate that nobody vouches for is refused."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with counting_server(b"$30\r\nrun_id:1\r\nrole:slave\r\nx:123456\r\n", context) as (url, heard):
        url = url.replace("redis://127.0.0.1", "rediss://localhost").removesuffix("/0")
        async with connect(f"{url}?ssl_ca_certs={certificate}") as client:
            with pytest.raises(ReplayStoreUnavailable) as refused:
                await client.ping()
        assert "another service" in str(refused.value.__cause__)
        async with connect(url) as client:
            with pytest.raises(ReplayStoreUnavailable):
                await client.ping()
    assert heard == [b"*1\r\n$4\r\nINFO\r\n"]


def self_signed(folder: Path) -> Path:
    """Write a key and a certificate for `localhost` into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    return path


async def test_noeviction_is_accepted(valkey: ValkeyServer, log: Log) -> None:
    """A server that answers an error when full keeps every nonce."""
    async with connect(valkey.url) as client:
        await require_noeviction(client, log.logger)
    assert log.lines == []


async def test_any_other_policy_stops_the_start(own_valkey: ValkeyServer, log: Log) -> None:
    """With the policy and the reason."""
    own_valkey.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with connect(own_valkey.url) as client:
        with pytest.raises(StartError, match=r"allkeys-lru.*replayed"):
            await require_noeviction(client, log.logger)


async def test_a_server_that_cannot_be_asked_is_warned_about(own_valkey: ValkeyServer, log: Log) -> None:
    """An access list may forbid INFO; the operator is told what to allow."""
    own_valkey.command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-info")
    async with connect(own_valkey.url.replace("unix://", "unix://limited:pw@")) as limited:
        await require_noeviction(limited, log.logger)
    await asyncio.sleep(0)  # lines are written at the end of a turn
    assert log.lines[0]["level"] == "warning"
    assert "its maxmemory-policy is not known" in log.lines[0]["event"]
    assert "+info" in log.lines[0]["cause"]


async def test_a_server_that_is_away_does_not_stop_the_start(log: Log) -> None:
    """Services start in any order; readiness tells the rest."""
    async with connect("redis://127.0.0.1:1/0") as client:
        await require_noeviction(client, log.logger)
    await asyncio.sleep(0)
    assert "away" in log.lines[0]["event"]
