"""Two processes that disagree: both end with an error that says what differs, and where."""

import re
from typing import Any

import pytest

from tests.multidevice.subprocesses import reports_of_two

NAME = "tests.multidevice.two_hosts"
BOTH = {
    "count": ("UsageError", r"disagree on how many they are: 0 says 2, 1 says 3; 2 have come.*same --num-processes"),
    "same": ("none", ""),
    "model": ("UsageError", r"process 1 has another model than process 0 .*expected the same everywhere"),
    "data": ("UsageError", r"process 1 has another data than process 0 "),
    "shared": ("none", ""),
    "not shared": ("RunStoppedError", r"process 1 does not see what process 0 wrote .*Choose one with --checkpoints"),
    "mesh": ("UsageError", r"6 devices are asked for, there are 2; expected one of data=2,rows=1 \| data=1,rows=2"),
    "config": ("UsageError", r"process 1 has another seed than process 0"),
    "prepared": ("UsageError", r"process 1 has another data than process 0"),
}
FIRST = {
    "failed": ("DataError", "^rows.csv is bad"),
    "stopped": ("SavedAndStopped", "^stopped by SIGTERM"),
    "absent": ("DataError", "nothing: found no readable 'manifest.json'"),
    "batch": ("UsageError", "^batch_size is 1 for a mesh of 2 devices.*--loop.batch-size 2 or more"),
}
OTHER = {
    "failed": ("RunStoppedError", "^process 0 stopped: rows.csv is bad"),
    "stopped": FIRST["stopped"],
    "absent": ("RunStoppedError", "^process 0 stopped: .*nothing: found no readable"),
    "batch": ("RunStoppedError", "^process 0 stopped: batch_size is 1 for a mesh of 2 devices"),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return reports_of_two(NAME, str(tmp_path_factory.mktemp("hosts")), devices=1, timeout=300)


@pytest.mark.multidevice
@pytest.mark.slow
def test_what_two_hosts_disagree_on_is_said_on_both(reports: list[dict[str, Any]]) -> None:
    for report, own in zip(reports, (FIRST, OTHER), strict=True):
        for name, (kind, message) in (BOTH | own).items():
            assert report[name][0] == kind, (name, report[name])
            assert re.search(message, report[name][1]), (name, report[name])


@pytest.mark.multidevice
@pytest.mark.slow
def test_two_hosts_tell_each_other_what_they_have(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        assert report["gathered"] == [[0, 10], [1, 10]]
        assert report["texts"] == ["ünï", "", None]
        assert report["on_first"] == "done by 0"
        assert report["tables"] is True
        assert report["left behind"] == []
        assert report["inputs left"] == []
