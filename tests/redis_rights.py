"""What accounts in Redis may do, by the operators' document."""

import re

from documents import ROOT


def redis_rights(account: str) -> list[str]:
    """The words of the ACL SETUSER that the document gives for an account; its password is `secret`."""
    document = (ROOT / "docs/operators/redis.md").read_text()
    [line] = re.findall(rf"^(ACL SETUSER {account} .*)$", document, re.M)
    return line.replace("PASSWORD", "secret").split()
