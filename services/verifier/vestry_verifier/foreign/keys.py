"""Keys of foreign agents: the pair of directory and kid, never a kid alone.

A key counts for the agent in whose own directory it stands. Anybody may publish anybody's public key: whoever does so
names his own host by it, and nobody else's (draft-ietf-webbotauth-httpsig-protocol, section 4.4).

A pair stands while its directory is believed (`directories.py`) and the key's own time, `nbf` to `exp`, is not over.
That is decided at every request, before its signature is proven and again after its nonce is spent; parsing alone is
remembered.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from vestry_service.trust import Signer
from vestry_signatures.errors import KeyRefused, NotYetValid, RevokedKey, UnknownKey
from vestry_signatures.keys import PublicKey, public_key
from vestry_verifier.foreign.directories import Directories
from vestry_verifier.foreign.identifier import directory_of
from vestry_verifier.foreign.jwks import ForeignKey

CAPACITY: Final = 20_000


class ForeignKeys:
    """Keys of foreign agents whose hosts are admitted."""

    def __init__(
        self,
        directories: Directories,
        algorithms: Collection[str],
        clock: Callable[[], float],
        capacity: int = CAPACITY,
    ) -> None:
        """Take the directories, the accepted algorithms and the time in Unix seconds."""
        self._directories = directories
        self._algorithms = frozenset(algorithms)
        self._clock = clock
        self._capacity = capacity
        self._parsed: OrderedDict[str, PublicKey] = OrderedDict()

    async def find(self, signer: Signer, kid: str) -> PublicKey:
        """Find the key of an agent that stands now.

        Raises:
            UnknownKey: its directory has no such key, or none of an accepted algorithm.
            NotYetValid, RevokedKey: the key's own time has not come, or is over.
            DirectoryUnreachable: the directory is not known and cannot be had now.
            ReplayStoreUnavailable: Redis does not answer.
        """
        document = await self._directories.current(directory_of(signer.directory_url), kid)
        for key in document.keys or ():
            if key.jwk["kid"] == kid:
                self._require_time(key)
                return self._parse(key)
        raise UnknownKey

    def _require_time(self, key: ForeignKey) -> None:
        now = self._clock()
        if key.not_after and now >= key.not_after:
            raise RevokedKey("the key's time is over by its own directory")
        if now < key.not_before:
            raise NotYetValid("the key is not in use yet by its own directory")

    def _parse(self, key: ForeignKey) -> PublicKey:
        """Parse a key, or take it from those that are parsed: a kid says all of a key, whoever publishes it."""
        kid = key.jwk["kid"]
        parsed = self._parsed.get(kid)
        if parsed is None:
            try:
                parsed = public_key(key.jwk, self._algorithms)
            except KeyRefused as error:
                raise UnknownKey("the agent has no such key of an algorithm that is accepted here") from error
            if parsed.kid != kid:  # the store is not believed about it either
                raise UnknownKey
            self._parsed[kid] = parsed
            if len(self._parsed) > self._capacity:
                self._parsed.popitem(last=False)
        else:
            self._parsed.move_to_end(kid)
        return parsed
