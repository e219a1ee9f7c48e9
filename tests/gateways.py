"""Real proxies for tests, each with its configuration from deploy/proxies/tool, on ports and a name of tests."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import authority
from fetched import ROOT, fetched, missing
from registrar_process import free_port

CONFIGURATIONS = ROOT / "deploy/proxies/tool"
NAME = "tool.example"
# nginx cannot listen on both versions without TLS, and agents should not either.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
COMMON = ("tool.example.com", "127.0.0.1:", "/etc/ssl/tool/")  # not in every file
WITH_TOKEN = {
    "nginx.conf": ('X-Vestry-Tool-Token "";\n    }', 'X-Vestry-Tool-Token "{token}";\n    }}'),
    "Caddyfile": (
        "# Where the verifier has a TOOLS_FILE: header_up X-Vestry-Tool-Token {file./etc/caddy/tool-token}",
        "header_up X-Vestry-Tool-Token {{file.{folder}/tool-token}}",
    ),
    "traefik-tool.yml": (
        '    token:\n      headers:\n        customRequestHeaders:\n          X-Vestry-Tool-Token: ""',
        "    token:\n      headers:\n        customRequestHeaders:\n          X-Vestry-Tool-Token: {token}",
    ),
    "haproxy.cfg": (
        "http-request del-header x-vestry-tool-token\n\n    # Asks",
        'http-request set-header X-Vestry-Tool-Token "{token}"\n\n    # Asks',
    ),
}
"""What a configuration has where there is no token, and with one."""


@dataclass(frozen=True)
class Place:
    """Where a proxy works.

    Attributes:
        folder: for its files; the certificate is there.
        port: where it listens.
        tool, verifier: ports that it leads to.
        token: which it shows the verifier, if any.
    """

    folder: Path
    port: int
    tool: int
    verifier: int
    token: str = ""

    def configuration(self, name: str, changes: Mapping[str, str] | None = None) -> str:
        """Read a configuration with the places of this test in it. Everything in `changes` must be there."""
        text = (CONFIGURATIONS / name).read_text()
        here = {
            "tool.example.com": NAME,
            "127.0.0.1:8080": f"127.0.0.1:{self.tool}",
            "127.0.0.1:4000": f"127.0.0.1:{self.verifier}",
            "/etc/ssl/tool/": f"{self.folder}/",
            **(changes or {}),
        }
        if self.token and name in WITH_TOKEN:
            old, new = WITH_TOKEN[name]
            here[old] = new.format(token=self.token, folder=self.folder)
        assert [old for old in here if old not in text and not old.startswith(COMMON)] == [], name
        # In one pass, so that a port that was put in is not taken for another.
        return re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], text)

    def write(self, name: str, text: str) -> str:
        """Write a file and return its path."""
        (self.folder / name).write_text(text)
        return str(self.folder / name)


def nginx(place: Place) -> list[str]:
    changes = {
        "listen 443": f"listen 127.0.0.1:{place.port}",
        "listen [::]:443": "# listen [::]:443",
        "proxy_read_timeout 3s": "proxy_read_timeout 1s",
    }
    temporary = "".join(f"{name}_temp_path {place.folder}/{name};\n" for name in TEMPORARY)
    around = f"daemon off; master_process off; pid {place.folder}/pid; events {{}}\n"
    inner = f"http {{ access_log off;\n{temporary}{place.configuration('nginx.conf', changes)}\n}}"
    return [_distributed("nginx"), "-e", "stderr", "-c", place.write("nginx.conf", around + inner)]


def haproxy(place: Place) -> list[str]:
    script = (CONFIGURATIONS / "agents.lua").read_text()
    assert "TIMEOUT = 1000" in script
    changes = {
        "/etc/haproxy/agents.lua": place.write(
            "agents.lua", script.replace("TIMEOUT = 1000", "TIMEOUT = 500")
        ),
        "bind :443": f"bind 127.0.0.1:{place.port}",
    }
    return [
        _distributed("haproxy"),
        "-db",
        "-f",
        place.write("haproxy.cfg", place.configuration("haproxy.cfg", changes)),
    ]


def caddy(place: Place) -> list[str]:
    options = f"admin off\nauto_https disable_redirects\nhttps_port {place.port}\ndefault_bind 127.0.0.1"
    text = place.configuration("Caddyfile", {"response_header_timeout 3s": "response_header_timeout 1s"})
    file = place.write("Caddyfile", f"{{\n{options}\n}}\n{text}")
    return [_released("caddy"), "run", "--adapter", "caddyfile", "--config", file]


def traefik(place: Place) -> list[str]:
    rest = place.write("traefik-tool.yml", place.configuration("traefik-tool.yml"))
    changes = {'":443"': f"127.0.0.1:{place.port}", "/etc/traefik/traefik-tool.yml": rest}
    return [
        _released("traefik"),
        f"--configFile={place.write('traefik.yml', place.configuration('traefik.yml', changes))}",
    ]


GATEWAYS: dict[str, Callable[[Place], list[str]]] = {
    "nginx": nginx,
    "caddy": caddy,
    "traefik": traefik,
    "haproxy": haproxy,
}


@contextmanager
def gateway(name: str, folder: Path, tool: int, verifier: int, token: str = "") -> Iterator[int]:
    """Run a proxy in front of a tool and yield the port where it listens, by TLS."""
    certificate = authority().issue(NAME)
    for file in (
        "fullchain.pem",
        "privkey.pem",
        "tool.pem",
    ):  # with its key; whoever reads it takes what he looks for
        (folder / file).write_bytes(certificate)
    (folder / "tool-token").write_text(token)
    place = Place(folder, free_port(), tool, verifier, token)
    command = GATEWAYS[name](place)
    with (folder / "log").open("wb") as log:
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _await_listening(process, place.port, folder / "log")
        yield place.port
    finally:
        process.terminate()
        process.wait(10)


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(400):
        assert process.poll() is None, log.read_text()
        if _answers(port):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _answers(port: int) -> bool:
    """Tell whether it serves the tool's name already. Traefik listens before it knows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 1) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as connection,
        ):
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(12)[-4:] in {b" 401", b" 403"}
    except OSError:
        return False


def _distributed(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or missing(f"{name} is not installed (Debian and Ubuntu: apt install {name})")


def _released(name: str) -> str:
    return str(fetched("gateways.py", name))
