"""The compose stack: valid, hardened, and open only where it must be."""

import json
import os
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from vestry_registrar.settings import RegistrarSettings
from vestry_service.settings import load
from vestry_verifier.settings import VerifierSettings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy/docker-compose.yml"
STACK = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = ("registrar", "verifier")
LASTING = sorted(set(SERVICES) - {"secrets"})


def in_container(service: str) -> dict[str, str]:
    """The environment of a service where nobody has set anything."""
    given = SERVICES[service]["environment"]
    defaults = {"${PUBLIC_URL:-http://localhost:${PORT:-3000}}": "http://localhost:3000"}
    return {name: defaults.get(value, value) for name, value in given.items() if value is not None}


def resolved(compose: list[str], **environ: str) -> dict[str, Any]:
    """The stack as Compose itself reads it, with these variables set."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    done = subprocess.run(
        [*compose, "--env-file", os.devnull, "-f", FILE, "config", "--format", "json"],
        env={**clean, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stack: dict[str, Any] = json.loads(done.stdout)
    return stack


def published(stack: dict[str, Any]) -> dict[tuple[str, int], tuple[str, str]]:
    """(service, port) to (address, port) of the host."""
    return {
        (name, port["target"]): (port.get("host_ip", ""), port["published"])
        for name, service in stack["services"].items()
        for port in service.get("ports", [])
    }


def test_compose_accepts_the_file(compose: list[str]) -> None:
    """With not a word of complaint, and nothing needs to be set before."""
    done = subprocess.run(
        [*compose, "--env-file", os.devnull, "-f", FILE, "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_public_ports_are_published_and_to_this_machine_alone(compose: list[str]) -> None:
    """Plain http stays on loopback until the operator says otherwise; 3001 and 4001 are never open."""
    assert published(resolved(compose)) == {
        ("registrar", 3000): ("127.0.0.1", "3000"),
        ("verifier", 4000): ("127.0.0.1", "4000"),
        ("prometheus", 9090): ("127.0.0.1", "9090"),
    }


def test_prometheus_is_never_published_beyond_this_machine(compose: list[str]) -> None:
    """It asks nobody who they are."""
    assert published(resolved(compose, PUBLISH_ADDRESS="0.0.0.0")) == {
        ("registrar", 3000): ("0.0.0.0", "3000"),
        ("verifier", 4000): ("0.0.0.0", "4000"),
        ("prometheus", 9090): ("127.0.0.1", "9090"),
    }


@pytest.mark.parametrize(
    ("environ", "public_url"),
    [
        ({}, "http://localhost:3000"),
        ({"PORT": "8080"}, "http://localhost:8080"),
        ({"PORT": "8080", "PUBLIC_URL": "https://agents.example"}, "https://agents.example"),
    ],
)
def test_the_base_url_follows_the_port(compose: list[str], environ: dict[str, str], public_url: str) -> None:
    """Both services sign and verify for the same one."""
    services = resolved(compose, **environ)["services"]
    assert {services[name]["environment"]["PUBLIC_URL"] for name in OURS} == {public_url}


@pytest.mark.parametrize("name", LASTING)
def test_a_container_can_do_little(name: str) -> None:
    """Read-only, without capabilities it does not need, restarted when it fails, with a log that rotates."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["driver"] == "local"
    assert "privileged" not in service
    assert name == "postgres" or "cap_add" not in service


@pytest.mark.parametrize("name", LASTING)
def test_a_container_tells_its_health(name: str) -> None:
    """`up --wait` means it."""
    assert SERVICES[name]["healthcheck"]["test"]


def test_who_needs_a_store_waits_for_it() -> None:
    """Nothing starts before what it asks is ready, and nothing before its passwords are there."""
    healthy, done = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
    assert {name: service.get("depends_on", {}) for name, service in SERVICES.items()} == {
        "secrets": {},
        "postgres": {"secrets": done},
        "redis": {"secrets": done},
        "registrar": {"secrets": done, "postgres": healthy, "redis": healthy},
        "verifier": {"secrets": done, "redis": healthy, "registrar": healthy},
        "prometheus": {},
    }


def test_the_verifier_has_no_way_to_postgres() -> None:
    """No network in common, no URL, no volume with a password for it."""
    verifier, postgres = SERVICES["verifier"], SERVICES["postgres"]
    assert not set(verifier["networks"]) & set(postgres["networks"])
    assert not any(name.startswith("DATABASE_URL") for name in verifier["environment"])
    assert verifier["volumes"] == ["verifier-secrets:/secrets:ro"]


def test_only_one_network_leads_out() -> None:
    """The stores are on networks without a way out, and nobody else is on theirs."""
    networks = STACK["networks"]
    assert {name for name, network in networks.items() if not (network or {}).get("internal")} == {"edge"}
    members = {net: {name for name in LASTING if net in SERVICES[name]["networks"]} for net in networks}
    assert members == {
        "edge": {"registrar", "verifier", "prometheus"},
        "internal": {"registrar", "verifier", "prometheus"},
        "database": {"registrar", "postgres"},
        "redis": {"registrar", "verifier", "redis"},
    }


def test_who_makes_the_passwords_can_tell_nobody() -> None:
    """It has no network, and each of its volumes is mounted by one other container alone, which cannot write it."""
    maker = SERVICES["secrets"]
    assert maker["network_mode"] == "none"
    made = {volume.split(":")[0] for volume in maker["volumes"] if not volume.startswith("./")}
    for volume in made:
        users = [name for name in LASTING if f"{volume}:/secrets:ro" in SERVICES[name].get("volumes", [])]
        assert users == [volume.removesuffix("-secrets")]


def test_no_secret_stands_in_the_environment() -> None:
    """Names of files alone: `docker inspect` shows the environment to whoever may ask."""
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert name.endswith("_FILE") or not name.endswith(("PASSWORD", "DATABASE_URL", "REDIS_URL"))


def test_redis_remembers_what_was_spent() -> None:
    """It writes every nonce to its file, and forgets none to make room."""
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_postgres_keeps_its_data_where_its_image_does() -> None:
    """From 18 on the volume belongs one folder higher than before."""
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert "postgres:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_time_to_finish(name: str) -> None:
    """Ten seconds for the public port, then ten for the internal one, before it is killed."""
    assert SERVICES[name]["stop_grace_period"] == "25s"
    assert SERVICES[name]["command"] == ["vestry", name]
    assert SERVICES[name]["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}


@pytest.mark.parametrize(("name", "cls"), [("registrar", RegistrarSettings), ("verifier", VerifierSettings)])
def test_the_services_accept_their_environment(name: str, cls: type, tmp_path: Path) -> None:
    """The settings as a newcomer has them are valid, and warn of nothing."""
    (tmp_path / "redis_url").write_text("redis://:word@redis:6379/0")
    (tmp_path / "database_url").write_text("postgresql://vestry:word@postgres:5432/vestry")
    environ = {key: value.replace("/secrets", str(tmp_path)) for key, value in in_container(name).items()}
    settings: Any = load(cls, environ)
    assert settings.public_url == "http://localhost:3000"
    assert settings.internal_bind == ("0.0.0.0",)
    assert settings.warnings == ()


@pytest.mark.parametrize(("name", "cls"), [("registrar", RegistrarSettings), ("verifier", VerifierSettings)])
def test_every_setting_can_be_given(name: str, cls: type) -> None:
    """A setting that the file did not pass on would be ignored without a word."""
    fixed = {"port", "bind", "internal_port", "verifier_port", "verifier_internal_port", "warnings", "public"}
    keys = SERVICES[name]["environment"].keys()
    given = {key.lower() for key in (*keys, *(each.removesuffix("_FILE") for each in keys))}
    assert {field.name for field in fields(cls)} - fixed <= given
