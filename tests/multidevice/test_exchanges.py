"""What must come to an end between processes, in two processes of two devices each."""

import pytest

from tests.multidevice.subprocesses import reports_of_two


@pytest.mark.multidevice
def test_scattered_sums_beside_large_sums_come_to_an_end() -> None:
    """And none lies in a branch, where its order is not settled, of which processes may wait for each other in vain."""
    reports = reports_of_two("tests.multidevice.exchanges", devices=2, timeout=120)
    assert reports == [{"devices": 4, "right": True, "branches": 0}] * 2


@pytest.mark.multidevice
@pytest.mark.slow
def test_a_host_may_come_late_to_an_exchange() -> None:
    """Values 0 to 3 on devices of which each row of the mesh, (0, 1) and (2, 3), is one process."""
    first, second = reports_of_two("tests.multidevice.late_host", devices=2, timeout=300)
    assert first == {"data": [[2.0], [4.0]], "rows": [[1.0], [1.0]], "data+rows": [[6.0], [6.0]]}
    assert second == first | {"rows": [[5.0], [5.0]]}
