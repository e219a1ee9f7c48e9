"""The common form of the three headers, read by one pattern each.

Nearly every request that a verifier sees carries one signature, written by one of a few clients in the same canonical
form. The full parser takes some sixty microseconds for it, these patterns five. They accept a subset of what the full
parser accepts, with exactly the same result; whatever they do not match goes to the full parser, which decides. They
are an optimisation and never an opinion: the tests feed both with the same headers and their mutations.

    Signature-Input: LABEL=(COMPONENTS);created=N;keyid="…";alg="…";expires=N;nonce="…";tag="…"
    Signature:       LABEL=:BASE64 of 64 bytes:
    Signature-Agent: LABEL="http(s)://…"
"""

import re
from binascii import a2b_base64
from functools import lru_cache
from typing import Final

from .components import Component
from .signature import MAX_KEYID, MAX_NONCE, Signature

_KEY: Final = r"[a-z*][a-z0-9_.*-]{0,63}"
_TEXT: Final = r"[ !#-\[\]-~]"  # a character of a string that needs no escape
_NUMBER: Final = r"0|[1-9][0-9]{0,14}"
_COMPONENT: Final = rf'"(?:[a-z0-9-]|@(?!signature-params"))[a-z0-9-]*"(?:;key="{_TEXT}*")?'

_INPUT: Final = re.compile(
    rf"({_KEY})=("
    rf"\(((?:{_COMPONENT}(?: {_COMPONENT})*)?)\)"
    rf";created=({_NUMBER})"
    rf';keyid="({_TEXT}{{1,{MAX_KEYID}}})"'
    rf'(?:;alg="({_TEXT}{{1,32}})")?'
    rf";expires=({_NUMBER})"
    rf'(?:;nonce="({_TEXT}{{0,{MAX_NONCE}}})")?'
    rf';tag="({_TEXT}{{1,64}})")'
)
_SIGNATURE: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/]{{85}}[AQgw]==):")
_AGENT: Final = re.compile(rf'({_KEY})="({_TEXT}*)"')


@lru_cache(maxsize=256)
def _components(text: str) -> tuple[Component, ...] | None:
    """Split covered components that `_INPUT` matched; None where one stands twice."""
    covered = []
    for identifier in re.findall(_COMPONENT, text):
        name, _, key = identifier.partition(";")
        covered.append(Component(name[1:-1], {"key": key[5:-1]} if key else {}, identifier))
    return tuple(covered) if len({part.identifier for part in covered}) == len(covered) <= 64 else None


def read_common_signature(signature_input: str, signature: str) -> Signature | None:
    """Read both fields where they are one signature in the common form; None where the full parser must look."""
    stated = _INPUT.fullmatch(signature_input)
    value = _SIGNATURE.fullmatch(signature)
    if stated is None or value is None:
        return None
    label, parameters, components, created, keyid, alg, expires, nonce, tag = stated.groups()
    covered = _components(components)
    if covered is None or value[1] != label:
        return None
    return Signature(
        label, covered, parameters, int(created), int(expires), keyid, alg, nonce, tag, a2b_base64(value[2])
    )


def read_common_agent(signature_agent: str) -> tuple[str, str] | None:
    """Read a `Signature-Agent` of one member, a string without parameters: (key, text), or None."""
    match = _AGENT.fullmatch(signature_agent)
    return None if match is None else (match[1], match[2])
