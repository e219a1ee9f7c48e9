"""Fetch one foreign directory, and let nobody abuse us for it.

1. At most 4 fetches at once for a host and 64 in all, some of them kept for directories that are known (`places.py`);
   and 2 seconds for each: line, resolution, TLS and body together. Where the line took more than half of that, it is
   our own fault and no failure of the host: `busy`.
2. The name is resolved once, every address is judged, and the connection goes to one that was judged
   (`resolver.py`). TLS is verified for the name in the URL, not for the address.
3. No redirect is followed: its target would be somebody whom nobody has admitted. No proxy, cookie or password of
   our environment goes along, and nothing tells the host on whose behalf we ask.
4. Any status but 200 is a failure; so is 304 where nothing was known. Where 304 is about something else than what is
   known, the whole is asked for (`validator.py`).
5. Heads and body are counted while they arrive (`heads.py`, `answer.py`).
6. Each fetch has a connection of its own, so none is judged by an earlier one's address.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from math import inf
from time import monotonic, perf_counter
from typing import Final, NamedTuple

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.client_exceptions import ClientConnectorCertificateError
from yarl import URL

from vestry_service.metrics import Metrics
from vestry_verifier.foreign.addresses import Addresses
from vestry_verifier.foreign.answer import BUSY, GONE, MAX_BODY, FetchFailed, joined, read_body
from vestry_verifier.foreign.freshness import STALE_IF_ERROR, lifetime, stale_for
from vestry_verifier.foreign.heads import BoundedResponse
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
from vestry_verifier.foreign.resolver import (
    AddressRefused,
    CheckedResolver,
    Lookup,
    LookupsBusy,
    checked_socket,
)
from vestry_verifier.foreign.validator import condition, read_validator, renews

TIMEOUT: Final = 2.0
_HEADERS: Final = {
    "Accept": ", ".join([MEDIA_TYPE, *sorted(JWK_SET_TYPES - {MEDIA_TYPE})]),
    "Accept-Encoding": "identity",
    "User-Agent": "vestry",
}


class Fetched(NamedTuple):
    """What a directory's host said.

    Attributes:
        keys: of the directory; None where it is the one that is known already (304).
        validator: of this state of it, or None.
        lifetime: seconds for which it is fresh.
        stale_for: seconds for which it may serve after that while its host cannot be reached; None where a 304
            leaves that, and with it the lifetime, as it was.
    """

    keys: list[ForeignKey] | None
    validator: str | None
    lifetime: float
    stale_for: float | None = STALE_IF_ERROR


class Fetcher:
    """Fetches. Make one with `open_fetcher`."""

    def __init__(self, known: ClientSession, strangers: ClientSession, metrics: Metrics) -> None:
        """Take the sessions in which known directories and others are fetched."""
        self._known = known
        self._strangers = strangers
        self._metrics = metrics
        self._places = Places()

    async def fetch(
        self, directory: Directory, validator: str | None = None, *, known: bool = False
    ) -> Fetched:
        """Fetch a directory.

        Args:
            directory: of a host that is admitted.
            validator: of what is known, to be told if nothing has changed.
            known: whether it was had before, so that it does not stand behind strangers.

        Raises:
            FetchFailed: it could not be had, or is none.
        """
        started = perf_counter()
        result = "cancelled"
        try:
            fetched = await self._within_time(directory, validator, known)
            result = "not_modified" if fetched.keys is None else "fetched"
            return fetched
        except FetchFailed as failure:
            result = failure.result
            raise
        finally:
            self._metrics.directory_fetches.labels(result).inc()
            self._metrics.directory_fetch_duration.observe(perf_counter() - started)

    async def _within_time(self, directory: Directory, validator: str | None, known: bool) -> Fetched:
        session = self._known if known else self._strangers
        begun = inf
        try:
            async with asyncio.timeout(TIMEOUT), self._places.at(directory.authority, known):  # (1)
                begun = monotonic()
                return await self._get(session, directory, validator)
        except TimeoutError as error:
            raise FetchFailed("timeout" if monotonic() - begun > TIMEOUT / 2 else BUSY) from error
        except NotADirectory as error:
            raise FetchFailed("malformed") from error
        except (ClientError, OSError, ValueError) as error:
            raise FetchFailed(_why(error)) from error

    async def _get(self, session: ClientSession, directory: Directory, validator: str | None) -> Fetched:
        url = URL(directory.url, encoded=True)
        headers = _HEADERS | condition(validator)
        async with session.get(url, headers=headers, allow_redirects=False) as response:  # (2), (3)
            said = joined(response.headers)
            if response.status == 200:
                return await _read(response, said, directory)
            if response.status != 304 or validator is None:
                raise FetchFailed(GONE if response.status in {404, 410} else "status")  # (4)
            if renews(said, validator):
                stale = stale_for(said) if "Cache-Control" in said else None
                return Fetched(None, validator, lifetime(said), stale)
        return await self._get(session, directory, None)


async def _read(response: ClientResponse, said: Mapping[str, str], directory: Directory) -> Fetched:
    require_media_type(said.get("Content-Type", ""), directory.well_known)
    body = await read_body(response)  # (5)
    keys = read_jwks(body, directory.well_known)
    return Fetched(keys, read_validator(said), lifetime(said), stale_for(said))


def _why(error: Exception) -> str:
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    if isinstance(cause, LookupsBusy):
        return BUSY
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
    tls = context()
    checking = [CheckedResolver(lookup, addresses, known) for known in (True, False)]
    known, strangers = (_session(resolver, addresses, tls) for resolver in checking)
    async with known, strangers:
        yield Fetcher(known, strangers, metrics)


def _session(resolver: CheckedResolver, addresses: Addresses, context: ssl.SSLContext) -> ClientSession:
    connector = TCPConnector(
        resolver=resolver,
        use_dns_cache=False,  # (2)
        socket_factory=checked_socket(addresses),
        ssl=context,
        limit=0,  # `Places` counts
        force_close=True,  # (6)
    )
    return ClientSession(
        connector=connector,
        response_class=BoundedResponse,  # (5)
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        max_line_size=8190,
        max_field_size=8190,
        max_headers=64,
        read_bufsize=MAX_BODY,
    )
