"""A Lua script, and calls of it that travel together.

Every call carries items: each item is the same number of keys and of arguments, and the script answers one value a
key, in their order. Where several calls travel together they are of different hash slots of a Cluster, which
refuses a script over several.

A trip is sent once. The one exception is `NOSCRIPT`, by which a server says that it does not have the script and
has done nothing: then the script itself is sent, within the same deadline.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from hiredis import ReplyError

from vestry_service.store.wire import Wire, Word, pack

TIMEOUT = 0.25
"""Seconds that one trip may take in all, connecting included (wire contract, section 7)."""


class Script:
    """A Lua script, and the SHA-1 by which Redis knows it.

    Attributes:
        keys, args: how many of them make an item.
    """

    __slots__ = ("args", "body", "keys", "sha")

    def __init__(self, body: str, keys: int = 1, args: int = 0) -> None:
        self.body = body
        self.sha = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()
        self.keys = keys
        self.args = args


class Words(NamedTuple):
    """KEYS and ARGV of one call; `asking`: its slot is about to move to the server that is asked."""

    keys: Sequence[bytes]
    args: Sequence[Word]
    asking: bool = False


class Passenger(Protocol):
    """Who sends calls off. Exactly one of the methods is called, once."""

    def arrived(self, replies: list[Any], wire: Wire) -> None:
        """Take one reply a call; instances of `ReplyError` among them."""
        ...

    def failed(self, error: BaseException) -> None:
        """Hear that it is unknown whether the script has run, or will yet."""
        ...


class NotAcknowledged(ConnectionError):
    """Fewer replicas than demanded have told that they hold what was written."""


class Trip:
    """Some calls of one script on their way to one server."""

    __slots__ = (
        "_again",
        "_calls",
        "_passenger",
        "_replicas",
        "_replies",
        "_script",
        "_timer",
        "_wire",
        "deadline",
    )

    def __init__(
        self, script: Script, calls: Sequence[Words], deadline: float, passenger: Passenger, replicas: int = 0
    ) -> None:
        """Take the calls, by when (the event loop's time) their replies must be here, and who is to hear of them.

        `replicas`: so many must hold what was written by then, or the trip has failed.
        """
        self.deadline = deadline
        self._script = script
        self._calls = calls
        self._passenger = passenger
        self._replicas = replicas
        self._replies: list[Any] = []
        self._again: list[int] = []
        self._timer: asyncio.TimerHandle
        self._wire: Wire

    @property
    def is_late(self) -> bool:
        """Whether it is too late to start."""
        return asyncio.get_running_loop().time() >= self.deadline

    def start(self, wire: Wire) -> None:
        """Send everything over a wire."""
        self._wire = wire
        self._timer = asyncio.get_running_loop().call_at(self.deadline, self._late)
        try:
            self._send(self._calls, ("EVALSHA", self._script.sha))
        except Exception as error:
            self.lost(error)  # a fault of our own, before anything was sent: nobody waits for ever
            raise

    def fail(self, error: BaseException) -> None:
        """Give up before anything was sent."""
        self._passenger.failed(error)

    def answered(self, replies: list[Any]) -> None:
        if self._replicas and not _is_enough(replies.pop(), self._replicas):
            self.lost(NotAcknowledged(f"fewer than {self._replicas} replicas hold what was written"))
            return
        if self._again:
            for index, reply in zip(self._again, self._without_asking(replies), strict=True):
                self._replies[index] = reply
            self._again = []
        else:
            self._replies = self._without_asking(replies)
            self._again = [index for index, reply in enumerate(self._replies) if _is_unknown_script(reply)]
        if self._again:
            self._send(self._under_way(), ("EVAL", self._script.body))
            return
        self._end()
        self._passenger.arrived(self._replies, self._wire)

    def lost(self, error: Exception) -> None:
        self._end()
        self._passenger.failed(error)

    def _send(self, calls: Sequence[Words], how: tuple[Word, Word]) -> None:
        words = []
        for keys, args, asking in calls:
            if asking:
                words.append(ASKING)
            words.append(pack(*how, len(keys), *keys, *args))
        if self._replicas:
            words.append(pack("WAIT", self._replicas, self._patience()))
        self._wire.send(words[0] if len(words) == 1 else b"".join(words), len(words), self)

    def _patience(self) -> int:
        """Milliseconds for replicas: the reply must be here in time. Never 0, which would mean for ever."""
        left = self.deadline - asyncio.get_running_loop().time() - ON_THE_WAY
        return max(1, int(left * 1000))

    def _under_way(self) -> Sequence[Words]:
        return [self._calls[index] for index in self._again] if self._again else self._calls

    def _without_asking(self, replies: list[Any]) -> list[Any]:
        """Leave out what the server says to ASKING itself."""
        calls = self._under_way()
        if len(replies) == len(calls):
            return replies
        given = iter(replies)
        found = []
        for call in calls:
            if call.asking:
                next(given)
            found.append(next(given))
        return found

    def _late(self) -> None:
        # Nobody knows what the server will still do, and the next one needs a connection that answers.
        self._wire.end(TimeoutError("no reply in time"))

    def _end(self) -> None:
        self._timer.cancel()


ON_THE_WAY = 0.12
"""Seconds of a trip that are left for the way where the server waits for its replicas: it may look late, by 0.1 s."""

ASKING = pack("ASKING")


def _is_enough(holders: Any, wanted: int) -> bool:
    return isinstance(holders, int) and holders >= wanted


def _is_unknown_script(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith("NOSCRIPT")
