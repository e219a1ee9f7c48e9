"""The switches of curl that matter here, and how they are read from a command line.

A short switch may have its value straight behind it (`-XPOST`), and several without a value may share one dash
(`-sSL`). A switch that is not known is ignored, with a warning, and taken for one without a value.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

SHORT: Final = {
    "H": "header",
    "X": "request",
    "d": "data",
    "A": "user-agent",
    "b": "cookie",
    "u": "user",
    "e": "referer",
    "r": "range",
    "I": "head",
    "G": "get",
    "F": "form",
    "T": "upload-file",
}
TELLING: Final = frozenset(
    {*SHORT.values(), "data-ascii", "data-binary", "data-raw", "data-urlencode", "json", "url", "url-query"}
) - {"head", "get"}
"""Switches with a value that change what is sent."""
_WITH_VALUE: Final = """
    abstract-unix-socket cacert capath cert cert-type ciphers config connect-timeout connect-to cookie-jar dns-servers
    doh-url dump-header interface key key-type limit-rate local-port max-filesize max-redirs max-time netrc-file
    noproxy output pass pinnedpubkey proxy proxy-header proxy-user resolve retry retry-delay retry-max-time
    speed-limit speed-time stderr tls-max trace trace-ascii unix-socket write-out
"""
_IGNORED_VALUES: Final = frozenset(_WITH_VALUE.split())
_IGNORED_SHORT_VALUES: Final = frozenset("oxmEwcDKUyYzCPQt")
_SWITCHED_ON: Final = """
    compressed fail fail-with-body get globoff head http1.0 http1.1 http2 http2-prior-knowledge http3 include insecure
    ipv4 ipv6 location location-trusted no-buffer no-keepalive parallel path-as-is progress-bar remote-name show-error
    silent ssl-reqd styled-output tcp-nodelay tlsv1.2 tlsv1.3 verbose
"""
_WITHOUT_VALUE: Final = frozenset(_SWITCHED_ON.split())
_WITHOUT_VALUE_SHORT: Final = frozenset("sSkLivfgNO46#0IGjq2Z")


class Switch(NamedTuple):
    """One switch, by its long name, and its value; name "" for a word that is none."""

    name: str
    value: str


def switches_of(words: Sequence[str], warnings: list[str]) -> Iterator[Switch]:
    """Read the words behind `curl`. Raises ValueError where a value is missing. Adds to the warnings."""
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            yield from (Switch("", each) for each in waiting)
        elif word.startswith("--"):
            yield from _long(word[2:], waiting, warnings)
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word[1:], waiting, warnings)
        else:
            yield Switch("", word)


def _long(name: str, waiting: Iterator[str], warnings: list[str]) -> Iterator[Switch]:
    if name in TELLING:
        yield Switch(name, _value(f"--{name}", waiting))
    elif name in _IGNORED_VALUES:
        _value(f"--{name}", waiting)
    else:
        if name not in _WITHOUT_VALUE:
            warnings.append(f"--{name} is not known here and is ignored")
        yield Switch(name, "")


def _short(letters: str, waiting: Iterator[str], warnings: list[str]) -> Iterator[Switch]:
    for place, letter in enumerate(letters):
        name, rest = SHORT.get(letter, ""), letters[place + 1 :]
        if name in TELLING:
            yield Switch(name, rest or _value(f"-{letter}", waiting))
            return
        if letter in _IGNORED_SHORT_VALUES:
            if not rest:
                _value(f"-{letter}", waiting)
            return
        if letter not in _WITHOUT_VALUE_SHORT:
            warnings.append(f"-{letter} is not known here and is ignored")
        yield Switch(name or letter, "")


def _value(switch: str, waiting: Iterator[str]) -> str:
    value = next(waiting, None)
    if value is None:
        raise ValueError(f"{switch} needs a value")
    return value
