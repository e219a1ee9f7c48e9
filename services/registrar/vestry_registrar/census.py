"""How many agents and keys there are, for the metrics.

Counting reads whole tables, so it is done twice a minute and never for a request.
"""

import asyncio
from contextlib import suppress
from typing import Final

from vestry_registrar.repository.counts import agents_by_state, keys_by_state
from vestry_service.metrics import Metrics
from vestry_service.postgres import Pool
from vestry_signatures.errors import DatabaseUnavailable

PERIOD: Final = 30.0
"""Seconds between two counts."""


class Census:
    """Keeps the gauges of the registrar current."""

    def __init__(self, pool: Pool, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics

    async def run(self) -> None:
        """Count now and twice a minute, until cancelled. A database that is away leaves the last count standing."""
        while True:
            with suppress(DatabaseUnavailable):
                await self.count()
            await asyncio.sleep(PERIOD)

    async def count(self) -> None:
        """Count once. Raises DatabaseUnavailable."""
        for state, number in (await agents_by_state(self._pool)).items():
            self._metrics.agents.labels(state).set(number)
        for state, number in (await keys_by_state(self._pool)).items():
            self._metrics.keys.labels(state).set(number)
