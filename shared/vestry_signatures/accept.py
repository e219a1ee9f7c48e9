"""`Accept-Signature`: what a signature would have to be to be accepted here (RFC 9421 section 5.1).

A dictionary with one member, under the label that the signature shall have:

    sig1=("@authority" "signature-agent";key="sig1" "@method");created;expires;alg="ed25519";tag="web-bot-auth"

`created` and `expires` ask for the parameter, whatever its value. `alg` is left out where several are accepted. Asked
for is the strictest profile there is: whoever meets it needs nothing else. A nonce can only be asked for with its
value (section 5.1), so where one must be there, a new random one is proposed; any other will do as well.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from . import fields
from .components import Component
from .coverage import covers
from .profiles import TAG, Policy
from .signature import read_components
from .signature_agent import FIELD

LABEL: Final = "sig1"


def accept_signature(policy: Policy, required: Iterable[Component], make_nonce: Callable[[], str]) -> str:
    """Return the value of the field.

    Args:
        policy: what is accepted.
        required: components that must be covered besides.
        make_nonce: makes a text that was never used before.
    """
    strict = "web-bot-auth" in policy.profiles
    asked: dict[str, Any] = {"created": True, "expires": True}
    if len(policy.algorithms) == 1:
        asked["alg"] = next(iter(policy.algorithms))
    if policy.nonce_required or not strict:
        asked["nonce"] = make_nonce()
    asked["tag"] = TAG
    return fields.serialise({LABEL: (_components(required, strict=strict), asked)})


def _components(required: Iterable[Component], *, strict: bool) -> list[fields.Item]:
    items: list[fields.Item] = [("@authority", {})]
    if strict:
        items.append((FIELD, {"key": LABEL}))
    covered = read_components(items)
    return items + [(part.name, part.parameters) for part in required if not covers(covered, part)]
