"""Prometheus itself on a free loopback port, with the configuration that stands in launch/prometheus, pointed at a server of the test."""
import json
import pathlib
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
RULES = ROOT / "launch/prometheus"


def promtool(*arguments, cwd=None):
    done = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """It asks that server ten times a second."""

    def __init__(self, folder, port):
        folder.mkdir()
        shutil.copy(RULES / "alerts.yml", folder)
        config = (RULES / "scrape.yml").read_text()
        for old, new in [("127.0.0.1:8000", f"127.0.0.1:{port}"), ("scrape_interval: 5s", "scrape_interval: 100ms"),
                         ("evaluation_interval: 15s", "evaluation_interval: 100ms")]:
            assert config.count(old) == 1
            config = config.replace(old, new)
        (folder / "scrape.yml").write_text(config)
        self.process = subprocess.Popen(
            ["prometheus", "--config.file", folder / "scrape.yml", "--storage.tsdb.path", folder / "data", "--web.listen-address", "127.0.0.1:0"],
            stderr=subprocess.PIPE, text=True)
        self.log, self.ready = [], threading.Event()
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        assert self.ready.wait(60) and self.process.poll() is None, "".join(self.log)

    url = None

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r'msg="Listening on" address=(\S+)', line):
                self.url = f"http://{found[1]}/api/v1/"
            if "Server is ready" in line:
                self.ready.set()
        self.ready.set()

    def get(self, path, **fields):
        answer = urllib.request.urlopen(self.url + path + "?" + urllib.parse.urlencode(fields), timeout=30)
        return json.loads(answer.read())["data"]

    def query(self, expression):
        """[{"metric": labels, "value": [time, text]}]; an error of the expression is an HTTPError."""
        return self.get("query", query=expression)["result"]

    def await_query(self, expression):
        """What it yields, once that is something."""
        while not (found := self.query(expression)):
            assert self.process.poll() is None, "".join(self.log)
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.reader.join(10)
