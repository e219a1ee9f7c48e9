"""Which host is a request for: the base, another authority of ours, or one agent?

The answer is one of the names that the operator configured, never what a header says. Signed requests are checked
against that name, so a request that was signed for another host does not verify here, however it came here: a tool
that relays a request it received can rewrite Host, but not what the agent signed.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from vestry_service.errors import MisdirectedRequest
from vestry_service.exchange import Answer, Exchange, Reply
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import InvalidUri
from vestry_signatures.message import normalise_authority


class Place(NamedTuple):
    """Where a request arrived.

    Attributes:
        authority: the configured host[:port].
        uid: the agent whose URL it is, or None at an authority of the registrar itself.
        is_base: whether it is the base URL's.
    """

    authority: str
    uid: str | None
    is_base: bool


PLACE: Final = web.RequestKey("PLACE", Place)
ANYWHERE: Final = frozenset({"/livez", "/readyz", "/healthz"})
"""Paths that answer under any Host, for probes know only an address."""


class Hosts:
    """The hosts that one registrar answers for."""

    def __init__(self, scheme: str, base: str, allowed: tuple[str, ...], agents: AgentUrls) -> None:
        """Take the base URL's scheme and authority, and further authorities for signed requests, all normalised."""
        self._scheme = scheme
        self._agents = agents
        self._own = {authority: Place(authority, None, authority == base) for authority in (*allowed, base)}
        self.place_of = lru_cache(maxsize=4096)(self._place_of)

    def guard(self, request: web.Request) -> None:
        """Note on the request which host it is for. Raises MisdirectedRequest where that is nobody here."""
        if request.path not in ANYWHERE:
            request[PLACE] = self.place_of(request.headers[hdrs.HOST])

    def guarded(self, answer: Answer) -> Answer:
        """Let an answer begin as `guard` would: there is a way to it where the guard does not look."""

        async def looked_at(exchange: Exchange) -> Reply:
            self.place_of(exchange.headers[hdrs.HOST])
            return await answer(exchange)

        return looked_at

    def for_signed(self, exchange: Exchange) -> Place:
        """Return the authority of ours that a signed request is for. Raises MisdirectedRequest at an agent's URL."""
        return own(self.place_of(exchange.headers[hdrs.HOST]))

    def _place_of(self, host: str) -> Place:
        """Find the place that a Host header names. Raises MisdirectedRequest."""
        try:
            authority = normalise_authority(host, self._scheme)
        except InvalidUri as error:
            raise MisdirectedRequest from error
        found = self._own.get(authority)
        if found is not None:
            return found
        uid = self._agents.uid_of_authority(authority)
        if uid is None:
            raise MisdirectedRequest
        return Place(authority, uid, is_base=False)


def own(place: Place) -> Place:
    """Return a place that is the registrar's own. Raises MisdirectedRequest at an agent's URL."""
    if place.uid is not None:
        raise MisdirectedRequest("agents' URLs serve their keys only: call the base URL for this")
    return place


def at_base(request: web.Request) -> None:
    """Raise MisdirectedRequest unless the request is for the base URL."""
    if not request[PLACE].is_base:
        raise MisdirectedRequest
