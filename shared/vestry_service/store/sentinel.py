"""The primary that a majority of the Sentinels names (redis+sentinel://).

One Sentinel may be cut off, or not have heard yet: what it says alone counts for nothing. So name all of them in
REDIS_URL: the majority is one of those that stand there. The server that they name must say itself that it is a
primary; a demoted one is refused when connecting, answers `READONLY` on a connection that stands, or, since the
Sentinels tell it to, has hung up.
"""

from functools import partial

from vestry_service.store.greeting import Refused, dial_primary
from vestry_service.store.url import Address, StoreUrl
from vestry_service.store.watch import Watch, agreed
from vestry_service.store.wire import Wire


class Sentinels(Watch):
    """A `Finder` of whichever server is the primary now."""

    def __init__(self, url: StoreUrl) -> None:
        super().__init__(url, url.sentinel_login)
        self._primary: Address | None = None

    async def find(self) -> Wire:
        await self.refresh()
        if self._primary is None:
            raise Refused(f"the Sentinels know no primary named {self.url.master}")
        generation = self.generation
        wire = await dial_primary(self._primary, self.url)
        wire.generation = generation
        return wire

    def trusts(self, wire: Wire) -> bool:
        return self.is_fresh and wire.generation == self.generation

    async def hear(self) -> None:
        questions = [partial(self._named_by, sentinel) for sentinel in self.url.addresses]
        primary = await agreed(questions, "the primary")
        if primary != self._primary:
            self._primary = primary
            self.generation += 1

    async def _named_by(self, sentinel: Address) -> Address:
        named = await self.ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.url.master)
        if named is None:
            raise Refused(f"{sentinel} knows no primary named {self.url.master}")
        host, port = named
        return Address(host.decode(), int(port))
