"""The program, asked what it makes of settings; and the project's files."""
import json
import os
import pathlib
import socket
import subprocess
import tomllib
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "launch"


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("TROUPE_")}


def troupe(*arguments):
    """What it prints; it must end with 0."""
    return subprocess.run([os.environ["TROUPE_BINARY"], *map(str, arguments)], env=clean_environment(), check=True, capture_output=True, text=True,
                          timeout=60).stdout.strip()


def settings_of(command, *arguments, **variables):
    """Of `troupe serve` or `troupe node` with these arguments and variables: all settings, by name. What it refuses fails the test."""
    done = subprocess.run([os.environ["TROUPE_BINARY"], command, *map(str, arguments), "--show-config"], env=clean_environment() | variables, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, f"{command} {arguments} {variables}: {done.stderr}"
    return tomllib.loads(done.stdout)


def listening_url(stream):
    """Of a server, from the log that it writes there."""
    log = []
    for line in stream:
        log.append(line)
        if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
            return f"http://127.0.0.1:{event['port']}"
    raise AssertionError("".join(log))


def await_ready(url):
    while True:
        try:
            return urllib.request.urlopen(url + "/readyz", timeout=30)
        except urllib.error.HTTPError as not_yet:
            assert not_yet.code == 503


def complete(url, key, prompt):
    """The text of an answer of the demo model."""
    body = json.dumps({"model": "troupe-mini", "messages": [{"role": "user", "content": prompt}], "temperature": 0}).encode()
    request = urllib.request.Request(url + "/v1/chat/completions", body, {"Content-Type": "application/json", "Authorization": "Bearer " + key})
    return json.loads(urllib.request.urlopen(request, timeout=60).read())["choices"][0]["message"]["content"]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
