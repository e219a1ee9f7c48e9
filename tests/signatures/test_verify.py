"""The ceremony from end to end: who signed this request?"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import vectors
from signing import (
    AGENT,
    CREATED,
    EXPIRES,
    KEY,
    KID,
    NONCE,
    NOW,
    URL,
    client_request,
    headers,
    seeded_key,
    signed_headers,
    stated,
)
from vestry_signatures import (
    Policy,
    PrivateKey,
    Proof,
    PublicKey,
    Request,
    SignatureError,
    claims,
    fields,
    keys,
    private_key,
    prove,
    registration_claim,
    sign,
    strictest,
    verify,
)
from vestry_signatures.algorithms import SUPPORTED, ed25519_checker, rsa_pss_checker
from vestry_signatures.components import FIELD_TYPES
from vestry_signatures.errors import (
    ContentDigestMismatch,
    InvalidSignature,
    InvalidSignatureAgent,
    MalformedRequest,
    MalformedSignature,
    MissingSignatureInput,
    RequestRefused,
    UnknownKey,
    UnsupportedAlg,
    VestryError,
)
from vestry_signatures.keys import decode_base64url
from vestry_signatures.signature_agent import AgentMember

POLICY = Policy()
OTHER = seeded_key(2)


def knows(*known: PrivateKey) -> Callable[[AgentMember, str], PublicKey | None]:
    """A directory in which AGENT has these keys and nobody else any."""
    by_kid = {key.public.kid: key.public for key in known}
    return lambda agent, keyid: by_kid.get(keyid) if agent.value == AGENT else None


def outcome(request: Request, policy: Policy = POLICY, *known: PrivateKey, body: bytes | None = None) -> str:
    """The labels that verify, or the reason why none does."""
    try:
        proofs = verify(request, knows(*(known or (KEY,))), policy, NOW, body)
    except VestryError as error:
        return error.reason
    return " ".join(proof.claim.signature.label for proof in proofs)


def test_a_released_client_verifies() -> None:
    """The headers of the released clients, over a base written out here, prove who signed and what."""
    (proof,) = verify(client_request(), knows(KEY), POLICY, NOW)
    assert proof.key is KEY.public
    assert proof.base == f'"@authority": localhost:3000\n"@signature-params": {stated()}'.encode()
    assert proof.content_digest == "none"
    claim = proof.claim
    assert (claim.profile, claim.keyid, claim.created, claim.expires) == ("vestauth", KID, CREATED, EXPIRES)
    assert claim.agent == AgentMember(AGENT, is_token=False, parameters={})
    assert claim.signature.nonce == NONCE
    assert [part.label for part in claim.signature.covered] == ["@authority"]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3001/whoami",
        "http://localhost/whoami",
        "http://evil.example:3000/",
        "http://127.0.0.1:3000/",
    ],
)
def test_a_signature_for_another_authority(url: str) -> None:
    """What was signed for one host is nothing to another."""
    assert outcome(client_request(url)) == "INVALID_SIGNATURE"


def test_what_is_not_covered_may_differ() -> None:
    """Released clients cover the authority alone: the path and method are not what they prove."""
    assert outcome(client_request("http://LOCALHOST:3000/other?x", "POST")) == "sig1"


def test_another_key() -> None:
    """A key that the agent does not have is unknown; one that has the keyid by mistake does not verify."""
    assert outcome(client_request(), POLICY, OTHER) == "UNKNOWN_KEY"
    with pytest.raises(InvalidSignature, match="thumbprint"):
        verify(client_request(), lambda agent, keyid: OTHER.public, POLICY, NOW)


def test_a_borrowed_keyid() -> None:
    """A signature by one key that names another's keyid proves neither."""
    request = Request.of("GET", URL, signed_headers('"@authority": localhost:3000\n', key=OTHER))
    assert outcome(request) == "INVALID_SIGNATURE"
    named = stated(keyid=f'"{OTHER.public.kid}"')
    request = Request.of("GET", URL, signed_headers('"@authority": localhost:3000\n', named, KEY))
    assert outcome(request, POLICY, KEY, OTHER) == "INVALID_SIGNATURE"


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length(size: int) -> None:
    """Not sixty-four bytes is not a signature."""
    request = Request.of("GET", URL, headers({"sig1": stated()}, values={"sig1": bytes(size)}))
    assert outcome(request) == "INVALID_SIGNATURE"


def test_the_agent_is_asked_for_its_key() -> None:
    """The key is looked up as the pair of agent and keyid, and in no other way."""
    asked = []

    def find(agent: AgentMember, keyid: str) -> PublicKey | None:
        asked.append((agent.value, keyid))
        return None

    with pytest.raises(UnknownKey):
        verify(client_request(), find, POLICY, NOW)
    assert asked == [(AGENT, KID)]


def test_no_key_is_looked_up_for_what_is_refused() -> None:
    """A signature that states the wrong thing costs no lookup."""

    def find(agent: AgentMember, keyid: str) -> PublicKey | None:
        raise AssertionError

    for text in (stated(nonce=None), stated(expires="1"), stated("()"), stated("(1)")):
        with pytest.raises(SignatureError):
            verify(Request.of("GET", URL, headers({"sig1": text})), find, POLICY, NOW)


@pytest.mark.parametrize(
    ("covered", "reason"),
    [
        ('("@authority" "x-absent")', "MALFORMED_SIGNATURE"),
        ('("@authority" "@status")', "MALFORMED_SIGNATURE"),
        ('("@authority" "@method";req)', "MALFORMED_SIGNATURE"),
        ('("@authority" "host";tr)', "MALFORMED_SIGNATURE"),
        ('("@authority";req)', "MALFORMED_SIGNATURE"),
        ('("@authority" "signature-agent";key="absent")', "MALFORMED_SIGNATURE"),
        ('("@authority" "x-broken")', "MALFORMED_REQUEST"),
        ('("@authority" "x-latin")', "MALFORMED_SIGNATURE"),
    ],
)
def test_what_cannot_be_derived_does_not_verify(covered: str, reason: str) -> None:
    """A covered component that the request does not have is an error of its own, never an empty value."""
    found = [*headers({"sig1": stated(covered)}), ("X-Broken", 'a\n"@authority": b'), ("X-Latin", "é")]
    assert outcome(Request.of("GET", URL, found)) == reason


def test_a_line_break_in_a_signature_header() -> None:
    """The signature headers themselves carry no line break either."""
    for name in ("Signature-Input", "Signature", "Signature-Agent"):
        found = [
            (each, value + "\nx" if each == name else value) for each, value in headers({"sig1": stated()})
        ]
        with pytest.raises(MalformedRequest):
            claims(Request.of("GET", URL, found), POLICY, NOW)


def test_an_unsigned_request() -> None:
    """No signature is an outcome of its own."""
    with pytest.raises(MissingSignatureInput):
        verify(Request.of("GET", URL, []), knows(KEY), POLICY, NOW)


@pytest.mark.parametrize("alg", ["ed25519", None])
def test_the_algorithm_is_the_keys(alg: str | None) -> None:
    """A stated algorithm that is accepted but not the key's is refused; none stated is the key's own."""
    key = PrivateKey(ec.generate_private_key(ec.SECP256R1()))
    policy = Policy(algorithms=frozenset(SUPPORTED))
    parameters = stated(keyid=f'"{key.public.kid}"', alg=alg and f'"{alg}"')
    request = Request.of("GET", URL, signed_headers('"@authority": localhost:3000\n', parameters, key))
    if alg is None:
        assert outcome(request, policy, key) == "sig1"
    else:
        with pytest.raises(UnsupportedAlg):
            verify(request, knows(key), policy, NOW)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512"],
)
def test_other_algorithms_where_the_policy_takes_them(make: Callable[[], Any]) -> None:
    """Signed and verified from end to end; with the default policy the same request is refused."""
    key = PrivateKey(make())
    request = Request.of("GET", URL, [])
    signed = Request.of("GET", URL, sign(request, key, created=CREATED, agent_url=AGENT).items())
    assert outcome(signed, Policy(algorithms=frozenset(SUPPORTED)), key) == "sig1"
    assert outcome(signed, POLICY, key) == "UNSUPPORTED_ALG"
    other = Request.of(
        "GET", "http://other.example/", [(name, line) for name, (line,) in signed.headers.items()]
    )
    assert outcome(other, Policy(algorithms=frozenset(SUPPORTED)), key) == "INVALID_SIGNATURE"


def both(first: PrivateKey, second: PrivateKey, url: str = URL) -> Request:
    """A request with two signatures: `a` by the form of the released clients, `b` covering its own agent."""
    request = Request.of("GET", URL, [])
    one = sign(request, first, created=CREATED, agent_url=AGENT, components=["@authority"], label="a")
    two = sign(request, second, created=CREATED, agent_url=AGENT, label="b")
    return Request.of("GET", url, [*one.items(), *two.items()])


def test_several_signatures() -> None:
    """All that verify are returned, in field order, and the answer is about the strictest."""
    proofs = verify(both(KEY, OTHER), knows(KEY, OTHER), POLICY, NOW)
    assert [(proof.claim.signature.label, proof.claim.profile) for proof in proofs] == [
        ("a", "vestauth"),
        ("b", "web-bot-auth"),
    ]
    assert [proof.key.kid for proof in proofs] == [KID, OTHER.public.kid]
    assert strictest(proofs).claim.signature.label == "b"
    assert strictest(proofs[:1]).claim.signature.label == "a"


def test_one_of_several_is_enough() -> None:
    """A signature that fails takes no other with it; when none verifies, the reason is the first one's."""
    assert outcome(both(KEY, OTHER), POLICY, KEY) == "a"
    assert outcome(both(OTHER, KEY), POLICY, KEY) == "b"
    assert outcome(both(OTHER, OTHER), POLICY, KEY) == "UNKNOWN_KEY"
    assert outcome(both(KEY, OTHER, "http://other.example/"), POLICY, KEY) == "INVALID_SIGNATURE"


def test_the_first_of_equals_is_the_strictest() -> None:
    """Among signatures of one profile the field's order decides."""
    request = Request.of("GET", URL, [])
    lines = [
        pair
        for label in ("b", "a")
        for pair in sign(request, KEY, created=CREATED, agent_url=AGENT, label=label).items()
    ]
    proofs = verify(Request.of("GET", URL, lines), knows(KEY), POLICY, NOW)
    assert strictest(proofs).claim.signature.label == "b"


def test_an_answer_needs_a_proof() -> None:
    """Choosing among no proofs is an error, never a result."""
    with pytest.raises(ValueError, match="empty"):
        strictest([])


def digested(body: bytes) -> Request:
    """A signed request whose Content-Digest is covered."""
    value = base64.b64encode(hashlib.sha256(body).digest()).decode()
    request = Request.of("POST", URL, [("Content-Digest", f"sha-256=:{value}:")])
    covered = ["@authority", "content-digest", '"signature-agent";key="sig1"']
    found = sign(request, KEY, created=CREATED, agent_url=AGENT, components=covered)
    return Request.of("POST", URL, [("Content-Digest", f"sha-256=:{value}:"), *found.items()])


def test_a_covered_digest() -> None:
    """Another body than the one signed is refused, and the proof says how far the comparison went."""
    request = digested(b"body")
    assert verify(request, knows(KEY), POLICY, NOW, b"body")[0].content_digest == "checked"
    assert verify(request, knows(KEY), POLICY, NOW)[0].content_digest == "unchecked"
    assert outcome(request, body=b"other") == "CONTENT_DIGEST_MISMATCH"
    (claim,) = claims(request, POLICY, NOW)
    assert not isinstance(claim, SignatureError)
    assert prove(claim, request, KEY.public, digest_asserted=True).content_digest == "asserted"
    with pytest.raises(ContentDigestMismatch):
        prove(claim, request, KEY.public, b"other", digest_asserted=True)


def test_the_signature_is_proven_before_the_body_is_read() -> None:
    """A digest that does not match says so only to who could sign it: a forged one is just a forged signature."""
    request = digested(b"body")
    forged = Request("POST", URL, {**request.headers, "signature": ["sig1=:" + "A" * 86 + "==:"]})
    assert outcome(forged, body=b"other") == "INVALID_SIGNATURE"


def test_types_of_fields_can_be_added() -> None:
    """Who knows the type of a private field can honour `sf` on it."""
    request = Request.of("GET", URL, [("X-Dict", "a=1,b")])
    lines = [("X-Dict", "a=1,b"), *headers({"sig1": stated('("@authority" "x-dict";sf)')})]
    (claim,) = claims(Request.of("GET", URL, lines), POLICY, NOW)
    assert not isinstance(claim, SignatureError)
    base = f'"@authority": localhost:3000\n"x-dict";sf: a=1, b\n"@signature-params": {claim.signature.parameters}'
    claim = claim._replace(signature=claim.signature._replace(value=KEY.sign(base.encode())))
    with pytest.raises(MalformedSignature):
        prove(claim, request, KEY.public)
    assert (
        prove(claim, request, KEY.public, types={**FIELD_TYPES, "x-dict": "dictionary"}).base == base.encode()
    )


def test_an_unreadable_agent_is_one_answer() -> None:
    """With a Signature-Agent that names nobody there is nothing to look up for any signature."""
    inputs = {"a": stated(), "b": stated()}
    (error,) = claims(Request.of("GET", URL, headers(inputs, "a=1")), POLICY, NOW)
    assert isinstance(error, InvalidSignatureAgent)


@pytest.mark.parametrize("tag", ["null", "web-bot-auth"])
def test_registration_from_end_to_end(tag: str) -> None:
    """A key that nobody knows proves that its holder asks, with the key in the body."""
    parameters = stated(tag=f'"{tag}"')
    lines = [
        pair
        for pair in signed_headers('"@authority": localhost:3000\n', parameters)
        if "Agent" not in pair[0]
    ]
    request = Request.of("POST", "http://localhost:3000/register", lines)
    claim = registration_claim(request, POLICY, NOW)
    proof = prove(claim, request, keys.public_key(KEY.public.jwk), b"{}")
    assert (proof.claim.profile, proof.claim.keyid, proof.content_digest) == ("registration", KID, "none")
    with pytest.raises(InvalidSignature):
        prove(claim, request, OTHER.public, b"{}")


def test_a_registration_is_no_agents_signature() -> None:
    """What the ceremony for agents makes of a registration: it names nobody."""
    lines = [pair for pair in signed_headers('"@authority": localhost:3000\n') if "Agent" not in pair[0]]
    assert outcome(Request.of("GET", URL, lines)) == "MISSING_SIGNATURE_AGENT"


def _architecture() -> Iterator[tuple[str, Any]]:
    for version in (1, 2):
        cases = vectors.load(f"cloudflare-web-bot-auth/web_bot_auth_architecture_v{version}.json")
        for number, case in enumerate(cases):
            yield f"v{version}-{number}-{case['key']['kty']}-{case['label']}", case


def printed_key(jwk: dict[str, str]) -> PublicKey:
    """A key of the vectors. They are printed for all to see, so the door for keys from outside refuses them."""
    if jwk["kty"] == "OKP":
        members = {name: jwk[name] for name in ("crv", "kty", "x")}
        return PublicKey(members, "ed25519", ed25519_checker(decode_base64url(jwk["x"], "x")))
    n, e = (int.from_bytes(decode_base64url(jwk[name], name), "big") for name in ("n", "e"))
    members = {name: jwk[name] for name in ("e", "kty", "n")}
    return PublicKey(members, "rsa-pss-sha512", rsa_pss_checker(rsa.RSAPublicNumbers(e, n).public_key()))


def vector_request(case: dict[str, Any]) -> Request:
    """The request of a vector."""
    lines = [("Signature-Input", case["signature_input"]), ("Signature", case["signature"])]
    if "signature_agent" in case:
        lines.append(("Signature-Agent", case["signature_agent"]))
    return Request.of("GET", case["target_url"], lines)


@pytest.mark.parametrize("case", vectors.cases(_architecture))
def test_vectors_of_cloudflare(case: dict[str, Any]) -> None:
    """Old string form and new dictionary form verify as web-bot-auth; without an agent they claim nobody.

    The vectors live for up to a century, so the policy here is generous; the usual one says they live too long.
    """
    request, key, now = vector_request(case), printed_key(case["key"]), case["created_ms"] // 1000
    generous = Policy(algorithms=frozenset(SUPPORTED), max_lifetime=10**10)

    def verified() -> list[Proof]:
        return verify(request, lambda agent, keyid: key if keyid == key.kid else None, generous, now)

    if "signature_agent" not in case:
        with pytest.raises(SignatureError) as caught:
            verified()
        assert caught.value.reason == "MISSING_SIGNATURE_AGENT"
        proof = prove(registration_claim(request, generous, now), request, key)
    else:
        (proof,) = verified()
        assert (proof.claim.profile, proof.claim.agent and proof.claim.agent.value) == (
            "web-bot-auth",
            "https://signature-agent.test",
        )
    signature = proof.claim.signature
    assert (signature.label, signature.nonce) == (case["label"], case["nonce"])
    assert (proof.claim.created, proof.claim.expires) == (now, case["expires_ms"] // 1000)
    with pytest.raises(SignatureError) as caught:
        verify(request, lambda agent, keyid: key, replace(generous, max_lifetime=3599), now)
    assert caught.value.reason == "LIFETIME_TOO_LONG"


def _ed25519() -> Iterator[tuple[str, Any]]:
    """The vectors that can be signed again: a signature with RSA-PSS is another each time."""
    return ((name, case) for name, case in _architecture() if case["key"]["kty"] == "OKP")


@pytest.mark.parametrize("case", vectors.cases(_ed25519))
def test_our_own_headers_are_those_of_cloudflare(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked to sign what a vector signs, we write the same two headers, to the byte."""
    monkeypatch.setattr(keys, "_PUBLISHED", frozenset())
    agent_key = case.get("signature_agent_key")
    lines = [("Signature-Agent", case["signature_agent"])] if "signature_agent" in case else []
    covered = ["@authority"]
    if lines:
        covered.append("signature-agent" if agent_key is None else f'"signature-agent";key="{agent_key}"')
    written = sign(
        Request.of("GET", case["target_url"], lines),
        private_key(case["key"]),
        created=case["created_ms"] // 1000,
        lifetime=(case["expires_ms"] - case["created_ms"]) // 1000,
        components=covered,
        nonce=case["nonce"],
        label=case["label"],
    )
    assert written == {"Signature-Input": case["signature_input"], "Signature": case["signature"]}


SIGNED = sign(
    Request.of("POST", "https://tool.example/a?b=c", [("X-A", "one"), ("X-B", "k=1;p, l=2")]),
    KEY,
    created=CREATED,
    agent_url=AGENT,
    nonce=NONCE,
    components=[
        "@method",
        "@authority",
        "@path",
        "@query",
        '"@query-param";name="b"',
        "x-a",
        '"x-b";key="k"',
        '"signature-agent";key="sig1"',
    ],
)


def sent(method: str = "POST", url: str = "https://tool.example/a?b=c", **changes: str) -> Request:
    """The request that was signed above, with headers replaced."""
    lines = {"X-A": "one", "X-B": "k=1;p, l=2", **SIGNED} | {
        name.replace("_", "-"): value for name, value in changes.items()
    }
    return Request.of(method, url, lines.items())


def test_what_is_sent_as_signed_verifies() -> None:
    """The request that the next test changes is good, and what is not covered may change."""
    assert outcome(sent()) == "sig1"
    assert outcome(sent(X_B="k=1;p, l=3, m=4")) == "sig1"
    assert outcome(sent(X_B="l=3,k=1;p")) == "sig1"


def flipped(text: str) -> Iterator[str]:
    """A text with each of its bits changed in turn."""
    for place, character in enumerate(text):
        for bit in range(7):
            yield text[:place] + chr(ord(character) ^ 1 << bit) + text[place + 1 :]


@pytest.mark.parametrize("header", ["Signature", "Signature-Input", "Signature-Agent", "X-A"])
def test_every_bit_of_a_covered_header(header: str) -> None:
    """Any single bit of a covered or signing header that flips makes the request invalid, or another agent's.

    But for the four idle bits of base64 behind the last byte (RFC 9651 section 4.2.7): the same bytes are signed.
    """
    whole = (SIGNED | {"X-A": "one"})[header]
    verified = {changed for changed in flipped(whole) if outcome(sent(**{header: changed})) == "sig1"}
    assert header == "Signature" or not verified
    assert all(fields.parse_dictionary(changed) == fields.parse_dictionary(whole) for changed in verified)


@pytest.mark.parametrize("part", ["method", "authority", "path", "query"])
def test_every_bit_of_a_covered_part(part: str) -> None:
    """The same for method, authority, path and query; the case of a host alone is no difference."""
    parts = {"method": "POST", "authority": "tool.example", "path": "/a", "query": "b=c"}
    for changed in flipped(parts[part]):
        if part == "authority" and changed.lower() == "tool.example":
            continue
        other = parts | {part: changed}
        try:
            request = sent(other["method"], f"https://{other['authority']}{other['path']}?{other['query']}")
        except RequestRefused:
            continue
        assert outcome(request) != "sig1"


@pytest.mark.parametrize(
    "changes",
    [
        {"X_B": "k=1, l=2"},
        {"X_B": "k=1;p, k=2"},
        {"X_B": "k=1;q, l=2"},
        {"X_A": "one, one"},
        {"url": "https://tool.example/a?b=c&b=d"},
        {"url": "https://tool.example/a?b=d"},
        {"url": "https://tool.example/a"},
        {"url": "https://tool.example/a/?b=c"},
        {"url": "https://tool.example:8443/a?b=c"},
        {"method": "post"},
        {"Signature_Agent": 'sig1="http://agent-ffffffffffffffffffffffff.localhost:3000"'},
        {"Signature_Agent": f'sig2="{AGENT}"'},
        {"Signature_Agent": f'sig1="{AGENT}", sig1="{AGENT}"'},
        {"Signature_Agent": f'sig1="{AGENT}";type=jwks_uri'},
        {"Signature_Agent": f'"{AGENT}"'},
    ],
)
def test_one_covered_thing_changed(changes: dict[str, str]) -> None:
    """A covered thing that was added to, taken away or replaced is seen."""
    assert outcome(sent(**changes)) != "sig1"
