"""The profile in an answer of a language model, whose tags are often not as they were asked for."""

import re
from typing import Literal, NamedTuple

from recgoat_jax.encoders.as_data import printable

_TAG = re.compile(r"<\s*(/?)\s*(think|thinking|answer)\s*>", re.IGNORECASE)
_FENCE_LINE = re.compile(r"^\s*(?:```|~~~)[\w-]*\s*$", re.MULTILINE)

_ECHO = "and"
"""What stands between the tags where the prompt names them, and in the answer of a model that repeats the prompt."""


class _Tag(NamedTuple):
    start: int
    end: int
    closing: bool
    name: str


def parse_answer(text: str, *, untagged: Literal["refuse", "accept"] = "refuse") -> str | None:
    """The text of the last answer block.

    Tolerated: upper case and spaces in tags, a missing closing tag, a missing opening tag, blocks within blocks, code
    fences around the whole or the answer, a draft before the final block, answer tags that the reasoning only
    mentions, and no answer tags at all after closed reasoning.

    Args:
        text: what the model wrote.
        untagged: whether a text without any tag counts as the answer: right where the answer alone was asked for.

    Returns:
        The profile, stripped, without control characters; None where there is none, it is empty, or it is
            what a model says that repeats the prompt.
    """
    tags = [
        _Tag(m.start(), m.end(), m[1] == "/", "think" if m[2].lower() != "answer" else "answer")
        for m in _TAG.finditer(text)
    ]
    end_of_thought = next((tag for tag in reversed(tags) if tag.name == "think" and tag.closing), None)
    begin = end_of_thought.end if end_of_thought else 0
    answers = [tag for tag in tags if tag.name == "answer" and tag.start >= begin]
    if not answers and end_of_thought and not text[begin:].strip() and _answered_inside(tags):
        # The reasoning was closed last, after the answer.
        begin, answers = 0, [tag for tag in tags if tag.name == "answer"]
    blocks = _blocks(text, begin, answers)
    if blocks:
        return next((block for block in reversed(blocks) if block not in ("", _ECHO)), None)
    thinking = any(tag.name == "think" and tag.start >= begin for tag in tags)
    if answers or thinking or (end_of_thought is None and untagged == "refuse"):
        return None
    return _clean(text[begin:]) or None


def _answered_inside(tags: list[_Tag]) -> bool:
    """Whether an answer block was closed just before the reasoning was."""
    names = [(tag.name, tag.closing) for tag in tags]
    return names[-2:] == [("answer", True), ("think", True)]


def _blocks(text: str, begin: int, tags: list[_Tag]) -> list[str]:
    """Contents of the outermost answer blocks."""
    blocks, depth, start = [], 0, begin
    for tag in tags:
        if not tag.closing:
            start = tag.end if depth == 0 else start
            depth += 1
        elif depth > 0 or not blocks:
            # Without an opening tag the block began where the reasoning ended.
            depth = max(depth - 1, 0)
            if depth == 0:
                blocks.append(_clean(text[start : tag.start]))
    if depth > 0:
        blocks.append(_clean(text[start:]))
    return blocks


def _clean(block: str) -> str:
    return printable(_FENCE_LINE.sub("", _TAG.sub("", block)))


__all__ = ["parse_answer"]
