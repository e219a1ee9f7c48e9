"""The verifier, wired: everything it is made of stands in this one file."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import Final, NamedTuple

from aiohttp import web

from vestry_service import openapi
from vestry_service.app import make_app
from vestry_service.health import Health
from vestry_service.internal import internal_app
from vestry_service.lean import add_post
from vestry_service.limits_patience import PatientStore
from vestry_service.limits_redis import RedisLimiter
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.policy import policy_of
from vestry_service.redis import connect, require_noeviction
from vestry_service.replay_redis import RedisReplayStore
from vestry_service.replicas import look_after_replicas
from vestry_service.trust import OwnAgents
from vestry_service.verification import Verification
from vestry_signatures.agent_url import AgentUrls
from vestry_verifier.counted import Counted
from vestry_verifier.explain.explainer import Explainer
from vestry_verifier.explain.rehearsal import Stage
from vestry_verifier.foreign.identifier import Identifiers
from vestry_verifier.foreign.open import INTERNET, Outside, open_foreign_keys
from vestry_verifier.handlers.batch import MAX_BODY, batch_answer
from vestry_verifier.handlers.explain import explain_answer
from vestry_verifier.handlers.proxies import proxy_routes
from vestry_verifier.handlers.verify import verify_answer
from vestry_verifier.judge import Judge
from vestry_verifier.key_cache import KeyCache
from vestry_verifier.keys import EverybodysKeys
from vestry_verifier.limited import Limited
from vestry_verifier.openapi import internal_document, public_document
from vestry_verifier.registrar import open_registrar
from vestry_verifier.settings import VerifierSettings
from vestry_verifier.tool_policy import ToolPolicy
from vestry_verifier.tools import Tools
from vestry_verifier.tools_file.keeper import Keeper, keeping
from vestry_verifier.trust import Trusted

OPEN_TO_ALL: Final = (
    "no TOOLS_FILE is set and the verifier listens beyond this machine: whoever reaches it may ask about "
    "requests to any host, and by that use them up"
)


class Verifier(NamedTuple):
    """The two applications of one verifier, its health, and who keeps its file of tools, where it has one."""

    public: web.Application
    internal: web.Application
    health: Health
    keeper: Keeper | None


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
        StartError: Redis may forget nonces, or the file of tools has a fault.
    """
    health = Health()
    base = ToolPolicy("open", policy_of(settings), bound=settings.nonce_bound)
    async with (
        connect(settings.redis_url) as redis,
        open_registrar(settings.registrar_url) as registrar,
        open_foreign_keys(settings, metrics, clock, outside) as foreign,
        keeping(settings.tools_file, base, logger, metrics) as keeper,
    ):
        await require_noeviction(redis, logger)
        store = RedisReplayStore(settings.redis_url, settings.clock_skew, settings.nonce_replicas)
        health.add("redis", redis.ping)
        await look_after_replicas(redis, settings.nonce_replicas, health, logger)
        health.add("registrar", registrar.alive, required=False)
        if keeper is not None:
            health.add("tools_file", keeper.ready, required=False)
        elif not settings.is_loopback_only:
            logger.warning(OPEN_TO_ALL)
        agents = AgentUrls(settings.scheme, settings.base_authority)
        keys = EverybodysKeys(KeyCache(store, registrar, metrics, monotonic), foreign)
        identifiers = Identifiers(settings.signature_agent_drafts, settings.base_authority)
        trusted = Trusted(OwnAgents(agents), identifiers, settings.tool_fqdn_regex)
        limiter = RedisLimiter(settings.redis_url)
        limited = Limited(Verification(keys, PatientStore(store)), limiter, metrics.rate_limited)
        judge = Judge(Verification(keys, store), trusted.by, Counted(metrics), clock, limited)
        explainer = Explainer(Stage(keys, keys.holds, store, trusted.by, clock))
        tools = Tools(None if keeper is None else keeper.current, base)
        public = make_app(logger, metrics, trusted_proxies=settings.trusted_proxies, body_limit=MAX_BODY)
        add_post(public, "/verify", verify_answer(judge, tools))
        add_post(public, "/verify/batch", batch_answer(judge, tools, logger))
        add_post(public, "/verify/explain", explain_answer(explainer, tools))
        public.add_routes(proxy_routes(judge, tools, settings.trusted_proxies))
        public.add_routes(health.routes())
        public.router.add_get(openapi.PATH, openapi.document_handler(public_document()))
        internal = internal_app(logger, metrics, health)
        add_post(internal, "/verify/explain", explain_answer(explainer, tools, base))
        internal.router.add_get(openapi.PATH, openapi.document_handler(internal_document()))
        try:
            yield Verifier(public, internal, health, keeper)
        finally:
            await limiter.aclose()
            await store.aclose()
