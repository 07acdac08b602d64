"""Two servers behind nginx are restarted one after the other under load, and no client notices."""
import json
import subprocess
import threading

import pytest

from conftest import Server
from nginx import Nginx

BODY = {"model": "troupe-mini", "messages": [{"role": "user", "content": "Solve 17 * 23"}], "temperature": 0}
CLIENTS = 6


@pytest.fixture
def servers():
    both = [Server("--max-num-seqs", "2") for _ in range(2)]
    yield both
    for each in both:
        each.stop()


@pytest.fixture
def nginx(servers, tmp_path):
    started = Nginx(tmp_path, [each.port for each in servers])
    yield started
    started.stop()


def curl(listener, body):
    done = subprocess.run(["curl", "-sN", "--max-time", "60", "-w", "\n%{http_code}", "--unix-socket", listener, "http://x/v1/chat/completions",
                           "-H", "Content-Type: application/json", "-d", json.dumps(body)], capture_output=True, text=True)
    text, _, status = done.stdout.rpartition("\n")
    return done.returncode, int(status or 0), text


def answer_of(streamed, text):
    if not streamed:
        return json.loads(text)["choices"][0]["message"]["content"]
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    return "".join(choice["delta"].get("content") or "" for event in events[:-1] for choice in json.loads(event)["choices"])


def test_a_rolling_restart_loses_nothing(nginx, servers):
    _, status, text = curl(nginx.socket, BODY)
    assert status == 200
    expected = answer_of(False, text)
    over, failures, answers = threading.Event(), [], [0] * CLIENTS

    def keep_asking(client):
        while not over.is_set():
            streamed = (client + answers[client]) % 2 == 1
            code, status, text = curl(nginx.socket, BODY | {"stream": streamed})
            answers[client] += 1
            if code != 0 or status != 200 or answer_of(streamed, text) != expected:
                failures.append((streamed, code, status, text[-300:]))

    threads = [threading.Thread(target=keep_asking, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for i in range(len(servers)):
            # Of each client, since a request is passed on once: one that the other server had refused would have nowhere to go.
            before = list(answers)
            while any(now < then + 2 for now, then in zip(answers, before)):
                assert not failures
            servers[i].stop()  # with exit code 0
            servers[i] = Server("--max-num-seqs", "2", "--port", str(servers[i].port))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    tried_twice = [line for line in nginx.access_log.read_text().splitlines() if ", " in line]
    assert not failures, (failures, tried_twice)
    assert sum(answers) > 4 * CLIENTS
