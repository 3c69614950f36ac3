"""Texts that every encoder, and every file, can take."""


def valid_unicode(text: str) -> str:
    """Text that can be encoded: half of a surrogate pair, left by a careless cut, becomes the replacement mark."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


__all__ = ["valid_unicode"]
