"""Reads and changes directives of the form ``key value;`` within blocks, as nginx writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tactician.system.service.syntax import SettingsTextError

_LUA = "_by_lua_block"


class Directive(NamedTuple):
    """One directive in a text.

    Attributes:
        name: its first word.
        words: the others, as they are written.
        block: names of the blocks around it, outermost first.
        start, end: from the first character after the name to the ``;`` or ``{``.
        opens: whether it begins a block.
    """

    name: str
    words: tuple[str, ...]
    block: tuple[str, ...]
    start: int
    end: int
    opens: bool

    @property
    def value(self) -> str:
        """Its words with one blank between them."""
        return " ".join(self.words)


class Directives:
    """The syntax of a file of directives.

    Args:
        home: the block in which a directive belongs; the empty name is the file itself.
    """

    def __init__(self, home: Callable[[str], str] = lambda key: "") -> None:
        self._home = home

    def read(self, text: str, key: str) -> str | None:
        """Return the value of a directive in the block where it belongs."""
        found = self._find(text, key)
        return None if found is None else found.value

    def edit(self, text: str, key: str, value: str) -> str:
        """Change that directive, or add it at the beginning of the block."""
        found = self._find(text, key)
        if found is not None:
            return f"{text[: found.start]} {value}{text[found.end :]}"
        home = self._home(key)
        if not home:
            return f"{key} {value};\n{text}"
        for directive in directives(text):
            if directive.opens and (*directive.block, directive.name) == (home,):
                inside = directive.end + 1
                return f"{text[:inside]}\n    {key} {value};{text[inside:]}"
        raise SettingsTextError(f"the file has no block {home} {{ }} to hold {key}")

    def _find(self, text: str, key: str) -> Directive | None:
        home = self._home(key)
        wanted = (home,) if home else ()
        found = [one for one in directives(text) if one.name == key and one.block == wanted and not one.opens]
        if len(found) > 1:
            raise SettingsTextError(f"{key} is set {len(found)} times in the file; leave one of them")
        return found[0] if found else None


def directives(text: str) -> Iterator[Directive]:
    """Go through the directives of a text in order.

    Raises:
        SettingsTextError: braces or quotes do not match, or the last directive has no end.
    """
    blocks: list[str] = []
    words: list[str] = []
    name_end = 0
    for kind, start, end in _tokens(text):
        if kind == "word":
            if not words:
                name_end = end
            words.append(text[start:end])
        elif kind == "}":
            if words or not blocks:
                raise SettingsTextError("the file's braces do not match")
            blocks.pop()
        elif words:
            yield Directive(words[0], tuple(words[1:]), tuple(blocks), name_end, start, kind == "{")
            if kind == "{":
                blocks.append(words[0])
            words = []
    if blocks or words:
        raise SettingsTextError("the file ends within a block or directive")


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Go through words, ``;``, ``{`` and ``}``; blanks and comments are left out."""
    position, last = 0, ""
    while position < len(text):
        sign = text[position]
        if sign.isspace():
            position += 1
        elif sign == "#":
            newline = text.find("\n", position)
            position = len(text) if newline < 0 else newline + 1
        elif sign in ";}":
            yield sign, position, position + 1
            position, last = position + 1, ""
        elif sign == "{" and last.endswith(_LUA):
            # What is inside is another language; it is passed over, up to its own closing brace.
            closing = _closing(text, position)
            yield ";", position, closing
            position, last = closing, ""
        elif sign == "{":
            yield sign, position, position + 1
            position, last = position + 1, ""
        else:
            end = _word_end(text, position)
            yield "word", position, end
            position, last = end, last or text[position:end]


def _word_end(text: str, start: int) -> int:
    quote = text[start] if text[start] in "\"'" else ""
    position = start + len(quote)
    while position < len(text):
        sign = text[position]
        if sign == "\\":
            position += 2
            continue
        if quote and sign == quote:
            return position + 1
        if sign == "$" and text[position + 1 : position + 2] == "{":
            position = text.find("}", position) + 1 or len(text)
            continue
        if not quote and (sign.isspace() or sign in ";{}"):
            return position
        position += 1
    if quote:
        raise SettingsTextError("a quote in the file has no end")
    return len(text)


def _closing(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    raise SettingsTextError("the file's braces do not match")
