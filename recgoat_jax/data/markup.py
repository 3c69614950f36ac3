"""Text as shops write it, made plain: entities, tags, control characters."""

import html
import re

# The end always matches, so that a page of unclosed tags takes no more than one pass.
_PROGRAM = re.compile(r"<(script|style)\b(?>[^<]*(?:<(?!/\1)[^<]*)*)(?:</\1[^>]*>?)?", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def plain_text(text: str) -> str:
    """Text without entities, tags, scripts, styles and control characters; runs of blanks become one space.

    Args:
        text: text, perhaps with HTML in it.

    Returns:
        The words; "" where nothing is left. A lone ``<`` stays.
    """
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", _PROGRAM.sub(" ", text))
    return _BLANK.sub(" ", text).strip()


__all__ = ["plain_text"]
