"""Attacks on rotation: only the holder of an active key of the very agent changes that agent's keys."""

import pytest

from services import BASE, Agent, Services, jwk_body
from signer import content_digest
from vestry_signatures import PrivateKey, generate


async def rotated_headers(services: Services, headers: dict[str, str], new: PrivateKey) -> tuple[int, str]:
    return (await services.call("POST", "/rotate", headers, jwk_body(new.public.jwk))).verdict


async def test_rotate_an_agent_you_are_not(services: Services) -> None:
    """A valid signature of an agent under another agent's URL is that of an unknown key; nothing changes."""
    victim, thief, new = await services.agent(), await services.agent(), generate()
    before = services.stored()
    answer = await services.rotate(thief.at(victim.uid), new)
    assert answer.verdict == (401, "UNKNOWN_KEY")
    assert answer.error["outcome"] == "unverified"
    assert services.stored() == before


async def test_rotate_with_a_key_that_was_never_registered(services: Services) -> None:
    """Nor does a stranger's key open a victim's agent."""
    victim = await services.agent()
    answer = await services.rotate(Agent(generate(), victim.uid), generate())
    assert answer.verdict == (401, "UNKNOWN_KEY")
    assert await services.directory(victim) == [victim.key.public.kid]


async def test_rotate_with_a_borrowed_keyid_and_your_own_signature_agent(services: Services) -> None:
    """The victim's keyid under the thief's URL is no pair, though both exist; no agent loses its key."""
    victim, thief = await services.agent(), await services.agent()
    before = services.stored()
    answer = await services.rotate(thief, generate(), keyid=victim.key.public.kid)
    assert answer.verdict == (401, "UNKNOWN_KEY")
    assert services.stored() == before


async def test_rotate_with_a_borrowed_keyid_and_the_victims_signature_agent(services: Services) -> None:
    """Naming the victim's pair does not help without the victim's private key."""
    victim, thief = await services.agent(), generate()
    before = services.stored()
    answer = await services.rotate(Agent(thief, victim.uid), generate(), keyid=victim.key.public.kid)
    assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert services.stored() == before


async def test_rotate_to_anothers_key(services: Services) -> None:
    """A key that another agent has or had cannot be taken, so nobody can pose as its owner or lock him out."""
    victim, thief = await services.agent(), await services.agent()
    assert (await services.rotate(thief, victim.key)).verdict == (409, "KEY_TAKEN")
    assert (await services.rotate(victim, generate())).status == 200
    assert (await services.rotate(thief, victim.key)).verdict == (409, "KEY_TAKEN")
    assert await services.directory(thief) == [thief.key.public.kid]


async def test_rotate_to_a_tools_key(services: Services) -> None:
    """One index over agents and tools: a tool's key is taken too."""
    agent, tool = await services.agent(), generate()
    assert (await services.register(tool, "/tool/register")).status == 200
    assert (await services.rotate(agent, tool)).verdict == (409, "KEY_TAKEN")


async def test_rotate_to_your_own_revoked_key(services: Services) -> None:
    """A key that was taken out of use, perhaps since it was stolen, never comes back."""
    agent, second, third = await services.agent(), generate(), generate()
    assert (await services.rotate(agent, second)).status == 200
    now = Agent(second, agent.uid)
    assert (await services.rotate(now, agent.key)).verdict == (409, "KEY_REVOKED")
    assert (await services.rotate(now, third)).status == 200
    assert (await services.rotate(Agent(third, agent.uid), second)).verdict == (409, "KEY_REVOKED")
    assert await services.directory(agent) == [third.public.kid]


async def test_register_your_own_revoked_key(services: Services) -> None:
    """Nor does it come back as the key of a new agent or of a tool."""
    agent = await services.agent()
    assert (await services.rotate(agent, generate())).status == 200
    assert (await services.register(agent.key)).verdict == (409, "KEY_REVOKED")
    assert (await services.register(agent.key, "/tool/register")).status == 409


async def test_rotate_to_the_current_key(services: Services) -> None:
    """A rotation to the key in use is refused, and leaves it in use: no agent is without a key."""
    agent = await services.agent()
    assert (await services.rotate(agent, agent.key)).verdict == (409, "KEY_IN_USE")
    assert await services.directory(agent) == [agent.key.public.kid]
    assert (await services.whoami(agent)).status == 200


async def test_rotate_with_a_revoked_key(services: Services) -> None:
    """The old key opens nothing at the registrar after its rotation."""
    agent, new = await services.agent(), generate()
    assert (await services.rotate(agent, new)).status == 200
    assert (await services.rotate(agent, generate())).verdict == (401, "REVOKED_KEY")
    assert (await services.whoami(agent)).verdict == (401, "REVOKED_KEY")
    assert await services.directory(agent) == [new.public.kid]


async def test_rotate_to_a_weak_key(services: Services) -> None:
    """A rotation cannot bring in the identity."""
    agent = await services.agent()
    signed = agent.sign("POST", f"{BASE}/rotate")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "AQ" + "A" * 41}
    answer = await services.call("POST", "/rotate", signed, jwk_body(jwk))
    assert answer.verdict == (422, "WEAK_KEY")
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_kid_of_a_tool_used_as_an_agent(services: Services) -> None:
    """A tool's key verifies nothing: not under an agent's URL, not under the tool's own name."""
    agent, key = await services.agent(), generate()
    uid = (await services.register(key, "/tool/register")).json["uid"]
    assert uid.startswith("tool-")
    for path in ("/whoami", "/rotate"):
        for name, reason in ((agent.uid, "UNKNOWN_KEY"), (uid, "UNTRUSTED_SIGNATURE_AGENT")):
            signed = Agent(key, name).sign("POST", BASE + path)
            answer = await services.call("POST", path, signed, jwk_body(generate().public.jwk))
            assert answer.verdict == (401, reason)
    for name, reason in ((agent.uid, "UNKNOWN_KEY"), (uid, "UNTRUSTED_SIGNATURE_AGENT")):
        assert (await services.verify(Agent(key, name).sign())).verdict == (401, reason)
    as_agent = Agent(key, uid.replace("tool-", "agent-"))
    assert (await services.verify(as_agent.sign())).verdict == (401, "UNKNOWN_KEY")


async def test_body_swapped_under_a_rotation_that_covers_its_digest(services: Services) -> None:
    """Where the agent signs the digest of its new key, another key in the body is refused and nothing changes."""
    agent, new, thief = await services.agent(), generate(), generate()
    digest = content_digest(jwk_body(new.public.jwk))
    signed = agent.sign(
        "POST",
        f"{BASE}/rotate",
        headers={"Content-Digest": digest},
        covered=('"@authority"', '"content-digest"'),
    )
    assert await rotated_headers(services, signed, thief) == (401, "CONTENT_DIGEST_MISMATCH")
    assert await rotated_headers(services, signed, new) == (200, ""), "the wrong body spent no nonce"


@pytest.mark.parametrize("path", ["/whoami", "/register"])
async def test_signature_that_covers_another_path(services: Services, path: str) -> None:
    """An agent that covers the path is not led elsewhere by whoever takes the request over."""
    agent = await services.agent()
    signed = agent.sign("POST", BASE + path, covered=('"@authority"', '"@path"', '"@method"'))
    assert await rotated_headers(services, signed, generate()) == (401, "INVALID_SIGNATURE")
    assert await services.directory(agent) == [agent.key.public.kid]
