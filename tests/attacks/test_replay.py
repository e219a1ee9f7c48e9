"""Attacks by repetition: a signature counts once, whoever brings it, where, and how often at the same time."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest

import signer
from bare_client import Answer
from services import BASE, TOOL, Agent, Services, asked, jwk_body
from signer import both, now
from vestry_service.live_records import nonce_key
from vestry_service.replay import nonce_digest
from vestry_signatures import generate

REPLAYED = (401, "REPLAYED_NONCE")


async def tally(ask: Callable[[], Sequence[Awaitable[Answer]]]) -> Counter[tuple[int, str]]:
    """Ask all at once and count the verdicts. Where a busy machine cannot tell in 250 ms, ask all anew."""
    for _ in range(5):
        verdicts = Counter(answer.verdict for answer in await asyncio.gather(*ask()))
        if all(status != 503 for status, _ in verdicts):
            break
    return verdicts


async def test_replay_alone(services: Services) -> None:
    """The same headers again are refused, for ever, at this verifier and at the other one."""
    agent = await services.agent()
    headers = agent.sign()
    first = await services.verify(headers)
    assert (first.status, first.json["uid"]) == (200, agent.uid)
    for verifier in services.verifiers * 2:
        again = await services.verify(headers, verifier=verifier)
        assert again.verdict == REPLAYED
        assert again.error["outcome"] == "invalid"


async def test_replay_for_another_request_of_the_same_host(services: Services) -> None:
    """Method, path and body are not covered by what released clients send: the nonce still counts once."""
    agent = await services.agent()
    headers = agent.sign("GET", TOOL)
    assert (await services.verify(headers)).status == 200
    answer = await services.verify(headers, "POST", "https://tool.example/pay?to=me", body=b"everything")
    assert answer.verdict == REPLAYED


async def test_replay_within_a_batch(services: Services) -> None:
    """Of copies in one batch, or in two at the same moment, one passes; a batch is no way around /verify either."""
    agent, other = await services.agent(), await services.agent()

    def outcomes(answer: Answer) -> list[str]:
        return [
            each["error"]["reason"] if "error" in each else each["uid"] for each in answer.json["results"]
        ]

    copied = asked(agent.sign())
    batch = [copied, asked(other.sign()), copied, copied]
    assert outcomes(await services.ask_many(batch)) == [agent.uid, other.uid, *["REPLAYED_NONCE"] * 2]
    assert (await services.ask(copied)).verdict == REPLAYED
    assert set(outcomes(await services.ask_many(batch))) == {"REPLAYED_NONCE"}

    copied = asked(agent.sign())
    answers = await asyncio.gather(*(services.ask_many([copied] * 8, one) for one in services.verifiers * 2))
    assert Counter(uid for answer in answers for uid in outcomes(answer))[agent.uid] <= 1
    assert (await services.ask(copied)).verdict == REPLAYED


@pytest.mark.parametrize("strict", [False, True])
async def test_replay_forty_at_once(services: Services, strict: bool) -> None:
    """Of forty at the same moment, over two verifiers, one passes."""
    agent = await services.agent()

    def ask() -> list[Awaitable[Answer]]:
        headers = agent.sign_strictly(nonce=None, extra=signer.nonce()) if strict else agent.sign()
        return [services.verify(headers, verifier=services.verifiers[i % 2]) for i in range(40)]

    assert await tally(ask) == {(200, ""): 1, REPLAYED: 39}


async def test_replay_forty_at_once_over_both_services(services: Services) -> None:
    """The same store serves registrar and verifiers: of forty anywhere, one passes."""
    agent = await services.agent()
    url = f"{BASE}/whoami"

    def ask() -> list[Awaitable[Answer]]:
        headers = agent.sign("GET", url)
        asked = [services.verify(headers, "GET", url) for _ in range(20)]
        return [*asked, *(services.call("GET", "/whoami", headers) for _ in range(20))]

    assert await tally(ask) == {(200, ""): 1, REPLAYED: 39}


async def test_replay_within_the_clock_skew_after_expiry(services: Services) -> None:
    """A signature that is accepted late, thanks to the skew, is remembered for as long as it is accepted."""
    agent = await services.agent()
    headers = agent.sign(created=now() - 340, expires=now() - 40)
    assert (await services.verify(headers)).status == 200
    assert (await services.verify(headers)).verdict == REPLAYED


async def test_replay_in_the_last_second_without_any_skew(services: Services) -> None:
    """Without skew too a nonce is remembered until the very end of the second in which its signature ends."""
    agent = await services.agent()
    with services.another_verifier(CLOCK_SKEW="0") as strict:
        await asyncio.sleep((0.1 - time.time()) % 1)
        headers = agent.sign(created=now() - 10, expires=now() + 1)
        assert (await services.verify(headers, verifier=strict)).status == 200
        await asyncio.sleep(1.4)
        assert (await services.verify(headers, verifier=strict)).verdict == REPLAYED


async def test_replay_where_the_clocks_are_further_apart_than_the_skew(services: Services) -> None:
    """The store's own clock decides: one may be ahead and another behind, and nothing passes twice."""
    agent = await services.agent()
    with (
        services.another_verifier(CLOCK_SKEW="0") as right,
        services.another_verifier(lambda: time.time() + 100, CLOCK_SKEW="0") as ahead,
        services.another_verifier(lambda: time.time() - 1000, CLOCK_SKEW="0") as behind,
    ):
        headers = agent.sign(created=now() - 10, expires=now() + 101)
        assert (await services.verify(headers, verifier=ahead)).status == 200
        await asyncio.sleep(2.5)
        assert (await services.verify(headers, verifier=right)).verdict == REPLAYED
        headers = agent.sign(created=now() - 1200, expires=now() - 500)
        assert (await services.verify(headers, verifier=behind)).verdict == (503, "REPLAY_STORE_UNAVAILABLE")


async def test_replay_where_the_skew_is_set_differently(services: Services) -> None:
    """Who allows less leaves nothing to who allows more; who allows more than the registrar is told."""
    agent = await services.agent()
    with (
        services.another_verifier(CLOCK_SKEW="0") as strict,
        services.another_verifier(CLOCK_SKEW="600") as lax,
    ):
        headers = agent.sign(created=now() - 10, expires=now() + 1)
        assert (await services.verify(headers, verifier=strict)).status == 200
        await asyncio.sleep(2.5)
        assert (await services.verify(headers)).verdict == REPLAYED
        answer = await services.verify(agent.sign(), verifier=lax)
        assert answer.verdict == (503, "REPLAY_STORE_UNAVAILABLE")
        assert "CLOCK_SKEW" in answer.error["message"]


async def test_replay_by_another_label(services: Services) -> None:
    """The label is not signed; renaming it makes no new signature."""
    agent = await services.agent()
    headers = agent.sign()
    assert (await services.verify(headers)).status == 200
    renamed = {name: value.replace("sig1=", "sig2=", 1) for name, value in headers.items()}
    assert (await services.verify(renamed)).verdict == REPLAYED


async def test_replay_by_another_label_without_a_nonce(services: Services) -> None:
    """Without a nonce the whole of what was signed is spent, and the label is no part of it."""
    agent = await services.agent()
    headers = agent.sign_strictly(nonce=None)
    assert (await services.verify(headers)).status == 200
    renamed = {name: headers[name].replace("sig1=", "x=", 1) for name in ("Signature", "Signature-Input")}
    answer = await services.verify({**headers, **renamed})
    assert answer.verdict == REPLAYED


async def test_replay_without_a_nonce(services: Services) -> None:
    """A web-bot-auth signature without a nonce counts once, also when its headers are written otherwise."""
    agent = await services.agent()
    headers = agent.sign_strictly(nonce=None)
    first = await services.verify(headers)
    assert (first.status, first.json["profile"]) == (200, "web-bot-auth")
    for verifier in services.verifiers:
        assert (await services.verify(headers, verifier=verifier)).verdict == REPLAYED
    spaced = {name.upper(): f"  {value} " for name, value in headers.items()}
    assert (await services.verify(spaced)).verdict == REPLAYED
    as_lists = {name: [value] for name, value in headers.items()}
    assert (await services.verify(as_lists)).verdict == REPLAYED


async def test_two_signatures_without_a_nonce_are_two(services: Services) -> None:
    """What is spent without a nonce is one signature, not the agent: the next one passes."""
    agent = await services.agent()
    for created in (now() - 1, now()):
        assert (await services.verify(agent.sign_strictly(nonce=None, created=created))).status == 200


async def test_replay_under_a_second_signature(services: Services) -> None:
    """A fresh signature beside a used one does not carry it through."""
    agent = await services.agent()
    used = agent.sign()
    assert (await services.verify(used)).status == 200
    fresh = agent.sign(label="sig2", named=used["Signature-Agent"])
    fresh_agents = f'sig1="{agent.url}", sig2="{agent.url}"'
    for order in ((used, fresh), (fresh, used)):
        headers = {**both(*order), "Signature-Agent": fresh_agents}
        assert (await services.verify(headers)).verdict == REPLAYED


async def test_one_nonce_for_two_signatures(services: Services) -> None:
    """A nonce is spent per key: two different signatures with the same one are one too many."""
    agent, other = await services.agent(), await services.agent()
    nonce = signer.nonce()
    assert (await services.verify(agent.sign(nonce=nonce))).status == 200
    assert (await services.verify(agent.sign("POST", nonce=nonce, created=now() - 1))).verdict == REPLAYED
    assert (await services.verify(other.sign(nonce=nonce))).status == 200, "another key, another nonce"


async def test_headers_of_whoami_replayed_onto_rotate(services: Services) -> None:
    """What an agent sent to ask who it is does not give it a new key."""
    agent = await services.agent()
    headers = agent.sign("GET", f"{BASE}/whoami")
    assert (await services.call("GET", "/whoami", headers)).status == 200
    answer = await services.call("POST", "/rotate", headers, jwk_body(generate().public.jwk))
    assert answer.verdict == REPLAYED
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_headers_of_rotate_replayed_onto_whoami(services: Services) -> None:
    """The nonce of a rotation is spent, the key is out of use: neither passes."""
    agent = await services.agent()
    headers = agent.sign("POST", f"{BASE}/rotate")
    body = jwk_body(generate().public.jwk)
    assert (await services.call("POST", "/rotate", headers, body)).status == 200
    assert (await services.call("GET", "/whoami", headers)).verdict == REPLAYED
    assert (await services.call("POST", "/rotate", headers, body)).verdict == REPLAYED


async def test_headers_of_verify_replayed_onto_whoami_and_the_reverse(services: Services) -> None:
    """One store for both services: what one has seen the other refuses."""
    agent = await services.agent()
    url = f"{BASE}/whoami"
    headers = agent.sign("GET", url)
    assert (await services.verify(headers, "GET", url)).status == 200
    assert (await services.call("GET", "/whoami", headers)).verdict == REPLAYED
    headers = agent.sign("GET", url)
    assert (await services.call("GET", "/whoami", headers)).status == 200
    assert (await services.verify(headers, "GET", url)).verdict == REPLAYED


async def test_forged_signature_burning_a_nonce(services: Services) -> None:
    """Whoever foresees a victim's nonce cannot use it up: nothing is spent before the signature verifies."""
    victim, nonce = await services.agent(), signer.nonce()
    forger = Agent(generate(), victim.uid)
    kid = victim.key.public.kid
    for path in ("/whoami", "/rotate"):
        forged = forger.sign("POST", BASE + path, nonce=nonce, keyid=kid)
        answer = await services.call("POST", path, forged, jwk_body(generate().public.jwk))
        assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert (await services.verify(forger.sign(nonce=nonce, keyid=kid))).verdict == (401, "INVALID_SIGNATURE")
    assert nonce_key(kid, nonce_digest(kid, nonce)) not in services.spent()
    assert (await services.verify(victim.sign(nonce=nonce))).status == 200
    assert nonce_key(kid, nonce_digest(kid, nonce)) in services.spent()


async def test_wrong_body_burning_a_nonce(services: Services) -> None:
    """A right signature brought with another body is refused before its nonce is spent."""
    agent, body = await services.agent(), b"pay Bob"
    covered = ('"@authority"', '"content-digest"')
    digest = {"Content-Digest": signer.content_digest(body)}
    headers = agent.sign("POST", headers=digest, covered=covered)
    refused = await services.verify(headers, "POST", body=b"pay Mallory")
    assert refused.verdict == (401, "CONTENT_DIGEST_MISMATCH")
    assert (await services.verify(headers, "POST", body=body)).status == 200
