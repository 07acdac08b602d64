"""Each trouble of launch/playbook.md, made on the demo model, and what troupe doctor says of it."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

from conftest import wait_until
from test_overload import LONG, Stream, ask, busy, health, serving

BINARY = os.environ["TROUPE_BINARY"]
EMULATED = pathlib.Path(BINARY).with_name("troupe-emulated")
SECONDS = 60


def doctor(url, *flags):
    """Its findings; all that it says of others than this server belongs to this machine, and is no matter here."""
    done = subprocess.run([BINARY, "doctor", url, "--json", *flags], capture_output=True, text=True, timeout=SECONDS)
    findings = json.loads(done.stdout)
    worst = findings[0]["severity"] if findings else "note"
    assert done.returncode == {"critical": 1, "warning": 3, "note": 0}[worst], done
    return findings


def finding(server, entry, evidence, *flags):
    """The one of that entry whose evidence names that."""
    found = [each for each in doctor(server.url, *flags) if each.get("playbook") == entry and evidence in each["evidence"]]
    assert len(found) == 1, found
    return found[0]


def test_a_server_that_is_well_has_no_findings():
    with serving() as server:
        assert ask(server, LONG | {"max_tokens": 20})[0] == 200
        about_the_server = [each for each in doctor(server.url, "--interval", "0") if "troupe_" in each["evidence"]]
        assert not about_the_server, about_the_server


def test_out_of_memory():
    flags = ["--max-model-len", "512", "--max-num-seqs", "4"]
    refused = subprocess.run([BINARY, "serve", "--port", "0", *flags, "--kv-cache-memory-bytes", "1024"], capture_output=True, text=True, timeout=SECONDS)
    assert refused.returncode == 1 and "--kv-cache-dtype" in refused.stderr
    one_sequence = re.search(r"one sequence of 512 tokens takes (\d+) bytes", refused.stderr)[1]
    with serving(*flags, "--kv-cache-memory-bytes", one_sequence) as server:
        streams = [Stream(server.port, LONG | {"prompt": f"Count from {i} to 1000:", "max_tokens": 400}) for i in range(4)]
        for each in streams:
            assert b'"finish_reason":"length"' in each.rest()
        assert server.metric("num_preemptions_total") > 0
        assert "--kv-cache-memory-bytes" in finding(server, "out-of-memory", "troupe_num_preemptions_total")["remedy"]


def test_long_tail():
    prompts = [{"model": "troupe-mini", "prompt": [100 + i] * 3900, "max_tokens": 1} for i in range(12)]
    with serving("--max-step-time", "0", "--max-num-batched-tokens", "4096", "--threads", "1") as server:
        stream = Stream(server.port, LONG | {"max_tokens": 600})
        stream.read_until(b"data: ")
        for each in prompts:
            assert ask(server, each)[0] == 200
        stream.rest()
        assert "--max-step-time" in finding(server, "long-tail", "troupe_inter_token_latency_seconds")["remedy"]


def test_stuck_generation():
    """A worker is stopped, and nobody starts it again."""
    with serving("-tp", "2", "--threads", "1", "--hang-timeout", "600", "--stall-timeout", "0.5") as server:
        stream = Stream(server.port, LONG | {"max_tokens": 300})
        stream.read_until(b"data: ")
        pid = json.loads(server.get("/v1/replica"))["ranks"][1]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: health(server)["status"] == "stalled")
            assert finding(server, "stuck-generation", "/health")["severity"] == "critical"
            assert "--hang-timeout" in finding(server, "stuck-generation", "troupe_iteration_seconds_count", "--interval", "0.5")["remedy"]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert b'"finish_reason":"length"' in stream.rest()


def test_overload_spike():
    with serving("--max-num-seqs", "1") as server, busy(server, 8):
        wait_until(lambda: server.metric("num_requests_waiting") >= 5)
        found = finding(server, "overload-spike", "troupe_num_requests_waiting", "--interval", "0")
        assert found["severity"] == "warning" and "--max-num-seqs" in found["remedy"]


def test_wrong_timeouts():
    with serving() as server:
        for _ in range(20):
            stream = Stream(server.port, LONG)
            stream.read_until(b"data: ")
            stream.close()
        wait_until(lambda: server.metric('request_success_total{finished_reason="abort"') >= 20)
        assert "--resume-window" in finding(server, "wrong-timeouts", 'finished_reason="abort"')["remedy"]


def test_reasoning_loops():
    """Answers that go on until they are cut off."""
    with serving() as server:
        status, _, body = ask(server, LONG | {"max_tokens": 64, "n": 20})
        assert status == 200 and {each["finish_reason"] for each in body["choices"]} == {"length"}
        assert "thinking_token_budget" in finding(server, "reasoning-loops", 'finished_reason="length"')["remedy"]


def test_low_throughput():
    """A mixture of experts on two ranks, each of which has half of every expert; then with whole ones."""
    for flags, found in [([], 1), (["-ep"], 0)]:
        with serving("-tp", "2", "--threads", "1", *flags) as server:
            about = [each for each in doctor(server.url, "--interval", "0") if each.get("playbook") == "low-throughput" and "/server_info" in each["evidence"]]
            assert len(about) == found, about
            assert all(each["remedy"].startswith("-ep") for each in about)


@contextlib.contextmanager
def emulated_gpus():
    """Two ranks on emulated GPUs, on a machine that has no NCCL for them."""
    real = os.environ["TROUPE_BINARY"]
    os.environ["TROUPE_BINARY"] = str(EMULATED)
    try:
        with serving("--device", "cuda-emulated", "-tp", "2", "-ep", "--threads", "1", "--max-model-len", "512", "--max-num-batched-tokens", "128",
                     "--max-num-seqs", "8", "--kv-cache-memory-bytes", "4M", "--virtual-shards", "2") as server:
            yield server
    finally:
        os.environ["TROUPE_BINARY"] = real


def test_tcp_fallback():
    with emulated_gpus() as server:
        assert "libnccl2" in finding(server, "tcp-fallback", "/version", "--interval", "0")["remedy"]
    tested = subprocess.run([EMULATED, "selftest", "--collectives", "-tp", "2", "--device", "cuda-emulated"], capture_output=True, text=True, timeout=SECONDS)
    assert tested.returncode == 0, tested
    assert "NCCL does not carry the tensors" in tested.stdout
