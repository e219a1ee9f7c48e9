"""What an account needs in Redis is what the documents say, and TLS is spoken both ways."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certificates import authority
from fetched import missing
from redis_rights import redis_rights
from replay_stores import claim, now, real_stores, record
from services import running
from stores import ValkeyServer
from topologies import Cluster, Node, Watched, wait_for
from vestry.embedded import DataDir
from vestry_service.live_records import Mark
from vestry_service.redis import connect
from vestry_service.replay_redis import RedisReplayStore
from vestry_service.replicas import Replicas
from vestry_signatures import generate
from vestry_signatures.errors import ReplayStoreUnavailable


async def test_the_documented_rights_are_enough(database_url: str, own_valkey: ValkeyServer) -> None:
    """Both services do all they do with them: register, rotate, verify, refuse a replay, be healthy."""
    for account in ("verifier", "registrar"):
        assert own_valkey.command(*redis_rights(account)) == b"+OK\r\n"
    urls = {
        account: own_valkey.url.replace("unix://", f"unix://{account}:secret@")
        for account in ("verifier", "registrar")
    }
    with running(database_url, urls["registrar"], verifiers=0) as services:
        services.redis_url = urls["verifier"]
        services.add_verifier()
        agent = await services.agent()
        signed = agent.sign()
        assert (await services.verify(signed)).status == 200
        assert (await services.verify(signed)).verdict == (401, "REPLAYED_NONCE")
        rotated = await services.rotate(agent, generate())
        assert (rotated.status, rotated.json.get("published", True)) == (200, True)
        assert (await services.verify(agent.sign())).verdict == (401, "REVOKED_KEY")
        assert (await services.verifier.ready()).status == 200
        assert await services.registrar.failing() == []
    assert "NOPERM" not in services_log(own_valkey)


def services_log(valkey: ValkeyServer) -> str:
    """What the server refused."""
    return valkey.command("ACL", "LOG").decode()


async def test_the_documented_rights_are_enough_in_a_cluster(cluster: Cluster) -> None:
    """With those that are said to come on top."""
    for node in cluster.primaries:
        node.ask(*redis_rights("registrar"), "+cluster|nodes", "+asking")
    url = cluster.url.replace("://", "://registrar:secret@")
    try:
        async with real_stores(cluster, url) as stores, connect(url) as redis:
            await redis.ping()
            await stores.live.set_marks(Mark(0, await stores.run_id(), 60))
            await stores.live.write([record()])
            [answer] = await stores.replay.spend([claim()], now())
            assert (answer.fresh, answer.record, answer.remembered) == (True, record(), True)
    finally:
        for node in cluster.primaries:
            node.ask("ACL", "DELUSER", "registrar")


async def test_the_documented_rights_are_enough_with_replicas(own_pair: Watched) -> None:
    """With the one that is said to come on top."""
    primary = own_pair.primary
    primary.ask(*redis_rights("verifier"), "+wait")
    url = f"redis://verifier:secret@127.0.0.1:{primary.port}"
    async with real_stores(primary, url, replicas=1) as stores, connect(url) as redis:
        await Replicas(redis, 1).ready()
        assert (await stores.replay.spend([claim()], now()))[0].fresh


class TlsServer(Node):
    """Debian's Redis, with TLS alone: it asks for a certificate."""

    def __init__(self, data_dir: DataDir, program: str, folder: Path, **settings: str) -> None:
        super().__init__(data_dir, settings)
        self._program = Path(program)
        certificate = {
            "tls-cert-file": "server.pem",
            "tls-key-file": "server.pem",
            "tls-ca-cert-file": "ca.pem",
        }
        self._settings |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "yes"}
        self._settings |= {name: str(folder / file) for name, file in certificate.items()}


@pytest.fixture(scope="module")
def program() -> str:
    """A Redis with TLS."""
    return shutil.which("redis-server") or missing(
        "redis-server, which has TLS, is missing: on Debian `apt-get install redis-server` brings it"
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authority's certificate, and keys and certificates of a server and of ours."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(authority().certificate.public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(authority().issue("127.0.0.1"))
    (folder / "client.pem").write_bytes(authority().issue("vestry"))
    return folder


@pytest.fixture(scope="module")
def tls_server(
    program: str, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TlsServer, Path]]:
    """A running one, and the folder of certificates."""
    with DataDir(tmp_path_factory.mktemp("redis")) as data_dir:
        server = TlsServer(data_dir, program, certificates)
        server.start()
        yield server, certificates
        server.stop()


async def test_a_cluster_over_tls(program: str, certificates: Path, tmp_path: Path) -> None:
    """The node is asked who holds what, and then for everything else, over TLS at the port that it names."""
    enabled = {"cluster-enabled": "yes", "tls-cluster": "yes"}
    with DataDir(tmp_path) as data_dir:
        node = TlsServer(data_dir, program, certificates, **enabled)
        node.start()
        try:
            node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: "cluster_state:ok" in node.ask("CLUSTER", "INFO"))
            files = f"ssl_ca_certs={certificates}/ca.pem&ssl_certfile={certificates}/client.pem"
            async with real_stores(node, f"rediss+cluster://127.0.0.1:{node.port}?{files}") as stores:
                one = claim()
                assert (await stores.replay.spend([one], now()))[0].fresh
                assert not (await stores.replay.spend([one], now()))[0].fresh
        finally:
            node.stop()


async def test_tls_with_a_certificate_of_ours(tls_server: tuple[TlsServer, Path]) -> None:
    """A server that asks for certificates is shown ours, and its own is checked."""
    server, folder = tls_server
    ours = f"ssl_certfile={folder}/client.pem"
    url = f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={folder}/ca.pem&{ours}"
    async with real_stores(server, url) as stores:
        one = claim()
        assert (await stores.replay.spend([one], now()))[0].fresh
        assert not (await stores.replay.spend([one], now()))[0].fresh
        await stores.live.write([record()])
        assert await stores.replay.look(record().kid) == record()


@pytest.mark.parametrize(
    "what", ["no certificate of ours", "a server nobody vouches for", "another name", "no TLS"]
)
async def test_tls_that_does_not_fit(tls_server: tuple[TlsServer, Path], what: str) -> None:
    """Nothing is said to a server that is not the one, and nothing verifies."""
    server, folder = tls_server
    ours = f"ssl_certfile={folder}/client.pem"
    url = {
        "no certificate of ours": f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={folder}/ca.pem",
        "a server nobody vouches for": f"rediss://127.0.0.1:{server.port}?{ours}",
        "another name": f"rediss://localhost:{server.port}?ssl_ca_certs={folder}/ca.pem&{ours}",
        "no TLS": f"redis://127.0.0.1:{server.port}",
    }[what]
    store = RedisReplayStore(url, 60)
    with pytest.raises(ReplayStoreUnavailable):
        await store.spend([claim()], now())
    await store.aclose()


async def test_a_name_that_is_not_checked(tls_server: tuple[TlsServer, Path]) -> None:
    """`ssl_check_hostname=0` leaves the name alone, and still asks who vouches for it."""
    server, folder = tls_server
    ours = f"ssl_certfile={folder}/client.pem&ssl_check_hostname=0"
    url = f"rediss://localhost:{server.port}?ssl_ca_certs={folder}/ca.pem&{ours}"
    async with real_stores(server, url) as stores:
        assert (await stores.replay.spend([claim()], now()))[0].fresh
