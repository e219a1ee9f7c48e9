"""The replay store on Redis or Valkey (wire contract, section 7).

One script serves every claim of a loop turn (`store.batches` says how they come together, `store.greeting` how
the server is known). It runs as a whole or, told NOSCRIPT, not at all; it answers four values a claim:

    what SET n NX said (nothing when the nonce was there or had no room), the live record, the memory mark,
    the seconds until there is room (0 where there is)

It runs by the server's own clock (`replay` says why): a nonce lives until the time that the mark's clock skew asks
for, and never shorter than the process that spends it asks for; where that time is over there is no mark to show.

A spent nonce costs at most 113 bytes of the server's memory (measured: 113 on Redis 7; on Valkey 9 it is 56 by
MEMORY USAGE and 84 with its share of the tables). So 1,000 verifications a second of signatures that live 300 s,
at the default clock skew, keep 420,000 nonces: 48 MB. How the books are kept is said in `replay_bound`.

The account needs `INFO`, `TIME`, `EVAL`, `EVALSHA`, `SET` and `GET`; the registrar's `MGET` besides.
"""

from collections.abc import Sequence

from vestry_service.live_records import LiveRecord, mark_key, record_key, use_keys
from vestry_service.replay import Answer, Claim, judge, nonce_life, read_record
from vestry_service.store.calls import Part
from vestry_service.store.open import open_batcher
from vestry_service.store.script import Script

TRIPS = 4
"""Trips under way at once to one server: more would wait for one another there, and here they can still be joined."""

SPEND_NOTHING = 0
PEEK = -1

SPEND = Script(
    keys=4,
    args=4,
    body="""
local now = tonumber(redis.call('TIME')[1])

local function read_book(key) -- of replay_bound (1)
  local ends, sum, first = {}, 0, nil
  for stop, count in string.gmatch(redis.call('GET', key) or '', '(%d+):(%d+)') do
    stop, count = tonumber(stop), tonumber(count)
    if stop > now then
      ends[stop], sum, first = count, sum + count, math.min(first or stop, stop)
    end
  end
  return ends, sum, first
end

local function enter(key, ends, weight, life) -- (2)
  local step = life <= 3600 and 60 or 1800
  local stop = math.ceil((now + life) / step) * step
  ends[stop] = (ends[stop] or 0) + weight
  local line, last = {}, stop
  for each, count in pairs(ends) do
    line[#line + 1] = string.format('%.0f:%.0f', each, count)
    last = math.max(last, each)
  end
  redis.call('SET', key, table.concat(line, ' '), 'EX', string.format('%.0f', last - now))
end

local function spend(nonce, book, life, most, weight, peek)
  local ends, sum, first
  if most > 0 then
    ends, sum, first = read_book(book)
    if sum >= most then
      return false, redis.call('GET', nonce) and 0 or first - now -- what is spent stays a replay
    end
  end
  if peek then return not redis.call('GET', nonce), 0 end
  local fresh = redis.call('SET', nonce, 1, 'NX', 'EX', string.format('%.0f', life))
  if fresh and weight > 0 then enter(book, ends, weight, life) end
  return fresh, 0
end

local values = {}
for i = 1, #ARGV / 4 do
  local n, life, expires = 4 * i - 3, tonumber(ARGV[4 * i - 3]), ARGV[4 * i - 2]
  local mark = redis.call('GET', KEYS[n + 2])
  local skew = mark and string.match(mark, ' (%d+)$')
  local left = skew and expires + 2 * skew + 1 - now or 0
  if life == 0 then
    values[n], values[n + 3] = true, 0
  else
    local most, weight = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
    values[n], values[n + 3] = spend(KEYS[n], KEYS[n + 3], math.max(life, left), most, weight, life < 0)
  end
  values[n + 1] = redis.call('GET', KEYS[n + 1])
  values[n + 2] = left > 0 and mark
end
return values
""",
)


class RedisReplayStore:
    """`ReplayStore` on Redis, however it is run."""

    def __init__(self, url: str, clock_skew: int, replicas: int = 0) -> None:
        """Connect when first asked.

        Args:
            url: a REDIS_URL.
            clock_skew: seconds.
            replicas: so many must hold a nonce before it counts as spent.

        Raises ValueError: it is no such URL.
        """
        self._clock_skew = clock_skew
        self._batcher = open_batcher(url, SPEND, TRIPS, replicas)

    async def spend(self, claims: Sequence[Claim], now: int) -> list[Answer]:
        # As `_ask`, without a coroutine of its own: this is done at every request.
        keys, args = self._words(claims, [nonce_life(claim, now, self._clock_skew) for claim in claims])
        return self._judge_all(claims, await self._batcher.submit(keys, args))

    async def recheck(self, claims: Sequence[Claim]) -> list[Answer]:
        return await self._ask(claims, [SPEND_NOTHING] * len(claims))

    async def peek(self, claims: Sequence[Claim]) -> list[Answer]:
        return await self._ask(claims, [PEEK] * len(claims))

    async def look(self, kid: str) -> LiveRecord | None:
        key = record_key(kid)
        mark = mark_key(kid)
        part = await self._batcher.submit([key, key, mark, mark], [SPEND_NOTHING, 0, 0, 0])
        return read_record(kid, part.values[1])

    async def aclose(self) -> None:
        await self._batcher.aclose()

    async def _ask(self, claims: Sequence[Claim], lives: Sequence[int]) -> list[Answer]:
        keys, args = self._words(claims, lives)
        return self._judge_all(claims, await self._batcher.submit(keys, args))

    def _words(self, claims: Sequence[Claim], lives: Sequence[int]) -> tuple[list[bytes], list[int]]:
        """Return the KEYS and the ARGV of some claims. Raises ValueError where there is none."""
        if not claims:
            raise ValueError("no claim to ask about")
        keys: list[bytes] = []
        args: list[int] = []
        for (kid, digest, expires, _, bound), life in zip(claims, lives, strict=True):
            if bound is None:
                keys += use_keys(kid, digest, None)
                args += (life, expires, 0, 0)
            else:
                keys += use_keys(kid, digest, bound.book)
                args += (life, expires, bound.most, bound.draw())
        return keys, args

    def _judge_all(self, claims: Sequence[Claim], part: Part) -> list[Answer]:
        values = iter(part.values)
        answers = [
            judge(claim, spent is not None, line, mark, server, self._clock_skew, wait)
            for claim, server, spent, line, mark, wait in zip(
                claims, part.servers, values, values, values, values, strict=False
            )
        ]
        for answer, server in zip(answers, part.servers, strict=True):
            if not answer.remembered:
                self._batcher.doubt(server)
        return answers
