"""More than the server can do: queues, time limits, connections in their hundreds, and leaving."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from conftest import Server

LONG = {"model": "troupe-mini", "prompt": "Count from 1 to 1000:", "max_tokens": 3000, "temperature": 0, "ignore_eos": True}
SHORT = {"model": "troupe-mini", "messages": [{"role": "user", "content": "Solve 17 * 23"}], "temperature": 0}


def ask(server, body, path="/v1/completions", **headers):
    """Status, headers and JSON of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", path, json.dumps(body) if body is not None else "", {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())


def health(server):
    try:
        return json.loads(server.get("/health"))
    except urllib.error.HTTPError as unready:
        return json.loads(unready.read())


class Stream:
    """A streamed answer, of which nothing is read that is not asked for."""
    def __init__(self, port, body, path="/v1/completions"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        text = json.dumps(body | {"stream": True})
        self.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        self.got = b""

    def read_until(self, mark):
        while mark not in self.got:
            piece = self.socket.recv(65536)
            assert piece, self.got
            self.got += piece
        return self.got

    def rest(self):
        while piece := self.socket.recv(65536):
            self.got += piece
        return self.got

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def serving(*flags):
    server = Server(*flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


@contextlib.contextmanager
def busy(server, streams):
    """As many long streams, each of which runs or waits."""
    running = [Stream(server.port, LONG) for _ in range(streams)]
    try:
        for each in running:
            each.read_until(b"\r\n\r\n")
        yield running
    finally:
        for each in running:
            each.close()


def test_a_full_queue_says_when_to_come_again():
    with serving("--max-num-seqs", "1", "--max-waiting", "8", "--max-waiting-per-caller", "2") as server, busy(server, 1) as running:
        running[0].read_until(b"data: ")
        waiting = [Stream(server.port, LONG) for _ in range(2)]
        for each in waiting:
            each.read_until(b"\r\n\r\n")
        status, headers, body = ask(server, LONG)
        assert status == 429 and body["error"]["code"] == "too_many_waiting", body
        assert int(headers["Retry-After"]) >= 1
        others = [Stream(server.port, LONG | {"cache_salt": f"caller {i}"}) for i in range(6)]
        for each in others:
            each.read_until(b"\r\n\r\n")
        status, headers, body = ask(server, LONG | {"cache_salt": "one more"})
        assert status == 503 and body["error"]["code"] == "queue_full", body
        assert int(headers["Retry-After"]) >= 1
        assert health(server)["waiting_sequences"] == 8 and health(server)["status"] == "ok"
        for each in waiting + others:
            each.close()


def test_tokens_that_wait_are_bounded():
    with serving("--max-num-seqs", "1", "--max-waiting-tokens", "100") as server, busy(server, 1) as running:
        running[0].read_until(b"data: ")
        prompt = LONG | {"prompt": list(range(60, 120))}
        waiting = Stream(server.port, prompt)
        waiting.read_until(b"\r\n\r\n")
        assert ask(server, prompt)[0] == 503
        waiting.close()


def test_time_limits():
    with serving("--max-num-seqs", "1", "--queue-timeout", "0.3") as server:
        status, _, body = ask(server, LONG, **{"x-request-timeout": "0.2"})
        assert status == 408 and body["error"]["code"] == "request_timeout", body
        with busy(server, 1) as running:
            running[0].read_until(b"data: ")
            status, headers, body = ask(server, LONG)
            assert status == 503 and body["error"]["code"] in ("queue_timeout", "deadline_unreachable"), body
            assert int(headers["Retry-After"]) >= 1
            stream = Stream(server.port, LONG)
            events = stream.rest()
            assert b"queue_timeout" in events or b"deadline_unreachable" in events
        assert ask(server, SHORT, "/v1/chat/completions")[0] == 200


def test_what_there_is_may_be_the_answer():
    with serving("--request-timeout", "1", "--timeout-action", "partial") as server:
        status, _, body = ask(server, LONG)
        assert status == 200 and body["choices"][0]["finish_reason"] == "length"
        assert 0 < body["usage"]["completion_tokens"] < LONG["max_tokens"] and body["choices"][0]["text"]
        events = Stream(server.port, LONG).rest()
        assert b'"finish_reason":"length"' in events and b"[DONE]" in events and b'"error"' not in events


def resident(server):
    """Bytes of its process that are its own."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/status").read_text().split("RssAnon:")[1].split()
    return int(fields[0]) * 1024


MANY = 400
MOST_BYTES = 32 << 10  # of a connection


def test_connections_that_say_little_cost_little(server):
    """Silent ones, slow ones and idle streams in their hundreds; a good client is served among them."""
    good = lambda: ask(server, SHORT, "/v1/chat/completions")[2]["choices"][0]["message"]["content"]
    expected = good()
    before = resident(server)
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MANY)]
    for each in slow[::2]:
        each.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
    assert good() == expected
    assert resident(server) - before < MANY * MOST_BYTES
    for each in slow:
        each.close()


def test_idle_streams_cost_little():
    with serving("--max-num-seqs", "1", "--kv-cache-memory-bytes", "64M") as server, busy(server, 1) as running:
        running[0].read_until(b"data: ")
        before = resident(server)
        idle = [Stream(server.port, SHORT, "/v1/chat/completions") for _ in range(MANY)]
        for each in idle:
            each.read_until(b"\r\n\r\n")
        assert health(server)["active_requests"] == MANY + 1
        assert resident(server) - before < MANY * MOST_BYTES
        for each in idle:
            each.close()


def test_a_waiting_stream_gets_comments():
    with serving("--max-num-seqs", "1", "--stream-silence", "0.1") as server, busy(server, 1) as running:
        running[0].read_until(b"data: ")
        waiting = Stream(server.port, SHORT, "/v1/chat/completions")
        waiting.read_until(b": waiting\n\n")
        waiting.close()


def test_connections_of_an_address_are_bounded():
    with serving("--max-connections-per-address", "3") as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        answer = server.raw(b"")
        assert answer.startswith(b"HTTP/1.1 429 "), answer
        for each in held:
            each.close()


def test_leaving():
    """One signal: running answers end, newcomers are told, the program ends with 0."""
    server = Server("--max-num-seqs", "2", "--shutdown-timeout", "60")
    stream = Stream(server.port, LONG | {"max_tokens": 400})
    stream.read_until(b"data: ")
    second = Stream(server.port, LONG | {"max_tokens": 400})
    second.read_until(b"data: ")
    waiting = {}
    asks = threading.Thread(target=lambda: waiting.update(zip(["status", "headers", "body"], ask(server, LONG))))
    asks.start()
    while health(server)["waiting_sequences"] != 1:
        pass
    server.process.send_signal(signal.SIGTERM)
    asks.join()
    assert waiting["status"] == 503 and waiting["body"]["error"]["code"] == "draining"
    assert int(waiting["headers"]["Retry-After"]) >= 1
    for each in [stream, second]:
        events = each.rest()
        assert events.count(b"[DONE]") == 1 and b'"error"' not in events and b'"finish_reason":"length"' in events
    assert server.process.wait(30) == 0


def test_a_second_signal_hastens():
    server = Server("--shutdown-timeout", "600")
    stream = Stream(server.port, LONG)
    stream.read_until(b"data: ")
    server.process.send_signal(signal.SIGTERM)
    while health(server)["status"] != "draining":
        pass
    server.process.send_signal(signal.SIGTERM)
    events = stream.rest()
    assert events.count(b'"error"') == 1 and events.count(b"[DONE]") == 1 and events.index(b'"error"') < events.index(b"[DONE]")
    assert server.process.wait(30) == 0


def test_service_links_do_not_stop_a_start(monkeypatch):
    for name, value in [("TROUPE_SERVICE_HOST", "10.0.0.1"), ("TROUPE_PORT", "tcp://10.0.0.1:8000"), ("TROUPE_PORT_8000_TCP_ADDR", "10.0.0.1")]:
        monkeypatch.setenv(name, value)
    with serving() as server:
        assert ask(server, SHORT, "/v1/chat/completions")[0] == 200


def test_probes_of_its_own():
    with serving("--health-probe-interval", "0.05") as server:
        while server.metric("request_success_total") < 3:
            assert health(server)["status"] == "ok"
