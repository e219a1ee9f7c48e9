"""Attacks on registration: a key is registered by whoever holds its private half, and by nobody else."""

import base64
import json

import pytest

import edwards
import signer
from services import BASE, Agent, Services, jwk_body
from vestry_signatures import PrivateKey, generate, thumbprint
from vestry_signatures.keys import decode_base64url, encode_base64url

ENROLMENTS = pytest.mark.parametrize("path", ["/register", "/tool/register"])
BASE_POINT, ONE = edwards.encode(edwards.BASE), (1).to_bytes(32, "little")


def signature_field(value: bytes) -> str:
    return f"sig1=:{base64.b64encode(value).decode()}:"


def signed(key: PrivateKey, path: str, **changes: signer.Parameter) -> dict[str, str]:
    return signer.sign(key, "POST", BASE + path, **{"tag": "null", **changes})


@ENROLMENTS
async def test_register_with_anothers_keyid(services: Services, path: str) -> None:
    """A keyid that is not the thumbprint of the key in the body is refused, and nothing is stored."""
    victim, thief = await services.agent(), generate()
    before = services.stored()
    answer = await services.register(thief, path, keyid=victim.key.public.kid)
    assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert services.stored() == before


@ENROLMENTS
async def test_squat_a_victims_kid(services: Services, path: str) -> None:
    """Somebody else's public key cannot be registered without its private half."""
    victim, thief = generate(), generate()
    before = services.stored()
    for keyid in (victim.public.kid, thief.public.kid):
        headers = signed(thief, path, keyid=keyid)
        answer = await services.call("POST", path, headers, jwk_body(victim.public.jwk))
        assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert services.stored() == before
    assert (await services.register(victim)).json["is_new"] is True


async def test_squat_a_victims_kid_by_naming_it_in_the_body(services: Services) -> None:
    """A `kid` in the body is never believed: the answer and the directory carry the thumbprint."""
    victim, thief = await services.agent(), generate()
    body = jwk_body({**thief.public.jwk, "kid": victim.key.public.kid})
    answer = await services.call("POST", "/register", signed(thief, "/register"), body)
    assert answer.status == 200
    assert answer.json["kid"] == answer.json["public_jwk"]["kid"] == thief.public.kid
    assert await services.directory(Agent(thief, answer.json["uid"])) == [thief.public.kid]
    assert await services.directory(victim) == [victim.key.public.kid]


async def test_kid_in_the_body_differing_from_the_key(services: Services) -> None:
    """Whatever `kid` the body claims, of whatever type, the stored one is the thumbprint."""
    for kid in ("", "nonsense", 5, None, ["x"], {"a": 1}):
        key = generate()
        body = jwk_body({**key.public.jwk, "kid": kid})
        answer = await services.call("POST", "/register", signed(key, "/register"), body)
        assert (answer.status, answer.json["kid"]) == (200, key.public.kid)


@ENROLMENTS
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "k"])
async def test_private_members_in_the_jwk(services: Services, path: str, member: str) -> None:
    """A private member is refused, whatever it holds, with the warning that the key is exposed."""
    key = generate()
    for value in (key.jwk["d"], "", None, 7):
        before = services.stored()
        body = jwk_body({**key.public.jwk, member: value})
        answer = await services.call("POST", path, signed(key, path), body)
        assert answer.verdict == (422, "PRIVATE_KEY_EXPOSED")
        assert "exposed" in answer.error["message"]
        assert key.jwk["d"] not in answer.body.decode()
        assert services.stored() == before


async def test_private_members_in_the_jwk_of_a_rotation(services: Services) -> None:
    """A rotation to a key whose private half was sent along is refused, and the old key stays."""
    agent, new = await services.agent(), generate()
    signed_rotation = agent.sign("POST", f"{BASE}/rotate")
    answer = await services.call("POST", "/rotate", signed_rotation, jwk_body(new.jwk))
    assert answer.verdict == (422, "PRIVATE_KEY_EXPOSED")
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_only_the_members_that_make_the_key_are_kept(services: Services) -> None:
    """Other members of a submitted JWK (x5u and the like) are neither stored nor served."""
    key = generate()
    extra = {"x5u": "https://evil.example/", "alg": "HS256", "use": "enc", "note": "<script>"}
    body = jwk_body({**key.public.jwk, **extra})
    answer = await services.call("POST", "/register", signed(key, "/register"), body)
    assert answer.json["public_jwk"] == key.public.jwk
    [(stored,)] = services.sql("SELECT value FROM public_jwks WHERE kid = %s", key.public.kid)
    assert stored.keys() <= {"kty", "crv", "x", "kid"}


async def test_signature_of_an_agent_reused_to_register_its_key_as_a_tools(services: Services) -> None:
    """An agent's key never becomes a tool's, nor a tool's an agent's, even with the private half in hand."""
    agent, tool = await services.agent(), generate()
    assert (await services.register(agent.key, "/tool/register")).verdict == (409, "KEY_TAKEN")
    assert (await services.register(tool, "/tool/register")).status == 200
    assert (await services.register(tool, "/register")).verdict == (409, "KEY_TAKEN")


@ENROLMENTS
async def test_registration_replayed(services: Services, path: str) -> None:
    """The headers of a registration count once, also at the other endpoint."""
    key = generate()
    headers, body = signed(key, path), jwk_body(key.public.jwk)
    assert (await services.call("POST", path, headers, body)).status == 200
    for other in ("/register", "/tool/register"):
        assert (await services.call("POST", other, headers, body)).verdict == (401, "REPLAYED_NONCE")


async def test_registration_that_names_an_agent(services: Services) -> None:
    """A registration names no agent: it cannot be a request that an agent made for something else."""
    agent = await services.agent()
    headers = agent.sign("POST", f"{BASE}/register")
    answer = await services.call("POST", "/register", headers, jwk_body(agent.key.public.jwk))
    assert answer.verdict == (401, "INVALID_SIGNATURE_AGENT")


@ENROLMENTS
async def test_registration_signed_for_another_host(services: Services, path: str) -> None:
    """A signature that a key made for some tool does not register the key here."""
    key = generate()
    headers = signer.sign(key, "POST", f"https://tool.example{path}", tag="null")
    answer = await services.call("POST", path, headers, jwk_body(key.public.jwk))
    assert answer.verdict == (401, "INVALID_SIGNATURE")


@ENROLMENTS
async def test_body_swapped_under_a_registration(services: Services, path: str) -> None:
    """Who takes over a registration under way cannot put his own key into it."""
    victim, thief = generate(), generate()
    headers = signed(victim, path)
    answer = await services.call("POST", path, headers, jwk_body(thief.public.jwk))
    assert answer.verdict == (401, "INVALID_SIGNATURE")
    answer = await services.call("POST", path, headers, jwk_body(victim.public.jwk))
    assert answer.status == 200, "the victim's nonce was not spent by the thief's try"


@ENROLMENTS
@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (b"\x01" + bytes(31), "WEAK_KEY"),  # the identity: one signature verifies every message
        (bytes(32), "WEAK_KEY"),  # order 4
        (b"\xec" + b"\xff" * 30 + b"\x7f", "WEAK_KEY"),  # order 2
        (bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "WEAK_KEY"),
        (bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "WEAK_KEY"),
        (bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"), "WEAK_KEY"),
        (b"\xee" + b"\xff" * 30 + b"\x7f", "WEAK_KEY"),  # p + 1, a second spelling of the identity
        (b"\xed" + b"\xff" * 30 + b"\x7f", "WEAK_KEY"),  # p, a second spelling of order 4
        (b"\xf0" + b"\xff" * 30 + b"\x7f", "WEAK_KEY"),  # p + 3, a second spelling of y = 3
        (b"\xff" * 32, "WEAK_KEY"),
        (b"\x02" + bytes(31), "INVALID_JWK"),  # no point of the curve
        (bytes(31), "INVALID_JWK"),
        (bytes(33), "INVALID_JWK"),
    ],
)
async def test_identity_small_order_and_non_canonical_keys(
    services: Services, path: str, x: bytes, reason: str
) -> None:
    """Keys with which anybody can sign, or that have a second spelling, are refused by name."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(x)}
    before = services.stored()
    answer = await services.call("POST", path, signed(generate(), path), jwk_body(jwk))
    assert answer.verdict == (422, reason)
    assert services.stored() == before


async def test_a_signature_that_verifies_everything_under_the_identity_key(services: Services) -> None:
    """The very signature (R the identity, S zero) that the identity key would accept changes nothing either."""
    x = b"\x01" + bytes(31)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(x)}
    headers = signed(generate(), "/register")
    headers["Signature"] = "sig1=:AQ" + "A" * 84 + "==:"
    answer = await services.call("POST", "/register", headers, jwk_body(jwk))
    assert answer.verdict == (422, "WEAK_KEY")


@ENROLMENTS
async def test_a_key_that_is_no_point_and_signs_for_itself(services: Services, path: str) -> None:
    """Named by its own thumbprint, with signatures that hold for whoever takes it for another point: no key."""
    for y in (2, 7, 2 + 2**255):  # none of them is the y of a point
        x = y.to_bytes(32, "little")
        assert edwards.decode(x) is None
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(x)}
        headers = signed(generate(), path, keyid=thumbprint(jwk))
        signatures = [headers["Signature"], *map(signature_field, (bytes(64), BASE_POINT + ONE))]
        before = services.stored()
        for signature in signatures:
            answer = await services.call("POST", path, headers | {"Signature": signature}, jwk_body(jwk))
            assert answer.verdict == (422, "INVALID_JWK")
        assert (await services.call("POST", path, {}, jwk_body(jwk))).verdict == (422, "INVALID_JWK")
        assert services.stored() == before


@ENROLMENTS
async def test_a_victims_key_with_a_part_of_small_order(services: Services, path: str) -> None:
    """A public key to which a point of small order was added is another key, whose holder nobody is."""
    victim = generate()
    point = edwards.decode(decode_base64url(victim.public.jwk["x"], "x"))
    assert point is not None
    before = services.stored()
    for torsion in edwards.TORSION[1:]:
        x = edwards.encode(edwards.add(point, torsion))
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(x)}
        headers = signed(victim, path, keyid=thumbprint(jwk))
        assert (await services.call("POST", path, headers, jwk_body(jwk))).verdict == (
            401,
            "INVALID_SIGNATURE",
        )
    assert services.stored() == before


async def test_keys_printed_in_rfc_9421(services: Services) -> None:
    """The published test key is refused although its signatures are right."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
    answer = await services.call("POST", "/register", signed(generate(), "/register"), jwk_body(jwk))
    assert answer.verdict == (422, "WEAK_KEY")


@pytest.mark.parametrize(
    "change",
    [
        {"x": "AAAA="},
        {"x": "+/" * 21 + "A"},
        {"x": 5},
        {"x": None},
        {"x": "é" * 43},
        {"kty": "okp"},
        {"kty": None},
        {"crv": "Ed448"},
        {"crv": "X25519"},
        {"kty": "EC", "crv": "P-256", "y": "AA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "oct"},
    ],
    ids=json.dumps,
)
async def test_keys_that_are_none(services: Services, change: dict[str, object]) -> None:
    """What is no Ed25519 key is refused as a JWK, before any signature is looked at."""
    key = generate()
    body = jwk_body({**key.public.jwk, **change})
    answer = await services.call("POST", "/register", signed(key, "/register"), body)
    assert answer.status == 422
    assert answer.error["reason"] in {"INVALID_JWK", "WEAK_KEY"}


async def test_a_second_spelling_of_a_registered_key(services: Services) -> None:
    """A key with stray bits or padding in its base64url would have another thumbprint: it is refused."""
    key = generate()
    x = key.public.jwk["x"]
    stray = x[:-1] + chr(ord(x[-1]) + 1)
    for spelling in (f"{x}=", stray, f"{x}\n", f" {x}"):
        body = jwk_body({**key.public.jwk, "x": spelling})
        answer = await services.call("POST", "/register", signed(key, "/register"), body)
        assert answer.verdict == (422, "INVALID_JWK")
