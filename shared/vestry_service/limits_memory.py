"""The buckets without Redis: an honest stand-in over `replay_memory`, under one contract test with the real ones."""

from collections.abc import Callable, Sequence

from vestry_service.limits import MICROSECONDS, Check, Verdict, judge
from vestry_service.replay_memory import MemoryServer


class MemoryLimiter:
    """`Limiter` on a `MemoryServer`."""

    def __init__(self, server: MemoryServer, clock: Callable[[], float]) -> None:
        """Take the server and its clock (Unix seconds): the one clock that counts."""
        self._server = server
        self._clock = clock

    async def ask(self, checks: Sequence[Check]) -> list[Verdict]:
        if not checks:
            raise ValueError("no bucket to ask")
        self._server.reach()
        now = round(self._clock() * MICROSECONDS)  # (1)
        return [judge(check.rate, self._ask(check, now)) for check in checks]

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def _ask(self, check: Check, now: int) -> int:
        drop, depth = check.rate.drop, check.rate.depth
        kept = max(0, int(self._server.get(check.key) or 0) - now)
        level = min(kept, depth)  # (2)
        answer = depth - level - drop  # (3)
        if answer >= 0:
            level += drop if check.pours else 0
            answer = level
        if level != kept:
            self._server.put(check.key, b"%d" % (now + level), (now + level) / MICROSECONDS)  # (4)
        return answer
