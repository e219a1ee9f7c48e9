"""Accept-Signature is an offer that holds: whoever signs as it says is accepted."""

import pytest

import signer
from vestry_signatures import Policy, PrivateKey, PublicKey, Request, generate, sign, verify
from vestry_signatures.accept import accept_signature
from vestry_signatures.coverage import read_required, require_covered
from vestry_signatures.fields import parse_dictionary, serialise
from vestry_signatures.signature_agent import AgentMember

URL = "https://tool.example/things?page=2"
AGENT = "https://agent-0123456789abcdef01234567.agents.example"
BODY = {"content-digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}
REQUIRED = [
    [],
    ["@method", "@path"],
    ["@target-uri", "@authority"],
    ["content-digest", '"@query-param";name="page"', "@request-target"],
]


def as_told(offer: str, key: PrivateKey) -> dict[str, str]:
    """Sign as somebody would who knows nothing but the offer, and adds nothing to it but who he is."""
    [(label, (items, asked))] = parse_dictionary(offer).items()
    named = {"Signature-Agent": serialise({label: (AGENT, {})})}
    told = {name: None for name in ("alg", "nonce", "tag") if name not in asked}
    values = {name: value for name, value in asked.items() if value is not True}
    assert {name for name, value in asked.items() if value is True} == {"created", "expires"}
    signed = signer.sign(
        key, "POST", URL, headers={**BODY, **named}, covered=[serialise(item) for item in items],
        label=label, **told, **values,
    )  # fmt: skip
    return {**BODY, **named, **signed}


@pytest.mark.parametrize("required", REQUIRED)
@pytest.mark.parametrize("nonce_required", [True, False])
@pytest.mark.parametrize("profiles", [("web-bot-auth",), ("vestauth",), ("web-bot-auth", "vestauth")])
def test_who_signs_as_told_is_accepted(
    profiles: tuple[str, ...], nonce_required: bool, required: list[str]
) -> None:
    """For every policy there is: nothing more is needed than what the offer says."""
    policy, key = Policy(profiles=frozenset(profiles), nonce_required=nonce_required), generate()
    wanted = [read_required(text) for text in required]
    offer = accept_signature(policy, wanted, lambda: "never-used-before")
    request = Request.of("POST", URL, as_told(offer, key).items())

    def find(agent: AgentMember, keyid: str) -> PublicKey:
        assert (agent.value, keyid) == (AGENT, key.public.kid)
        return key.public

    [proof] = verify(request, find, policy, signer.now(), b"")
    require_covered(proof.claim.signature.covered, wanted)
    assert proof.claim.profile == profiles[0]
    assert (proof.claim.signature.nonce is None) == ("nonce" not in offer)


def test_our_own_signer_can_answer() -> None:
    """`sign` takes what the offer says as it stands there."""
    offer = accept_signature(Policy(nonce_required=True), [read_required("@method")], lambda: "proposed")
    [(label, (items, asked))] = parse_dictionary(offer).items()
    key, request = generate(), Request("GET", URL, {})
    components = [serialise(item) for item in items]
    headers = sign(
        request, key, created=signer.now(), agent_url=AGENT, components=components, label=label,
        nonce=asked["nonce"], tag=asked["tag"],
    )  # fmt: skip
    signed = Request.of("GET", URL, headers.items())
    [proof] = verify(signed, lambda _agent, _kid: key.public, Policy(nonce_required=True), signer.now())
    assert proof.claim.signature.nonce == "proposed"


def test_the_words_of_an_offer() -> None:
    """What it says, to the letter; an algorithm is asked for only where there is but one."""
    offer = accept_signature(Policy(), [read_required("@method"), read_required("@authority")], str)
    assert offer == (
        'sig1=("@authority" "signature-agent";key="sig1" "@method");created;expires;alg="ed25519";tag="web-bot-auth"'
    )
    several = Policy(profiles=frozenset({"vestauth"}), algorithms=frozenset({"ed25519", "rsa-pss-sha512"}))
    assert accept_signature(several, [], lambda: "n") == (
        'sig1=("@authority");created;expires;nonce="n";tag="web-bot-auth"'
    )
