"""troupe doctor on this machine: alone, with a server, with a stranger at its port, and with checkpoints."""
import json
import os
import pathlib
import socket
import subprocess

from conftest import Server

DEMO = pathlib.Path(__file__).parents[2] / "model/demo"
BINARY = os.environ["TROUPE_BINARY"]


def doctor(*arguments, **environment):
    done = subprocess.run([BINARY, "doctor", *map(str, arguments)], capture_output=True, text=True, timeout=60, env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr


def findings(*arguments, **environment):
    code, out, err = doctor(*arguments, "--json", **environment)
    assert code in (0, 1, 3), err
    return json.loads(out)


def of(subject, found):
    return [each for each in found if each["subject"] == subject]


def test_it_finds_the_server_of_this_machine(server):
    code, out, err = doctor("--port", server.port, "--interval", "0")
    assert code in (0, 1, 3), err
    assert f"Looked at this machine and the server at port {server.port}:" in out
    assert not of("ports", findings("--port", server.port, "--interval", "0"))
    assert not of("health", findings(server.url, "--interval", "0"))


def test_a_stranger_at_the_port_is_told():
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        found, = of("ports", findings("--port", port, "--timeout", "0.3"))
        assert found["severity"] == "critical" and str(port) in found["evidence"] and "--port" in found["remedy"]
    assert not of("ports", findings("--port", port))


def test_a_named_server_that_is_not_there_is_critical():
    code, out, _ = doctor("http://127.0.0.1:1")
    assert code == 1 and out.startswith("critical: health: Nobody answers.") and "Connection refused" in out


def test_a_key_is_shown():
    server = Server("--api-key", "k1")
    try:
        found, = of("metrics", findings(server.url, "--interval", "0"))
        assert "status 401" in found["evidence"] and "--api-key" in found["remedy"]
        assert not of("metrics", findings(server.url, "--interval", "0", TROUPE_API_KEY="k1"))
    finally:
        server.stop()


def test_the_worst_comes_first_and_is_the_exit_code():
    code, out, _ = doctor("--device", "cuda", CUDA_VISIBLE_DEVICES="")
    found = findings("--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert code == 1 and out.startswith("critical: ") and of("driver", found)[0]["severity"] == "critical"
    ranks = [["critical", "warning", "note"].index(each["severity"]) for each in found]
    assert ranks == sorted(ranks)


def test_a_checkpoint_fits_or_not():
    fits, = of("fit", findings(DEMO))
    assert fits["severity"] == "note" and "fits" in fits["symptom"], fits
    large, = of("fit", findings("deepseek-v3", "--max-model-len", "4096", "--gpu-memory-utilization", "0.05"))
    assert large["severity"] == "critical" and "a larger machine: " in large["remedy"], large
    code, _, err = doctor("no-such-model")
    assert code == 2 and "no-such-model" in err
