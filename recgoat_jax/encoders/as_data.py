"""Texts that others wrote, made safe to stand in a prompt: one line of printable data that closes no delimiter.

A catalogue is written by strangers, and a title may hold a request to the model. What this module can promise is the
form: a text stays between its delimiters and never looks like a tag, a turn of a chat or a code fence. That the model
heeds the sentence which calls it data is up to the model; the leak guard and a look at the profiles remain.
"""

import re
import unicodedata

# [INST], [/INST], [SYSTEM_PROMPT]: what chat templates of some models put around a turn.
_BRACKET_TAG = re.compile(r"\[\s*(/?[A-Z_]{2,})\s*\]")
_FENCE = re.compile(r"`{3,}|~{3,}")
_SPACE = re.compile(r"\s+")
_HIDDEN = ("Cc", "Cf", "Cs", "Co")
_CUT = "…"


class _Visible(dict[int, str]):
    """What `str.translate` puts in the place of a character: found once, then remembered."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character.isspace() or category == "Cc":
            shown = " "
        else:
            shown = "" if category in _HIDDEN or 0xE0100 <= code <= 0xE01EF else character
        self[code] = shown
        return shown


_TEXT = _Visible({ord("\n"): "\n", ord("\t"): "\t"})
_LINE = _Visible({ord(sign): "‹" for sign in "<＜﹤〈⟨"} | {ord(sign): "›" for sign in ">＞﹥〉⟩"})


def as_data(text: str, *, limit: int) -> str:
    """One line of at most ``limit`` characters, without control characters and look-alikes of delimiters.

    * Line ends, tabs and other control characters become a space; invisible ones (zero width, direction marks, tag
      characters, the supplement of variation selectors, private use, lone surrogates) go.
    * ``<`` and ``>`` of any width become ``‹`` and ``›``, ``[WORD]`` becomes ``(WORD)``, code fences become quotes.

    Args:
        text: any text.
        limit: longest result in characters, 2 or more; a text that is cut ends in ``…``.

    Returns:
        The line; empty where nothing printable is left.
    """
    # Cut before the work: a description may have 100,000 characters. What is removed may stand in that part.
    head = text[: 4 * limit]
    visible = head.translate(_LINE)
    line = _SPACE.sub(" ", _FENCE.sub("'''", _BRACKET_TAG.sub(r"(\1)", visible))).strip()
    if len(line) > limit:
        return line[: limit - 1].rstrip() + _CUT
    return line


def printable(text: str) -> str:
    """The text without control characters other than line ends and tabs, and without invisible ones."""
    return text.translate(_TEXT).strip()


__all__ = ["as_data", "printable"]
