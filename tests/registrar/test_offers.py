"""What the registrar's 401 asks for is what it takes."""

from offers import answering
from services import BASE, Agent, Services, jwk_body

UNSIGNED: dict[str, str] = {}


async def test_who_does_what_a_401_asks_for_passes(services: Services) -> None:
    """To register, and to say who one is; and each offer has a nonce of its own."""
    agent = Agent()
    body = jwk_body(agent.key.public.jwk)
    refused = await services.call("POST", "/register", UNSIGNED, body)
    offer = refused.headers["Accept-Signature"]
    signed = answering(agent, offer, "POST", f"{BASE}/register", named=False)
    answer = await services.call("POST", "/register", signed, body)
    assert answer.status == 200, answer.body
    agent.uid = answer.json["uid"]
    refused = await services.call("GET", "/whoami", UNSIGNED)
    assert refused.headers["Accept-Signature"] != offer
    signed = answering(agent, refused.headers["Accept-Signature"], "GET", f"{BASE}/whoami")
    assert (await services.call("GET", "/whoami", signed)).status == 200
