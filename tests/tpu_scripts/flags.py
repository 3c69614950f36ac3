"""What the cloud commands take: facts of `--help`, against which the stand-in checks every call.

Google Cloud SDK 528.0.0 (its kubectl: 1.32.4), xpk 1.16.0, Slurm 22.05.8. Only what the scripts use, or a test hands
through; `test_facts.py` compares it with the tools that are installed.
"""

import sys


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


def fail(text):
    print(f"stand-in: {text}", file=sys.stderr)
    sys.exit(64)


def parse(commands, words):
    """Command, positional words and flags; fails on what the real tool would not take."""
    # kubectl's flags may come before its command.
    leading = [word for word in words if not word.startswith("--")]
    path = next((p for n in (4, 3, 2, 1, 0) if (p := tuple(leading[:n])) in commands), None)
    if path is None:
        fail(f"no such command: {words}")
    taken = commands[path]
    rest = list(words)
    for word in path:
        rest.remove(word)
    positional, flags = [], {}
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            positional.append(word)
        elif word[2:] in taken.switches:
            flags[word[2:].partition("=")[0]] = True
        elif (name := word[2:].partition("=")[0]) in taken.values:
            if "=" not in word and not rest:
                fail(f"no value for --{name}")
            flags[name] = word.partition("=")[2] if "=" in word else rest.pop(0)
        else:
            fail(f"{' '.join(path)} has no flag {word}")
    if missing := taken.required - flags.keys():
        fail(f"{' '.join(path)} needs {sorted(missing)}")
    low, high = taken.positional
    if not low <= len(positional) <= high:
        fail(f"{' '.join(path)} takes {low} to {high} words, found {positional}")
    return path, positional, flags
