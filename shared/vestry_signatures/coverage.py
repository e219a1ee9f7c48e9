"""Does a signature cover what somebody insists on?

Profiles ask for little: the host, and whose key it is. Who acts on more of a request insists on more, e.g. on
`@method`, `@path` and `content-digest`. A component is covered by itself, and also by one that says the same and more
(RFC 9421 section 2.2):

    @target-uri       says @scheme, @authority, @request-target, and with it @path and @query
    @request-target   says @path and @query
    @query            says each @query-param
    a whole field     says each member of it, whether it is covered as it is, with `sf` or with `bs`

Not the other way round, with one exception: a member of `content-digest` under a usable algorithm stands for the
whole field, since one such digest says what the body is (`digest.py`).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from . import fields
from .components import DERIVED, Component
from .digest import FIELD as CONTENT_DIGEST
from .digest import HASHES
from .errors import InsufficientCoverage, MalformedSignature
from .signature import read_components
from .signature_agent import FIELD as SIGNATURE_AGENT

_SAID_BY: Final = {
    "@scheme": {"@target-uri"},
    "@authority": {"@target-uri"},
    "@request-target": {"@target-uri"},
    "@path": {"@target-uri", "@request-target"},
    "@query": {"@target-uri", "@request-target"},
    "@query-param": {"@target-uri", "@request-target", "@query"},
}
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")


def read_required(text: str) -> Component:
    """Read a component that signatures are to cover: a bare name, or an identifier as RFC 9421 writes it.

    Raises:
        ValueError: no request could ever cover it; says what is accepted.
    """
    try:
        item = fields.parse_item(text if text.startswith('"') else f'"{text}"')
        [component] = read_components([item])
    except (fields.FieldError, MalformedSignature):
        raise ValueError('must be a component like "@method" or "content-digest", in lower case') from None
    if component.name.startswith("@"):
        _require_derived(component)
    elif component.name == SIGNATURE_AGENT:
        raise ValueError("signature-agent is what the profile web-bot-auth covers: allow that profile alone")
    elif not _FIELD_NAME.fullmatch(component.name) or component.parameters.keys() - {"key", "sf", "bs"}:
        raise ValueError("must be the name of a header, in lower case, with no parameter but key, sf and bs")
    return component


def _require_derived(component: Component) -> None:
    if component.name == "@query-param":
        known = component.parameters.keys() == {"name"}
    else:
        known = component.name in DERIVED and not component.parameters
    if not known:
        names = ", ".join(sorted(DERIVED))
        raise ValueError(f'must be one of {names}, or "@query-param";name="…"')


def require_covered(covered: Sequence[Component], required: Iterable[Component]) -> None:
    """Raise InsufficientCoverage, which names what is missing, unless everything required is covered."""
    missing = [want.label for want in required if not covers(covered, want)]
    if missing:
        raise InsufficientCoverage(f"the signature must cover {', '.join(missing)} too")


def covers(covered: Sequence[Component], want: Component) -> bool:
    """Tell whether what is covered says what `want` says."""
    return any(_says(part, want) for part in covered)


def _says(part: Component, want: Component) -> bool:
    if part.name != want.name:
        return part.name in _SAID_BY.get(want.name, ())
    if part.parameters == want.parameters:
        return True
    if part.name.startswith("@"):
        return False
    if "key" not in part.parameters:
        return True
    return part.name == CONTENT_DIGEST and not want.parameters and part.parameters["key"] in HASHES
