"""The replay store on one Redis or Valkey server (wire contract, section 7).

One script serves every claim of a loop turn (`replay_batches` says how they come together, `replay_link` how
the server is known). It runs as a whole or, told NOSCRIPT, not at all; it answers three values a claim:

    what SET n NX said (nothing when the nonce was there), the live record, the memory mark

It runs by the server's own clock (`replay` says why): a nonce lives until the time that the mark's clock skew asks
for, and never shorter than the process that spends it asks for; where that time is over there is no mark to show.

A spent nonce costs at most 113 bytes of the server's memory (measured: 113 on Redis 7; on Valkey 9 it is 56 by
MEMORY USAGE and 84 with its share of the tables). So 1,000 verifications a second of signatures that live 300 s,
at the default clock skew, keep 420,000 nonces: 48 MB.
"""

from collections.abc import Sequence

from vestry_service.live_records import LiveRecord, mark_key, nonce_key, record_key
from vestry_service.replay import Answer, Claim, judge, nonce_life, read_record
from vestry_service.replay_batches import Batcher, Part
from vestry_service.replay_link import Script

LINKS = 4
"""Trips under way at once: a slow one holds up at most its own batch, and there is no herd of connections."""

SPEND_NOTHING = 0

SPEND = Script("""
local now = redis.call('TIME')[1]
local values = {}
for i = 1, #ARGV / 2 do
  local n, life, expires = 3 * i - 2, tonumber(ARGV[2 * i - 1]), ARGV[2 * i]
  local mark = redis.call('GET', KEYS[n + 2])
  local skew = mark and string.match(mark, ' (%d+)$')
  local left = skew and expires + 2 * skew + 1 - now or 0
  values[n] = life == 0
    or redis.call('SET', KEYS[n], 1, 'NX', 'EX', string.format('%.0f', math.max(life, left)))
  values[n + 1] = redis.call('GET', KEYS[n + 1])
  values[n + 2] = left > 0 and mark
end
return values
""")


class RedisReplayStore:
    """`ReplayStore` on a standalone server."""

    def __init__(self, url: str, clock_skew: int) -> None:
        """Take a `redis://`, `rediss://` or `unix://` URL and the clock skew in seconds; connect when first asked.

        Raises ValueError for another kind of URL.
        """
        self._clock_skew = clock_skew
        self._batcher = Batcher(url, SPEND, LINKS)

    async def spend(self, claims: Sequence[Claim], now: int) -> list[Answer]:
        return await self._ask(claims, [nonce_life(claim, now, self._clock_skew) for claim in claims])

    async def recheck(self, claims: Sequence[Claim]) -> list[Answer]:
        return await self._ask(claims, [SPEND_NOTHING] * len(claims))

    async def look(self, kid: str) -> LiveRecord | None:
        key = record_key(kid)
        part = await self._batcher.submit([key, key, mark_key(kid)], [SPEND_NOTHING, 0])
        return read_record(kid, part.values[1])

    async def aclose(self) -> None:
        await self._batcher.aclose()

    async def _ask(self, claims: Sequence[Claim], lives: Sequence[int]) -> list[Answer]:
        if not claims:
            raise ValueError("no claim to ask about")
        keys: list[bytes] = []
        args: list[int] = []
        for (kid, digest, expires, _), life in zip(claims, lives, strict=True):
            keys += (nonce_key(kid, digest), record_key(kid), mark_key(kid))
            args += (life, expires)
        return self._judge_all(claims, await self._batcher.submit(keys, args))

    def _judge_all(self, claims: Sequence[Claim], part: Part) -> list[Answer]:
        values = iter(part.values)
        return [
            judge(claim, spent is not None, line, mark, part.run_id, self._clock_skew)
            for claim, spent, line, mark in zip(claims, values, values, values, strict=False)
        ]
