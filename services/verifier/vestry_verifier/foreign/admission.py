r"""Which foreign hosts are believed, and for which profiles.

An operator names them by a pattern. It is matched against the whole authority, host[:port] in lowercase without the
default port: `bot\.example` is neither `evil-bot.example` nor `bot.example.evil.example` nor `bot.example:8443`.

Patterns meet text that strangers chose, so they are matched by RE2, whose time grows with the text alone whatever the
pattern is. What cannot be matched so (back references, look-around) RE2 does not take, and then nothing starts.

A signature of the profile `vestauth` may leave Signature-Agent uncovered, so that anybody can write another one into
the request: a host that publishes a victim's public key could claim the victim's requests. So a host is believed for
`web-bot-auth` alone unless the operator says otherwise for it, which he can do in the file of tools.

A tool that has rules of its own for foreign hosts goes by those, and `TOOL_FQDN_REGEX` is nothing to it.
"""

from typing import Final

import re2

MAX_PATTERN: Final = 4096  # characters


class HostRegex:
    """A regular expression for host[:port]."""

    __slots__ = ("_matches", "text")

    def __init__(self, text: str) -> None:
        """Compile a pattern in RE2's syntax. Raises ValueError with a sentence that says what is wrong."""
        if len(text) > MAX_PATTERN:
            raise ValueError(f"must have {MAX_PATTERN} characters at most")
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        try:
            self._matches = re2.compile(text, options).fullmatch
        except re2.error:
            raise ValueError(
                "must be a regular expression that RE2 takes (no back references, no look-around)"
            ) from None
        self.text = text

    def matches(self, authority: str) -> bool:
        """Tell whether the whole of a normalised authority is meant."""
        return self._matches(authority) is not None

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostRegex) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)
