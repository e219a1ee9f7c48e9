"""What is checked of a signature by itself, before its key is looked for (`vestry_signatures/profiles.py`).

The ceremony raised one error, or none; `failed_check` says at which check that was.
"""

from vestry_signatures import Claim, Policy, Signature
from vestry_signatures.errors import (
    InsufficientCoverage,
    LifetimeTooLong,
    MalformedSignature,
    MissingNonce,
    SignatureError,
    VestryError,
)
from vestry_signatures.profiles import check_time, stated
from vestry_signatures.signature_agent import AgentField, AgentMember, covered_member
from vestry_verifier.explain.accounts import Account, Scene, agent_field, raised
from vestry_verifier.explain.checks import Checks
from vestry_verifier.explain.words import ago, count_of, listed, shortened

ORDER = ("parameters", "time", "lifetime", "coverage", "agent", "profile", "nonce")


def claim_checks(checks: Checks, account: Account, scene: Scene) -> None:
    """Tell how a signature that could be read was judged by itself."""
    signature = account.signature
    if isinstance(signature, VestryError):
        checks.failed("form", "", signature)
        return
    checks.passed("form", _form(signature))
    error = account.claim if isinstance(account.claim, VestryError) else None
    failing = None if error is None else failed_check(error, signature, scene.policy, scene.now)
    said = _said(account, signature, scene)
    for name in ORDER:
        if name == failing:
            checks.settle(name, said[name], error)
            return
        checks.passed(name, said[name])
    claim = account.claim
    if isinstance(claim, Claim):
        missing = raised(lambda: scene.tool.require_covered(claim, scene.question))
        checks.settle("required", _required(scene), missing)


def failed_check(error: VestryError, signature: Signature, policy: Policy, now: int) -> str:
    """Say at which check of `profiles.claim` an error was raised."""
    try:
        _, created, expires = stated(signature, policy)
    except SignatureError:
        return "parameters"
    try:
        check_time(created, expires, policy, now)
    except (LifetimeTooLong, MalformedSignature):
        return "lifetime"
    except SignatureError:
        return "time"
    if isinstance(error, InsufficientCoverage):
        return "profile" if _covers_host(signature) else "coverage"
    return "nonce" if isinstance(error, MissingNonce) else "agent"


def _covers_host(signature: Signature) -> bool:
    return any(part.name in {"@authority", "@target-uri"} for part in signature.covered)


def _form(signature: Signature) -> str:
    return f"{count_of(len(signature.covered), 'component')}, {count_of(len(signature.value), 'byte')} of signature"


def _said(account: Account, signature: Signature, scene: Scene) -> dict[str, str]:
    agents = agent_field(scene.request)
    member = _member(signature, agents)
    return {
        "parameters": _parameters(signature),
        "time": _time(signature, scene),
        "lifetime": _lifetime(signature, scene.policy),
        "coverage": f"covers {listed(part.label for part in signature.covered) or 'nothing'}",
        "agent": _agent(signature, agents, member),
        "profile": _profile(account.claim, signature, scene.policy, covered=_covered(signature, agents)),
        "nonce": _nonce(signature, scene.policy),
    }


def _parameters(signature: Signature) -> str:
    names = ("created", "expires", "keyid", "alg", "tag")
    values = ((name, getattr(signature, name)) for name in names)
    return listed(f"{name}={shortened(str(value))}" for name, value in values if value is not None)


def _time(signature: Signature, scene: Scene) -> str:
    created, expires, now = signature.created, signature.expires, scene.now
    if created is None or expires is None:
        return f"now is {now}"
    ended = f"expired {now - expires} s ago" if now > expires else f"expires in {expires - now} s"
    return f"created {ago(now - created)}, {ended}; now is {now}, clocks may differ by {scene.policy.clock_skew} s"


def _lifetime(signature: Signature, policy: Policy) -> str:
    if signature.created is None or signature.expires is None:
        return ""
    return (
        f"{signature.expires - signature.created} s from created to expires, at most {policy.max_lifetime} s"
    )


def _covered(signature: Signature, agents: AgentField | VestryError | None) -> AgentMember | None:
    if agents is None or isinstance(agents, VestryError):
        return None
    try:
        return covered_member(agents, signature.label, signature.covered)
    except SignatureError:
        return None


def _member(signature: Signature, agents: AgentField | VestryError | None) -> AgentMember | None:
    if agents is None or isinstance(agents, VestryError):
        return None
    return _covered(signature, agents) or agents.members.get(signature.label)


def _agent(signature: Signature, agents: AgentField | VestryError | None, member: AgentMember | None) -> str:
    if member is not None:
        return f"{shortened(member.value)} belongs to {signature.label}"
    if agents is None or isinstance(agents, VestryError):
        return "no Signature-Agent"
    keys = listed(agents.members) or "none, but one bare string"
    return f"no member belongs to {signature.label}; there is {keys}"


def _profile(
    claim: Claim | VestryError, signature: Signature, policy: Policy, covered: AgentMember | None
) -> str:
    if isinstance(claim, Claim) and claim.profile == "web-bot-auth":
        return "web-bot-auth, the stricter: Signature-Agent is covered"
    if "web-bot-auth" not in policy.profiles:
        why = "web-bot-auth is not accepted here"
    elif covered is None:
        why = 'for web-bot-auth it must cover "signature-agent" too'
    else:
        why = "it covers its Signature-Agent"
    accepted = listed(sorted(policy.profiles))
    if isinstance(claim, Claim):
        return f"{claim.profile}; {why}"
    del signature
    return f"{why}; accepted here: {accepted}"


def _required(scene: Scene) -> str:
    required = (*scene.tool.required, *scene.tool.required_with_body)
    return f"the tool {scene.tool.name} wants {listed(part.label for part in required) or 'no more than the profile'}"


def _nonce(signature: Signature, policy: Policy) -> str:
    if signature.nonce:
        return count_of(len(signature.nonce), "character")
    needed = "required" if policy.nonce_required else "required by the profile vestauth only"
    return f"none; {needed}" if signature.nonce is None else "an empty one"
