"""A replica of two nodes on this host that launch/replica starts, so mpirun; a node that was lost joins again without it."""
import os
import pathlib
import shutil
import signal
import subprocess

from deployment import BINARY, FLAGS, Deployment, end, state_of, wait_until

REPLICA = pathlib.Path(__file__).parents[2] / "launch" / "replica"


def reason_to_skip():
    return None if shutil.which("mpirun") else "there is no mpirun"


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


class MpiReplica(Deployment):
    command = [REPLICA, "-n", "2", *FLAGS]
    joined = None  # the process that took the second node's place

    def start(self):
        super().start()
        self.await_serving()
        self.pid = self.node_process(0)

    def node_process(self, node):
        return next(parent_of(rank["pid"]) for rank in self.replica()["ranks"] if rank["node"] == node)

    def processes(self):
        return super().processes() + [self.node_process(0), self.node_process(1)]

    def __exit__(self, *_):
        end(self.joined)
        super().__exit__()


class MpiReplicaWithCertificates(MpiReplica):
    """Another node can join it."""

    hosts = ["127.0.0.1"]

    def start_node(self):
        with open(self.log_path, "ab") as log:
            self.joined = subprocess.Popen([BINARY, "node", "--join", f"127.0.0.1:{self.control_port}", "--threads", "1", *self.tls("127.0.0.1")], stderr=log)

    def lose_node(self):
        workers = [rank["pid"] for rank in self.replica()["ranks"] if rank["node"] == 1]
        os.kill(self.node_process(1), signal.SIGKILL)
        if self.joined:
            self.joined.wait()
        wait_until(lambda: not any(map(state_of, workers)), 5, "the end of the lost node's workers")
