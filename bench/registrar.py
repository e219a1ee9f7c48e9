"""The registrar against the peer's server: registrations, and key directories read again and again."""

from collections.abc import Callable
from urllib.parse import urlsplit

from bench import traffic
from bench.figures import Sample, Slice
from bench.ground import CONNECTIONS, Ground
from bench.load import sample
from bench.report import Comparison, compare
from bench.stacks import Running
from bench.traffic import Agent


def register(ground: Ground) -> list[Comparison]:
    """Registrations over HTTP, each of a new key; the peer with `HOSTNAME` and `PROTOCOL` exported."""
    return _compare(ground, "`POST /register`", _register_slice, 3.0)


def directory(ground: Ground) -> list[Comparison]:
    """One agent's directory, as those read it who met that agent before."""
    return _compare(ground, "key directory of one agent", _directory_slice, 6.0)


def _compare(
    ground: Ground, what: str, measuring: Callable[[Running, Agent, float], Slice], goal: float
) -> list[Comparison]:
    if ground.vestauth is None:
        return []
    ours = measuring(ground.vestry.registrar, ground.agents[0], ground.seconds)
    theirs = measuring(ground.vestauth, ground.vestauth_agent, ground.seconds)
    return [compare((what, ours), ("the same at the vestauth server", theirs), ground.rounds, goal)]


def _register_slice(server: Running, _agent: Agent, seconds: float) -> Slice:
    def measure() -> Sample:
        requests = traffic.register_requests(f"localhost:{server.port}", int(seconds * 4000))
        return sample(server, requests, CONNECTIONS, seconds)

    return measure


def _directory_slice(server: Running, agent: Agent, seconds: float) -> Slice:
    requests = [traffic.directory_request(urlsplit(agent.url).netloc)] * int(seconds * 60_000)
    return lambda: sample(server, requests, CONNECTIONS, seconds)
