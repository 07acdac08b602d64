"""What the edge says to clients that do not keep to the rules, and to operators."""
import http.server
import json
import os
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from conftest import Server


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    (b"GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{", 400),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]", 400),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"GET /health HTTP/1.1\r\nConnection: close\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n", 431),
    (b"nonsense\r\n\r\n", 400),
])
def test_protocol_errors(server, request_bytes, status):
    assert status_of(server.raw(request_bytes)) == status


def test_operators_pages(server):
    assert json.loads(server.get("/v1/models"))["object"] == "list"
    for path in ["/health", "/livez", "/readyz"]:
        server.get(path)
    assert [p["state"] for p in json.loads(server.get("/startupz"))["phases"]] == ["done"] * 3
    assert "version" in json.loads(server.get("/version"))
    assert "troupe_num_requests_running" in server.get("/metrics")


def test_curl_streams(server):
    body = json.dumps({"messages": [{"role": "user", "content": "Solve 17 * 23"}], "temperature": 0, "stream": True,
                       "model": json.loads(server.get("/v1/models"))["data"][0]["id"]})
    out = subprocess.run(["curl", "-sN", server.url + "/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body],
                         check=True, capture_output=True, text=True).stdout
    events = [line.removeprefix("data: ") for line in out.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]" and events.count("[DONE]") == 1
    text = "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in events[:-1])
    assert text.endswith("17 * 23 = 391")


def test_slow_headers_time_out():
    server = Server("--header-timeout", "0.2")
    try:
        assert status_of(server.raw(b"GET /health HT")) == 408
    finally:
        server.stop()


def test_no_prompt_text_in_the_log(server, client, model):
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "xylophone quark"}], max_tokens=3)
    assert any("request_ended" in line for line in server.log)
    assert not any("xylophone" in line for line in server.log)


def status_command(url, *flags, **environment):
    """Exit code, standard output and standard error of troupe status."""
    done = subprocess.run([os.environ["TROUPE_BINARY"], "status", url, *flags], capture_output=True, text=True, timeout=60,
                          env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr


def test_status_of_a_server(server):
    code, table, _ = status_command(server.url)
    assert code == 0
    lines = table.splitlines()
    assert lines[:3] == ["epoch           2", "state           serving", "last fault      none"]
    assert lines[4].split() == ["RANK", "NODE", "PID", "STATE", "STEP", "RESTARTS"]
    assert lines[5].split()[:4] == ["0", "0", str(server.process.pid), "serving"]
    for suffix in ["/", "/v1", "/v1/", "/v1/replica"]:
        code, raw, _ = status_command(server.url + suffix, "--json")
        assert code == 0 and json.loads(raw)["ranks"][0]["pid"] == server.process.pid


def test_replica_control_is_for_operators(server):
    """A server without the flag has no such path; one with it asks for its key, and comes back after the drill."""
    def order(at, path, body, key="k1"):
        request = urllib.request.Request(at.url + path, json.dumps(body).encode(), {"Authorization": "Bearer " + key})
        try:
            return urllib.request.urlopen(request, timeout=30).status
        except urllib.error.HTTPError as refused:
            return refused.code
    assert order(server, "/v1/replica/drill", {"kind": "crash_worker"}) == 404
    controlled = Server("--enable-replica-control", "--api-key", "k1")
    try:
        code, _, error = status_command(controlled.url)
        assert code == 1 and "status 401" in error and "give --api-key" in error
        assert order(controlled, "/v1/replica/drill", {"kind": "crash_worker"}, key="k2") == 401
        assert order(controlled, "/v1/replica/placement", {"expert": 0, "ranks": []}) == 400
        assert order(controlled, "/v1/replica/drill", {"kind": "crash_worker"}) == 202
        while True:
            code, raw, _ = status_command(controlled.url, "--json", TROUPE_API_KEY="k1")
            replica = json.loads(raw)
            assert (code == 0) == (replica["state"] == "serving")
            if code == 0 and replica["epoch"] == 3:
                break
        assert replica["ranks"][0]["restarts"] == 1
    finally:
        controlled.stop()


@pytest.mark.parametrize("status, body, message", [
    (200, b"<html>", "the answer is no JSON object"),
    (200, b"[]", "the answer is no JSON object"),
    (200, b"{}", "the answer does not describe a replica"),
    (200, b'{"epoch": 1, "state": "serving", "ranks": [{}]}', "the answer does not describe a replica"),
    (200, b" " * (1 << 21), "body limit exceeded"),
    (503, b'{"error": {"message": "over\\u001b[1mloaded"}}', "status 503: over[1mloaded"),
    (500, b'{"error": ["x"]}', "status 500; is it a troupe server?"),
    (None, b"", "no answer in 0.2 s"),
])
def test_status_of_something_else(status, body, message):
    """status: of what a strange server answers; None: it never does."""
    class Strange(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if status is None:
                return done.wait()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    done = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Strange) as strange:
        threading.Thread(target=strange.serve_forever, daemon=True).start()
        code, out, error = status_command(f"http://127.0.0.1:{strange.server_port}", "--timeout", "20" if status else "0.2")
        done.set()
        strange.shutdown()
    assert (code, out) == (1, "")
    assert message in error and error.count("\n") == 1
