"""The application of an internal port: metrics and health, never for the internet."""

from aiohttp import web

from vestry_service.app import make_app
from vestry_service.health import Health
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics


def internal_app(logger: Logger, metrics: Metrics, health: Health) -> web.Application:
    """Return an application that answers `/metrics` and the health routes."""

    async def scrape(_request: web.Request) -> web.Response:
        body, content_type = metrics.render()
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = make_app(logger, metrics)
    app.add_routes([*health.routes(), web.get("/metrics", scrape)])
    return app
