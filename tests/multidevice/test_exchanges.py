"""What must come to an end between processes, in two processes of two devices each."""

import pytest

from tests.multidevice.subprocesses import reports_of_two


@pytest.mark.multidevice
def test_scattered_sums_beside_large_sums_come_to_an_end() -> None:
    """With `jax.lax.psum_scatter` in the place of ours it never ends: JAX 0.10 on CPU, between processes."""
    reports = reports_of_two("tests.multidevice.exchanges", devices=2, timeout=120)
    assert reports == [{"devices": 4, "right": True}] * 2
