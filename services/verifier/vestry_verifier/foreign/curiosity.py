"""How many new directories of one host may be fetched: a bucket for each host that drains with time."""

from collections import OrderedDict
from typing import Final

DEPTH: Final = 30
DRAIN: Final = 0.5
"""Fetches at once at most, and how many drain in a second."""
HOSTS: Final = 10_000


class Curiosity:
    """Counts new directories by host."""

    def __init__(self, depth: int = DEPTH, drain: float = DRAIN, hosts: int = HOSTS) -> None:
        self._depth = depth
        self._drain = drain
        self._hosts = hosts
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, host: str, now: float) -> bool:
        """Tell whether one more may be fetched (time in seconds), and count it then."""
        level, since = self._levels.pop(host, (0.0, now))
        level = max(0.0, level - max(0.0, now - since) * self._drain)
        allowed = level + 1 <= self._depth
        self._levels[host] = (level + allowed, now)
        if len(self._levels) > self._hosts:
            self._levels.popitem(last=False)
        return allowed
