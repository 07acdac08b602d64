"""The server answers; it never asks: no process of it connects to anything but its own ranks on loopback."""
import json
import os
import pathlib
import re
import signal

from conftest import Server


def calls_of(tmp_path, *flags):
    """Of `troupe serve` from its start over an answer to its end: those that make sockets, or connect or send to an address."""
    file = tmp_path / "calls"
    server = Server(*flags, before=("strace", "-f", "-qq", "-e", "trace=socket,connect,sendto,sendmsg,sendmmsg", "-e", "signal=none", "-o", str(file)))
    try:
        model = json.loads(server.get("/v1/models"))["data"][0]["id"]
        body = {"model": model, "messages": [{"role": "user", "content": "Solve 17 * 23"}], "temperature": 0}
        assert "391" in json.loads(server.post("/v1/chat/completions", body))["choices"][0]["message"]["content"]
        server.get("/metrics")
    finally:
        [child] = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert server.process.wait(60) == 0
    return file.read_text()


def addresses(calls):
    """Of the internet, that something is sent or connected to."""
    return re.findall(r"\b(?:connect|send\w+)\(.*?sa_family=AF_INET6?, .*?\"([^\"]+)\"", calls)


def test_one_process_connects_to_nothing(tmp_path):
    calls = calls_of(tmp_path)
    assert re.search(r"socket\(AF_INET, SOCK_STREAM", calls), "it listens"
    assert addresses(calls) == []


def test_ranks_connect_to_each_other_alone(tmp_path):
    calls = calls_of(tmp_path, "-tp", "2", "--threads", "1", "--kv-cache-memory-bytes", "16M")
    assert set(addresses(calls)) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"} and addresses(calls), "they do, and only there"
