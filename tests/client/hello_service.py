"""A service that only says hello, to try the stack with: `hello_service.py NAME PORT INTERNAL_PORT JOURNAL`.

PORT and INTERNAL_PORT name variables. What it does is told by the variable `HELLO_` + NAME in capitals:
nothing (it is ready at once), `dies` (with last words), `lists` (what it dies of), or `unready` (until the
file JOURNAL.ready exists).
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

name, port, internal_port, journal = sys.argv[1:]
mood = os.environ.get(f"HELLO_{name.upper()}", "")


def note(line: str) -> None:
    with Path(journal).open("a") as file:
        file.write(f"{name} {line}\n")


def keep_url() -> None:
    """Let the tests reach the database, as the registrar does."""
    if url := os.environ.get("DATABASE_URL"):
        Path(journal).with_name("url").write_text(url)


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(path) == 0


def stores() -> str:
    """Which stores this service knows, and which of them answer."""
    found = []
    if url := os.environ.get("DATABASE_URL"):
        folder = parse_qs(urlsplit(url).query)["host"][0]
        found.append("postgres" if answers(f"{folder}/.s.PGSQL.5432") else "no postgres")
    if url := os.environ.get("REDIS_URL"):
        found.append("valkey" if answers(urlsplit(url).path) else "no valkey")
    return ", ".join(found)


def is_ready() -> bool:
    return mood != "unready" or Path(f"{journal}.ready").exists()


async def readyz(_request: web.Request) -> web.Response:
    if not is_ready():
        checks = {"patience": {"status": "failed", "required": True, "reason": "not yet"}}
        return web.json_response({"status": "failed", "checks": checks}, status=503)
    return web.json_response({"status": "ok", "checks": {}})


async def main() -> None:
    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/readyz", readyz)
    await runner.setup()
    for host, variable in (("localhost", port), ("127.0.0.1", internal_port)):
        await web.TCPSite(runner, host, int(os.environ[variable])).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    note(f"started with {stores()}")
    print(f"{name} is listening", flush=True)
    await stop.wait()
    note(f"stopped with {stores()}")
    print(f"{name} says goodbye", flush=True)
    await runner.cleanup()


if mood == "dies":
    sys.exit(f"{name} has no luck today")
if mood == "lists":
    sys.exit("this must be mended:\n  all of it")
keep_url()
asyncio.run(main())
