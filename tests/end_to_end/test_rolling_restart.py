"""Two servers behind nginx are restarted one after the other under load, and no client notices."""
import json
import pathlib
import shutil
import subprocess
import threading
import time
import urllib.request

import pytest

from conftest import Server

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIG = pathlib.Path(__file__).parent.parent.parent / "launch" / "nginx-upstream.conf"
BODY = {"model": "troupe-mini", "messages": [{"role": "user", "content": "Solve 17 * 23"}], "temperature": 0}
CLIENTS = 6


@pytest.fixture
def nginx(tmp_path):
    """serve(PORTS): nginx on a socket of its own, before servers at these ports."""
    processes = []

    def serve(ports):
        listener = tmp_path / "nginx.sock"
        upstream = "\n".join(f"    server 127.0.0.1:{port} max_fails=0;" for port in ports)
        text = CONFIG.read_text().replace("    server 127.0.0.1:8000 max_fails=0;\n    server 127.0.0.1:8001 max_fails=0;", upstream)
        assert upstream in text
        text = text.replace("listen 127.0.0.1:8080;", f"listen unix:{listener};")
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n"
            + "".join(f"  {kind}_temp_path {tmp_path}/{kind};\n" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]) + text + "\n}\n")
        processes.append(subprocess.Popen([NGINX, "-p", tmp_path, "-c", tmp_path / "nginx.conf"]))
        while not listener.exists():
            assert processes[-1].poll() is None
        return listener

    yield serve
    for each in processes:
        each.terminate()
        each.wait(30)


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


def test_a_rolling_restart_loses_nothing(nginx):
    servers = [Server("--max-num-seqs", "2") for _ in range(2)]
    ports = [each.port for each in servers]
    listener = nginx(ports)
    _, status, text = curl(listener, BODY)
    assert status == 200
    expected = answer_of(False, text)
    over, failures, answers = threading.Event(), [], [0] * CLIENTS

    def keep_asking(client):
        while not over.is_set():
            streamed = (client + answers[client]) % 2 == 1
            code, status, text = curl(listener, BODY | {"stream": streamed})
            answers[client] += 1
            if code != 0 or status != 200 or answer_of(streamed, text) != expected:
                failures.append((streamed, code, status, text[-300:]))

    threads = [threading.Thread(target=keep_asking, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for i, port in enumerate(ports):
            before = min(answers)
            while min(answers) < before + 2:
                assert not failures
            servers[i].stop()  # with exit code 0
            servers[i] = Server("--max-num-seqs", "2", "--port", str(port))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for each in servers:
        each.stop()
    assert not failures and sum(answers) > 4 * CLIENTS
