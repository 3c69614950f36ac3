"""Small rules of HTTP that a client has to keep: pauses, proxies, and secrets that come back."""

import ipaddress
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def without_secret(value: Any, secret: str) -> Any:
    """A JSON value whose texts do not hold the secret: servers have been seen to send it back."""
    if not secret:
        return value
    match value:
        case str():
            return value.replace(secret, "[key]")
        case dict():
            return {name: without_secret(part, secret) for name, part in value.items()}
        case list():
            return [without_secret(part, secret) for part in value]
        case _:
            return value


def seconds_to_wait(header: str) -> float | None:
    """Seconds from now that the header asks for: a number, or a date."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address; none between two programs of one machine.

    The client's own reading of the environment would take passwords from ~/.netrc as well.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    return getproxies().get(address.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


__all__ = ["proxy_of", "seconds_to_wait", "without_secret"]
