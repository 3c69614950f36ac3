"""Training over 1 to 8 devices against one device, in a process of its own with 8 devices."""

import pytest

from tests.multidevice.subprocesses import report_of


@pytest.mark.multidevice
def test_training_over_meshes_is_training_on_one_device() -> None:
    report = report_of("tests.multidevice.sharded_training")
    assert [line["model"] for line in report] == [
        "bpr",
        *("lightgcn",) * 3,
        *("recgoat",) * 2,
        "released",
        "softmax",
        "naive fusion",
    ]
    assert [line for line in report if not line["moved"] > 0.01] == [], "a gradient that is zero compares nothing"
    # The steps of an epoch add up what rounding leaves; the norm is told as a part of the largest one.
    assert [line for line in report if line.get("gradient_norm", 0.0) > 1e-5] == []
    measured = ("loss", "terms", "gradient", "vectors", "diagnostics")
    assert [line for line in report if max(line.get(name, 0.0) for name in measured) > 2e-6] == []
