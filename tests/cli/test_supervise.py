"""What a parent makes of the last words of a trainer. The texts are those of JAX 0.10.2, cut in their middle."""

import pytest

from recgoat_jax.cli.supervise import reason_of
from recgoat_jax.training.cluster import Cluster, HostsConfig

CLUSTER = Cluster("flags", "10.0.0.1:8476", 4, 1)
CONFIG = HostsConfig(start_timeout=30, silence_timeout=7)
DYING = (
    "F1128 18:33:04.649461    7829 client.h:80] Terminating process because the JAX distributed service detected fatal "
    "errors. This most likely indicates that another task died; see the other task logs for more details. Disable "
    "Python buffering, i.e. `python -u`, to be sure to see all the previous output. absl::Status: "
)
LATE = (
    "INTERNAL: Shutdown barrier has failed.\nBarrier result: 'DEADLINE_EXCEEDED: Barrier timed out. Id: "
    "Shutdown::14900553986932472699::0. This usually happens because a task triggered the barrier too early or too "
    "slowly.\n# of tasks that reached the barrier: 1/3.\nThe first task at the barrier: 1. Some timed out task names:\n"
    "0\n2\n [type.googleapis.com/tensorflow.BarrierError='x']\n\nRPC: /xla.coordination.CoordinationService"
)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            "DEADLINE_EXCEEDED: Deadline Exceeded\n\nRPC: /xla.coordination.CoordinationService/RegisterTask",
            "not all processes have met at 10.0.0.1:8476 within 30 s; expected each",
        ),
        (
            "UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):\n1\n3\nThe tasks have "
            "crashed.",
            "process 1, 3 has gone: no sign of life for 7 s",
        ),
        (
            "INTERNAL: Failed to disconnect from coordination service with status: INTERNAL: Shutdown barrier has "
            "failed.\nBarrier result: 'INTERNAL: Barrier failed because: task is set to ERROR: UNAVAILABLE: Task 2 "
            "heartbeat timeout. This indicates that the remote task has failed, got preempted, or crashed.",
            "process 2 has gone: no sign of life for 7 s",
        ),
        (
            "UNAVAILABLE: Failed to send RPC to coordination service. Either the leader task was preempted/died/"
            "restarted unexpectedly or this task is experiencing network issues.",
            "process 0 has gone, or cannot be reached",
        ),
        (LATE, "process 0, 2 has not ended within 7 s of the others"),
        (
            "INTERNAL: something new\nand more",
            "JAX's service has ended this process (INTERNAL: something new); expected none",
        ),
    ],
)
def test_what_the_service_says_is_told_for_what_it_means(status: str, reason: str) -> None:
    earlier = "E1128 coordination_service.cc:1549] Use error polling to propagate the following error to all tasks\n"
    told = reason_of(f"{earlier}{DYING}{status}\n*** Check failure stack trace: ***\n", cluster=CLUSTER, config=CONFIG)
    assert told is not None
    assert told.startswith(reason)
    others = ("has gone", "not ended", "not all processes have met", "has ended this process")
    assert sum(words in told for words in others) == 1


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "F1128 rendezvous.cc:81] Termination timeout of 40 seconds exceeded. Exiting to ensure a consistent state.",
        "ValueError: tasks are unhealthy (stopped sending heartbeats):\n1\n",
    ],
)
def test_nothing_is_said_of_others_where_the_service_says_nothing(tail: str) -> None:
    assert reason_of(tail, cluster=CLUSTER, config=CONFIG) is None
