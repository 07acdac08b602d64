"""Starts the real program on a free loopback port, once for all tests, and hands out clients for it."""
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import openai
import pytest

GOLDENS = json.loads((pathlib.Path(__file__).parent.parent / "data" / "demo-goldens.json").read_text())


def wait_until(holds, seconds=30):
    """holds: asked again and again."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, "waited in vain"


class Server:
    def __init__(self, *flags, before=()):
        """before: a program that starts it, with its arguments."""
        self.process = subprocess.Popen(
            [*before, os.environ["TROUPE_BINARY"], "serve", "--port", "0", *flags], stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.log = []
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        assert self.listening.wait(60), "the server did not listen:\n" + "".join(self.log)
        assert hasattr(self, "port"), "the server ended:\n" + "".join(self.log)
        self.url = f"http://127.0.0.1:{self.port}"
        self.wait_until_ready()

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
                self.port = event["port"]
                self.listening.set()
        self.listening.set()

    def wait_until_ready(self):
        while True:
            assert self.process.poll() is None, "".join(self.log)
            try:
                return self.get("/readyz")
            except urllib.error.HTTPError as not_yet:
                assert not_yet.code == 503

    def get(self, path):
        return urllib.request.urlopen(self.url + path, timeout=30).read().decode()

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=60).read().decode()

    def metric(self, name):
        """The sum of a metric's lines; name: may go on with the first labels."""
        lines = [l for l in self.get("/metrics").splitlines() if l.startswith("troupe_" + name) and l[len("troupe_" + name)] in "{ ,}"]
        return sum(float(l.rsplit(" ", 1)[1]) for l in lines)

    def raw(self, data, close_writing=False):
        """Sends bytes on a fresh connection and returns all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            if close_writing:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, "".join(self.log)
        self.reader.join(10)


@pytest.fixture(scope="session")
def server():
    started = Server("--max-num-batched-tokens", "64", "--max-num-seqs", "64")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=60)


@pytest.fixture(scope="session")
def model(client):
    return client.models.list().data[0].id
