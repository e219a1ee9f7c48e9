"""What an agent says to the registrar about its keys, rightly or, where a test wants it, wrongly."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import signer
from bare_client import Answer
from services import BASE, Agent, Service, Services
from vestry_signatures import PrivateKey

BOUND = ('"@authority"', '"@method"', '"@path"', '"content-digest"')
MEMBER = '"signature-agent";key="sig1"'
PROVEN = (*BOUND, MEMBER)
"""What the proof of a new key covers."""


def body_of(facts: Mapping[str, Any] | None) -> bytes:
    return b"" if facts is None else json.dumps(facts).encode()


def proof_of(
    agent: Agent,
    new: PrivateKey,
    path: str,
    body: bytes,
    *,
    method: str = "POST",
    url: str = BASE,
    covered: Sequence[str] = PROVEN,
    label: str = "proof",
    named: str | None = None,
    **changes: Any,
) -> dict[str, str]:
    """Let a new key say that it agrees to belong to an agent; `named` is the text of Signature-Agent."""
    headers = {
        "Content-Digest": signer.content_digest(body),
        "Signature-Agent": agent.header if named is None else named,
    }
    changes = {"tag": "vestry-key-proof", **changes}
    return signer.sign(new, method, url + path, headers=headers, covered=covered, label=label, **changes)


class KeyDesk:
    """One registrar, as agents see it who change their keys. `clock` says when they sign."""

    def __init__(
        self, services: Services, registrar: Service | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.services = services
        self.registrar = registrar
        self._clock = clock

    async def say(
        self,
        agent: Agent,
        method: str,
        path: str,
        facts: Mapping[str, Any] | None = None,
        proof: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> Answer:
        """Send a request that an agent signs, and with it a proof that a new key made."""
        body = body_of(facts)
        headers = {"Content-Digest": signer.content_digest(body)} if body else {}
        changes.setdefault("created", int(self._clock()))
        signed = agent.sign(method, BASE + path, headers=headers, **changes)
        if proof is not None:
            signed |= signer.both(signed, proof)
        return await self.services.call(method, path, signed, body, registrar=self.registrar)

    def offer(
        self,
        agent: Agent,
        new: PrivateKey,
        path: str = "/keys",
        *,
        times: Mapping[str, Any] | None = None,
        also: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what brings a new key, with `nbf` and `exp` in `times`, and the key's proof of it."""
        facts = {"public_jwk": new.public.jwk | dict(times or {}), **(also or {})}
        changes.setdefault("created", int(self._clock()))
        return facts, proof_of(agent, new, path, body_of(facts), **changes)

    async def add(self, agent: Agent, new: PrivateKey, **times: Any) -> Answer:
        return await self.say(agent, "POST", "/keys", *self.offer(agent, new, times=times))

    async def rotate(self, agent: Agent, new: PrivateKey, overlap: Any, **times: Any) -> Answer:
        offer = self.offer(agent, new, "/rotate", times=times, also={"overlap": overlap})
        return await self.say(agent, "POST", "/rotate", *offer)

    async def retire(self, agent: Agent, kid: str) -> Answer:
        return await self.say(agent, "DELETE", f"/keys/{kid}")

    async def revoke(self, agent: Agent, kid: str) -> Answer:
        return await self.say(agent, "POST", "/revoke", {"kid": kid})

    async def end(self, agent: Agent) -> Answer:
        return await self.say(agent, "POST", "/revoke", {"agent": True})

    async def keys(self, agent: Agent) -> list[dict[str, Any]]:
        answer = await self.say(agent, "GET", "/keys")
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json["keys"]
        return found

    async def states(self, agent: Agent) -> dict[str, str]:
        """The state of each of an agent's keys, by kid, in the order in which they are listed."""
        return {key["kid"]: key["state"] for key in await self.keys(agent)}

    async def whoami(self, agent: Agent) -> Answer:
        return await self.say(agent, "GET", "/whoami")

    async def verify(self, agent: Agent, verifier: Service | None = None) -> Answer:
        signed = agent.sign(created=int(self._clock()))
        return await self.services.verify(signed, verifier=verifier)


class MovingClock:
    """The time, and so much later as a test says."""

    def __init__(self) -> None:
        self.later = 0
        self.start = int(time.time())

    def __call__(self) -> float:
        return self.start + self.later
