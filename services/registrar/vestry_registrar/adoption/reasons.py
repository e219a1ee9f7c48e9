"""Why a row is not believed as it stands, and what becomes of it.

Moved: the row leaves its table. It could not be kept without acting, or without breaking a rule of the schema.
Revoked: the row stays as a key that is out of use for ever, so that nobody registers it anew.
Tidied: the row stays and acts; something beside the key is left out of it.

Whatever happens to a row, what it was is kept in `adoption_quarantine`, without private members.
"""

from enum import Enum, IntEnum


class Fate(IntEnum):
    """What becomes of a row; the highest of several reasons counts."""

    KEPT = 0
    TIDIED = 1
    REVOKED = 2
    MOVED = 3


class Reason(Enum):
    """A reason: its code, what follows, and what an operator reads."""

    MALFORMED_UID = "malformed-uid", Fate.MOVED, "its uid is not 24 hex digits"
    DUPLICATE_UID = "duplicate-uid", Fate.MOVED, "two agents have its uid"
    INCOMPLETE_ROW = "incomplete-row", Fate.MOVED, "something that every row has is missing in it"
    NO_AGENT = "no-agent", Fate.MOVED, "its agent does not exist"
    AGENT_NOT_BELIEVED = "agent-not-believed", Fate.MOVED, "its agent is not believed"
    UNUSABLE_JWK = "unusable-jwk", Fate.MOVED, "it is not a public Ed25519 key in its one spelling"
    WEAK_KEY = "weak-key", Fate.MOVED, "anybody can sign with this key"
    KID_MISMATCH = "kid-mismatch", Fate.MOVED, "its kid is not the thumbprint of the key"
    DUPLICATE_KEY = "duplicate-key", Fate.MOVED, "the same key stands in another row too"
    PRIVATE_MEMBERS = "private-members", Fate.REVOKED, "it was stored with its private half, and is exposed"
    EXPOSED_ELSEWHERE = "exposed-elsewhere", Fate.REVOKED, "another row has its private half: it is exposed"
    UNKNOWN_STATE = "unknown-state", Fate.REVOKED, "its state is neither active nor revoked"
    OTHER_MEMBERS = "other-members", Fate.TIDIED, "members beside the key itself are left out"

    def __init__(self, code: str, fate: Fate, text: str) -> None:
        self.code = code
        self.fate = fate
        self.text = text
