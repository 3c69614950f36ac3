"""Losses over 8 devices against one device, in a process of its own: the device count is fixed when JAX starts."""

import pytest

from tests.multidevice.subprocesses import report_of

# The losses compute in float32; in bfloat16 the product with the weight before them and the gradients are rounded.
ROUNDING = {"float32": 1e-6, "bfloat16": 2**-8}


@pytest.mark.multidevice
def test_values_and_gradients_over_eight_devices_equal_those_of_one() -> None:
    report = report_of("tests.multidevice.sharded_losses")
    assert {line["form"] for line in report} == {"pmap", "shard_map", "shard_map without check_vma"}
    assert {(line["devices"], line["collective"]) for line in report} == {
        (devices, collective) for devices in (2, 4, 8) for collective in ("all_gather", "ring")
    } | {(1, "ring")}
    assert len(report) == 3 * 11 + 3 * 4 + 5 * 4 + 2 * 4
    idle = [line for line in report if not line["value"] > 0.01 or not line["gradient"] > 0.01]
    assert idle == [], "a loss that is zero compares nothing"
    wrong = [
        line
        for line in report
        if line["value_error"] > ROUNDING[line["dtype"]] * max(1.0, line["value"])
        or line["gradient_error"] > ROUNDING[line["dtype"]] * max(1.0, line["gradient"])
    ]
    assert wrong == []
