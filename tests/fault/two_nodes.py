"""A replica of two nodes on one machine: two network namespaces, joined by a cable that can be pulled.

Sockets belong to the namespace of the process that makes them, so whoever talks to the head runs in the head's: enter() makes
the namespaces and runs a program there, and takes them away when it has ended.
"""
import os
import shutil
import subprocess
import uuid

from deployment import BINARY, IS_ROOT, Deployment, end, state_of, wait_until

HEAD, SECOND = "10.77.0.1", "10.77.0.2"  # only in these namespaces
NAMES = "FAULT_NAMESPACES"  # "HEAD SECOND" of who runs inside


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def reason_to_skip():
    if not (IS_ROOT and shutil.which("ip")):
        return "network namespaces need root, and iproute2"
    probe = f"troupe-{uuid.uuid4().hex[:6]}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return "this machine makes no network namespaces"
    ip("netns", "del", probe)
    return None


def inside():
    return NAMES in os.environ


def enter(command):
    """The exit code of the command, run in the head's namespace."""
    tag = uuid.uuid4().hex[:6]
    names = [f"troupe-{tag}-a", f"troupe-{tag}-b"]
    made = []
    try:
        for name in names:
            ip("netns", "add", name)
            made.append(name)
        lay_cable(*names)
        return subprocess.run(["ip", "netns", "exec", names[0], *command], env=os.environ | {NAMES: " ".join(names)}).returncode
    finally:
        for name in made:
            ip("netns", "del", name)


def lay_cable(head, second):
    ip("-n", head, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", second)
    for name, address in [(head, HEAD), (second, SECOND)]:
        ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
        for device in ["lo", "cable"]:
            ip("-n", name, "link", "set", device, "up")


class TwoNodes(Deployment):
    """The head in this namespace, the second node in the other."""

    hosts = [HEAD, SECOND]
    command = [*Deployment.command, "--nodes", "2", "--control-host", HEAD, "--tensor-interface", "cable"]
    node = None

    def start(self):
        self.head_name, self.second_name = os.environ[NAMES].split()
        super().start()
        self.start_node()

    def start_node(self):
        with open(self.log_path, "ab") as log:
            command = [BINARY, "node", "--join", f"{HEAD}:{self.control_port}", "--tensor-interface", "cable", "--threads", "1", *self.tls(SECOND)]
            self.node = subprocess.Popen(["ip", "netns", "exec", self.second_name, *command], stderr=log)

    def lose_node(self):
        workers = [rank["pid"] for rank in self.replica()["ranks"] if rank["node"] == 1]
        end(self.node)
        wait_until(lambda: not any(map(state_of, workers)), 5, "the end of the lost node's workers")

    def pull_cable(self, pulled, at_head):
        ip("-n", self.head_name if at_head else self.second_name, "link", "set", "cable", "down" if pulled else "up")

    def processes(self):
        return super().processes() + [self.node.pid]

    def __exit__(self, *_):
        end(self.node)
        super().__exit__()
