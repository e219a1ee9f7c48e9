"""The one round trip: has this signature been used before, and does its key still stand?

After a signature is proven, and never before (or anyone could burn another's nonces or fill the store),
one trip to the primary of Redis answers three questions at once (wire contract, section 7):

    SET n{TT}… 1 NX EX life   was this nonce new?                          -> Answer.fresh
    GET k{TT}…                what does the kid stand for now?             -> Answer.record
    GET g{TT}                 would the store know, had it been spent?     -> Answer.remembered

and where the claim has a bound, before all of them a fourth, without which the nonce is not spent (`replay_bound`):

    GET b{TT}…                has the key room for another nonce?          -> Answer.wait

The store remembers a nonce for as long as its signature could pass anywhere: until `expires`, plus the
clock skew that a verifier allows after it, plus the same again for verifiers whose clocks differ.

Clocks may differ by more, and so may settings. Neither lets a signature pass twice, for two things are decided by
what all processes share:

- The store's own clock says when that time is over. A nonce is kept until then, however far ahead the clock of the
  process was that spent it; and what is brought later was perhaps forgotten, so nobody may judge it, however far
  behind the clock is of the process that asks.
- The memory mark says what clock skew the store remembers for. A process that allows a greater one would accept
  what others have forgotten: it is told so, and accepts nothing.

How a caller reads an `Answer` (all of this is the caller's business, in this order):

0. `wait` is not 0: the key has no room. Nothing was spent; `fresh` is False, so who does not look here refuses too.
1. `fresh` is False, or `record` says revoked or suspended: definitive. Refuse, whatever else is said.
2. `remembered` is False: this signature cannot be judged, since the nonces of its time may be gone.
   `ReplayStoreUnavailable`; the caller signs anew.
3. `record` is None: nobody knows here. Ask the registrar, which rereads Postgres and writes the record;
   the nonce is spent by then, so use its answer, or `recheck`.
4. Only then may the signature pass, if `record` names the very uid that was claimed and is within its bounds.

`ReplayStoreUnavailable` from any method means that the outcome is unknown. The nonce may be spent or not:
trying the same claim again could make an honest caller look like a thief, so nothing here ever does.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import NamedTuple, Protocol

from vestry_service.live_records import LiveRecord, Mark
from vestry_service.replay_bound import Bound
from vestry_signatures.errors import ReplayStoreUnavailable


class Claim(NamedTuple):
    """One use of one proven signature.

    Attributes:
        kid: thumbprint of the key that signed, or what its signer is counted by instead (`uses`).
        digest: 16 bytes, from `nonce_digest`, or from `base_digest` where there is no nonce.
        expires, created: the signature's own parameters, Unix seconds.
        bound: how many unexpired nonces the key may have, or None for as many as it likes.
    """

    kid: str
    digest: bytes
    expires: int
    created: int
    bound: Bound | None = None


class Answer(NamedTuple):
    """What the store says to one claim.

    Attributes:
        fresh: nobody spent this nonce under this kid before (always True where none was spent).
        record: the live record, None where the store has none that can be read.
        remembered: the memory mark is there, names the server that answered, and began strictly before
            the signature's `created`; and by the server's clock the nonce would still be there.
        wait: 0, or where the key had no room and nothing was spent, the seconds until it has some.
    """

    fresh: bool
    record: LiveRecord | None
    remembered: bool
    wait: int = 0


class ReplayStore(Protocol):
    """The verifying side of the store. Every method raises `ReplayStoreUnavailable` within 250 ms."""

    async def spend(self, claims: Sequence[Claim], now: int) -> list[Answer]:
        """Spend every claim, and say of each what the store knows; in the order given.

        `now` is in Unix seconds. Two claims with one nonce and one kid: the first is fresh, the second is not.
        Raises ValueError when there is no claim: nothing asked must not read as nothing wrong.
        """
        ...

    async def look(self, kid: str) -> LiveRecord | None:
        """Read the live record of a kid (for a process that has not parsed its key yet)."""
        ...

    async def recheck(self, claims: Sequence[Claim]) -> list[Answer]:
        """Answer as `spend` does, spending nothing; `fresh` is True. Raises ValueError without a claim."""
        ...

    async def peek(self, claims: Sequence[Claim]) -> list[Answer]:
        """Answer what `spend` would, and change nothing: who only explains must not use a signature up.

        Of two equal claims both are fresh, for neither is spent. Raises ValueError without a claim.
        """
        ...

    async def aclose(self) -> None:
        """Let what is in flight finish, then hang up."""
        ...


def nonce_digest(kid: str, nonce: str) -> bytes:
    """Return the 16 bytes under which a nonce of `kid` is spent. The same nonce of two keys is two nonces."""
    return _digest(b"vestry nonce", kid, nonce.encode())


def base_digest(kid: str, signature_base: bytes) -> bytes:
    """Return the 16 bytes spent for a signature without a nonce.

    Its signature base (RFC 9421 section 2.5) is taken and not the signature itself, since an ECDSA signature
    (r, s) has a twin (r, -s) that verifies just as well.
    """
    return _digest(b"vestry base", kid, signature_base)


def _digest(domain: bytes, kid: str, rest: bytes) -> bytes:
    # The kid goes in with its length before it: no two (kid, rest) pairs feed the same bytes.
    name = kid.encode()
    return blake2b(b"%d:%b%b" % (len(name), name, rest), digest_size=16, person=domain).digest()


def nonce_life(claim: Claim, now: float, clock_skew: int) -> int:
    """Return for how many seconds a claim must be remembered; at least 1.

    One second more than the clocks ask for: `now` and the time a signature is judged by are rounded down, so it
    passes until the last second has ended. Without any skew its nonce would be gone before that.
    """
    return max(0, ceil(claim.expires - now + 2 * clock_skew)) + 1


def remembered_until(expires: int, clock_skew: int) -> int:
    """Say until when (Unix seconds, by the store's clock) a nonce is there, for the clock skew of the memory mark."""
    return expires + 2 * clock_skew + 1


def judge(
    claim: Claim,
    fresh: bool,
    line: bytes | None,
    mark: bytes | None,
    run_id: str,
    clock_skew: int,
    wait: int = 0,
) -> Answer:
    """Make an answer out of what the keys hold, the run id of the server that said so, and our clock skew.

    A mark is handed over only where the nonce would still be there (`remembered_until`).

    Raises:
        ReplayStoreUnavailable: our clock skew is greater than the one that the store remembers for.
    """
    found = read_mark(mark)
    remembered = found is not None and found.run_id == run_id and found.since < claim.created
    if remembered and found is not None and found.skew < clock_skew:
        raise ReplayStoreUnavailable(
            "CLOCK_SKEW is greater here than at the registrar: set the same in both, and sign anew"
        )
    return Answer(fresh, read_record(claim.kid, line), remembered, wait)


@lru_cache(maxsize=1024)  # a key that is busy has the same record from one change of its agent to the next
def read_record(kid: str, line: bytes | None) -> LiveRecord | None:
    """Read a live record; one that cannot be read counts as missing, so that the registrar writes it anew."""
    if line is None:
        return None
    try:
        return LiveRecord.decode(kid, line)
    except ValueError:
        return None


@lru_cache(maxsize=16)  # the marks of a store are all alike: this spares a microsecond of ten a claim
def read_mark(value: bytes | None) -> Mark | None:
    """Read a memory mark; one that cannot be read counts as missing."""
    if value is None:
        return None
    try:
        return Mark.decode(value)
    except ValueError:
        return None
