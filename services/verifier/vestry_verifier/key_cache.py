"""From (uid, kid) to a key that is ready to check signatures.

Three places are asked, the nearest first:

1. this process: a bounded cache, least recently used out. A key never changes under its kid, so what lies here
   may be as old as it likes; whether the key still stands is decided at every request by the live record.
2. the live record in Redis, which holds the public key too. A rotated-in key is there before its rotation is
   answered, so it is found at once, whatever strangers have asked before.
3. the registrar, which rereads its database and writes the record. Kids it does not know are remembered for a second.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from vestry_service.live_records import LiveRecord
from vestry_service.metrics import Metrics
from vestry_service.replay import ReplayStore
from vestry_service.trust import Signer
from vestry_signatures.errors import DirectoryUnreachable, KeyRefused, UnknownKey
from vestry_signatures.keys import PublicKey, public_key
from vestry_verifier.registrar import Registrar

CAPACITY: Final = 50_000
UNKNOWN_FOR: Final = 1.0
"""Seconds for which a kid that the registrar does not know is not asked for again."""


class KeyCache:
    """Keys of our own agents."""

    def __init__(
        self,
        store: ReplayStore,
        registrar: Registrar,
        metrics: Metrics,
        clock: Callable[[], float],
        capacity: int = CAPACITY,
    ) -> None:
        """Take the places to ask, in order, and a monotonic clock in seconds."""
        self._store = store
        self._registrar = registrar
        self._clock = clock
        self._capacity = capacity
        self._keys: OrderedDict[tuple[str, str], PublicKey] = OrderedDict()
        self._unknown: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._tally = metrics.tally
        events = metrics.key_cache_events
        self._hit, self._record, self._asked, self._absent = (
            events.labels(event) for event in ("hit", "record", "asked", "unknown")
        )

    async def find(self, signer: Signer, kid: str) -> PublicKey:
        """Find the key of an agent.

        Raises:
            UnknownKey: the agent never had such a key.
            DirectoryUnreachable: the registrar does not answer.
            ReplayStoreUnavailable: Redis does not answer.
        """
        key = self.at_hand(signer, kid)  # (1)
        if key is not None:
            return key
        return self._keep((signer.uid, kid), await self._fetch(signer.uid, kid))

    def at_hand(self, signer: Signer, kid: str) -> PublicKey | None:
        """Return the key where this process has it (1)."""
        pair = signer.uid, kid
        key = self._keys.get(pair)
        if key is not None:
            self._keys.move_to_end(pair)
            self._tally.add(self._hit)
        return key

    def holds(self, signer: Signer, kid: str) -> bool:
        """Tell whether the key is at hand (1), and leave everything as it is."""
        return (signer.uid, kid) in self._keys

    async def _fetch(self, uid: str, kid: str) -> LiveRecord:
        record = await self._store.look(kid)  # (2)
        if record is not None:
            self._record.inc()
            if record.uid != uid:  # a kid belongs to one agent for ever
                raise UnknownKey
            return record
        return await self._ask(uid, kid, proven=False)

    async def ask(self, signer: Signer, kid: str) -> LiveRecord:
        """Have the registrar write the live record of a pair that is proven (3). Raises as `find` does."""
        return await self._ask(signer.uid, kid, proven=True)

    async def _ask(self, uid: str, kid: str, *, proven: bool) -> LiveRecord:
        pair = uid, kid
        until = self._unknown.get(pair)
        if until is not None and self._clock() < until:
            self._absent.inc()
            raise UnknownKey
        self._asked.inc()
        record = await self._registrar.ask(uid, kid, proven=proven)
        if record is None:
            self._remember_unknown(pair)
            self._absent.inc()
            raise UnknownKey
        self._unknown.pop(pair, None)
        return record

    def _remember_unknown(self, pair: tuple[str, str]) -> None:
        self._unknown[pair] = self._clock() + UNKNOWN_FOR
        self._unknown.move_to_end(pair)
        if len(self._unknown) > self._capacity:
            self._unknown.popitem(last=False)

    def _keep(self, pair: tuple[str, str], record: LiveRecord) -> PublicKey:
        try:
            key = public_key({"kty": "OKP", "crv": "Ed25519", "x": record.x})
        except KeyRefused as error:
            raise DirectoryUnreachable("the key on record cannot be read") from error
        if key.kid != record.kid:
            raise DirectoryUnreachable("the key on record is another one")
        self._keys[pair] = key
        if len(self._keys) > self._capacity:
            self._keys.popitem(last=False)
        return key
