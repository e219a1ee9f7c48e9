"""The buckets on one Redis or Valkey server (`limits` says how they work).

One script asks all buckets of a loop turn (`store.batches` says how they come together). It runs by the server's own
clock, and times are whole numbers of microseconds, which Lua's doubles hold exactly until the year 2255.

The account needs `TIME` besides what `replay_redis` lists, and the keys `l*`.
"""

from collections.abc import Sequence

from vestry_service.limits import Check, Verdict, judge
from vestry_service.store.open import open_batcher
from vestry_service.store.script import Script

TRIPS = 2
"""Trips under way at once."""

ASK = Script(
    keys=1,
    args=3,
    body="""
local time = redis.call('TIME') -- (1)
local now = time[1] * 1000000 + time[2]
local answers = {}
for i, key in ipairs(KEYS) do
  local drop, depth, pours = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), ARGV[3 * i] == '1'
  local level = math.max(0, (tonumber(redis.call('GET', key) or 0) or 0) - now)
  local changed = level > depth -- (2)
  if changed then level = depth end
  if level + drop > depth then -- (3)
    answers[i] = depth - level - drop
  else
    if pours then -- (4)
      level = level + drop
      changed = true
    end
    answers[i] = level
  end
  if changed then
    redis.call('SET', key, string.format('%.0f', now + level), 'PX', string.format('%.0f', math.ceil(level / 1000)))
  end
end
return answers
""",
)


class RedisLimiter:
    """`Limiter` on Redis, however it is run."""

    def __init__(self, url: str) -> None:
        """Take a REDIS_URL; connect when first asked. Raises ValueError: it is none."""
        self._batcher = open_batcher(url, ASK, TRIPS)

    async def ask(self, checks: Sequence[Check]) -> list[Verdict]:
        if not checks:
            raise ValueError("no bucket to ask")
        keys = [check.key for check in checks]
        args = [word for check in checks for word in (check.rate.drop, check.rate.depth, int(check.pours))]
        answers = (await self._batcher.submit(keys, args)).values
        return [judge(check.rate, answer) for check, answer in zip(checks, answers, strict=True)]

    async def aclose(self) -> None:
        await self._batcher.aclose()
