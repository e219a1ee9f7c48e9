"""What is checked of the request as a whole, before any of its signatures: can it be read, and is it signed?"""

from vestry_signatures import Request, fields, parse
from vestry_signatures.errors import VestryError, WrongTag
from vestry_signatures.profiles import TAG
from vestry_signatures.signature_agent import AgentField
from vestry_verifier.explain.accounts import Scene, agent_field, raised
from vestry_verifier.explain.checks import OF_THE_REQUEST, Check, Checks
from vestry_verifier.explain.words import count_of, listed

HEADERS = ("signature-input", "signature")


def unreadable(error: VestryError) -> list[Check]:
    """Tell of a question that is none."""
    checks = Checks(OF_THE_REQUEST)
    checks.failed("question", "", error)
    return checks.close()


def request_checks(scene: Scene) -> list[Check]:
    """Tell what was read of a request."""
    request = scene.request
    checks = Checks(OF_THE_REQUEST)
    checks.passed("question", _question(request))
    checks.settle("authority", _authorities(scene), raised(lambda: scene.tool.require_own(scene.question)))
    if not checks.going:
        return checks.close()
    error = _parse_error(request)
    if error is None or isinstance(error, WrongTag):
        checks.passed("signature-headers", _found(request))
        checks.settle("tag", _tags(request), error)
    else:
        checks.failed("signature-headers", _where(request), error)
    if checks.going:
        _agents(checks, request)
    return checks.close()


def _question(request: Request) -> str:
    target = request.target
    query = "no query" if target.query is None else f"query ?{target.query}"
    return f"{request.method} {target.uri}: authority {target.authority}, path {target.path}, {query}"


def _authorities(scene: Scene) -> str:
    own = scene.tool.authorities
    if own is None:
        return f"the tool {scene.tool.name} may ask about any authority"
    return f"the tool {scene.tool.name} may ask about {listed(sorted(f'{scheme}://{host}' for scheme, host in own))}"


def _parse_error(request: Request) -> VestryError | None:
    return raised(lambda: parse(request, {TAG}))


def _found(request: Request) -> str:
    members = fields.parse_dictionary(request.field("signature-input") or "")
    return f"{count_of(len(members), 'signature')}: {listed(members)}"


def _tags(request: Request) -> str:
    members = fields.parse_dictionary(request.field("signature-input") or "")
    return listed(f"{label} has {_tag(member)}" for label, member in members.items())


def _tag(member: fields.Member) -> str:
    tag = member[1].get("tag")
    return "no tag" if tag is None else f"the tag {fields.serialise((tag, {}))}"


def _where(request: Request) -> str:
    """Say at which place of which header the reading ended."""
    for name in HEADERS:
        try:
            value = request.field(name)
            if value:
                fields.parse_dictionary(value)
        except (VestryError, fields.FieldError) as error:
            return f"{name}, {_broken(error)}"
    return "found " + (listed(name for name in HEADERS if request.headers.get(name)) or "neither of the two")


def _broken(error: Exception) -> str:
    cause = error.__cause__ or error
    position = getattr(cause, "position", None)
    return str(cause) if position is None else f"read up to character {position} ({cause})"


def _agents(checks: Checks, request: Request) -> None:
    agents = agent_field(request)
    if isinstance(agents, VestryError):
        value = error_place(request)
        checks.failed("signature-agent-header", value, agents)
    else:
        checks.passed("signature-agent-header", _members(agents))


def error_place(request: Request) -> str:
    """Say at which place the reading of Signature-Agent ended, where that can be said."""
    try:
        fields.parse_dictionary(request.field("signature-agent") or "")
    except (VestryError, fields.FieldError) as error:
        return _broken(error)
    return ""


def _members(agents: AgentField | None) -> str:
    if agents is None:
        return "none in the request"
    if agents.bare is not None:
        return f"one bare string, {agents.bare.value}"
    kinds = {key: "a token" if member.is_token else "a string" for key, member in agents.members.items()}
    return listed(f"{key} is {kinds[key]}, {member.value}" for key, member in agents.members.items())
