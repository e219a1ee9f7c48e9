"""Redis as people run it, for tests: Sentinels that watch a primary and its replica, and Clusters, on loopback."""

import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis

from stores import ValkeyServer
from vestry.embedded import DataDir
from vestry.embedded.process import Process

MASTER = "vestry"
T = TypeVar("T", bound=ValkeyServer)
_NONE: Mapping[str, str] = {}


def free_port() -> int:
    """A port that is free, and so is the one 10000 above it, which a Cluster's node takes too."""
    while True:
        port = random.randrange(20_000, 32_000)
        with ExitStack() as stack:
            try:
                for number in (port, port + 10_000):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return port


def wait_for(reached: Callable[[], Any], patience: float = 15) -> None:
    """Ask again and again until something is so."""
    end = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


class Node(ValkeyServer):
    """A Valkey that listens on a loopback port too."""

    def __init__(self, data_dir: DataDir, settings: Mapping[str, str] = _NONE) -> None:
        self.port = free_port()
        # A replica that was away is brought up to date at once, not after five seconds.
        hasty = {"port": str(self.port), "bind": "127.0.0.1", "repl-diskless-sync-delay": "0"}
        super().__init__(data_dir, settings={**hasty, **settings})

    def client(self) -> Redis:
        return Redis(unix_socket_path=self.url.removeprefix("unix://"), decode_responses=True)

    def raw_client(self) -> Redis:
        """For keys that are no text."""
        return Redis(unix_socket_path=self.url.removeprefix("unix://"))

    def ask(self, *words: Any) -> Any:
        """Say one command and return the reply; dictionaries where redis-py makes them."""
        with self.client() as client:
            return client.execute_command(*words)

    def info(self, section: str = "all") -> dict[str, Any]:
        with self.client() as client:
            return dict(client.info(section))


class Sentinel(Node):
    """A Sentinel; it is the same program."""

    def __init__(self, data_dir: DataDir, watched: Node, quorum: int, down_after: int) -> None:
        super().__init__(data_dir)
        self._watched = watched
        self._quorum = quorum
        self._down_after = down_after

    def _spawn(self) -> Process:
        path = self.folder / "sentinel.conf"
        if not path.exists():
            path.write_text(
                f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\nunixsocket {self._socket}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {self._watched.port} {self._quorum}\n"
                f"sentinel down-after-milliseconds {MASTER} {self._down_after}\n"
                f"sentinel failover-timeout {MASTER} 4000\n"
            )
        with self.log.open("wb") as output:
            return Process(
                [str(self._program), str(path), "--sentinel"], output=output, keep_open=[self._data_dir.lock]
            )

    def primary_port(self) -> int:
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])


class Watched:
    """A primary, its replicas, and their Sentinels."""

    def __init__(self, nodes: list[Node], sentinels: list[Sentinel]) -> None:
        self.nodes = nodes
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER}"

    @property
    def primary(self) -> Node:
        """The node that was the primary at the start."""
        return self.nodes[0]

    def promoted(self, but: Node) -> Node:
        """Wait until all Sentinels name another primary than `but`, and it is one; return it."""
        wait_for(lambda: {each.primary_port() for each in self.sentinels} - {but.port} and self._agree())
        [node] = [node for node in self.nodes if node.port == self.sentinels[0].primary_port()]
        wait_for(lambda: node.info("replication")["role"] == "master")
        return node

    def _agree(self) -> bool:
        return len({each.primary_port() for each in self.sentinels}) == 1


@contextmanager
def watched(
    path: Path,
    replicas: int = 1,
    sentinels: int = 3,
    down_after: int = 600,
    settings: Mapping[str, str] = _NONE,
) -> Iterator[Watched]:
    """Run a primary (the first of the nodes) with replicas and Sentinels that know one another."""
    with ExitStack() as stack:
        nodes = [
            _started(stack, Node(_data_dir(stack, path / f"n{i}"), settings)) for i in range(1 + replicas)
        ]
        for replica in nodes[1:]:
            replica.ask("REPLICAOF", "127.0.0.1", nodes[0].port)
        for replica in nodes[1:]:
            wait_for(lambda replica=replica: replica.info("replication")["master_link_status"] == "up")
        quorum = sentinels // 2 + 1
        watchers = [
            _started(stack, Sentinel(_data_dir(stack, path / f"s{i}"), nodes[0], quorum, down_after))
            for i in range(sentinels)
        ]
        for watcher in watchers:
            wait_for(lambda watcher=watcher: _knows(watcher, replicas, sentinels))
        yield Watched(nodes, watchers)


def _knows(watcher: Sentinel, replicas: int, sentinels: int) -> bool:
    facts = watcher.ask("SENTINEL", "MASTER", MASTER)
    facts = dict(zip(facts[::2], facts[1::2], strict=True)) if isinstance(facts, list) else facts
    others = int(facts["num-other-sentinels"])
    return int(facts["num-slaves"]) == replicas and others == sentinels - 1


class Cluster:
    """Primaries, each with its replicas if there are any."""

    def __init__(self, primaries: list[Node], replicas: list[Node]) -> None:
        self.primaries = primaries
        self.replicas = replicas

    @property
    def nodes(self) -> list[Node]:
        return [*self.primaries, *self.replicas]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.primaries)

    def owner(self, key: bytes) -> Node:
        """The node that holds a key's slot, by the first that answers."""
        slot = self.slot(key)
        for first, last, node, *_ in self.primaries[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(each for each in self.nodes if each.port == node[1])
        raise LookupError

    def slot(self, key: bytes) -> int:
        return int(self.primaries[0].ask("CLUSTER", "KEYSLOT", key))

    def flush(self) -> None:
        for node in self.primaries:
            node.flush()

    def pause(self) -> None:
        for node in self.primaries:
            node.pause()

    def resume(self) -> None:
        for node in self.primaries:
            node.resume()


@contextmanager
def cluster(
    path: Path, primaries: int = 3, replicas: int = 0, settings: Mapping[str, str] = _NONE
) -> Iterator[Cluster]:
    """Run a Cluster; the slots are dealt out evenly, and each primary has so many replicas."""
    enabled = {"cluster-enabled": "yes", "cluster-node-timeout": "1000", **settings}
    with ExitStack() as stack:
        count = primaries * (1 + replicas)
        nodes = [_started(stack, Node(_data_dir(stack, path / f"c{i}"), enabled)) for i in range(count)]
        share = -(-16384 // primaries)
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < primaries:
                last = min(16383, (number + 1) * share - 1)
                node.ask("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            if number:
                node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        for node in nodes:
            wait_for(lambda node=node: _is_well(node, count))
        for number, replica in enumerate(nodes[primaries:]):
            replica.ask("CLUSTER", "REPLICATE", nodes[number % primaries].ask("CLUSTER", "MYID"))
        for replica in nodes[primaries:]:
            wait_for(lambda replica=replica: replica.info("replication").get("master_link_status") == "up")
        yield Cluster(nodes[:primaries], nodes[primaries:])


def _is_well(node: Node, count: int) -> bool:
    facts = node.ask("CLUSTER", "INFO").split()
    return {"cluster_state:ok", f"cluster_known_nodes:{count}"} <= set(facts)


def _data_dir(stack: ExitStack, path: Path) -> DataDir:
    path.mkdir(parents=True)
    return stack.enter_context(DataDir(path))


def _started(stack: ExitStack, server: T) -> T:
    server.start()
    stack.callback(server.stop)
    return server
