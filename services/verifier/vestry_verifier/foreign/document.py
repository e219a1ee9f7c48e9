"""What a fleet of verifiers knows of one foreign directory, in the form in which Redis keeps it.

One line of ASCII: when the fetch began that it comes from, a blank, and the rest as JSON. The time stands apart
because the script that writes it compares it: of two answers the one that was asked for later counts, also when
it comes first.
"""

from typing import Any, Final, NamedTuple

import orjson

from vestry_verifier.foreign.answer import GONE
from vestry_verifier.foreign.freshness import LONGEST_PAUSE, pause
from vestry_verifier.foreign.jwks import ForeignKey

FEW_FAILURES: Final = 3


class Document(NamedTuple):
    """A directory, or the fact that it could not be had. Times are Unix seconds.

    Attributes:
        started: when the fetch began by which it is known, by the store's clock; 0 where it never was.
        fresh_until: until when it is believed without a question.
        lifetime: seconds for which it was fresh when it came.
        stale_for: seconds for which it may serve after that while its host cannot be reached.
        validator: of its state, or None.
        keys: None where it is not known.
        failures: how many fetches have failed since.
        retry_at: when the next one may be tried.
        why: the result of the last one that failed, or None.
    """

    started: float = 0.0
    fresh_until: float = 0.0
    lifetime: float = 0.0
    stale_for: float = 0.0
    validator: str | None = None
    keys: tuple[ForeignKey, ...] | None = None
    failures: int = 0
    retry_at: float = 0.0
    why: str | None = None

    @property
    def fetched_at(self) -> float:
        """When it was fetched, by the clock of whoever did."""
        return self.fresh_until - self.lifetime

    def is_fresh(self, now: float) -> bool:
        """Tell whether it is believed as it is."""
        return self.keys is not None and now < self.fresh_until

    @property
    def is_known(self) -> bool:
        """Tell whether it was had, and has not failed again and again since: it need not stand behind strangers."""
        return self.keys is not None and self.failures < FEW_FAILURES

    def serves_stale(self, now: float) -> bool:
        """Tell whether it may serve while its host cannot be reached (RFC 5861 section 4)."""
        return self.keys is not None and self.failures > 0 and now < self.fresh_until + self.stale_for

    def is_news(self, known: "Document") -> bool:
        """Tell whether somebody has fetched, or tried to, since `known` was."""
        return self.started > known.started or self.retry_at > known.retry_at

    def failed(self, now: float, why: str) -> "Document":
        """Return it after one more failure: what was known stays known; what is gone does not outlive its time."""
        failures = self.failures + 1
        stale_for = 0.0 if why == GONE else self.stale_for
        return self._replace(stale_for=stale_for, failures=failures, retry_at=now + pause(failures), why=why)

    def renewed(self, started: float, now: float, lifetime: float, stale_for: float | None) -> "Document":
        """Return it after a 304; one that says nothing (`stale_for` is None) gives no more time than there was."""
        if stale_for is None:
            lifetime, stale_for = min(lifetime, self.lifetime), self.stale_for
        return Document(started, now + lifetime, lifetime, stale_for, self.validator, self.keys)

    def doubted(self, now: float) -> "Document":
        """Return it with its time over: it has to be fetched before it counts again."""
        return self._replace(fresh_until=min(self.fresh_until, now), stale_for=0.0)

    def life(self, now: float) -> float:
        """Return for how many seconds it is worth keeping: while it may serve, and while failures are counted."""
        serves = self.fresh_until + self.stale_for if self.keys is not None else 0.0
        counts = self.retry_at + LONGEST_PAUSE if self.failures else 0.0
        return max(serves - now, counts - now, 1.0)

    def encode(self) -> bytes:
        """Return the bytes that Redis keeps."""
        keys = None if self.keys is None else [list(key) for key in self.keys]
        rest = [self.fresh_until, self.lifetime, self.stale_for, self.validator, keys]
        rest += [self.failures, self.retry_at, self.why]
        return b"%.6f %b" % (self.started, orjson.dumps(rest))

    @classmethod
    def decode(cls, data: bytes | None) -> "Document":
        """Read what Redis keeps; what is not there or cannot be read is a directory that is not known."""
        started, _, rest = (data or b"").partition(b" ")
        try:
            fresh_until, lifetime, stale_for, validator, keys, *failed = orjson.loads(rest)
            found = None if keys is None else tuple(map(_key, keys))
            failures, retry_at, why = failed
            return cls(
                float(started), fresh_until, lifetime, stale_for, validator, found, failures, retry_at, why
            )
        except (ValueError, TypeError):
            return cls()


def _key(entry: Any) -> ForeignKey:
    jwk, not_before, not_after = entry
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        raise ValueError("no key")
    return ForeignKey(jwk, int(not_before), int(not_after))
