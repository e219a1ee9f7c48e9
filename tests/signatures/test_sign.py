"""Signing: headers that released readers accept, and whatever is signed verifies."""

import string
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from signing import AGENT, CREATED, KEY, KID, NONCE, NOW, URL, seeded_key
from vestry_signatures import (
    Policy,
    PrivateKey,
    Request,
    generate,
    private_key,
    registration_claim,
    sign,
    verify,
)
from vestry_signatures.errors import InvalidJwk, MalformedSignature, PrivateKeyExposed, WeakKey
from vestry_signatures.fields import FieldError, parse_dictionary
from vestry_signatures.keys import decode_base64url, encode_base64url, public_key, thumbprint

POLICY = Policy()
REQUEST = Request.of("GET", URL, [("X-A", "one"), ("x-a", "two"), ("X-D", "k=1, l=2")])


def test_the_form_of_the_headers() -> None:
    """Parameters in the order of the released clients; the host and the agent's own member are covered."""
    found = sign(REQUEST, KEY, created=CREATED, agent_url=AGENT, nonce=NONCE)
    parameters = (
        f'("@authority" "signature-agent";key="sig1");created={CREATED};keyid="{KID}";alg="ed25519"'
        f';expires={CREATED + 300};nonce="{NONCE}";tag="web-bot-auth"'
    )
    assert found["Signature-Input"] == f"sig1={parameters}"
    assert found["Signature-Agent"] == f'sig1="{AGENT}"'
    assert list(found) == ["Signature-Input", "Signature", "Signature-Agent"]
    base = f'"@authority": localhost:3000\n"signature-agent";key="sig1": "{AGENT}"\n"@signature-params": {parameters}'
    value, _ = parse_dictionary(found["Signature"])["sig1"]
    assert value == KEY.sign(base.encode())
    assert KEY.public.check(value, base.encode())


def test_registration_names_no_agent() -> None:
    """Without an agent only the host is covered and no Signature-Agent is written."""
    found = sign(REQUEST, KEY, created=CREATED, tag="null")
    assert list(found) == ["Signature-Input", "Signature"]
    request = Request.of("POST", URL, found.items())
    claim = registration_claim(request, POLICY, NOW)
    assert [part.label for part in claim.signature.covered] == ["@authority"]


def test_a_nonce_is_new_each_time() -> None:
    """64 random bytes, as the released clients write them."""
    found = [sign(REQUEST, KEY, created=CREATED)["Signature-Input"] for _ in range(50)]
    nonces = {parse_dictionary(each)["sig1"][1]["nonce"] for each in found}
    assert len(nonces) == 50
    assert {len(decode_base64url(nonce, "nonce")) for nonce in nonces} == {64}


@pytest.mark.parametrize("component", ["@method", '"@method"', "x-a", '"x-a";bs', '"x-d";key="k"', "x-d"])
def test_components_are_named_either_way(component: str) -> None:
    """As RFC 9421 writes them, or as bare names."""
    found = sign(REQUEST, KEY, created=CREATED, agent_url=AGENT, components=["@authority", component])
    covered = (
        f'("@authority" {component if component.startswith(chr(34)) else chr(34) + component + chr(34)})'
    )
    assert found["Signature-Input"].startswith(f"sig1={covered};created=")
    headers = [(name, line) for name, lines in REQUEST.headers.items() for line in lines]
    assert verify(Request.of("GET", URL, [*headers, *found.items()]), lambda *_: KEY.public, POLICY, NOW)


@pytest.mark.parametrize(
    "component",
    [
        "x-missing",
        '"x-missing";sf',
        "X-A",
        "@status",
        "@signature-params",
        '"x-a',
        '"x-a";',
        "",
        "é",
        '"a" "b"',
        "a\nb",
    ],
)
def test_components_that_cannot_be_signed(component: str) -> None:
    """What is malformed or not in the request is one kind of error."""
    with pytest.raises(MalformedSignature):
        sign(REQUEST, KEY, created=CREATED, components=["@authority", component])


def test_a_component_is_signed_once() -> None:
    """The signer refuses what every verifier would."""
    with pytest.raises(MalformedSignature):
        sign(REQUEST, KEY, created=CREATED, components=["@authority", '"@authority"'])


@pytest.mark.parametrize(
    "arguments",
    [{"label": "Sig1"}, {"label": ""}, {"label": "a b"}, {"nonce": "é"}, {"nonce": "a\n"}, {"tag": "é"}],
)
def test_texts_that_no_field_can_carry(arguments: dict[str, Any]) -> None:
    """A label, nonce or tag outside what a structured field can hold is refused before anything is signed."""
    with pytest.raises(FieldError):
        sign(REQUEST, KEY, created=CREATED, **arguments)


@pytest.mark.parametrize("agent_url", ["http://a.example/é", "a\r\nX: b"])
def test_an_agent_url_that_no_field_can_carry(agent_url: str) -> None:
    """The same for the agent's URL: nothing that could end the header."""
    with pytest.raises(FieldError):
        sign(REQUEST, KEY, created=CREATED, agent_url=agent_url)


def test_a_private_key_round_trip() -> None:
    """The private JWK is RFC 8037's, with our kid; what is written is read back."""
    key = generate()
    jwk = key.jwk
    assert {name: value for name, value in jwk.items() if name != "d"} == key.public.jwk
    assert private_key(jwk).jwk == jwk
    assert private_key({name: jwk[name] for name in ("kty", "crv", "d")}).public.kid == key.public.kid
    with pytest.raises(PrivateKeyExposed):
        public_key(jwk)


def test_a_key_is_not_shown() -> None:
    """Neither repr nor str shows a secret."""
    key = seeded_key(3)
    assert key.jwk["d"] not in f"{key!r} {key!s} {key.public!r}"


RFC_8037 = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
"""RFC 8037 appendix A.1."""


def test_the_key_of_rfc_8037() -> None:
    """The printed private key has the printed thumbprint, and signs nothing here: everybody has it."""
    assert thumbprint(RFC_8037) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    with pytest.raises(WeakKey):
        private_key(RFC_8037)


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "EC"},
        {"kty": None},
        {"crv": "X25519"},
        {"d": None},
        {"d": 1},
        {"d": ""},
        {"d": KEY.jwk["d"] + "="},
        {"d": "é" * 43},
        {"d": encode_base64url(bytes(31))},
        {"d": encode_base64url(bytes(33))},
        {"d": encode_base64url(b"x" * 32)},
        {"x": RFC_8037["x"]},
        {"x": None},
    ],
)
def test_private_keys_refused(changes: dict[str, Any]) -> None:
    """Another kind of key, another length, or two halves that do not belong together."""
    with pytest.raises(InvalidJwk):
        private_key({**KEY.jwk, **changes})


def test_a_printed_key_signs_nothing() -> None:
    """The private half of the key in RFC 9421 is refused here too."""
    with pytest.raises(WeakKey):
        private_key({"kty": "OKP", "crv": "Ed25519", "d": "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"})


def test_only_ed25519_is_written_as_a_private_jwk() -> None:
    """Other keys sign, and stay where they were made; a curve without an algorithm is no key at all."""
    for made in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        with pytest.raises(InvalidJwk):
            _ = PrivateKey(made).jwk
    with pytest.raises(InvalidJwk):
        PrivateKey(ec.generate_private_key(ec.SECP521R1()))


_token = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=8)
_value = st.text(
    string.printable.replace("\n", "").replace("\r", "").replace("\x0b", "").replace("\x0c", ""), max_size=20
)
_path = st.text(string.ascii_letters + string.digits + "/%.-_~!$&'()*+,;=:@", max_size=12)
_query = st.none() | st.text(string.ascii_letters + "%=&+?/.-", max_size=12)
_host = st.sampled_from(["tool.example", "localhost", "[::1]", "127.0.0.1", "TOOL.example"])
_port = st.none() | st.integers(1, 65535)
_headers = st.lists(
    st.tuples(_token.map(str.lower).filter(lambda name: "signature" not in name), _value), max_size=4
)
_derived = st.lists(
    st.sampled_from(["@method", "@target-uri", "@scheme", "@request-target", "@path", "@query"]), unique=True
)


@given(
    method=_token,
    scheme=st.sampled_from(["http", "https", "HTTPS"]),
    host=_host,
    port=_port,
    path=_path,
    query=_query,
    headers=_headers,
    derived=_derived,
    as_bytes=st.booleans(),
    label=st.from_regex(r"[a-z*][a-z0-9_.*-]{0,9}", fullmatch=True),
    nonce=st.none() | st.text(string.printable[:95], min_size=1, max_size=90),
)
def test_whatever_is_signed_verifies(
    method: str,
    scheme: str,
    host: str,
    port: int | None,
    path: str,
    query: str | None,
    headers: list[tuple[str, str]],
    derived: list[str],
    as_bytes: bool,
    label: str,
    nonce: str | None,
) -> None:
    """Any method, URL, headers, components, label and nonce: the signer and the verifier see one request."""
    url = (
        f"{scheme}://{host}{'' if port is None else f':{port}'}/{path}{'' if query is None else f'?{query}'}"
    )
    names = dict.fromkeys(name for name, _ in headers)
    covered = [f'"{name}"' + (";bs" if as_bytes else "") for name in names]
    components = ["@authority", *derived, *covered, f'"signature-agent";key="{label}"']
    found = sign(
        Request.of(method, url, headers),
        KEY,
        created=CREATED,
        agent_url=AGENT,
        components=components,
        label=label,
        nonce=nonce,
    )
    received = Request.of(method, url, [*headers, *found.items()])
    (proof,) = verify(received, lambda agent, keyid: KEY.public if keyid == KID else None, POLICY, NOW)
    assert (proof.claim.profile, proof.claim.signature.label) == ("web-bot-auth", label)
    assert proof.claim.signature.nonce == nonce or nonce is None
    assert len(proof.claim.signature.covered) == len(components)
