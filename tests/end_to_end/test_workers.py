"""WORKERS: several processes on one port, by their own entry points, on real stores."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

import bare_client
import signer
from bare_client import Answer
from live_stack import ask, live_stack
from service_fixtures import services
from services import BASE, HOST, TOOL, Agent, Services, jwk_body, until
from stores import ValkeyServer, descendants
from tools_files import OTHER_TOKEN, bearer, tool
from worker_processes import WorkerProcesses, worker_processes

__all__ = ["services"]
VERIFIER, REGISTRAR = "vestry_verifier", "vestry_registrar"


@pytest.fixture
def verifier(services: Services, tmp_path: Path) -> Iterator[WorkerProcesses]:
    """Three processes of a verifier, all listening."""
    registrar = f"http://127.0.0.1:{services.registrar.internal_port}"
    with worker_processes(
        VERIFIER, tmp_path, 3, REDIS_URL=services.redis_url, REGISTRAR_URL=registrar
    ) as started:
        started.await_lines("listening", 3)
        yield started


async def verify(verifier: WorkerProcesses, headers: dict[str, str]) -> int:
    """Ask who signed, and return the status."""
    body = json.dumps({"method": "GET", "url": TOOL, "headers": headers}).encode()
    return (await bare_client.send(verifier.port, "POST", "/verify", (), body, "v")).status


@pytest.fixture
def registrar(database_url: str, valkey: ValkeyServer, tmp_path: Path) -> Iterator[WorkerProcesses]:
    """Two processes of a registrar, all listening."""
    with worker_processes(REGISTRAR, tmp_path, DATABASE_URL=database_url, REDIS_URL=valkey.url) as started:
        started.await_lines("listening", 2)
        yield started


async def register(registrar: WorkerProcesses, agent: Agent) -> Answer:
    headers = signer.sign(agent.key, "POST", f"{BASE}/register", tag="null")
    body = jwk_body(agent.key.public.jwk)
    return await bare_client.send(registrar.port, "POST", "/register", headers, body, HOST)


def still_there(pids: list[int]) -> list[int]:
    """Those of the processes that have not ended."""
    found = []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            found.append(pid)
    return found


async def test_a_killed_worker_is_replaced_and_no_count_is_lost(
    verifier: WorkerProcesses, services: Services
) -> None:
    """`kill -9` of one while requests run: the others answer on, another one takes its place, the log says so."""
    agent = await services.agent()
    victim = verifier.workers[0]
    answered = cut_off = 0

    async def caller() -> None:
        nonlocal answered, cut_off
        for _ in range(40):
            try:
                await verify(verifier, agent.sign())
                answered += 1
            except (OSError, IndexError):  # its connection was the victim's
                cut_off += 1

    callers = [asyncio.create_task(caller()) for _ in range(4)]

    async def busy() -> bool:
        return answered >= 30

    await until(busy)
    os.kill(victim, signal.SIGKILL)
    await asyncio.gather(*callers)
    [death] = verifier.await_lines("worker died")
    [replaced] = verifier.await_lines("worker replaced")
    assert death["how"] == "was killed by signal 9"
    assert death["worker"] == replaced["worker"]
    assert (death["service"], death["level"], replaced["level"]) == ("verifier", "error", "warning")
    assert victim not in verifier.workers
    assert len(verifier.workers) == 3
    counted = await verifier.count("http_requests_total", route="/verify")
    assert answered <= counted <= answered + cut_off
    for _ in range(30):  # the new one goes on where the dead one was
        await verify(verifier, agent.sign())
    assert await verifier.count("http_requests_total", route="/verify") == counted + 30
    assert await verifier.count("http_request_duration_seconds_count", route="/verify") == counted + 30
    assert await verifier.count("http_requests_in_progress") == 1  # the scrape itself


async def test_a_signature_counts_once_over_all_workers(
    verifier: WorkerProcesses, services: Services
) -> None:
    """Forty times at once, on connections that the kernel deals out over all of them."""
    signed = (await services.agent()).sign()
    statuses = await asyncio.gather(*(verify(verifier, signed) for _ in range(40)))
    assert statuses.count(200) == 1
    assert await verifier.count("vestry_verifications_total", outcome="verified") == 1
    assert await verifier.count("http_requests_total", route="/verify") == 40


async def test_all_workers_finish_what_is_in_flight(registrar: WorkerProcesses, database_url: str) -> None:
    """SIGTERM to the supervisor: nothing new is taken, what runs is answered, and everybody ends, with 0."""
    workers = registrar.workers
    with psycopg.connect(database_url) as somebody:
        somebody.execute("LOCK TABLE agents")
        registering = asyncio.create_task(register(registrar, Agent()))
        await asyncio.sleep(0.3)
        registrar.popen.send_signal(signal.SIGTERM)
        registrar.await_lines("draining", 2)
        with pytest.raises(ConnectionRefusedError):
            await register(registrar, Agent())
        probe = await bare_client.send(registrar.internal_port, "GET", "/readyz", host="probe")
        assert (probe.status, probe.json["status"]) == (503, "draining")
    assert (await registering).status == 200
    assert registrar.ended() == (0, "")
    assert not still_there(workers)
    assert not list(registrar.temporary.iterdir())


async def test_workers_end_with_their_supervisor(verifier: WorkerProcesses) -> None:
    """Also where it is killed: nothing stays behind that would hold the port."""
    workers = verifier.workers
    verifier.popen.kill()
    verifier.wait(lambda: not still_there(workers), patience=5)
    verifier.popen.wait()


async def test_a_registrar_of_several_processes(registrar: WorkerProcesses) -> None:
    """The database is migrated once; what one worker registers all of them know; their counts are one."""
    assert len(registrar.lines("database ready")) == 1
    agents = [Agent() for _ in range(6)]
    for first, agent in [*((True, agent) for agent in agents), *((False, agent) for agent in agents)]:
        answer = await register(registrar, agent)
        assert (answer.status, answer.json["is_new"]) == (200, first)
    assert await registrar.count("vestry_registrations_total", result="new") == 6
    assert await registrar.count("vestry_registrations_total", result="known") == 6
    assert await registrar.count("vestry_build_info") == 1

    async def connections() -> bool:
        return await registrar.count("vestry_db_pool_connections", state="open") > 0

    await until(connections)  # written down every second


def test_what_keeps_a_worker_from_starting_is_one_message(own_valkey: ValkeyServer, tmp_path: Path) -> None:
    """A Redis that may forget nonces: the whole start ends with 1, as that of one process does."""
    own_valkey.command("CONFIG SET maxmemory-policy allkeys-lru")
    with worker_processes(VERIFIER, tmp_path, 3, REDIS_URL=own_valkey.url) as verifier:
        code, said = verifier.ended()
    assert code == 1
    assert said.count("\n") == 1
    assert said.startswith("REDIS_URL: the maxmemory-policy of ")


def test_a_port_is_not_shared_with_somebody_else(services: Services, tmp_path: Path) -> None:
    """Even where that one would share it: two deployments would take each other's requests."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with worker_processes(
            VERIFIER, tmp_path, REDIS_URL=services.redis_url, VERIFIER_PORT=port
        ) as verifier:
            code, said = verifier.ended()
    assert code == 1
    assert said.count("\n") == 1
    assert said.startswith(f"VERIFIER_PORT: 127.0.0.1:{port} is taken")


def test_the_whole_stack_of_several_processes(tmp_path: Path) -> None:
    """`make run` with WORKERS: both services have so many, and nothing stays behind when it stops."""
    with live_stack(tmp_path / "data", tmp_path / "log", WORKERS="2") as stack:
        everything = descendants(stack.pid)
        assert len(everything) >= 2 * 3 + 2  # two supervisors with two workers each, and the stores
        assert ask(f"{stack.base}/").facts["status"] == "ok"
    assert not still_there(everything)


def test_wrong_settings_are_one_message(tmp_path: Path) -> None:
    """The supervisor reads them first."""
    with worker_processes(VERIFIER, tmp_path, 65, REDIS_URL="redis://h") as verifier:
        code, said = verifier.ended()
    assert code == 1
    assert "WORKERS '65': must be a whole number from 1 to 64" in said


async def test_sighup_has_every_worker_read_the_file_of_tools(services: Services, tmp_path: Path) -> None:
    """The supervisor hands it on; nobody dies of it, and each worker says that it has read the file."""
    agent, path = await services.agent(), tmp_path / "tools.toml"
    path.write_text(tool(token=OTHER_TOKEN))
    registrar = f"http://127.0.0.1:{services.registrar.internal_port}"
    environ = {"REDIS_URL": services.redis_url, "REGISTRAR_URL": registrar, "TOOLS_FILE": str(path)}
    with worker_processes(VERIFIER, tmp_path, 2, **environ) as started:
        started.await_lines("listening", 2)
        started.await_lines("TOOLS_FILE read", 2)
        workers = started.workers
        assert await ask_with_token(started, agent) == 401
        path.write_text(tool())
        started.popen.send_signal(signal.SIGHUP)
        started.await_lines("TOOLS_FILE read", 4)
        assert [await ask_with_token(started, agent) for _ in range(8)] == [200] * 8
        path.write_text("x = 1")
        started.popen.send_signal(signal.SIGHUP)
        refused = started.await_lines("TOOLS_FILE refused: what it said before goes on", 2)
        assert all("x is not a name that is known here" in line["problems"] for line in refused)
        assert await ask_with_token(started, agent) == 200
        assert await started.count("vestry_tools_file_refused") == 1
        assert started.workers == workers


async def ask_with_token(verifier: WorkerProcesses, agent: Agent) -> int:
    """Ask as a tool, over a connection of its own, and return the status."""
    question = {"method": "GET", "url": TOOL, "headers": agent.sign()}
    headers = {"Content-Type": "application/json", **bearer()}
    body = json.dumps(question).encode()
    return (await bare_client.send(verifier.port, "POST", "/verify", headers, body, "v")).status


def test_a_file_of_tools_with_a_fault_ends_the_start(services: Services, tmp_path: Path) -> None:
    """One message, once, however many workers there would have been."""
    path = tmp_path / "tools.toml"
    path.write_text("x = 1")
    environ = {"REDIS_URL": services.redis_url, "TOOLS_FILE": str(path)}
    with worker_processes(VERIFIER, tmp_path, 2, **environ) as started:
        code, said = started.ended()
        assert code == 1
        assert said.splitlines() == [
            "TOOLS_FILE cannot be used, this must be mended:",
            "  it names no tool: write [tools.NAME], or [default] for whoever asks without a token",
            "  x is not a name that is known here",
        ]
