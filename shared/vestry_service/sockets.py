"""Sockets to listen on, made by ourselves so that a port that cannot be had is one clear line.

`every` address and `localhost` mean both families, as far as this machine has them; an address that is named
must be there.
"""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vestry_service.errors import StartError

_EVERY = (("0.0.0.0", False), ("::", False))  # noqa: S104 - the documented meaning of an unset BIND
_LOOPBACK = (("127.0.0.1", False), ("::1", False))
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


class Place(NamedTuple):
    """Where something listens.

    Attributes:
        addresses: IP addresses and `localhost`; none means every address.
        port: 0 takes any free one.
        variable: the setting that is named when the port cannot be had.
    """

    addresses: Sequence[str]
    port: int
    variable: str


def listening(
    addresses: Sequence[str],
    port: int,
    *,
    variable: str = "PORT",
    reuse_port: bool = False,
    backlog: int = 1024,
) -> list[socket.socket]:
    """Return bound, listening sockets.

    Args:
        addresses: IP addresses and `localhost`; none means every address.
        port: 0 takes any free one, the same for all addresses.
        variable: the setting to name when the port cannot be had.
        reuse_port: let several processes share the port.
        backlog: connections that may wait to be accepted.

    Raises:
        StartError: the port is taken or forbidden, or this machine has no such address.
    """
    made: list[socket.socket] = []
    try:
        for address, must in _meant(addresses):
            sock = _bound(address, port, must, variable, reuse_port)
            if sock is not None:
                made.append(sock)
                sock.listen(backlog)
                port = port or sock.getsockname()[1]
        if not made:
            raise StartError(f"{variable}: this machine has none of the addresses to listen on")
    except BaseException:
        for sock in made:
            sock.close()
        raise
    return made


def _meant(addresses: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield addresses, each with whether it must be there."""
    if not addresses:
        yield from _EVERY
    for address in addresses:
        if address == "localhost":
            yield from _LOOPBACK
        else:
            yield address, True


def _bound(address: str, port: int, must: bool, variable: str, reuse_port: bool) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if must:
            raise StartError(f"{variable}: cannot listen on {address}: no such family here") from None
        return None
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        if not must and error.errno in _NO_SUCH_FAMILY:
            return None
        raise StartError(_why(error, address, port, variable)) from None
    return sock


def _why(error: OSError, address: str, port: int, variable: str) -> str:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{variable}: {where} is taken by another program; set {variable} to a free port"
    if error.errno == errno.EACCES:
        return f"{variable}: {where} may not be used by this user; set {variable} to a port above 1023"
    return f"{variable}: cannot listen on {where}: {os.strerror(error.errno or 0)}"
