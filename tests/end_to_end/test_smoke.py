"""troupe smoke before real servers: one that is well, one with keys, one whose model makes no sense, one that cannot serve."""
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import Server

DEMO = pathlib.Path(__file__).parents[2] / "model/demo"
FORM = ["health", "models", "answer", "stream", "tools", "metrics"]
CONTENT = ["arithmetic", "repetition", "reasoning", "arguments"]
DEEP = ["concurrency", "cancellation", "limits"]


def smoke(url, *flags, **environment):
    """Exit code, {check: word} and all of what it prints."""
    done = subprocess.run([os.environ["TROUPE_BINARY"], "smoke", url, *flags], capture_output=True, text=True, timeout=120,
                          env=os.environ | environment)
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    return done.returncode, {line[1]: line[0] for line in lines}, done.stdout + done.stderr


def test_the_demo_model_passes(server):
    code, words, text = smoke(server.url)
    assert code == 0, text
    assert words == dict.fromkeys(FORM + CONTENT, "ok"), text
    assert list(words) == ["health", "models", "answer", "arithmetic", "repetition", "reasoning", "stream", "tools", "arguments", "metrics"]


def test_deep(server):
    code, words, text = smoke(server.url + "/v1", "--deep")
    assert code == 0 and words == dict.fromkeys(FORM + CONTENT + DEEP, "ok"), text


def test_what_is_named_runs_alone(server):
    code, words, text = smoke(server.url, "--only", "limits", "--only", "health")
    assert code == 0 and words == {"health": "ok", "limits": "ok"}, text
    code, _, text = smoke(server.url, "--only", "helth")
    assert code == 2 and "health" in text


def test_a_key_is_shown():
    server = Server("--api-key", "k1")
    try:
        code, words, text = smoke(server.url)
        assert code == 1 and words["health"] == "ok" and words["answer"] == "FAILED" and "give --api-key" in text, text
        assert words["arithmetic"] == "FAILED" or words["arithmetic"] == "-", text
        assert smoke(server.url, TROUPE_API_KEY="k1")[0] == 0
        assert smoke(server.url, "--only", "health")[0] == 0  # as in a container, which needs no key for that
    finally:
        server.stop()


def test_a_server_that_keeps_answers_is_not_asked_to_cancel():
    server = Server("--resume-window", "60", "--max-model-len", "512")
    try:
        code, words, text = smoke(server.url, "--only", "cancellation")
        assert code == 0 and words == {"cancellation": "-"} and "--resume-window" in text, text
    finally:
        server.stop()


def test_a_model_that_makes_no_sense(tmp_path):
    """Random weights: the server is well, and the model is poor. Not the same exit code."""
    checkpoint = tmp_path / "random"
    subprocess.run([os.environ["TROUPE_BINARY"], "synth", "--config", DEMO / "config.json", "--tokenizer", DEMO, "--out", checkpoint], check=True, timeout=120)
    server = Server(str(checkpoint), "--max-model-len", "1024")
    try:
        code, words, text = smoke(server.url, "--deep")
        assert code == 3, text
        assert all(words[check] in ("ok", "-") for check in FORM + DEEP), text
        assert words["arithmetic"] == "poor", text
    finally:
        server.stop()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_nobody_there(url):
    code, words, text = smoke(url, "--timeout", "5")
    assert code == 1 and words == {"health": "FAILED"}, text


def test_a_server_that_leaves_is_not_healthy():
    server = Server("--shutdown-timeout", "60")
    try:
        stream = subprocess.Popen(["curl", "-sN", server.url + "/v1/completions", "-H", "Content-Type: application/json",
                                   "-d", '{"model": "troupe-mini", "prompt": "Count", "max_tokens": 3000, "ignore_eos": true, "stream": true}'],
                                  stdout=subprocess.PIPE)
        stream.stdout.readline()
        server.process.send_signal(signal.SIGTERM)
        while (result := smoke(server.url, "--only", "health"))[0] == 0:
            pass
        code, words, text = result
        assert code == 1 and words == {"health": "FAILED"} and "draining" in text, text
    finally:
        stream.kill()
        stream.communicate()
        server.process.wait(60)
