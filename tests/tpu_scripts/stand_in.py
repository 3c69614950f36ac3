"""Stands in for the cloud commands: records each call, and fails on commands and flags that the real ones do not have.

    python -c 'import stand_in; stand_in.main()' TOOL ARGUMENTS...

Everything is below the directory STAND_IN: `calls.jsonl` (the calls), `state.json` (what exists), `hosts/N` (the home
directories of the hosts of a TPU VM, on which `ssh --command` really runs), `buckets` (what `gs://` stands for), and
`lost` while no connection holds.

What the commands take is in `flags.py`. Behaviour that is copied from the same versions: a host's exit code 255 makes
gcloud connect again, the first code of several hosts is that of gcloud, files come from one host only, `xpk cluster
create` takes one kind of capacity, `--filter-by-job` is a part of the name, and xpk points kubectl to its cluster.
"""

# A test starts this program a dozen times: what takes long to import is imported where it is needed.
import json
import os
import re
import sys

from flags import GCLOUD, KUBECTL, SCONTROL, SRUN, XPK, fail, parse

HERE = os.environ["STAND_IN"]


class State:
    """What exists in the cloud, in a file."""

    def __init__(self):
        self.file = f"{HERE}/state.json"
        self.all = {}
        if os.path.exists(self.file):
            with open(self.file) as file:
                self.all = json.load(file)
        self.found = self.text

    def __getitem__(self, kind):
        return self.all.setdefault(kind, {})

    @property
    def text(self):
        # A kind of which nothing is there is the same as one that nobody asked for.
        return json.dumps({kind: things for kind, things in self.all.items() if things})

    def save(self):
        """Other calls read meanwhile: they find the old state or the new one. What only looks writes none."""
        if self.text == self.found:
            return
        new = f"{self.file}.{os.getpid()}"
        with open(new, "w") as file:
            json.dump(self.all, file)
        os.replace(new, self.file)


def listed(things, flags, folder, columns):
    """Rows of the things that the filter leaves, the columns in the order of the format."""
    pattern = re.fullmatch(r"name~(\S+)( AND .*)?", flags["filter"])
    if pattern is None:
        fail(f"unknown filter {flags['filter']}")
    wanted = re.fullmatch(r"value\((.*)\)", flags["format"])
    if wanted is None:
        fail(f"unknown format {flags['format']}")
    for name, thing in things.items():
        if re.search(pattern[1], f"{folder}{name}"):
            print("\t".join(str(columns[column](thing)) for column in wanted[1].split(",")))


def on_hosts(state, name, flags):
    import subprocess
    import time

    node = state["nodes"].get(name)
    if node is None or node["state"] != "READY":
        print(f"ERROR: (gcloud.compute.tpus.tpu-vm.ssh) {name} is not there", file=sys.stderr)
        return 1
    which = flags.get("worker", "0")
    hosts = range(node["hosts"]) if which == "all" else [int(which)]
    # gcloud cuts the command at its blanks, and ssh joins what it gets.
    line = " ".join(flags["command"].split(" "))

    def start(host):
        home = f"{HERE}/hosts/{host}"
        os.makedirs(home, exist_ok=True)
        environment = {**os.environ, "HOME": home, "HOST": str(host)}
        return subprocess.Popen(["bash", "-c", line], cwd=home, env=environment, start_new_session=True)

    running = {host: start(host) for host in hosts}
    codes = {}
    for host, process in running.items():
        for _ in range(10):
            while process.poll() is None:
                # The test takes the connections away.
                if os.path.exists(f"{HERE}/lost"):
                    os.killpg(process.pid, 9)
                    return 1
                time.sleep(0.01)
            codes[host] = process.returncode
            if codes[host] != 255:
                break
            process = start(host)
    return next((codes[host] for host in hosts if codes[host]), 0)


def copy(state, words, flags):
    import shutil

    *sources, target = words
    which = flags.get("worker", "0")
    if any(":" in source for source in sources) and which == "all":
        fail("cannot target multiple workers while copying files to client")
    hosts = range(next(iter(state["nodes"].values()))["hosts"]) if which == "all" else [int(which)]

    def path_of(word, host):
        name, colon, path = word.partition(":")
        return os.path.join(HERE, "hosts", str(host), path) if colon and name in state["nodes"] else word

    for host in hosts:
        for source in (path_of(source, host) for source in sources):
            destination = path_of(target, host)
            os.makedirs(os.path.dirname(destination) or ".", exist_ok=True)
            if os.path.isdir(source):
                if "recurse" not in flags:
                    fail(f"{source} is a directory")
                if os.path.isdir(destination):
                    destination = os.path.join(destination, os.path.basename(source))
                shutil.copytree(source, destination, dirs_exist_ok=True)
            elif os.path.exists(source):
                shutil.copy(source, destination)
            else:
                print(f"scp: {source}: No such file or directory", file=sys.stderr)
                return 1
    return 0


def gcloud(state, words):
    path, positional, flags = parse(GCLOUD, words)
    kind, verb = path[-2:]
    if path == ("config", "get"):
        if positional != ["project"]:
            fail(f"unknown property {positional}")
        print(os.environ.get("CONFIGURED_PROJECT", ""))
        return 0
    if path == ("storage", "rsync"):
        import shutil

        source = os.path.join(HERE, "buckets", positional[0].removeprefix("gs://"))
        if "recursive" not in flags or not positional[0].startswith("gs://") or not os.path.isdir(positional[1]):
            fail(f"rsync of {positional}")
        shutil.copytree(source, positional[1], dirs_exist_ok=True)
        return 0
    if os.environ.get("DENIED"):
        print("ERROR: (gcloud) PERMISSION_DENIED", file=sys.stderr)
        return 1
    if kind == "clusters":
        listed(state["clusters"], flags, "", {"status": lambda thing: thing["state"]})
        return 0
    if verb == "ssh":
        return on_hosts(state, positional[0], flags)
    if verb == "scp":
        return copy(state, positional, flags)
    if verb == "create":
        name = positional[0]
        new = {"type": flags.get("accelerator-type", "v2-8"), "hosts": int(os.environ.get("HOSTS", "2"))}
        if name in state["nodes"] or name in state["queued"]:
            fail(f"{name} exists")
        if kind == "queued-resources":
            state["queued"][name] = {**new, "state": "WAITING_FOR_RESOURCES"}
        else:
            state["nodes"][name] = {**new, "state": "READY"}
        # The wait for what was asked for may fail, and that is there all the same.
        return int(os.environ.get("CREATE_ENDS", "0"))
    if verb == "list" and kind == "tpu-vm":
        columns = {
            "state": lambda thing: thing["state"],
            "acceleratorType.basename()": lambda thing: thing["type"],
            "networkEndpoints.len()": lambda thing: thing["hosts"],
        }
        listed(state["nodes"], flags, "projects/p/locations/z/nodes/", columns)
        return 0
    if verb == "list":
        columns = {
            "state.state": lambda thing: thing["state"],
            "tpu.nodeSpec[0].node.acceleratorType.basename()": lambda thing: thing["type"],
        }
        listed(state["queued"], flags, "projects/p/locations/z/queuedResources/", columns)
        # What has become of the requests when one looks again.
        for name in list(state["queued"]):
            if coming := state["queued"][name].pop("next", None):
                state["queued"][name]["state"] = coming
                if coming == "ACTIVE":
                    state["nodes"][name] = {**state["queued"][name], "state": "READY"}
        return 0
    # delete
    if "quiet" not in flags:
        fail("delete would ask")
    if kind == "queued-resources":
        if positional[0] in state["nodes"] and "force" not in flags:
            fail("the queued resource has nodes")
        del state["queued"][positional[0]]
        state["nodes"].pop(positional[0], None)
    elif positional[0] in state["queued"]:
        fail("the node belongs to a queued resource")
    else:
        del state["nodes"][positional[0]]
    return 0


def xpk(state, words):
    path, _, flags = parse(XPK, words)
    cluster = flags["cluster"]
    if path == ("cluster", "create"):
        if sum(name in flags for name in ("spot", "on-demand", "flex", "reservation")) != 1:
            fail("one kind of capacity, please")
        state["clusters"][cluster] = {"state": "RUNNING", "types": {flags["tpu-type"]: "4"}}
        return int(os.environ.get("CREATE_ENDS", "0"))
    if cluster not in state["clusters"]:
        fail(f"no cluster {cluster}")
    if path == ("cluster", "delete"):
        del state["clusters"][cluster]
    elif path == ("workload", "list"):
        state["context"]["current"] = f"gke_{flags['project']}_{cluster}"
        print("[XPK] Workload List Output:", *(name for name in state["workloads"] if flags["filter-by-job"] in name))
    elif path == ("workload", "create"):
        if flags["workload"] in state["workloads"]:
            fail("it would overwrite the workload that is there")
        if "docker-image" in flags and ("script-dir" in flags or "base-docker-image" in flags):
            fail("--docker-image excludes --script-dir and --base-docker-image")
        if "script-dir" in flags:
            with open(f"{HERE}/script-dir.txt", "w") as file:
                file.write("\n".join(sorted(os.listdir(flags["script-dir"]))))
        result = json.loads(os.environ.get("WORKLOAD_ENDS", '{"ends": "Completed", "codes": [0, 0]}'))
        state["workloads"][flags["workload"]] = {**result, "looks": 0, "command": flags["command"]}
    elif flags["workload"] in state["workloads"]:
        del state["workloads"][flags["workload"]]
    else:
        fail("no such workload")
    return 0


def kubectl(state, words):
    path, positional, flags = parse(KUBECTL, words)
    if path == ("config", "current-context"):
        print(state["context"]["current"])
        return 0
    if flags.get("context") != state["context"].get("current") or flags.get("namespace") != "default":
        fail(f"which cluster is meant? {flags}")
    if path == ("logs",):
        print(f"output of {positional[0]}")
        return 0
    if positional[0] == "configmap":
        cluster = state["clusters"][positional[1].removesuffix("-resources-configmap")]
        if cluster["types"]:
            print(json.dumps(cluster["types"], separators=(",", ":")), end="")
    elif positional[0] == "jobset":
        workload = state["workloads"].get(positional[1])
        if workload is None:
            return 0 if "ignore-not-found" in flags else 1
        # Over when one has looked twice.
        workload["looks"] += 1
        condition = '{.metadata.name} {.status.conditions[?(@.status=="True")].type}'
        command = "{.spec.replicatedJobs[*].template.spec.template.spec.containers[*].command[*]}"
        if flags["output"] != f'jsonpath={condition}{{"\\n"}}{command}':
            fail(f"unknown output {flags['output']}")
        print(positional[1], "StartupPolicyCompleted", workload["ends"] if workload["looks"] > 1 else "")
        print("bash -c", f"({workload.get('command', 'true')}) & PID=$!;", end="")
    elif positional[0] == "pods":
        label = re.match(r"xpk.google.com/workload=([^,]+)", flags["selector"])
        workload = state["workloads"].get(label[1] if label else "")
        if workload is None:
            return 0
        if flags.get("output") == "name":
            first = "job-completion-index=0" in flags["selector"]
            if "field-selector" not in flags or workload["looks"] < 2:
                print("\n".join(f"pod/train-{i}" for i in range(1 if first else 2)))
        elif "output" in flags:
            print(*workload["codes"], end="")
        else:
            print("NAME READY STATUS")
    else:
        fail(f"no such kind {positional[0]}")
    return 0


def scontrol(state, words):
    path, positional, _ = parse(SCONTROL, words)
    if path == ("show", "job"):
        print(f"JobId={positional[0]} JobName=recgoat JobState={os.environ.get('JOB_STATE', 'RUNNING')} Reason=None")
    return 0


def srun(state, words):
    import subprocess

    own = next((i for i, word in enumerate(words) if not word.startswith("--")), len(words))
    parse(SRUN, words[:own])
    return subprocess.run(words[own:], check=False).returncode


def main():
    tool, *words = sys.argv[1:]
    with open(f"{HERE}/calls.jsonl", "a") as calls:
        calls.write(json.dumps([tool, *words]) + "\n")
    state = State()
    tools = {"gcloud": gcloud, "xpk": xpk, "kubectl": kubectl, "scontrol": scontrol, "srun": srun}
    code = tools[tool](state, words)
    if not (tool == "gcloud" and "ssh" in words):
        state.save()
    return code
