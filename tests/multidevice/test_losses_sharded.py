"""Losses over devices against one device, in a process of its own: the device count is fixed when JAX starts."""

import pytest

from tests.losses.table import CONTRASTIVE, VARIANTS, named_losses
from tests.multidevice.subprocesses import report_of

# Of the largest magnitude. Losses compute in float32 whatever the vectors are stored in; gradients of bfloat16 vectors
# are rounded to it at the end, and may land one unit in the last place apart.
VALUE = 1e-5
GRADIENT = {"float32": 1e-5, "bfloat16": 2**-7}


@pytest.mark.multidevice
def test_values_and_gradients_over_devices_equal_those_of_one() -> None:
    report = report_of("tests.multidevice.sharded_losses")
    every = set(named_losses()) - set(VARIANTS)
    for dtype in GRADIENT:
        for devices in (1, 2, 4, 8):
            lines = [line for line in report if (line["dtype"], line["devices"]) == (dtype, devices)]
            assert every <= {line["loss"] for line in lines}, (dtype, devices)
    exact = [line for line in report if line["dtype"] == "float32"]
    assert {line["form"] for line in exact} == {"pmap", "shard_map", "shard_map without check_vma"}
    both = {(line["devices"], line["loss"]) for line in exact if line["collective"] == "ring"}
    assert {(devices, loss) for devices in (1, 2, 4, 8) for loss in every & set(CONTRASTIVE)} <= both
    assert {line["loss"] for line in exact if line["devices"] == 8} == set(named_losses())
    idle = [line for line in report if not line["value"] > 0.01 or not line["gradient"] > 0.01]
    assert idle == [], "a loss that is zero compares nothing"
    wrong = [
        line
        for line in report
        if not line["value_error"] <= VALUE * line["value"]
        or not line["gradient_error"] <= GRADIENT[line["dtype"]] * line["gradient"]
    ]
    assert wrong == []
