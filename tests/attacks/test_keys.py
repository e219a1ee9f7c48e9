"""Attacks on an agent's keys: bringing in what is not one's own, and changing keys with what may not."""

from collections.abc import Callable
from typing import Any

import pytest

import signer
from key_desk import BOUND, MEMBER, PROVEN, KeyDesk, body_of, proof_of
from services import BASE, Agent, Services
from signer import In
from vestry_signatures import PrivateKey, generate

HOUR = 3600
REVOKED = (401, "REVOKED_KEY")


@pytest.fixture
def desk(services: Services) -> KeyDesk:
    return KeyDesk(services)


async def unchanged(services: Services, desk: KeyDesk, agent: Agent, kids: list[str] | None = None) -> bool:
    return await services.directory(agent) == (kids or [agent.key.public.kid])


@pytest.mark.parametrize(("path", "also"), [("/keys", {}), ("/rotate", {"overlap": HOUR})])
async def test_a_strangers_key_added_to_my_own_agent(
    services: Services, desk: KeyDesk, path: str, also: dict[str, Any]
) -> None:
    """Without the stranger's signature his key comes nowhere; he registers and gets an agent of his own."""
    mine, stranger = await services.agent(), generate()
    facts = {"public_jwk": stranger.public.jwk, **also}
    assert (await desk.say(mine, "POST", path, facts)).verdict == (401, "PROOF_REQUIRED")
    own = proof_of(mine, mine.key, path, body_of(facts))
    assert (await desk.say(mine, "POST", path, facts, own)).verdict == (401, "INVALID_SIGNATURE")
    claimed = proof_of(mine, mine.key, path, body_of(facts), keyid=stranger.public.kid)
    assert (await desk.say(mine, "POST", path, facts, claimed)).verdict == (401, "INVALID_SIGNATURE")
    assert await unchanged(services, desk, mine)
    registered = await services.register(stranger)
    assert registered.json["is_new"]
    assert registered.json["uid"] != mine.uid


async def test_a_proof_taken_over_for_another_agent(services: Services, desk: KeyDesk) -> None:
    """What a key signed for its owner's agent, seen on its way, adds it to no other agent."""
    owner, thief, new = await services.agent(), await services.agent(), generate()
    facts, proof = desk.offer(owner, new)
    assert (await desk.say(thief, "POST", "/keys", facts, proof)).verdict == (401, "INVALID_SIGNATURE")
    named = f'{thief.header}, proof="{owner.url}"'
    other = proof_of(
        owner, new, "/keys", body_of(facts), named=named, covered=(*BOUND, '"signature-agent";key="proof"')
    )
    answer = await desk.say(thief, "POST", "/keys", facts, other, named=named)
    assert answer.verdict == (401, "INVALID_SIGNATURE_AGENT")
    assert await unchanged(services, desk, thief)
    assert (await desk.say(owner, "POST", "/keys", facts, proof)).status == 200, "nobody spent its nonce"


async def test_a_proof_replayed(services: Services, desk: KeyDesk) -> None:
    """It counts once, also beside a fresh signature of the agent, and after the key was taken out again."""
    agent, new = await services.agent(), generate()
    facts, proof = desk.offer(agent, new)
    assert (await desk.say(agent, "POST", "/keys", facts, proof)).status == 200
    assert (await desk.say(agent, "POST", "/keys", facts, proof)).verdict == (401, "REPLAYED_NONCE")
    other = await services.agent()
    assert (await desk.say(other, "POST", "/keys", facts, proof)).status == 401


async def test_a_refused_request_spends_neither_nonce(services: Services, desk: KeyDesk) -> None:
    """While anything is wrong that can be told before, nothing is spent: not the proof, not the agent's signature."""
    agent, new = await services.agent(), generate()
    facts, proof = desk.offer(agent, new)
    before = services.spent()
    await desk.say(agent, "POST", "/keys", facts)
    await desk.say(agent, "POST", "/keys", facts, proof_of(agent, new, "/rotate", body_of(facts)))
    await desk.say(agent, "POST", "/keys", facts, proof, base=b"forged")
    assert services.spent() == before
    assert (await desk.say(agent, "POST", "/keys", facts, proof)).status == 200
    assert len(services.spent() - before) == 2


async def test_a_proof_for_another_path_method_body_or_registrar(services: Services, desk: KeyDesk) -> None:
    """Each of them is covered, so each swap breaks it."""
    agent, new = await services.agent(), generate()
    facts = {"public_jwk": new.public.jwk}
    body, other = body_of(facts), body_of({"public_jwk": generate().public.jwk})
    for path, proof in (
        ("/keys", proof_of(agent, new, "/rotate", body)),
        ("/rotate", proof_of(agent, new, "/keys", body)),
        ("/keys", proof_of(agent, new, "/keys", body, method="PUT")),
        ("/keys", proof_of(agent, new, "/keys", body, url="https://other.example")),
        ("/keys", proof_of(agent, new, "/keys", other)),
    ):
        answer = await desk.say(agent, "POST", path, facts, proof)
        assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert await unchanged(services, desk, agent)


async def test_a_body_swapped_under_its_digest(services: Services, desk: KeyDesk) -> None:
    """The digest that was signed with another body under it."""
    agent, new, wanted = await services.agent(), generate(), generate()
    facts, proof = desk.offer(agent, new)
    signed = agent.sign(
        "POST", f"{BASE}/keys", headers={"Content-Digest": signer.content_digest(body_of(facts))}
    )
    swapped = body_of({"public_jwk": wanted.public.jwk})
    answer = await services.call("POST", "/keys", signed | signer.both(signed, proof), swapped)
    assert answer.verdict == (401, "INVALID_SIGNATURE"), "it is not even the key in the body that signed"
    spaced = body_of(facts).replace(b":", b": ")
    answer = await services.call("POST", "/keys", signed | signer.both(signed, proof), spaced)
    assert answer.verdict == (401, "CONTENT_DIGEST_MISMATCH")
    assert await unchanged(services, desk, agent)


@pytest.mark.parametrize("left_out", PROVEN)
async def test_a_proof_that_covers_too_little(services: Services, desk: KeyDesk, left_out: str) -> None:
    """Every one of the five is needed."""
    agent, new = await services.agent(), generate()
    covered = [part for part in PROVEN if part != left_out]
    facts, proof = desk.offer(agent, new, covered=covered)
    answer = await desk.say(agent, "POST", "/keys", facts, proof)
    assert answer.verdict == (401, "INSUFFICIENT_COVERAGE")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nonce": None}, "MISSING_NONCE"),
        ({"nonce": ""}, "MISSING_NONCE"),
        ({"created": None}, "MALFORMED_SIGNATURE"),
        ({"expires": None}, "MALFORMED_SIGNATURE"),
        ({"keyid": None}, "MALFORMED_SIGNATURE"),
        ({"created": In(-1000), "expires": In(-500)}, "EXPIRED_SIGNATURE"),
        ({"created": In(500), "expires": In(600)}, "NOT_YET_VALID"),
        ({"created": In(0), "expires": In(90_000)}, "LIFETIME_TOO_LONG"),
        ({"alg": "rsa-v1_5-sha256"}, "UNSUPPORTED_ALG"),
        ({"base": b"something else"}, "INVALID_SIGNATURE"),
        ({"tag": "web-bot-auth"}, "PROOF_REQUIRED"),
        ({"tag": None}, "PROOF_REQUIRED"),
        ({"label": "sig1"}, "MALFORMED_SIGNATURE"),
    ],
)
async def test_a_proof_that_is_none(
    services: Services, desk: KeyDesk, changes: dict[str, Any], reason: str
) -> None:
    """Without a nonce, out of its time, forged, under the old key's label, or with another tag."""
    agent, new = await services.agent(), generate()
    facts, proof = desk.offer(agent, new, **changes)
    assert (await desk.say(agent, "POST", "/keys", facts, proof)).verdict == (401, reason)
    assert await unchanged(services, desk, agent)


async def test_two_proofs(services: Services, desk: KeyDesk) -> None:
    """There is one new key, so there is one proof: which of two was meant is not guessed."""
    agent, new = await services.agent(), generate()
    facts, proof = desk.offer(agent, new)
    _, second = desk.offer(agent, new, label="second")
    answer = await desk.say(agent, "POST", "/keys", facts, signer.both(proof, second))
    assert answer.verdict == (401, "MALFORMED_SIGNATURE")


async def test_a_proof_that_would_fill_the_table(services: Services, desk: KeyDesk) -> None:
    """What a proof covers is kept, so it is short."""
    agent, new = await services.agent(), generate()
    facts = {"public_jwk": new.public.jwk}
    body, long = body_of(facts), {"X-Long": "x" * 5000}
    lines = {"Content-Digest": signer.content_digest(body), "Signature-Agent": agent.header, **long}
    proof = signer.sign(
        new, "POST", f"{BASE}/keys", headers=lines, covered=(*PROVEN, '"x-long"'), label="proof",
        tag="vestry-key-proof",
    )  # fmt: skip
    signed = agent.sign("POST", f"{BASE}/keys", headers=lines)
    answer = await services.call("POST", "/keys", signed | signer.both(signed, proof), body)
    assert answer.verdict == (401, "MALFORMED_SIGNATURE")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/whoami"), ("POST", "/rotate"), ("GET", "/keys"), ("POST", "/register")]
)
async def test_a_proof_used_as_authentication(
    services: Services, desk: KeyDesk, method: str, path: str
) -> None:
    """By its tag it says who nobody is: not here, not at the verifier, not even with a key that is active."""
    agent = await services.agent()
    body = body_of({"public_jwk": generate().public.jwk}) if method == "POST" else b""
    proof = proof_of(agent, agent.key, path, body, method=method, label="sig1")
    headers = {"Content-Digest": signer.content_digest(body), "Signature-Agent": agent.header, **proof}
    assert (await services.call(method, path, headers, body)).verdict == (401, "WRONG_TAG")
    asked = await services.verify(headers, method=method, url=BASE + path, body=body)
    assert asked.verdict == (401, "WRONG_TAG")
    assert await unchanged(services, desk, agent)


async def test_an_authentication_used_as_a_proof(services: Services, desk: KeyDesk) -> None:
    """A signature that the stranger made for a request of his own is no word for another's agent."""
    mine, stranger = await services.agent(), await services.agent()
    facts = {"public_jwk": stranger.key.public.jwk}
    made = proof_of(mine, stranger.key, "/keys", body_of(facts), tag="web-bot-auth")
    assert (await desk.say(mine, "POST", "/keys", facts, made)).verdict == (401, "PROOF_REQUIRED")


Asking = Callable[[KeyDesk, Agent, PrivateKey], Any]


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk, old, new: desk.services.rotate(old, generate()),
        lambda desk, old, new: desk.rotate(old, generate(), HOUR),
        lambda desk, old, new: desk.add(old, generate()),
        lambda desk, old, new: desk.say(old, "GET", "/keys"),
        lambda desk, old, new: desk.retire(old, new.public.kid),
        lambda desk, old, new: desk.retire(old, old.key.public.kid),
        lambda desk, old, new: desk.revoke(old, new.public.kid),
        lambda desk, old, new: desk.end(old),
    ],
    ids=["rotate", "rotate-overlap", "add", "list", "retire", "retire-itself", "revoke", "end"],
)
async def test_a_retiring_key_used_for_changes(services: Services, desk: KeyDesk, ask: Asking) -> None:
    """It may have been replaced because it was stolen: it says who the agent is, and changes nothing."""
    old, new = await services.agent(), generate()
    assert (await desk.rotate(old, new, HOUR)).status == 200
    before = services.stored()
    assert (await ask(desk, old, new)).verdict == REVOKED
    assert services.stored() == before
    assert (await desk.whoami(old)).status == 200


async def test_a_retiring_key_brought_in_again(services: Services, desk: KeyDesk) -> None:
    """It cannot be added to be active again, nor lengthened by a second overlap."""
    old, new = await services.agent(), generate()
    await desk.rotate(old, new, HOUR)
    now = Agent(new, old.uid)
    assert (await desk.add(now, old.key)).verdict == (409, "KEY_IN_USE")
    assert (await services.rotate(now, old.key)).verdict == (409, "KEY_IN_USE")
    known = await services.register(old.key)
    assert (known.json["uid"], known.json["is_new"]) == (old.uid, False)
    assert (await desk.states(now))[old.key.public.kid] == "retiring"
    assert (await desk.say(old, "GET", "/keys")).verdict == REVOKED


async def test_another_agents_keys(services: Services, desk: KeyDesk) -> None:
    """Nobody takes out, revokes or even sees the keys of somebody else."""
    victim, thief = await services.agent(), await services.agent()
    kid = victim.key.public.kid
    assert (await desk.retire(thief, kid)).verdict == (404, "NOT_FOUND")
    assert (await desk.revoke(thief, kid)).verdict == (404, "NOT_FOUND")
    posing = thief.at(victim.uid)
    for asking in (desk.retire(posing, kid), desk.revoke(posing, kid), desk.end(posing)):
        assert (await asking).verdict == (401, "UNKNOWN_KEY")
    assert (await desk.say(posing, "GET", "/keys")).verdict == (401, "UNKNOWN_KEY")
    assert (await desk.verify(victim)).status == 200


async def test_changes_signed_by_nobody(services: Services, desk: KeyDesk) -> None:
    """Nothing is listed or changed without a signature."""
    agent = await services.agent()
    kid = agent.key.public.kid
    for method, path in (
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("DELETE", f"/keys/{kid}"),
        ("POST", "/revoke"),
    ):
        body = body_of({"public_jwk": generate().public.jwk, "kid": kid}) if method == "POST" else b""
        answer = await services.call(method, path, body=body)
        assert answer.verdict == (401, "MISSING_SIGNATURE_INPUT")


async def test_changes_at_an_agents_url(services: Services, desk: KeyDesk) -> None:
    """Agents' URLs serve their keys and nothing else."""
    agent = await services.agent()
    body = body_of({"agent": True})
    for method, path in (("GET", "/keys"), ("POST", "/revoke"), ("DELETE", f"/keys/{agent.key.public.kid}")):
        signed = agent.sign(method, f"{agent.url}{path}")
        answer = await services.call(method, path, signed, body, host=agent.url[8:])
        assert answer.verdict == (421, "MISDIRECTED_REQUEST")
    assert (await desk.verify(agent)).status == 200


async def test_plain_rotation_where_the_new_key_must_prove_itself(services: Services) -> None:
    """`KEY_PROOF=required`: no rotation to a key that has not signed; one that has is recorded."""
    with services.another_registrar(KEY_PROOF="required") as registrar:
        desk = KeyDesk(services, registrar)
        agent, new = await services.agent(), generate()
        bare = await desk.say(agent, "POST", "/rotate", {"public_jwk": new.public.jwk})
        assert bare.verdict == (401, "PROOF_REQUIRED")
        assert {"WWW-Authenticate", "Accept-Signature"} <= set(bare.headers)
        assert (await desk.rotate(agent, new, 0)).status == 200
        [key, _] = await desk.keys(Agent(new, agent.uid))
        assert key["proof"]["label"] == "proof"


async def test_a_proof_that_nobody_asked_for(services: Services, desk: KeyDesk) -> None:
    """Where it may be left out, a wrong one is refused all the same, and a good one recorded and spent."""
    agent, new = await services.agent(), generate()
    facts, proof = desk.offer(agent, new, "/rotate")
    wrong = proof_of(agent, new, "/keys", body_of(facts))
    assert (await desk.say(agent, "POST", "/rotate", facts, wrong)).verdict == (401, "INVALID_SIGNATURE")
    assert (await desk.say(agent, "POST", "/rotate", facts, proof)).status == 200
    [key, _] = await desk.keys(Agent(new, agent.uid))
    assert key["proof"] is not None


async def test_signatures_that_bind_too_little(services: Services) -> None:
    """`BODY_BINDING=required`: what changes keys covers method, path and body, or is refused and spends nothing."""
    bound = (*BOUND, MEMBER)
    with services.another_registrar(BODY_BINDING="required") as registrar:
        desk = KeyDesk(services, registrar)
        agent, new = await services.agent(), generate()
        kid = agent.key.public.kid
        before = services.spent()
        asked: list[tuple[str, str, dict[str, Any] | None, dict[str, str] | None]] = [
            ("POST", "/rotate", {"public_jwk": new.public.jwk}, None),
            ("POST", "/keys", *desk.offer(agent, new)),
            ("GET", "/keys", None, None),
            ("DELETE", f"/keys/{kid}", None, None),
            ("POST", "/revoke", {"agent": True}, None),
        ]
        for method, path, facts, proof in asked:
            needed = bound if facts else tuple(part for part in bound if part != '"content-digest"')
            for left_out in (None, *needed[1:-1]):
                covered = [part for part in needed if part != left_out] if left_out else [BOUND[0]]
                answer = await desk.say(agent, method, path, facts, proof, covered=covered)
                assert answer.verdict == (401, "BINDING_REQUIRED"), (method, path, left_out)
        assert services.spent() == before
        assert (await desk.whoami(agent)).status == 200
        facts, proof = desk.offer(agent, new)
        assert (await desk.say(agent, "POST", "/keys", facts, proof, covered=bound)).status == 200
        unbound = tuple(part for part in bound if part != '"content-digest"')
        answer = await desk.say(Agent(new, agent.uid), "DELETE", f"/keys/{kid}", covered=unbound)
        assert answer.status == 200


async def test_a_suspended_agent_changes_nothing(services: Services, desk: KeyDesk) -> None:
    """Whatever it asks about its keys is refused while it is suspended, and its keys are not published."""
    agent, new = await services.agent(), generate()
    digits = agent.uid.removeprefix("agent-")
    services.sql(
        "UPDATE agents SET state = 'suspended', version = version + 1 WHERE uid = %s RETURNING 1", digits
    )
    for asking in (desk.add(agent, new), desk.end(agent), desk.say(agent, "GET", "/keys")):
        assert (await asking).verdict == (401, "SUSPENDED_AGENT")
    assert await services.directory(agent) == []
