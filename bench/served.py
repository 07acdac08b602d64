"""A server as a child process, and loads on it by `troupe bench serve`: what the scripts of bench/ share."""
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import typing
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TROUPE = ROOT / "build/release/bin/troupe"
DEMO = ROOT / "model/demo"


def troupe(*arguments, **how):
    """Runs a subcommand to its end; the script ends if it fails, unless check is false."""
    if not TROUPE.exists():
        sys.exit(f"{TROUPE} is missing: cmake --preset release && cmake --build --preset release --target troupe")
    return subprocess.run([TROUPE, *map(str, arguments)], text=True, **{"check": True} | how)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server(typing.NamedTuple):
    url: str
    pid: int

    def cpu_seconds(self):
        """Of its process, all threads, since it started."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime


@contextlib.contextmanager
def served(*command, environment=None, seconds=600):
    """A server that is started with --port, once it answers /health."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen([*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
                                  stdout=log, stderr=log, env=environment)
        try:
            await_health(url, server, log, seconds)
            yield Server(url, server.pid)
        finally:
            server.terminate()
            server.wait(60)


def await_health(url, server, log, seconds):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url + "/health", timeout=5).close()
            return
        if server.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            sys.exit(f"{server.args[0]} serves nothing:\n{log.read().decode(errors='replace')[-2000:]}")
        time.sleep(0.2)


def troupe_served(*flags):
    return served(TROUPE, "serve", *flags)


def load(server, *flags):
    """The result of troupe bench serve, with the names of its JSON, and the server process's CPU time meanwhile."""
    with tempfile.NamedTemporaryFile("r") as result:
        before = server.cpu_seconds()
        troupe("bench", "serve", "--base-url", server.url, "--json", result.name, *flags, stdout=subprocess.DEVNULL,
               check=False)  # where some requests are refused, it says so with its status
        return json.load(result) | {"server_cpu_seconds": server.cpu_seconds() - before}


def counters(server):
    """/metrics by name, those with labels besides the model as name{label="value"}."""
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    values = {}
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[re.sub(r'(\{|,)model_name="[^"]*"', r"\1", name).replace("{,", "{").replace("{}", "")] = float(value)
    return values


def print_table(head, rows):
    """Markdown, as bench/README.md has it."""
    for row in [head, ["---"] * len(head), *rows]:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
