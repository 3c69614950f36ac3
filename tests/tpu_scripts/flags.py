"""What the cloud commands take: facts of `--help`, against which the stand-in checks every call.

Google Cloud SDK 528.0.0 (its kubectl: 1.32.4), xpk 1.16.0, Slurm 22.05.8. Only what the scripts use, or a test hands
through; `test_facts.py` compares it with the tools that are installed.
"""


class Command:
    """What a command takes: number of positional words (at least, at most), flags, and those it cannot do without."""

    def __init__(self, positional, values="", switches="", required=""):
        self.positional = positional
        self.required = frozenset(required.split())
        self.values = self.required.union(values.split())
        self.switches = frozenset(switches.split())


GCLOUD = {
    ("compute", "tpus", "tpu-vm", "create"): Command(
        (1, 1), "accelerator-type network", "spot reserved async internal-ips", "zone version project"
    ),
    ("compute", "tpus", "tpu-vm", "list"): Command((0, 0), "filter format", "", "zone project"),
    ("compute", "tpus", "tpu-vm", "delete"): Command((1, 1), "", "async quiet", "zone project"),
    ("compute", "tpus", "tpu-vm", "ssh"): Command((1, 1), "worker", "internal-ip", "zone project command"),
    ("compute", "tpus", "tpu-vm", "scp"): Command((2, 99), "worker", "recurse compress", "zone project"),
    ("compute", "tpus", "queued-resources", "create"): Command(
        (1, 1),
        "network valid-until-duration",
        "spot reserved async guaranteed internal-ips",
        "zone project runtime-version accelerator-type node-id",
    ),
    ("compute", "tpus", "queued-resources", "list"): Command((0, 0), "filter format", "", "zone project"),
    ("compute", "tpus", "queued-resources", "delete"): Command((1, 1), "", "async force quiet", "zone project"),
    ("container", "clusters", "list"): Command((0, 0), "filter format location", "", "project"),
    ("config", "get"): Command((1, 1)),
    ("storage", "rsync"): Command((2, 2), "project", "recursive"),
}
XPK_PLACE = "cluster zone project"
XPK = {
    ("cluster", "create"): Command(
        (0, 0),
        "num-slices reservation default-pool-cpu-num-nodes",
        "spot on-demand flex quiet force enable-gcsfuse-csi-driver",
        XPK_PLACE + " tpu-type",
    ),
    ("cluster", "delete"): Command((0, 0), "", "force quiet", XPK_PLACE),
    ("workload", "create"): Command(
        (0, 0),
        "num-slices max-restarts restart-on-exit-codes termination-grace-period-seconds storage docker-image "
        "base-docker-image script-dir",
        "quiet",
        XPK_PLACE + " workload command tpu-type",
    ),
    ("workload", "list"): Command((0, 0), "filter-by-job", "", XPK_PLACE),
    ("workload", "delete"): Command((0, 0), "", "quiet force", XPK_PLACE + " workload"),
}
KUBECTL_PLACE = "context namespace"
KUBECTL = {
    ("get",): Command((1, 2), "output selector field-selector", "ignore-not-found", KUBECTL_PLACE),
    ("logs",): Command((1, 1), "tail since", "follow", KUBECTL_PLACE),
    ("config", "current-context"): Command((0, 0)),
}
SCONTROL = {
    ("show", "job"): Command((1, 1), "", "oneliner"),
    ("requeue",): Command((1, 1)),
}
SRUN = {(): Command((0, 0), "output wait", "label kill-on-bad-exit=0")}
