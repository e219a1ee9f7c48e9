"""The proof of a new key: what is made by our own signer is read again, and nothing less passes."""

from collections.abc import Sequence
from typing import Any

import pytest

from signer import content_digest
from signing import AGENT, CREATED, NOW, seeded_key
from vestry_signatures import Policy, Request, claims, prove, sign
from vestry_signatures.errors import (
    ExpiredSignature,
    InsufficientCoverage,
    InvalidSignature,
    InvalidSignatureAgent,
    MalformedSignature,
    MissingNonce,
    MissingSignatureInput,
    SignatureError,
    WrongTag,
)
from vestry_signatures.fields import FieldError
from vestry_signatures.key_proof import COVERED, TAG, add_key_proof, key_proof_claim
from vestry_signatures.profiles import Claim
from vestry_signatures.verify import strictest

OLD, NEW = seeded_key(1), seeded_key(2)
POLICY = Policy()
URL = "http://localhost:3000/keys"
BODY = b'{"a": 1}'
DIGEST = ("Content-Digest", content_digest(BODY))
OTHER = "http://agent-ffffffffffffffffffffffff.localhost:3000"


def asked(url: str = URL, method: str = "POST") -> Request:
    return Request.of(method, url, [DIGEST])


def with_headers(headers: dict[str, str], request: Request | None = None) -> Request:
    given = request or asked()
    return Request.of(given.method, given.target.uri, [DIGEST, *headers.items()])


def signed_twice() -> dict[str, str]:
    first = sign(asked(), OLD, created=CREATED, agent_url=AGENT)
    return add_key_proof(asked(), first, NEW, created=CREATED)


def proven(covered: Sequence[str], agent: str = f'sig1="{AGENT}"', **changes: Any) -> Request:
    """A request with nothing but a proof of any form."""
    request = Request.of("POST", URL, [DIGEST, ("Signature-Agent", agent)])
    arguments = {"created": CREATED, "label": "proof", "tag": TAG, **changes}
    headers = sign(request, NEW, components=covered, **arguments)
    return Request.of("POST", URL, [DIGEST, ("Signature-Agent", agent), *headers.items()])


def read(request: Request) -> Claim:
    claimed = key_proof_claim(request, POLICY, NOW)
    assert claimed is not None
    return claimed


def test_what_our_signer_makes_holds() -> None:
    """Both signatures stand in one pair of headers; each is read by who asks for it, and proven by its own key."""
    request = with_headers(signed_twice())
    proof = read(request)
    assert (proof.signature.label, proof.keyid, proof.profile) == ("proof", NEW.public.kid, "key-proof")
    assert proof.agent is not None
    assert proof.agent.value == AGENT
    assert prove(proof, request, NEW.public, BODY).content_digest == "checked"
    [claimed] = claims(request, POLICY, NOW)
    assert isinstance(claimed, Claim)
    assert claimed.keyid == OLD.public.kid
    prove(claimed, request, OLD.public, BODY)


def test_another_key_did_not_make_it() -> None:
    """Not the agent's own key, which made the other signature."""
    request = with_headers(signed_twice())
    with pytest.raises(InvalidSignature):
        prove(read(request), request, OLD.public, BODY)


@pytest.mark.parametrize(
    "other",
    [
        asked(URL.replace("keys", "rotate")),
        asked(method="PUT"),
        asked(URL.replace("localhost:3000", "localhost:4000")),
        asked(f"{URL}/x"),
    ],
    ids=["path", "method", "authority", "longer-path"],
)
def test_it_is_for_one_request(other: Request) -> None:
    """Moved to another endpoint or registrar it does not verify."""
    request = with_headers(signed_twice(), other)
    with pytest.raises(InvalidSignature):
        prove(read(request), request, NEW.public, BODY)


def test_it_is_for_one_agent() -> None:
    """With another agent in its member it does not verify."""
    request = with_headers({**signed_twice(), "Signature-Agent": f'sig1="{OTHER}"'})
    with pytest.raises(InvalidSignature):
        prove(read(request), request, NEW.public, BODY)


def test_it_authenticates_nobody() -> None:
    """By its tag it is no candidate, and it is of no profile that an answer could be about."""
    request = proven([*COVERED, '"signature-agent";key="sig1"'])
    with pytest.raises(WrongTag):
        claims(request, POLICY, NOW)
    with pytest.raises(ValueError, match="not in tuple"):
        strictest([prove(read(request), request, NEW.public, BODY)] * 2)


def test_none_is_none() -> None:
    """A request signed by the agent alone has no proof; one that is not signed at all is an error."""
    alone = with_headers(sign(asked(), OLD, created=CREATED, agent_url=AGENT))
    assert key_proof_claim(alone, POLICY, NOW) is None
    with pytest.raises(MissingSignatureInput):
        key_proof_claim(asked(), POLICY, NOW)


@pytest.mark.parametrize(
    ("agent", "member"),
    [
        (f'sig1="{AGENT}"', '"signature-agent";key="sig1"'),
        (f'sig1="{AGENT}"', "signature-agent"),
        (f'"{AGENT}"', "signature-agent"),
        (f'sig1="{OTHER}", proof="{AGENT}"', '"signature-agent";key="proof"'),
    ],
    ids=["member", "whole", "bare", "own"],
)
def test_how_an_agent_is_named(agent: str, member: str) -> None:
    """The covered member, the whole field with one member, or the older bare string."""
    named = read(proven([*COVERED, member], agent)).agent
    assert named is not None
    assert named.value == AGENT


@pytest.mark.parametrize("left_out", [*COVERED, "signature-agent"])
def test_it_covers_enough(left_out: str) -> None:
    """Nothing of the five may be left out."""
    covered = [part for part in (*COVERED, "signature-agent") if part != left_out]
    with pytest.raises(InsufficientCoverage):
        read(proven(covered))


def test_whom_it_names_is_not_guessed() -> None:
    """Several agents, none under the proof's own label: refused."""
    with pytest.raises(InvalidSignatureAgent):
        read(proven([*COVERED, "signature-agent"], f'sig1="{AGENT}", sig2="{OTHER}"'))


def test_without_any_agent() -> None:
    """A request that names no agent proves nothing for one."""
    headers = sign(asked(), NEW, created=CREATED, components=COVERED, label="proof", tag=TAG)
    with pytest.raises(InsufficientCoverage):
        read(with_headers(headers))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"nonce": ""}, MissingNonce),
        ({"created": CREATED - 1000}, ExpiredSignature),
        ({"lifetime": 0}, MalformedSignature),
    ],
)
def test_its_form(changes: dict[str, Any], refusal: type[SignatureError]) -> None:
    """A nonce and a time, as in every signature."""
    with pytest.raises(refusal):
        read(proven([*COVERED, "signature-agent"], **changes))


def test_two_of_them() -> None:
    """Which of two is meant is not guessed."""
    twice = add_key_proof(asked(), signed_twice(), NEW, created=CREATED, label="again")
    with pytest.raises(MalformedSignature):
        read(with_headers(twice))


def test_its_label_is_its_own() -> None:
    """Under the label of the first signature the headers cannot be read, by either reader."""
    first = sign(asked(), OLD, created=CREATED, agent_url=AGENT)
    request = with_headers(add_key_proof(asked(), first, NEW, created=CREATED, label="sig1"))
    with pytest.raises(MalformedSignature):
        read(request)
    with pytest.raises(MalformedSignature):
        claims(request, POLICY, NOW)


def test_what_cannot_be_signed() -> None:
    """A request without a digest of its body, or a first signature that names no agent plainly."""
    first = sign(asked(), OLD, created=CREATED, agent_url=AGENT)
    with pytest.raises(MalformedSignature):
        add_key_proof(Request.of("POST", URL, []), first, NEW, created=CREATED)
    with pytest.raises(FieldError):
        add_key_proof(asked(), {**first, "Signature-Agent": f'"{AGENT}"'}, NEW, created=CREATED)
