"""What the registrar's 401 asks for is what it takes."""

from offers import answering
from services import BASE, Agent, Service, Services, jwk_body
from signer import content_digest
from vestry_signatures import generate

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


async def answered(
    services: Services, registrar: Service, agent: Agent, path: str, body: bytes = b""
) -> tuple[str, int]:
    """Ask without a signature, and again with what the refusal asks for; return what that was, and the answer."""
    method = "POST" if body else "GET"
    refused = await services.call(method, path, UNSIGNED, body, registrar=registrar)
    offer = refused.headers["Accept-Signature"]
    digest = {"Content-Digest": content_digest(body)} if "content-digest" in offer else {}
    signed = answering(agent, offer, method, BASE + path, digest, named="register" not in path)
    return offer, (await services.call(method, path, signed, body, registrar=registrar)).status


async def test_no_form_is_asked_for_that_is_not_taken(services: Services) -> None:
    """Where PROFILES leaves the loose form out, agents are asked for the strict one, and who registers is not."""
    agent = Agent()
    with services.another_registrar(PROFILES="web-bot-auth", NONCE_POLICY="required") as registrar:
        body = jwk_body(agent.key.public.jwk)
        offer, status = await answered(services, registrar, agent, "/register", body)
        assert ("signature-agent" in offer, status) == (False, 200)
        agent.uid = (await services.register(agent.key, registrar=registrar)).json["uid"]
        offer, status = await answered(services, registrar, agent, "/whoami")
        assert ('"signature-agent";key="sig1"' in offer, status) == (True, 200)


async def test_a_change_of_keys_is_asked_for_what_binds_it(services: Services) -> None:
    """With BODY_BINDING=required a rotation is asked for method, path and body, and who asks who it is is not."""
    with services.another_registrar(BODY_BINDING="required") as registrar:
        agent = await services.agent(registrar)
        offer, status = await answered(services, registrar, agent, "/whoami")
        assert ("@path" in offer, status) == (False, 200)
        offer, status = await answered(services, registrar, agent, "/keys")
        assert ("@path" in offer, "content-digest" in offer, status) == (True, False, 200)
        offer, status = await answered(services, registrar, agent, "/rotate", jwk_body(generate().public.jwk))
        assert all(f'"{name}"' in offer for name in ("@method", "@path", "content-digest"))
        assert status == 200
