"""What the edge says to clients that do not keep to the rules, and to operators."""
import json
import subprocess

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
    events = [line.removeprefix("data: ") for line in out.split("\n\n") if line]
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
