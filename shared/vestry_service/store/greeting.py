"""What is said first on a connection: who we are, and who is there?

A server that restarts may have lost nonces, and tells so by nothing but a new run id. One that was a replica for a
while may lack what it had before, under the run id that it always had; what tells is the replication id that it
remembers from then (`master_replid2`). Both together are the server's *name*: each time a connection is made,
before anything else is said on it, the server is asked (`INFO`), and what it answers later is judged by that name.
Nobody can swap the server under a connection that stands.

Refused there and then, with the reason as the error's text, are a server whose access rules forbid `INFO` (without
a run id nothing can be told), a replica (it would answer from the past), and a server that is run in another way
than the URL says.
"""

import asyncio
from typing import Any

from hiredis import ReplyError

from vestry_service.store.url import Address, Login, StoreUrl
from vestry_service.store.wire import Wire, Word

Facts = dict[str, str]
_MODES = {"one": "standalone", "sentinel": "standalone", "cluster": "cluster"}
_WAYS = {"standalone": "a server alone", "cluster": "a node of a Redis Cluster", "sentinel": "a Sentinel"}


class Refused(ConnectionError):
    """Not a server for us; the text says why, to its operator."""


async def dial(address: Address, url: StoreUrl, login: Login) -> Wire:
    """Connect and log in. Raises OSError; Refused: the server does not let us in."""
    loop = asyncio.get_running_loop()
    wire = Wire(address)
    try:
        if address.port:
            await loop.create_connection(
                lambda: wire, address.host, address.port, ssl=url.tls.context if url.tls else None
            )
        else:
            await loop.create_unix_connection(lambda: wire, address.host)
        if hello := _introduction(login):
            _require_no_error(await wire.ask(*hello))
    except BaseException as error:
        wire.end()
        if isinstance(error, OSError) and not isinstance(error, Refused):
            raise ConnectionError(
                f"no connection to {address}: {str(error) or type(error).__name__}"
            ) from error
        raise
    return wire


async def dial_primary(address: Address, url: StoreUrl) -> Wire:
    """Connect to a server that must be one for nonces, and learn its name. Raises as `dial` does."""
    wire = await dial(address, url, url.login)
    try:
        [reply] = await wire.ask(("INFO",))
        wire.name = _name_of_primary(_info(reply), url)
    except BaseException:
        wire.end()
        raise
    return wire


def parse_info(reply: bytes) -> Facts:
    """Read the `name:value` lines of an INFO reply."""
    lines = reply.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def server_mode(facts: Facts) -> str:
    """Return `standalone`, `cluster` or `sentinel`; Valkey has another name for it than Redis."""
    return facts.get("redis_mode") or facts.get("server_mode") or ""


def was_replica(facts: Facts) -> bool:
    """Whether the server was a replica before; one that does not say is taken for one."""
    return bool(facts.get("master_replid2", "unknown").strip("0"))


def name_of(facts: Facts) -> str:
    """Name a server as memory marks do; empty where INFO names no run id."""
    run_id = facts.get("run_id", "")
    return f"{run_id}.{facts.get('master_replid2', 'unknown')}" if run_id and was_replica(facts) else run_id


def _introduction(login: Login) -> list[tuple[Word, ...]]:
    words: list[tuple[Word, ...]] = []
    if login.password is not None:
        words.append(("AUTH", *filter(None, [login.user]), login.password))
    if login.client_name:
        words.append(("CLIENT", "SETNAME", login.client_name))
    if login.db:
        words.append(("SELECT", login.db))
    return words


def _require_no_error(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise Refused(str(reply))


def _info(reply: Any) -> Facts:
    if isinstance(reply, ReplyError) and str(reply).startswith("NOPERM"):
        raise Refused(
            "this account may not use INFO, without which a restart of the server goes unseen: "
            "allow it with ACL SETUSER … +info"
        ) from reply
    _require_no_error([reply])
    return parse_info(reply)


def _name_of_primary(facts: Facts, url: StoreUrl) -> str:
    mode, expected = server_mode(facts), _MODES[url.topology]
    if mode != expected:
        raise Refused(f"this is {_WAYS.get(mode, 'another service')}: {_WAYS[expected]} is expected here")
    if facts.get("role") != "master":
        raise Refused("this server is a replica: nonces are spent on the primary")
    if not (name := name_of(facts)):
        raise Refused("INFO names no run_id: what this server remembers cannot be told")
    return name
