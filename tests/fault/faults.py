"""What can go wrong with a replica, each as a small class.

strike() does it; done() says whether the replica is whole again; heal() takes back what strike() left. victims names the ranks
whose process must be another one afterwards, with how many restarts; all other processes must have stayed.
"""
import os
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

from deployment import IS_ROOT, LogDisk, wait_until

FAULT_LINE_SECONDS = 10  # how long a line of the log may take on a busy machine
HANG_LIMIT_SECONDS = 0.4


class Fault:
    ends_epoch = True  # None: it may or may not
    is_told = True  # by a fault line in the log and by last_fault
    is_logged = True  # what it says of the culprit can be read
    memory_matters = False
    nodes = (1, 2)  # on replicas of how many it can happen

    def __init__(self, replica, draw):
        self.replica, self.draw = replica, draw
        self.before = replica.replica()
        self.ranks = len(self.before["ranks"])
        self.victims = {}
        self.culprits = None  # ranks of which some are named as at fault, and no others; None: the victims
        self.readers = set()  # ranks that read weights: a node has those of its workers that were killed
        self.struck = 0.0
        self.choose()

    @staticmethod
    def reason_to_skip():
        return None

    def choose(self):
        pass

    def heal(self):
        pass

    def kill_one(self):
        """The usual victim."""
        self.rank = self.draw.randrange(self.ranks)
        self.victims = {self.rank: 1}

    def loses_all_groups(self):
        return {rank // 2 for rank in self.victims} == {0, 1}

    def signal(self, rank, number):
        """To the process that had that rank when the fault was made, and to no other that took its id."""
        process = os.pidfd_open(self.before["ranks"][rank]["pid"])
        signal.pidfd_send_signal(process, number)
        return process

    def now_strike(self):
        self.struck = time.time()
        self.strike()

    def done(self):
        now = self.replica.replica()
        restarts = all(now["ranks"][r]["restarts"] >= self.before["ranks"][r]["restarts"] + n for r, n in self.victims.items())
        told = not self.is_told or (now["last_fault"] or {}).get("recovered_ms") is not None
        return now["state"] == "serving" and restarts and told and (now["epoch"] > self.before["epoch"] or not self.ends_epoch)

    def await_line(self, name, **fields):
        return self.replica.await_event(name, self.struck, FAULT_LINE_SECONDS, **fields)


class KillWorker(Fault):
    kind = "kill"
    choose = Fault.kill_one

    def strike(self):
        self.signal(self.rank, signal.SIGKILL)


class KillInCollective(Fault):
    """Within the layers of a step, where the kernel says that the others wait for a peer."""
    kind = "kill_in_collective"
    choose = Fault.kill_one

    def strike(self):
        self.await_busy()
        self.struck = time.time()
        self.signal(self.rank, signal.SIGKILL)

    def await_busy(self):
        """Its step has just gone up, so the next one is on its way."""
        step = self.before["ranks"][self.rank]["step"]
        wait_until(lambda: self.replica.replica()["ranks"][self.rank]["step"] > step, FAULT_LINE_SECONDS, "another step")
        time.sleep(self.draw.uniform(0, 0.02))


class StopWorker(Fault):
    """Stopped until it has been replaced; what would go on then is dead."""
    kind = "stop"
    choose = Fault.kill_one
    process = None

    def strike(self):
        self.process = self.signal(self.rank, signal.SIGSTOP)

    def heal(self):
        try:
            signal.pidfd_send_signal(self.process, signal.SIGCONT)
            return ["the stopped process still lives"]
        except ProcessLookupError:
            return []
        finally:
            os.close(self.process)


class StopBriefly(Fault):
    """Too short to count. If this machine stretched it beyond that, it is a stop."""
    kind = "stop_briefly"
    ends_epoch = is_told = False

    def choose(self):
        self.rank = self.draw.randrange(self.ranks)
        self.seconds = self.draw.uniform(0.02, 0.2)

    def strike(self):
        process = self.signal(self.rank, signal.SIGSTOP)
        select.select([], [], [], self.seconds)
        try:
            signal.pidfd_send_signal(process, signal.SIGCONT)
        except ProcessLookupError:
            pass
        os.close(process)
        stopped = time.time() - self.struck
        time.sleep(HANG_LIMIT_SECONDS + 0.1)  # a wrong verdict would fall by then
        if stopped > 0.75 * HANG_LIMIT_SECONDS and self.replica.log.find("fault", self.struck, rank=self.rank, kind="stopped"):
            self.ends_epoch = self.is_told = True
            self.victims = {self.rank: 1}


class KillDuringLoad(Fault):
    """The replacement dies too, before it has its weights."""
    kind = "kill_during_load"

    def choose(self):
        self.kill_one()
        self.victims = {self.rank: 2}

    def strike(self):
        self.signal(self.rank, signal.SIGKILL)
        started = self.await_line("worker_started", rank=self.rank)
        select.select([], [], [], self.draw.uniform(0, 0.02))
        os.kill(started["pid"], signal.SIGKILL)


class KillDuringRecovery(Fault):
    """A survivor dies right after the first death was noticed."""
    kind = "kill_during_recovery"

    def choose(self):
        self.first, self.second = self.draw.sample(range(self.ranks), 2)
        self.victims = {self.first: 1, self.second: 1}

    def strike(self):
        self.signal(self.first, signal.SIGKILL)
        self.await_line("fault", rank=self.first)
        select.select([], [], [], self.draw.choice([0, 0, 0.01, 0.05]))
        self.signal(self.second, signal.SIGKILL)


class KillTwo(KillDuringRecovery):
    kind = "kill_two"

    def strike(self):
        for rank in self.victims:
            self.signal(rank, signal.SIGKILL)


class HogCpu(Fault):
    """All are slow for a while, which is no fault."""
    kind = "hog_cpu"
    ends_epoch = is_told = False
    hog = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"

    def strike(self):
        hogs = [subprocess.Popen([sys.executable, "-c", self.hog]) for _ in range(4)]
        for each in hogs:
            each.wait()


class FillDisk(Fault):
    """No log line can be written while a worker dies and comes back."""
    kind = "full_disk"
    choose = Fault.kill_one
    is_logged = False

    @staticmethod
    def reason_to_skip():
        disk = LogDisk()
        disk.remove()
        return None if disk.mounted else "a file system of its own needs root"

    def strike(self):
        self.replica.disk.fill()
        self.signal(self.rank, signal.SIGKILL)

    def heal(self):
        self.replica.disk.relieve()
        return []


class CrashWorker(Fault):
    kind = "crash_worker"
    choose = Fault.kill_one

    def strike(self):
        self.replica.drill(self.kind, rank=self.rank)


class StickKernel(CrashWorker):
    """A computation that never ends, while the process is well otherwise."""
    kind = "stuck_kernel"


class CorruptMessage(CrashWorker):
    """A plan that makes no sense, to one rank; that rank must not trust it, is told everything anew, and does not die for it."""
    kind = "corrupt_message"

    def choose(self):
        self.rank = self.draw.randrange(self.ranks)
        self.culprits = {self.rank}


class LoseStep(CorruptMessage):
    """A rank that leaves out a step. The next one tells it, or the others wait for it; they meet anew, and nobody dies for it."""
    kind = "lost_step"

    def strike(self):
        super().strike()
        if self.await_line("fault", rank=self.rank)["kind"] not in ("collective_blocked", "plan_refused"):
            self.victims = {self.rank: 1}  # all ranks had waited for each other just before, so now somebody does die


class Strangers(Fault):
    """What strangers can do at the control port: nothing of it may have any effect."""
    kind = "strangers"
    nodes = (1,)
    ends_epoch = is_told = False
    memory_matters = True
    held = 300  # connections; the server keeps 64 handshakes, with two descriptors each
    most_files = 160

    def strike(self):
        self.files = self.replica.open_files()
        self.broken = [f"a stranger {who} was told {told!r}" for who, told in self.shake_hands()]
        self.throw_garbage()
        self.hold_connections()

    def shake_hands(self):
        """Those that got an answer. With TLS 1.3 a client learns that it was refused when it reads."""
        folder = self.replica.make_certificates("strangers", ["localhost"])
        for who, certificate in [("without a certificate", None), ("of another authority", folder / "localhost.pem")]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if certificate:
                context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            try:
                with context.wrap_socket(socket.create_connection(("127.0.0.1", self.replica.control_port), timeout=5)) as connection:
                    if told := connection.recv(1):
                        yield who, told
            except (ssl.SSLError, ConnectionError):
                pass

    def hold_connections(self):
        """Each with a byte of a handshake that never goes on."""
        held = [self.send(b"\x16") for _ in range(self.held)]
        for connection in held:
            connection.setblocking(False)
        wait_until(lambda: sum(map(is_closed, held)) >= self.held - 64, 10, "most connections that say nothing are closed")
        if (files := self.replica.open_files() - self.files) > self.most_files:
            self.broken.append(f"strangers hold {files} open files")
        for connection in held:
            connection.close()

    def heal(self):
        return self.broken

    def throw_garbage(self):
        handshake = struct.pack(">BBBBIQQQ", 0, 0, 0, 0, 0xFFFFFFF0, 4, 0, 0)  # CAF's header, which announces 4 GB
        oversized = b"\x16\x03\x03\xff\xff" + bytes(0xFFFF)
        nested = b"\x17\x03\x03\x40\x00" + self.draw.randbytes(0x4000)
        talk = [self.send(data) for data in [self.draw.randbytes(65536), handshake, handshake + bytes(1 << 20), oversized, nested * 20, b""] for _ in range(4)]
        for connection in talk:
            connection.close()

    def send(self, data):
        connection = socket.create_connection(("127.0.0.1", self.replica.control_port), timeout=5)
        try:
            connection.sendall(data)
        except OSError:
            pass  # it hung up, as it may
        return connection


def is_closed(connection):
    """By the other side; the socket does not block."""
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class CutLink(Fault):
    """The TCP connection between a worker and the head, cut by the kernel."""
    kind = "cut_link"
    nodes = (1,)

    @staticmethod
    def reason_to_skip():
        if not (IS_ROOT and shutil.which("ss")):
            return "ss -K needs root, and iproute2"
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            cut(client.getsockname()[1], server.getsockname()[1])
            try:
                client.sendall(b"?")
                return "this kernel does not cut connections (CONFIG_INET_DIAG_DESTROY)"
            except OSError:
                return None

    def choose(self):
        self.rank = self.draw.randrange(self.ranks)
        self.culprits = {self.rank}

    def strike(self):
        pid, door = self.before["ranks"][self.rank]["pid"], self.replica.control_port
        table = subprocess.run(["ss", "-tnpH", "state", "established", "dport", "=", f":{door}"], check=True, capture_output=True, text=True).stdout
        mine = [line for line in table.splitlines() if f"pid={pid}," in line]
        assert mine, f"rank {self.rank} has no connection to port {door}"
        for line in mine:
            cut(int(re.search(r":(\d+)\s", line)[1]), door)


def cut(local_port, remote_port):
    subprocess.run(["ss", "-K", "-tn", "sport", "=", f":{local_port}", "dport", "=", f":{remote_port}"], check=True, capture_output=True)


class CrashScheduler(Fault):
    kind = "crash_scheduler"

    def loses_all_groups(self):
        return True

    def strike(self):
        self.replica.drill("crash_scheduler")


class CrashBlockManager(Fault):
    kind = "crash_block_manager"

    def strike(self):
        self.replica.drill("crash_block_manager", group=self.draw.randrange(2))


class CrashExpertShard(Fault):
    """Its worker makes another and nothing else happens."""
    kind = "crash_expert_shard"
    ends_epoch = is_told = False

    def strike(self):
        self.replica.drill("crash_expert_shard", rank=self.draw.randrange(self.ranks))
        self.await_line("part_died", part="expert_shard")


class PlaceExpert(Fault):
    """Moves an expert, or puts it on several ranks; streams go over to the new place."""
    kind = "place_expert"
    is_told = False

    def choose(self):
        self.readers = set(self.draw.sample(range(self.ranks), self.draw.choice([1, 1, 2, self.ranks])))

    def strike(self):
        self.replica.place(self.draw.randrange(16), sorted(self.readers))


class PullCable(Fault):
    """The network between the nodes is away for a while. Nobody may lose the weights for that."""
    kind = "pull_cable"
    nodes = (2,)
    ends_epoch = None
    is_told = is_logged = False

    def choose(self):
        self.seconds = self.draw.choice([0.3, 1.5, 4])
        self.at_head = self.draw.random() < 0.5

    def strike(self):
        self.replica.pull_cable(True, self.at_head)
        time.sleep(self.seconds)
        self.replica.pull_cable(False, self.at_head)


class LoseNode(Fault):
    """The second node's process dies, its workers with it, and another joins in its place."""
    kind = "lose_node"
    nodes = (2,)

    def choose(self):
        self.victims = {2: 1, 3: 1}
        self.readers = {2, 3}

    def strike(self):
        self.replica.lose_node()
        time.sleep(self.draw.uniform(0, 1))
        self.replica.start_node()


FAULTS = {each.kind: each for each in [
    KillWorker, KillInCollective, StopWorker, StopBriefly, KillDuringLoad, KillDuringRecovery, KillTwo, HogCpu, FillDisk, CorruptMessage,
    StickKernel, LoseStep, Strangers, CutLink, CrashScheduler, CrashBlockManager, CrashExpertShard, CrashWorker, PlaceExpert, PullCable, LoseNode]}
