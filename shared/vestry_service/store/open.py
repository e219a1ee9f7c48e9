"""From a REDIS_URL to what talks to the servers behind it."""

from vestry_service.store.batches import Batcher
from vestry_service.store.link import Always, Link
from vestry_service.store.script import Script
from vestry_service.store.url import StoreUrl, parse


def open_batcher(text: str, script: Script, trips: int) -> Batcher:
    """Return what carries batches of a script's calls; nothing is connected yet.

    Args:
        text: a REDIS_URL.
        script: answers one value a key.
        trips: how many may be under way at once to one server.

    Raises ValueError: it is no such URL.
    """
    return Batcher(open_link(text), script, trips)


def open_link(text: str) -> Link:
    """Return a connection to the one server. Raises ValueError: it is no such URL."""
    return Link(_finder(parse(text)))


def _finder(url: StoreUrl) -> Always:
    if url.topology != "one":
        raise ValueError(f"a redis+{url.topology}:// URL is not supported yet")
    return Always(url)
