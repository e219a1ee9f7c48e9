"""What several callers ask of one script, put into one call, and the answer dealt out again."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from vestry_service.store.wire import Word
from vestry_signatures.errors import ReplayStoreUnavailable


class Part(NamedTuple):
    """What one caller gets back: a value for each of its keys, and an item's server by name for each of its items."""

    values: Sequence[Any]
    servers: Sequence[str]


class Call:
    """Keys and arguments of several callers, all of one slot, and where each one's keys begin."""

    __slots__ = ("args", "asking", "callers", "detours", "keys")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.args: list[Word] = []
        self.asking = False
        self.detours = 0
        self.callers: list[tuple[asyncio.Future[Part], int, int]] = []

    def join(self, keys: Sequence[bytes], args: Sequence[Word], future: asyncio.Future[Part]) -> None:
        start = len(self.keys)
        self.keys += keys
        self.args += args
        self.callers.append((future, start, len(self.keys)))

    def absorb(self, other: "Call") -> None:
        """Take over what is asked by another call of the same slot."""
        start = len(self.keys)
        self.keys += other.keys
        self.args += other.args
        self.callers += [(future, start + first, start + end) for future, first, end in other.callers]

    def settle(self, reply: Sequence[Any], name: str, keys_each: int) -> None:
        """Deal out what the server with this name said."""
        if not isinstance(reply, list) or len(reply) != len(self.keys):
            self.fail(ConnectionError("the script's answer has another length than the question"))
            return
        for future, start, end in self.callers:
            if not future.done():  # done: its caller was cancelled
                future.set_result(Part(reply[start:end], [name] * ((end - start) // keys_each)))

    def fail(self, error: BaseException) -> None:
        for future, _, _ in self.callers:
            if not future.done():
                # An error each: they are raised in different tasks, and a traceback belongs to one of them.
                unknown = ReplayStoreUnavailable()
                unknown.__cause__ = error
                future.set_exception(unknown)


class Batch:
    """The calls of one trip, and how many keys they have."""

    __slots__ = ("calls", "deadline", "size")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.calls: dict[int, Call] = {}
        self.size = 0

    def call(self, slot: int, size: int) -> Call:
        """Return the call of a slot, into which so many keys will come."""
        self.size += size
        call = self.calls.get(slot)
        if call is None:
            call = self.calls[slot] = Call()
        return call
