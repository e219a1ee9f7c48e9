"""The verifier, wired: everything it is made of stands in this one file."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import NamedTuple

from aiohttp import web

from vestry_service import openapi
from vestry_service.app import make_app
from vestry_service.health import Health
from vestry_service.internal import internal_app
from vestry_service.lean import add_post
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.policy import policy_of
from vestry_service.redis import connect, require_noeviction
from vestry_service.replay_redis import RedisReplayStore
from vestry_service.trust import OwnAgents
from vestry_service.verification import Verification
from vestry_signatures.agent_url import AgentUrls
from vestry_verifier.counted import Counted
from vestry_verifier.foreign.identifier import Identifiers
from vestry_verifier.foreign.open import INTERNET, Outside, open_foreign_keys
from vestry_verifier.handlers.batch import MAX_BODY, batch_answer
from vestry_verifier.handlers.proxies import proxy_routes
from vestry_verifier.handlers.verify import verify_answer
from vestry_verifier.judge import Judge
from vestry_verifier.key_cache import KeyCache
from vestry_verifier.keys import EverybodysKeys
from vestry_verifier.openapi import internal_document, public_document
from vestry_verifier.registrar import open_registrar
from vestry_verifier.settings import VerifierSettings
from vestry_verifier.tool_policy import ToolPolicy
from vestry_verifier.tools import Tools
from vestry_verifier.trust import Trusted


class Verifier(NamedTuple):
    """The two applications of one verifier and its health."""

    public: web.Application
    internal: web.Application
    health: Health


@asynccontextmanager
async def open_verifier(
    settings: VerifierSettings,
    logger: Logger,
    metrics: Metrics,
    clock: Callable[[], float] = time,
    outside: Outside = INTERNET,
) -> AsyncIterator[Verifier]:
    """Yield a verifier whose stores are at hand; nothing listens yet.

    Args:
        settings: read once at start.
        logger: receives every line.
        metrics: receives every count.
        clock: seconds since the epoch.
        outside: how foreign hosts are reached.

    Raises:
        StartError: Redis may forget nonces.
    """
    health = Health()
    async with (
        connect(settings.redis_url) as redis,
        open_registrar(settings.registrar_url) as registrar,
        open_foreign_keys(settings, metrics, clock, outside) as foreign,
    ):
        await require_noeviction(redis, logger)
        store = RedisReplayStore(settings.redis_url, settings.clock_skew, settings.nonce_replicas)
        health.add("redis", redis.ping)
        health.add("registrar", registrar.alive, required=False)
        agents = AgentUrls(settings.scheme, settings.base_authority)
        keys = EverybodysKeys(KeyCache(store, registrar, metrics, monotonic), foreign)
        identifiers = Identifiers(settings.signature_agent_drafts, settings.base_authority)
        trusted = Trusted(OwnAgents(agents), identifiers, settings.tool_fqdn_regex)
        judge = Judge(Verification(keys, store), trusted.by, Counted(metrics), clock)
        tools = Tools(ToolPolicy("default", policy_of(settings)))
        public = make_app(logger, metrics, trusted_proxies=settings.trusted_proxies, body_limit=MAX_BODY)
        add_post(public, "/verify", verify_answer(judge, tools))
        add_post(public, "/verify/batch", batch_answer(judge, tools, logger))
        public.add_routes(proxy_routes(judge, tools, settings.trusted_proxies))
        public.add_routes(health.routes())
        public.router.add_get(openapi.PATH, openapi.document_handler(public_document()))
        internal = internal_app(logger, metrics, health)
        internal.router.add_get(openapi.PATH, openapi.document_handler(internal_document()))
        try:
            yield Verifier(public, internal, health)
        finally:
            await store.aclose()
