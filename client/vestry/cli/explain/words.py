r"""A command line as a POSIX shell splits it into words, as far as a line of curl needs it.

    bare\ words, 'as it is', "with \" in it", $'with \n and \u00e9 in it'

`shlex` does not know the last form, which browsers write where a value has a quote or a character beyond ASCII. A
line that ends with a backslash goes on in the next one. Variables and commands in it are not evaluated: they stand as
written.
"""

import re
from collections.abc import Iterator
from typing import Final

_PART: Final = re.compile(
    r"""
      (?P<blank>   (?:[ \t\r\n]|\\\r?\n)+ )
    | \$'(?P<ansi> (?:[^'\\]|\\.)* )'
    | '(?P<plain>  [^']* )'
    | "(?P<double> (?:[^"\\]|\\.)* )"
    | \\(?P<one>   . )
    | (?P<bare>    [^\s'"\\$]+ | \$(?!') )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(
    r"\\(u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL
)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}


def words_of(line: str) -> list[str]:
    """Split a command line. Raises ValueError where a quote is not closed."""
    return list(_words(line))


def _words(line: str) -> Iterator[str]:
    word: str | None = None
    place = 0
    while place < len(line):
        part = _PART.match(line, place)
        if part is None:
            raise ValueError("a quote in the command line is not closed")
        place = part.end()
        if part.lastgroup == "blank":
            if word is not None:
                yield word
            word = None
        else:
            word = (word or "") + _text(part)
    if word is not None:
        yield word


def _text(part: re.Match[str]) -> str:
    text = part[part.lastgroup or 0]
    if part.lastgroup == "double":
        return re.sub(r'\\(["\\$`])', r"\1", text.replace("\\\n", ""))
    return _ESCAPE.sub(_escaped, text) if part.lastgroup == "ansi" else text


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "uUx" and len(code) > 1:
        return chr(int(code[1:], 16)) if int(code[1:], 16) < 0x110000 else "\ufffd"
    if code[0] in "01234567":
        return chr(int(code, 8))
    return _LETTERS.get(code, code if code in "\\'\"?" else f"\\{code}")
