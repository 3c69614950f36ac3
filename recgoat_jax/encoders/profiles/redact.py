"""E-mail addresses and phone numbers out of a text, before it leaves the machine.

Patterns find the usual forms, not every one; names and postal addresses are not looked for. A phone number is taken
for one by its grouping, so prices, years, ASINs and ISBNs stay:

* ``+`` and 8 to 15 digits, however grouped: ``+49 170 1234567``, ``+1 (555) 123-4567``;
* ``00``, a country code, a sign between, 7 to 13 digits: ``0049 30 123456``;
* the North American 3-3-4: ``(555) 123-4567``, ``1-555-123-4567``;
* a leading 0 with an area code, a sign between, 5 to 8 digits: ``030/1234567``, ``020 7946 0958``;
* five pairs: ``01 23 45 67 89``.
"""

import re
from typing import NamedTuple

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_START, _END = r"(?<![\w.,/$€£-])", r"(?![\w]|[.,/-]\d|-\w)"
_SIGN = r"[ .\-/\u2010-\u2013]"
_PHONE = re.compile(
    _START
    + "(?:"
    + "|".join(
        [
            rf"\+\d(?:{_SIGN}?(?:\(\d{{1,4}}\){_SIGN}?)?\d){{7,14}}",
            rf"00[1-9]\d{{0,2}}{_SIGN}(?:\(0\){_SIGN}?)?\d(?:{_SIGN}?\d){{6,12}}",
            rf"(?:1{_SIGN})?(?:\([2-9]\d\d\) ?|[2-9]\d\d{_SIGN})\d{{3}}{_SIGN}\d{{4}}",
            rf"(?:\(0[1-9]\d{{1,3}}\)|0[1-9]\d{{1,3}}){_SIGN}\d{{3,4}}{_SIGN}?\d{{2,4}}",
            r"0[1-9](?:[ .]\d\d){4}",
        ]
    )
    + ")"
    + _END
)


class Redacted(NamedTuple):
    """A text and what was taken out of it."""

    text: str
    emails: int
    phones: int


def redact(text: str) -> Redacted:
    """Puts ``[email]`` and ``[phone]`` in the place of addresses and numbers.

    Args:
        text: any text.

    Returns:
        The text and the counts.
    """
    text, emails = _EMAIL.subn("[email]", text)
    text, phones = _PHONE.subn("[phone]", text)
    return Redacted(text, emails, phones)


__all__ = ["Redacted", "redact"]
