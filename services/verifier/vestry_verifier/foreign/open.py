"""Everything that foreign agents' keys need, put together."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from vestry_service.metrics import Metrics
from vestry_verifier.foreign.addresses import Addresses
from vestry_verifier.foreign.directories import Directories
from vestry_verifier.foreign.fetch import open_fetcher
from vestry_verifier.foreign.keys import ForeignKeys
from vestry_verifier.foreign.resolver import Lookup, SystemLookup
from vestry_verifier.foreign.store import RedisDocuments
from vestry_verifier.settings import VerifierSettings


class Outside(NamedTuple):
    """How the world outside is reached.

    Attributes:
        lookup: resolves names; None asks the system.
        tls: makes the context by which hosts are verified.
    """

    lookup: Lookup | None = None
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context


INTERNET: Final = Outside()


@asynccontextmanager
async def open_foreign_keys(
    settings: VerifierSettings, metrics: Metrics, clock: Callable[[], float], outside: Outside
) -> AsyncIterator[ForeignKeys]:
    """Yield the keys of foreign agents; nothing is connected before a first one is asked for."""
    documents = RedisDocuments(settings.redis_url)
    lookup = outside.lookup or SystemLookup()
    addresses = Addresses(settings.fetch_allow_private)
    async with open_fetcher(lookup, addresses, metrics, outside.tls) as fetcher:
        directories = Directories(documents, fetcher, clock)
        try:
            yield ForeignKeys(directories, settings.algorithms, clock)
        finally:
            await directories.aclose()
            await documents.aclose()
