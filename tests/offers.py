"""A signer that knows nothing but what Accept-Signature says, and who it is."""

from collections.abc import Mapping

import signer
from services import Agent
from vestry_signatures.fields import parse_dictionary, serialise


def answering(
    agent: Agent,
    offer: str,
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    named: bool = True,
) -> dict[str, str]:
    """Sign a request as an offer asks. `named`: whether the agent says who it is."""
    [(label, (items, asked))] = parse_dictionary(offer).items()
    said = {**({"Signature-Agent": serialise({label: (agent.url, {})})} if named else {}), **(headers or {})}
    told: dict[str, signer.Parameter] = {name: None for name in ("alg", "nonce", "tag") if name not in asked}
    told |= {name: value for name, value in asked.items() if value is not True}
    covered = [serialise(item) for item in items]
    return {**said, **signer.sign(agent.key, method, url, headers=said, covered=covered, label=label, **told)}
