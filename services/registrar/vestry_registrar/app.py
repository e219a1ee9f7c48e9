"""The registrar, wired: everything it is made of stands in this one file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from time import monotonic, time
from typing import NamedTuple

from aiohttp import web

from vestry_registrar.accepted import accepted
from vestry_registrar.audit.sealer import Sealer
from vestry_registrar.census import Census
from vestry_registrar.directories import Directories
from vestry_registrar.handlers import act, enrol, keys, publish, tell
from vestry_registrar.handlers.admin_routes import admin_routes
from vestry_registrar.hosts import Hosts
from vestry_registrar.key_proof import ChangeRules
from vestry_registrar.limits import Limits, show
from vestry_registrar.live_store import RedisLiveStore
from vestry_registrar.openapi.internal import internal_document
from vestry_registrar.openapi.public import public_handler
from vestry_registrar.proof import MAX_BODY, Proofs, StoredKeys
from vestry_registrar.publisher import Publisher
from vestry_registrar.settings import RegistrarSettings
from vestry_service import openapi
from vestry_service.app import make_app
from vestry_service.health import Health
from vestry_service.internal import internal_app
from vestry_service.lean import add_get, add_signed_post
from vestry_service.limits_patience import PatientStore
from vestry_service.limits_redis import RedisLimiter
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.policy import policy_of
from vestry_service.postgres import Pool, open_pool, ping
from vestry_service.redis import connect, require_noeviction
from vestry_service.replay import ReplayStore
from vestry_service.replay_redis import RedisReplayStore
from vestry_service.replicas import look_after_replicas
from vestry_service.start import VERSION
from vestry_service.trust import OwnAgents
from vestry_service.verification import Terms, Verification
from vestry_signatures.agent_url import WELL_KNOWN_PATH, AgentUrls


class Registrar(NamedTuple):
    """The two applications of one registrar and its health."""

    public: web.Application
    internal: web.Application
    health: Health


@asynccontextmanager
async def open_registrar(
    settings: RegistrarSettings, logger: Logger, metrics: Metrics, clock: Callable[[], float] = time
) -> AsyncIterator[Registrar]:
    """Yield a registrar whose stores are at hand and whose publisher runs; nothing listens yet.

    Args:
        settings: read once at start; the database is migrated already.
        logger: receives every line.
        metrics: receives every count.
        clock: seconds since the epoch.

    Raises:
        StartError: Redis may forget nonces.
    """
    health = Health()
    async with connect(settings.redis_url) as redis, _pool(settings) as pool:
        await require_noeviction(redis, logger)
        metrics.watch(metrics.db_pool_connections.labels("open"), pool.get_size)
        metrics.watch(metrics.db_pool_connections.labels("idle"), pool.get_idle_size)
        health.add("postgres", partial(ping, pool))
        health.add("redis", redis.ping)
        await look_after_replicas(redis, settings.nonce_replicas, health, logger)
        store = PatientStore(
            RedisReplayStore(settings.redis_url, settings.clock_skew, settings.nonce_replicas)
        )
        limiter = RedisLimiter(settings.redis_url)
        limits = Limits(settings, limiter, metrics.rate_limited)
        live = RedisLiveStore(settings.redis_url, settings.key_record_ttl, clock, settings.nonce_replicas)
        publisher = Publisher(
            pool, live, settings.key_record_ttl, settings.clock_skew, logger, metrics.outbox_pending, clock
        )
        try:
            async with _running(
                publisher, Census(pool, metrics), Sealer(pool, logger, metrics.audit_unsealed)
            ):
                public = _public_app(settings, logger, metrics, pool, store, limits, publisher, clock)
                public.add_routes(health.routes())
                internal = internal_app(logger, metrics, health)
                internal.router.add_get(tell.PATH, tell.tell_handler(publisher))
                internal.add_routes(admin_routes(pool, publisher, logger, metrics))
                internal.router.add_get(openapi.PATH, openapi.document_handler(internal_document()))
                yield Registrar(public, internal, health)
        finally:
            await live.aclose()
            await limiter.aclose()
            await store.aclose()


def _pool(settings: RegistrarSettings) -> AbstractAsyncContextManager[Pool]:
    """A pool of ten connections, and fewer each where there are many processes: Postgres usually takes a hundred."""
    return open_pool(settings.database_url, max(2, min(10, 40 // settings.workers)))


def _public_app(
    settings: RegistrarSettings,
    logger: Logger,
    metrics: Metrics,
    pool: Pool,
    store: ReplayStore,
    limits: Limits,
    publisher: Publisher,
    clock: Callable[[], float],
) -> web.Application:
    agents = AgentUrls(settings.scheme, settings.base_authority)
    policy = policy_of(settings)
    verification = Verification(StoredKeys(pool, publisher), store)
    rules = ChangeRules(
        policy,
        agents,
        proof_required=settings.key_proof == "required",
        binding_required=settings.body_binding == "required",
    )
    terms = Terms(policy, OwnAgents(agents), bound=settings.nonce_bound)
    hosts = Hosts(settings.scheme, settings.base_authority, settings.allowed_authorities, agents)
    proofs = Proofs(settings.scheme, hosts, terms, verification, store, rules, clock)
    app = make_app(
        logger,
        metrics,
        trusted_proxies=settings.trusted_proxies,
        guard=hosts.guard,
        accept_signature=accepted(policy, binding_required=settings.body_binding == "required"),
        body_limit=MAX_BODY,
    )
    app.on_response_prepare.append(show)
    directories = Directories(pool, store, publisher, clock, monotonic)
    whoami = limits.proving(act.whoami_handler(proofs, agents))
    mode, most = settings.registration, settings.max_keys_per_agent
    app.add_routes(
        [
            web.get("/", publish.front_handler(directories, VERSION)),
            web.get("/whoami", whoami, allow_head=False),
            web.post("/whoami", whoami),
            web.post(
                "/rotate",
                limits.proving(act.rotate_handler(pool, proofs, limits, publisher, metrics, settings)),
            ),
            web.get("/keys", limits.proving(keys.list_handler(pool, proofs)), allow_head=False),
            web.post("/keys", limits.proving(keys.add_handler(pool, proofs, limits, publisher, most))),
            web.delete("/keys/{kid}", limits.proving(keys.retire_handler(pool, proofs, limits, publisher))),
            web.post(
                "/revoke", limits.proving(keys.revoke_handler(pool, proofs, limits, publisher, metrics))
            ),
            web.get(WELL_KNOWN_PATH, publish.directory_handler(directories)),
            web.get("/agents/{uid}" + WELL_KNOWN_PATH, publish.fallback_handler(directories)),
            web.get(openapi.PATH, public_handler(settings.public_url)),
        ]
    )
    register = enrol.register_answer(pool, proofs, publisher, metrics, mode)
    register_tool = enrol.register_tool_answer(pool, proofs, metrics, mode)
    add_signed_post(app, "/register", hosts.guarded(limits.enrolling(register)))
    add_signed_post(app, "/tool/register", hosts.guarded(limits.enrolling(register_tool)))
    add_get(app, WELL_KNOWN_PATH, publish.directory_answer(directories, hosts.place_of))
    return app


@asynccontextmanager
async def _running(publisher: Publisher, census: Census, sealer: Sealer) -> AsyncIterator[None]:
    """Keep them at work; the publisher's first round is done before anything is answered."""
    await publisher.round()
    tasks = [asyncio.create_task(work) for work in (publisher.run(), census.run(), sealer.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
