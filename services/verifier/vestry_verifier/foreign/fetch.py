"""Fetch one foreign directory, and let nobody abuse us for it.

1. At most 4 fetches at once for a host and 64 in all, and 2 seconds for each: line, resolution, TLS and body
   together.
2. The name is resolved once, every address is judged, and the connection goes to one that was judged
   (`resolver.py`). TLS is verified for the name in the URL, not for the address.
3. No redirect is followed: its target would be somebody whom nobody has admitted. No proxy, cookie or password of
   our environment goes along, and nothing tells the host on whose behalf we ask.
4. Any status but 200 is a failure; so is 304 where nothing was known.
5. The body is taken as it comes and counted while it arrives (`answer.py`).
6. Each fetch has a connection of its own, so none is judged by an earlier one's address.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final, NamedTuple

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientSSLError,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.client_exceptions import ClientConnectorCertificateError
from yarl import URL

from vestry_service.metrics import Metrics
from vestry_verifier.foreign.addresses import Addresses
from vestry_verifier.foreign.answer import MAX_BODY, FetchFailed, joined, read_body, read_etag
from vestry_verifier.foreign.freshness import STALE_IF_ERROR, lifetime, stale_for
from vestry_verifier.foreign.identifier import Directory
from vestry_verifier.foreign.jwks import (
    JWK_SET_TYPES,
    MEDIA_TYPE,
    ForeignKey,
    NotADirectory,
    read_jwks,
    require_media_type,
)
from vestry_verifier.foreign.places import Places
from vestry_verifier.foreign.resolver import AddressRefused, CheckedResolver, Lookup, checked_socket

TIMEOUT: Final = 2.0
_ACCEPT: Final = ", ".join([MEDIA_TYPE, *sorted(JWK_SET_TYPES - {MEDIA_TYPE})])


class Fetched(NamedTuple):
    """What a directory's host said.

    Attributes:
        keys: of the directory; None where it is the one that is known already (304).
        etag: of this state of it, or None.
        lifetime: seconds for which it is fresh.
        stale_for: seconds for which it may serve after that while its host cannot be reached.
    """

    keys: list[ForeignKey] | None
    etag: str | None
    lifetime: float
    stale_for: float = STALE_IF_ERROR


class Fetcher:
    """Fetches. Make one with `open_fetcher`."""

    def __init__(self, session: ClientSession, metrics: Metrics) -> None:
        self._session = session
        self._metrics = metrics
        self._places = Places()

    async def fetch(self, directory: Directory, etag: str | None = None) -> Fetched:
        """Fetch a directory.

        Args:
            directory: of a host that is admitted.
            etag: of what is known, to be told if nothing has changed.

        Raises:
            FetchFailed: it could not be had, or is none.
        """
        started = perf_counter()
        result = "cancelled"
        try:
            fetched = await self._within_time(directory, etag)
            result = "not_modified" if fetched.keys is None else "fetched"
            return fetched
        except FetchFailed as failure:
            result = failure.result
            raise
        finally:
            self._metrics.directory_fetches.labels(result).inc()
            self._metrics.directory_fetch_duration.observe(perf_counter() - started)

    async def _within_time(self, directory: Directory, etag: str | None) -> Fetched:
        try:
            async with asyncio.timeout(TIMEOUT), self._places.at(directory.authority):  # (1)
                return await self._get(directory, etag)
        except TimeoutError as error:
            raise FetchFailed("timeout") from error
        except NotADirectory as error:
            raise FetchFailed("malformed") from error
        except (ClientError, OSError, ValueError) as error:
            raise FetchFailed(_why(error)) from error

    async def _get(self, directory: Directory, etag: str | None) -> Fetched:
        headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "vestry"}
        if etag is not None:
            headers["If-None-Match"] = etag
        url = URL(directory.url, encoded=True)
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:  # (2), (3)
            said = joined(response.headers)
            mark = read_etag(said.get("ETag"))
            if response.status == 304 and etag is not None:
                return Fetched(None, mark or etag, lifetime(said), stale_for(said))
            if response.status != 200:
                raise FetchFailed("status")  # (4)
            require_media_type(said.get("Content-Type", ""), directory.well_known)
            body = await read_body(response)  # (5)
        return Fetched(read_jwks(body, directory.well_known), mark, lifetime(said), stale_for(said))


def _why(error: Exception) -> str:
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return "address_refused"
    if isinstance(error, ClientConnectorDNSError):
        return "no_such_host"
    if isinstance(error, ClientSSLError | ClientConnectorCertificateError | ssl.SSLError):
        return "tls"
    return "unreachable" if isinstance(error, OSError) else "malformed"


@asynccontextmanager
async def open_fetcher(
    lookup: Lookup, addresses: Addresses, metrics: Metrics, context: Callable[[], ssl.SSLContext]
) -> AsyncIterator[Fetcher]:
    """Yield a fetcher.

    Args:
        lookup: from a name to its addresses.
        addresses: which may be connected to.
        metrics: counts the fetches.
        context: makes the TLS context, which verifies hosts.
    """
    connector = TCPConnector(
        resolver=CheckedResolver(lookup, addresses),
        use_dns_cache=False,  # (2)
        socket_factory=checked_socket(addresses),
        ssl=context(),
        limit=0,  # `Places` counts
        force_close=True,  # (6)
    )
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        max_line_size=8190,
        max_field_size=8190,
        max_headers=64,
        read_bufsize=MAX_BODY,
    )
    async with session:
        yield Fetcher(session, metrics)
