"""Failures for which the settings of a run are to blame, not the machine or the program."""

import jax

from recgoat_jax.errors import NonFiniteLossError


def failure_of_settings(error: Exception) -> str | None:
    """Why a run failed, where others with other settings may go on.

    Args:
        error: what training raised.

    Returns:
        The reason, for a loss that is no number and for want of memory; None for everything else.
    """
    match error:
        case NonFiniteLossError() | MemoryError():
            return str(error) or "out of memory"
        case jax.errors.JaxRuntimeError() if "RESOURCE_EXHAUSTED" in str(error):
            return str(error).splitlines()[0]
        case _:
            return None


__all__ = ["failure_of_settings"]
