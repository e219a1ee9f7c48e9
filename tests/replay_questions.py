"""What tests ask of a replay store again and again."""

import pytest

from replay_stores import CLOCK_SKEW, Stores, claim, now
from vestry_service.replay import Claim
from vestry_service.replay_redis import RedisReplayStore
from vestry_signatures.errors import ReplayStoreUnavailable


async def fresh(stores: Stores, one: Claim) -> bool:
    """Spend a claim, and say whether it was the first."""
    [answer] = await stores.replay.spend([one], now())
    return answer.fresh


async def refusal(url: str, replicas: int = 0) -> str:
    """Return why a store at this URL is not available, in the words meant for its operator."""
    store = RedisReplayStore(url, CLOCK_SKEW, replicas)
    with pytest.raises(ReplayStoreUnavailable) as refused:
        await store.spend([claim()], now())
    await store.aclose()
    return str(refused.value.__cause__)
