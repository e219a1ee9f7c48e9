"""The settings that both services share (wire contract, section 8)."""

import sys
from dataclasses import dataclass, field

from vestry_service.base_url import PORT, BaseUrl, find_base_url, parse_authority
from vestry_service.parsers import (
    choice,
    choices,
    listed,
    listen_address,
    most_nonces,
    network,
    port,
    redis_url,
    whole_number,
)
from vestry_service.replay_bound import Bound
from vestry_service.requests import Network
from vestry_service.settings import Environment, Variable, computed, setting

PROFILES = ("vestauth", "web-bot-auth")
ALGORITHMS = ("ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512")
_LOG_FORMAT = Variable("LOG_FORMAT", choice("json", "console"), default=None)
INTERNAL_PORT = Variable("INTERNAL_PORT", port, default=3001)
_ALLOWED_AUTHORITIES = Variable("ALLOWED_AUTHORITIES", listed(str), default=())


def _allowed_authorities(env: Environment) -> tuple[str, ...]:
    """Normalise as for the base URL's scheme, which is the one their default port belongs to."""
    base = find_base_url(env)
    scheme = base.scheme if base else "https"
    try:
        return tuple(dict.fromkeys(parse_authority(item, scheme) for item in env.get(_ALLOWED_AUTHORITIES)))
    except ValueError as error:
        env.problems.append(f"ALLOWED_AUTHORITIES: {error}")
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What both services need. Times in seconds; `bind` and `internal_bind` empty means every address."""

    public: BaseUrl = computed(find_base_url)  # noqa: RUF009 - a field like the others
    port: int = computed(lambda env: env.get(PORT))
    bind: tuple[str, ...] = setting("BIND", listed(listen_address), default=())
    internal_port: int = computed(lambda env: env.get(INTERNAL_PORT))
    internal_bind: tuple[str, ...] = setting("INTERNAL_BIND", listed(listen_address), default=("127.0.0.1",))
    redis_url: str = setting("REDIS_URL", redis_url, secret=True)
    allowed_authorities: tuple[str, ...] = computed(_allowed_authorities)
    trusted_proxies: tuple[Network, ...] = setting("TRUSTED_PROXIES", listed(network), default=())
    key_record_ttl: int = setting("KEY_RECORD_TTL", whole_number(1, 86400), default=300)
    profiles: tuple[str, ...] = setting("PROFILES", choices(*PROFILES), default=PROFILES)
    algorithms: tuple[str, ...] = setting("ALGORITHMS", choices(*ALGORITHMS), default=("ed25519",))
    nonce_replicas: int = setting("NONCE_REPLICAS", whole_number(0, 16), default=0)
    nonce_policy: str = setting("NONCE_POLICY", choice("optional", "required"), default="optional")
    clock_skew: int = setting("CLOCK_SKEW", whole_number(0, 3600), default=60)
    max_signature_lifetime: int = setting("MAX_SIGNATURE_LIFETIME", whole_number(1, 86400), default=3600)
    workers: int = setting("WORKERS", whole_number(1, 64), default=1)
    max_nonces_per_key: int | None = setting("MAX_NONCES_PER_KEY", most_nonces, default=100_000)
    log_level: str = setting("LOG_LEVEL", choice("debug", "info", "warning", "error"), default="info")
    log_format: str = computed(lambda env: env.get(_LOG_FORMAT) or _fitting_format())
    warnings: tuple[str, ...] = field(default=())

    @property
    def public_url(self) -> str:
        """The base URL, e.g. `http://localhost:3000`."""
        return str(self.public)

    @property
    def nonce_bound(self) -> Bound | None:
        """How many unexpired nonces a key may have; None for as many as it likes."""
        return None if self.max_nonces_per_key is None else Bound(self.max_nonces_per_key)

    @property
    def base_authority(self) -> str:
        """Host[:port] of the base URL."""
        return self.public.authority

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self.public.scheme


def _fitting_format() -> str:
    return "console" if sys.stdout.isatty() else "json"
