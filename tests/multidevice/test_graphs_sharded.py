"""Graphs over 1 to 8 devices against one device, in a process of its own: the device count is fixed when JAX starts."""

import pytest

from tests.multidevice.subprocesses import report_of


@pytest.mark.multidevice
def test_values_and_gradients_over_devices_equal_those_of_one() -> None:
    report = report_of("tests.multidevice.sharded_graphs")
    assert [(line["devices"], line["kind"], line["collective"]) for line in report if line["what"] == "lightgcn"] == [
        (devices, kind, collective)
        for devices in (1, 2, 4, 8)
        for kind in ("directed", "symmetric")
        for collective in ("ring", "exchange")
    ]
    assert [line["what"] for line in report[16:]] == ["learned weights"] * 3 + ["attention"] * 3 + ["neighbors"] * 3
    assert [line for line in report if not line["smallest"] > 0.1] == [], "a gradient that is zero compares nothing"
    assert [line for line in report if not (line["error"] <= 1e-6 and line["row_error"] <= 1e-5)] == []
