"""Evaluation over 1 to 8 devices against one device, in a process of its own with 8 devices."""

import pytest

from tests.multidevice.subprocesses import report_of


@pytest.mark.multidevice
def test_ranks_over_devices_equal_those_of_one() -> None:
    report = report_of("tests.multidevice.sharded_evaluation")
    meshes = [[1, 1], [2, 1], [8, 1], [1, 8], [4, 2], [2, 4]]
    assert [(line["mesh"], line["kind"]) for line in report] == [(m, k) for m in meshes for k in ("float", "integer")]
    assert [line for line in report if line["unlike_one_device"] or line["unlike_reference"]] == []
    assert min(line["targets"] for line in report) > 50
    assert [line for line in report if line["clear"] < 0.95 * line["targets"]] == [], "near ties compare nothing"
