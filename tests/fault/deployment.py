"""Starts the real program as a replica of several processes, reads its log and its pages, and ends it."""
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

BINARY = os.environ.get("TROUPE_BINARY") or str(pathlib.Path(__file__).parents[2] / "build/release/bin/troupe")
FLAGS = ["--kv-cache-memory-bytes", "64M", "--virtual-shards", "4", "--max-num-batched-tokens", "512", "-tp", "2", "-dp", "2", "-ep", "--threads", "1", "--enable-replica-control"]
LOG_DISK_BYTES = 64 << 20
IS_ROOT = os.geteuid() == 0


def wait_until(condition, seconds, what):
    """What condition returns once it is true; a TimeoutError if it never is. Wall time is that of log lines."""
    deadline = time.time() + seconds
    while not (found := condition()):
        if time.time() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.005)
    return found


def state_of(pid):
    """The letter of /proc/PID/stat; "" if there is no such process. A zombie counts as gone: its init reaps it."""
    try:
        letter = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if letter == "Z" else letter


def end(process):
    if process and process.poll() is None:
        process.kill()
        process.wait()


class LogDisk:
    """A folder for a log; as root, a file system of its own that can be filled."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-fault-"))
        self.mounted = IS_ROOT and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={LOG_DISK_BYTES}", "troupe-fault", self.folder], capture_output=True).returncode == 0

    def fill(self):
        with open(self.folder / "ballast", "ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(65536))
            except OSError:
                pass  # full, which is what was wanted

    def relieve(self):
        (self.folder / "ballast").unlink(missing_ok=True)

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)
        shutil.rmtree(self.folder)


class Log:
    """Follows a file of JSON lines in a thread of its own. A full disk cuts lines; those are left out."""

    def __init__(self, path):
        self.path = path
        self.events = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        with open(self.path, "rb") as lines:
            rest = b""
            while piece := lines.read() or not self.over.wait(0.005):
                if piece is True:
                    continue
                *whole, rest = (rest + piece).split(b"\n")
                self.events += filter(None, map(self.parse, whole))

    @staticmethod
    def parse(line):
        try:
            event = json.loads(line)
            return event | {"at": datetime.datetime.fromisoformat(event["time"]).timestamp()}
        except (ValueError, KeyError, TypeError):
            return None

    def find(self, name, since=0.0, **fields):
        """The first event of that name at that time or later, without a time the last one, with those fields."""
        found = None
        for event in reversed(self.events):
            if event["at"] < since - 1:  # lines of several processes are nearly in order
                break
            if event["event"] == name and event["at"] >= since - 0.001 and all(event.get(k) == v for k, v in fields.items()):
                found = event
                if not since:
                    break
        return found

    def all(self, name, since):
        return [event for event in self.events if event["event"] == name and event["at"] >= since - 0.001]

    def close(self):
        self.over.set()
        self.thread.join()


class Deployment:
    """One replica: the server, in this network namespace, and its workers."""

    hosts = []  # who needs certificates, the server first; none: the server makes its own for the launch
    command = [BINARY, "serve", *FLAGS]

    def start(self):
        self.certificates = self.make_certificates("certificates", self.hosts)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.command, "--port", "0", *(self.tls(self.hosts[0]) if self.hosts else [])], stderr=log)
        self.log = Log(self.log_path)
        self.pid = self.process.pid
        self.port = self.await_event("listening")["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def make_certificates(self, name, hosts):
        """A folder of them, with an authority of their own."""
        folder = self.disk.folder / name
        if hosts and not folder.exists():
            subprocess.run([BINARY, "certs", "--out", folder, *hosts], check=True, stdout=subprocess.DEVNULL)
        return folder

    def tls(self, host):
        folder = self.certificates
        return ["--tls-ca", folder / "ca.pem", "--tls-certificate", folder / f"{host}.pem", "--tls-key", folder / f"{host}.key"]

    def await_event(self, name, since=0.0, seconds=60, **fields):
        def look():
            if self.process.poll() is not None:
                raise RuntimeError("the server ended:\n" + self.log_path.read_text()[-4000:])
            return self.log.find(name, since, **fields)
        return wait_until(look, seconds, f"log line {name} {fields or ''}")

    def await_serving(self, seconds=60):
        self.await_event("epoch_began", seconds=seconds)
        wait_until(lambda: self.replica()["state"] == "serving", seconds, "serving")

    @property
    def control_port(self):
        return self.log.find("control_listening")["port"]

    def get(self, path):
        return urllib.request.urlopen(self.url + path, timeout=10).read().decode()

    def replica(self):
        return json.loads(self.get("/v1/replica"))

    def metrics(self):
        """{"name{labels}": value} without the troupe_ prefix and the model's name."""
        lines = (line.rpartition(" ") for line in self.get("/metrics").splitlines() if line.startswith("troupe_"))
        return {name.removeprefix("troupe_").replace('model_name="troupe-mini"', "").replace("{,", "{").replace(",}", "}").replace("{}", ""): float(value)
                for name, _, value in lines}

    def order(self, path, **body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).read()

    def drill(self, kind, rank=0, group=0):
        self.order("/v1/replica/drill", kind=kind, rank=rank, group=group)

    def place(self, expert, ranks):
        self.order("/v1/replica/placement", expert=expert, ranks=ranks)

    def processes(self):
        """Of this replica, besides the server."""
        return [rank["pid"] for rank in self.replica()["ranks"]]

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def stop(self, seconds=30):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self):
        self.disk = LogDisk()
        self.log_path = self.disk.folder / "log"
        self.process = self.log = None
        try:
            self.start()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        """Ends what still runs and leaves nothing behind."""
        end(self.process)
        if self.log:
            self.log.close()
        self.disk.remove()
