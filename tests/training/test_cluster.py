"""Which processes train together, by flags and environment."""

import re

import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.training.cluster import Cluster, HostsConfig, find_cluster

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}
JAX_ONES = {"JAX_COORDINATOR_ADDRESS": "host:80", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({}, None),
        (SLURM, "Slurm"),
        (SLURM | {"SLURM_NTASKS": "1"}, None),
        ({name: value for name, value in SLURM.items() if name != "SLURM_LOCALID"}, None),
        ({"OMPI_MCA_orte_hnp_uri": "x", "OMPI_COMM_WORLD_SIZE": "2"}, "Open MPI"),
        ({"OMPI_MCA_orte_hnp_uri": "x", "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "TPU workers"),
        ({"TPU_WORKER_HOSTNAMES": "a"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"}, "TPU workers"),
    ],
)
def test_the_environment_says_whether_there_are_others(environ: dict[str, str], where: str | None) -> None:
    assert find_cluster(HostsConfig(), environ) == (None if where is None else Cluster(where))  # type: ignore[arg-type]  # one of the names that it takes


def test_a_cloud_tpu_is_one_of_several_unless_jax_is_told_to_use_the_cpu() -> None:
    assert find_cluster(HostsConfig(), {}, has_tpu=True) == Cluster("Cloud TPU")
    assert find_cluster(HostsConfig(), {"JAX_PLATFORMS": "cpu"}, has_tpu=True) is None


def test_flags_come_before_jax_variables_before_the_rest() -> None:
    assert find_cluster(HostsConfig(), JAX_ONES | SLURM) == Cluster("JAX variables", "host:80", 4, 3)
    config = HostsConfig("other:81", 2, 0)
    assert find_cluster(config, JAX_ONES | SLURM) == Cluster("flags", "other:81", 2, 0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (HostsConfig("host:80"), "--coordinator without --num-processes, --process-id; expected all of"),
        (HostsConfig("host:80", 2), "--coordinator, --num-processes without --process-id"),
        (HostsConfig(process_id=0), "--process-id without --coordinator, --num-processes"),
        (HostsConfig("host", 2, 0), "--coordinator is 'host'; expected HOST:PORT"),
        (HostsConfig(":80", 2, 0), "expected HOST:PORT"),
        (HostsConfig("host:http", 2, 0), "expected HOST:PORT"),
        (HostsConfig("host:99999", 2, 0), "expected HOST:PORT"),
        (HostsConfig("host:80", 0, 0), "--num-processes is '0'; expected a number of processes, 1 or more"),
        (HostsConfig("host:80", 2, 2), "--process-id is '2'; expected 0 to 1"),
        (HostsConfig("host:80", 2, -1), "--process-id is '-1'; expected 0 to 1"),
    ],
)
def test_flags_that_cannot_be_are_refused(config: HostsConfig, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        find_cluster(config, {})


def test_variables_of_which_some_are_missing_are_refused() -> None:
    with pytest.raises(UsageError, match="JAX_PROCESS_ID without JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES"):
        find_cluster(HostsConfig(), {"JAX_PROCESS_ID": "1"})


def test_time_outs_are_at_least_a_second() -> None:
    with pytest.raises(ValueError, match="silence_timeout is 0; expected at least 1 second"):
        HostsConfig(silence_timeout=0)
