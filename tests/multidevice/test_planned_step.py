"""What a plan says of memory, and what a run of the same step holds; values of the benchmark, on small data."""

import pytest

from tests.multidevice.subprocesses import report_of


@pytest.mark.multidevice
def test_a_plan_has_the_memory_of_the_run() -> None:
    found = report_of("tests.multidevice.planned_step")
    plan, sizes, run = found["plan"], found["plan_of_sizes"], found["run"]
    # At least the table, two moments, and the rows of one device in four.
    assert run["live"] > 3 * 4 * 8 * (400 + 100) / 4
    assert plan["arguments"] == run["arguments"] == run["live"]
    assert plan["temporaries"] == run["temporaries"]
    # Padding is planned for, so that the data may be uneven: little on large data, more here.
    assert run["arguments"] <= sizes["arguments"] <= 1.6 * run["arguments"]
