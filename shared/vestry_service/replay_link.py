"""One connection to the primary that knows which server is at its other end.

A server that restarts may have lost nonces, and tells so by nothing but a new run id. So each time a
connection is made, before anything else is said on it, the server is asked who it is (`INFO`), and what it
answers later is judged by that run id. Nobody can swap the server under a
connection that stands. Three kinds of servers are refused there and then, with the reason as the error's
cause: one whose access rules forbid `INFO` (without a run id nothing can be told), a replica (it would
answer from the past), and a node of a Cluster.

The account needs `INFO`, `TIME`, `EVAL`, `EVALSHA`, `SET` and `GET`; the registrar's `MGET` besides.

What is sent is sent once. redis-py's own retries are off (a bare connection has none unless it is asked
for some), and any failure but one hangs up: after a timeout or a broken connection nobody knows whether the
server did what it was told, or will do it later, and a reply that comes too late must not be read as
somebody else's. The exception is `NOSCRIPT`, by which a server says that it does not have the script and
has done nothing: then the script itself is sent, within the same deadline.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, NoScriptError, RedisError

from vestry_signatures.errors import ReplayStoreUnavailable

TIMEOUT = 0.25
"""Seconds that one trip may take in all, connecting included (wire contract, section 7)."""

Word = bytes | str | int


class Script:
    """A Lua script and the SHA-1 by which Redis knows it."""

    __slots__ = ("body", "sha")

    def __init__(self, body: str) -> None:
        self.body = body
        self.sha = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()


class Link:
    """One connection, made when first needed and made again after any failure; one trip at a time.

    Attributes:
        run_id: of the server that the last trip went to; empty before the first.
    """

    __slots__ = ("_connection", "run_id")

    def __init__(self, url: str) -> None:
        """Take a `redis://`, `rediss://` or `unix://` URL. Raises ValueError for any other, or odd arguments."""
        settings: dict[str, Any] = {**parse_url(url)}
        make: type[AbstractConnection] = settings.pop("connection_class", Connection)
        settings.pop("max_connections", None)  # a pool's affair
        # Deadlines are set here for whole trips, so none a read; RESP2 and no driver_info spare three trips.
        settings |= {"socket_timeout": None, "socket_connect_timeout": None, "decode_responses": False}
        settings |= {"protocol": 2, "driver_info": None, "redis_connect_func": self._greet}
        try:
            self._connection = make(**settings)
        except TypeError as error:
            raise ValueError(
                f"the URL of the store has an argument that redis-py does not know: {error}"
            ) from None
        self.run_id = ""

    async def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        args: Sequence[Word],
        deadline: float | None = None,
        only_on: str | None = None,
    ) -> Any:
        """Run a script once and return its reply.

        Args:
            script: the script.
            keys: its KEYS.
            args: its ARGV.
            deadline: in the event loop's time; by default TIMEOUT away.
            only_on: the run id of the one server that may run it: any other is sent nothing.

        Raises ReplayStoreUnavailable when there is no reply in time, or an error instead of one: whether the
        script has run, or will yet, is then unknown.
        """
        async with self._trip(deadline):
            if only_on is not None:
                await self._require(only_on)
            try:
                [reply] = await self._say(("EVALSHA", script.sha, len(keys), *keys, *args))
            except NoScriptError:
                [reply] = await self._say(("EVAL", script.body, len(keys), *keys, *args))
            return reply

    async def ask(self, *commands: tuple[Word, ...]) -> list[Any]:
        """Say some commands in one trip and return their replies. Raises as `run` does."""
        async with self._trip(None):
            return await self._say(*commands)

    async def hang_up(self) -> None:
        """Close the connection, without a word and without waiting."""
        await self._connection.disconnect(nowait=True)

    @asynccontextmanager
    async def _trip(self, deadline: float | None) -> AsyncIterator[None]:
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + TIMEOUT
        try:
            async with asyncio.timeout_at(deadline):
                await self._drop_if_dead()
                yield
        except BaseException as error:
            await self.hang_up()
            if isinstance(error, RedisError | OSError):  # TimeoutError is an OSError
                raise ReplayStoreUnavailable from error
            raise

    async def _drop_if_dead(self) -> None:
        # A server that went away while nobody spoke has closed the socket: see it now, before a claim is
        # entrusted to it. Unread bytes would be an answer to nobody's question: the same.
        if self._connection.is_connected and await self._connection.can_read():
            await self.hang_up()

    async def _require(self, run_id: str) -> None:
        if not self._connection.is_connected:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        if self.run_id != run_id:
            raise RedisConnectionError("the server was restarted: this is meant for the one before")

    async def _say(self, *commands: tuple[Word, ...]) -> list[Any]:
        packed = [hiredis.pack_command(words) for words in commands]  # type: ignore[arg-type]  # see its stub
        await self._connection.send_packed_command(packed, check_health=False)
        return [await self._connection.read_response() for _ in commands]

    async def _greet(self, connection: AbstractConnection) -> None:
        """Log in, then ask the server who it is: redis-py calls this on every connection it makes."""
        await connection.on_connect()
        facts = await self._info()
        if server_mode(facts) == "cluster":
            raise RedisConnectionError("this is a node of a Redis Cluster: one server alone is expected here")
        if facts.get("role") != "master":
            raise RedisConnectionError("this server is a replica: nonces are spent on the primary")
        if not facts.get("run_id"):
            raise RedisConnectionError("INFO names no run_id: what this server remembers cannot be told")
        self.run_id = facts["run_id"]

    async def _info(self) -> dict[str, str]:
        try:
            [reply] = await self._say(("INFO",))
        except NoPermissionError as error:
            raise RedisConnectionError(
                "this account may not use INFO, without which a restart of the server goes unseen: "
                "allow it with ACL SETUSER … +info"
            ) from error
        return parse_info(reply)


def parse_info(reply: bytes) -> dict[str, str]:
    """Read the `name:value` lines of an INFO reply."""
    lines = reply.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def server_mode(facts: dict[str, str]) -> str:
    """Return `standalone`, `cluster` or `sentinel`; Valkey has another name for it than Redis."""
    return facts.get("redis_mode") or facts.get("server_mode") or ""
