"""A node of a Cluster that remembers the nonces of some tags.

A Cluster refuses a script over several slots, so each of its 4096 marks is looked at and written by itself, all those
of one node in one trip; and each speaks for itself:

1. A mark that names this server in its present life was written here, since the registrar writes no others; the
   nonces of its tag are as old as it says. `marks` returns the earliest of those.
2. A mark that is missing is a loss, since nothing but a loss takes it away: then no mark is returned at all. So no
   pulse is needed to see that a node was flushed: a nonce and the mark of its tag are lost together.
3. A mark that names another server came here with its slot, when that was moved, and so did the nonces, or so it
   seems: nobody can see whether all of them came. Such *strays* let nothing pass, and begin anew by themselves.
   A tag that was left shut is treated alike. Where all are strays this is a replica that was promoted: the whole
   memory begins anew.
4. A tag whose slot is on its way just now is left alone: the node itself refuses scripts on it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from hiredis import ReplyError

from vestry_registrar.marked_server import FAR_FUTURE, ServerFacts, read_facts
from vestry_service.live_records import Mark, mark_key
from vestry_service.replay import read_mark
from vestry_service.store.greeting import parse_info
from vestry_service.store.link import Link
from vestry_signatures.errors import ReplayStoreUnavailable

_ON_THE_WAY: Final = ("MOVED ", "ASK ", "TRYAGAIN")


class MarkedNode:
    """`MarkedServer` for the tags that one node holds now."""

    def __init__(self, node: str, link: Link, tags: Sequence[str]) -> None:
        """Take the node's id, the connection to it, and its tags (two characters each)."""
        self.node = node
        self._link = link
        self._keys = {tag: mark_key(tag) for tag in tags}
        self._strays: list[str] = []
        self._found: Mark | None = None

    def holds(self, kid: str) -> bool:
        return kid[:2] in self._keys

    async def server(self) -> ServerFacts:
        """Ask for everything at once: which marks are strays is known by the name of the server."""
        replies, name = await self._link.say(("INFO",), *(("GET", key) for key in self._keys.values()))
        info, *values = replies
        if isinstance(info, ReplyError):
            raise ReplayStoreUnavailable from info
        self._read(values, name)
        return read_facts(parse_info(info), 0)._replace(strays=len(self._strays))

    async def marks(self) -> Mark | None:
        return self._found

    async def set_marks(self, mark: Mark, *, strays: bool = False) -> None:
        line = mark.encode()
        tags: Iterable[str] = self._strays if strays else self._keys
        replies, _ = await self._link.say(*(("SET", self._keys[tag], line) for tag in tags))
        for reply in replies:
            if isinstance(reply, ReplyError) and not _is_on_the_way(reply):
                raise ReplayStoreUnavailable from reply

    async def beat(self, pulse: int, run_id: str) -> None:
        """Do nothing. See (2)."""

    def _read(self, values: Sequence[Any], name: str) -> None:
        there: dict[str, Mark] = {}
        self._found, self._strays = None, []
        for tag, value in zip(self._keys, values, strict=True):
            if _is_on_the_way(value):
                continue  # (4)
            if isinstance(value, ReplyError):
                raise ReplayStoreUnavailable from value
            if (mark := read_mark(value)) is None:
                return  # (2)
            there[tag] = mark
        ours = {tag: mark for tag, mark in there.items() if mark.run_id == name}
        opened = {tag: mark for tag, mark in ours.items() if mark.since != FAR_FUTURE}
        if marks := [*(opened or ours or there).values()]:  # (1) (3)
            self._found = Mark(
                min(mark.since for mark in marks), marks[0].run_id, min(mark.skew for mark in marks)
            )
        self._strays = [tag for tag in there if tag not in (opened or ours)]


def _is_on_the_way(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith(_ON_THE_WAY)
