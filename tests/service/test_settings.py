"""Settings: one message for everything that is wrong, and no secret in any of it."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from vestry_registrar.settings import RegistrarSettings
from vestry_service.settings import SettingsError, load
from vestry_verifier.foreign.admission import HostRegex
from vestry_verifier.settings import VerifierSettings

DATABASE = "postgresql://vestry:hunter2@db/vestry"
REDIS = "redis://:hunter3@redis:6379/0"
NEEDED = {"DATABASE_URL": DATABASE, "REDIS_URL": REDIS}


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(RegistrarSettings, NEEDED | environ)
    return str(caught.value)


def test_defaults_are_those_of_the_wire_contract() -> None:
    """Only the stores must be given; all else has the documented default."""
    settings = load(RegistrarSettings, NEEDED)
    assert (settings.public_url, settings.port, settings.internal_port) == (
        "http://localhost:3000",
        3000,
        3001,
    )
    assert (settings.bind, settings.internal_bind) == ((), ("127.0.0.1",))
    assert (settings.key_record_ttl, settings.clock_skew, settings.max_signature_lifetime) == (300, 60, 3600)
    assert settings.profiles == ("vestauth", "web-bot-auth")
    assert (settings.algorithms, settings.nonce_policy) == (("ed25519",), "optional")
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert (settings.allowed_authorities, settings.trusted_proxies, settings.warnings) == ((), (), ())


def test_verifier_needs_no_database_and_finds_the_registrar_by_its_internal_port() -> None:
    """The verifier starts without DATABASE_URL and asks the registrar on this machine unless told otherwise."""
    settings = load(VerifierSettings, {"REDIS_URL": REDIS, "INTERNAL_PORT": "3101"})
    assert settings.registrar_url == "http://127.0.0.1:3101"
    assert (settings.verifier_port, settings.verifier_internal_port) == (4000, 4001)
    told = load(VerifierSettings, {"REDIS_URL": REDIS, "REGISTRAR_URL": "http://Registrar:3001/"})
    assert told.registrar_url == "http://registrar:3001"


def test_all_problems_come_in_one_message() -> None:
    """Whoever starts a service sees everything that must be mended at once."""
    with pytest.raises(SettingsError) as caught:
        load(RegistrarSettings, {"PORT": "70000", "CLOCK_SKEW": "a minute", "PROFILES": "vestauth,other"})
    text = str(caught.value)
    for part in (
        "DATABASE_URL (or DATABASE_URL_FILE) is missing",
        "REDIS_URL (or REDIS_URL_FILE) is missing",
    ):
        assert part in text
    for part in ("PORT '70000'", "from 1 to 65535", "CLOCK_SKEW 'a minute'", "vestauth, web-bot-auth"):
        assert part in text


def test_an_empty_variable_is_an_unset_one() -> None:
    """`${X:-}` in a compose file means that nothing was chosen."""
    assert load(RegistrarSettings, NEEDED | {"PORT": " ", "LOG_FORMAT": ""}).port == 3000


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "３０００", "whole number"),
        ("BIND", "everywhere", "IP addresses or localhost"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "networks like 10.0.0.0/8"),
        ("ALGORITHMS", "hmac-sha256", "one of ed25519"),
        ("ALGORITHMS", ",", "at least one"),
        ("NONCE_POLICY", "never", "optional, required"),
        ("NONCE_REPLICAS", "-1", "0 to 16"),
        ("LOG_LEVEL", "loud", "debug, info"),
        ("ALLOWED_AUTHORITIES", "https://a.example", "host or host:port"),
        ("ALLOWED_AUTHORITIES", "a.example?x", "host or host:port"),
        ("ALLOW_PLAIN_HTTP", "perhaps", "1 or 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(name: str, value: str, says: str) -> None:
    """A message names the variable, shows the value and says what would do."""
    text = refused({name: value})
    assert name in text
    assert says in text


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:hunter3@h,g",
        "redis+cluster://:hunter3@h/1",
        "redis://:hunter3@h,g",
        "http://:hunter3@h",
        "redis://:hunter3@h:x",
        "redis://:hunter3@h?retry_on_timeout=1",
        "unix://:hunter3@socket",
    ],
)
def test_an_unusable_redis_url_is_refused_without_showing_it(url: str) -> None:
    """What names no server, and arguments that would bring retries back, stop the start."""
    text = refused({"REDIS_URL": url})
    assert "REDIS_URL" in text
    assert "hunter3" not in text


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "postgresql://u:hunter2@h/d?statement_cache_size=no"]
)
def test_an_unusable_database_url_is_refused_without_showing_it(url: str) -> None:
    """The password in the URL is not in the message."""
    text = refused({"DATABASE_URL": url})
    assert "DATABASE_URL" in text
    assert "hunter2" not in text


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """`NAME_FILE` holds the value; the newline at its end is not part of it."""
    (tmp_path / "url").write_text(DATABASE + "\n")
    settings = load(RegistrarSettings, {"DATABASE_URL_FILE": str(tmp_path / "url"), "REDIS_URL": REDIS})
    assert settings.database_url == DATABASE


def test_a_secret_given_twice_or_in_no_readable_file_is_refused(tmp_path: Path) -> None:
    """Two sources are a mistake; a file that is missing, empty or binary is named by its variable only."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "both set" in refused({"DATABASE_URL_FILE": str(tmp_path / "url")})
    for name in ("missing", "empty", "binary"):
        text = refused({"REDIS_URL": "", "REDIS_URL_FILE": str(tmp_path / name)})
        assert "REDIS_URL_FILE: the file" in text


def test_no_secret_is_in_the_settings_repr() -> None:
    """Settings may be printed while debugging."""
    shown = repr(load(RegistrarSettings, NEEDED))
    assert "hunter" not in shown
    assert "clock_skew=60" in shown


def test_settings_are_frozen_and_can_be_varied_in_a_copy() -> None:
    """Read once, never changed."""
    settings = load(RegistrarSettings, NEEDED)
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]
    assert replace(settings, port=1).port == 1


def test_lists_are_normalised() -> None:
    """Addresses, networks and authorities come out in their one spelling, each once."""
    settings = load(
        RegistrarSettings,
        NEEDED
        | {
            "PUBLIC_URL": "https://agents.example",
            "BIND": "127.0.0.1, [::1],localhost",
            "TRUSTED_PROXIES": "10.0.0.0/8,::1,",
            "ALLOWED_AUTHORITIES": "Internal.Example:443,internal.example,other:8443",
            "PROFILES": "web-bot-auth",
        },
    )
    assert settings.bind == ("127.0.0.1", "::1", "localhost")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.allowed_authorities == ("internal.example", "other:8443")
    assert settings.profiles == ("web-bot-auth",)


def test_tool_fqdn_regex_has_an_older_name() -> None:
    """PROVIDER_FQDN_REGEX counts only while TOOL_FQDN_REGEX is unset."""
    older = {"REDIS_URL": REDIS, "PROVIDER_FQDN_REGEX": "old"}
    assert load(VerifierSettings, older).tool_fqdn_regex == HostRegex("old")
    assert load(VerifierSettings, older | {"TOOL_FQDN_REGEX": "new"}).tool_fqdn_regex == HostRegex("new")
    assert load(VerifierSettings, {"REDIS_URL": REDIS}).tool_fqdn_regex is None


def test_an_ignored_hostname_is_warned_about_once() -> None:
    """However many settings depend on the base URL."""
    assert len(load(RegistrarSettings, NEEDED | {"HOSTNAME": "3f2a9c1b77d0"}).warnings) == 1
