"""Waits until a server is ready, asks it a question, and writes the answer to the terminal as it comes.

    ask.py http://127.0.0.1:8000 'Solve 17 * 23'

Exit code 0 only if the answer arrived whole: every chunk up to [DONE], and the finish reason "stop".
"""

import http.client
import json
import sys
import time
import urllib.parse

PATIENCE = 600  # seconds for the weights to load


def get(address, path):
    """Status and body; none while nobody listens."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionRefusedError:
        return None, b""
    finally:
        connection.close()


def progress(body):
    """The phase that runs, from the answer of /startupz."""
    try:
        phases = json.loads(body)["phases"]
    except (ValueError, KeyError, TypeError):
        return "starting"
    running = [phase for phase in phases if phase.get("state") == "running"]
    if not running:
        return "starting"
    name, done, total = running[0]["name"], running[0].get("done", 0), running[0].get("total", 0)
    return f"{name} {100 * done // total}%" if total else name


def wait_until_ready(address):
    deadline = time.monotonic() + PATIENCE
    shown = None
    while time.monotonic() < deadline:
        status, body = get(address, "/startupz")
        ready, _ = get(address, "/readyz")
        state = "ready" if ready == 200 else "starting" if status is None else progress(body)
        if state != shown:
            print(f"    {state}", file=sys.stderr, flush=True)
            shown = state
        if ready == 200:
            return
        time.sleep(0.05)
    sys.exit(f"the server was not ready after {PATIENCE} seconds")


def stream(address, question):
    """Yields the chunks of the answer; returns when [DONE] has come, and exits if it does not come."""
    _, models = get(address, "/v1/models")
    request = {
        "model": json.loads(models)["data"][0]["id"],
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        "temperature": 0,
    }
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(request), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        sys.exit(f"status {response.status}: {response.read().decode()}")
    for line in response:
        field, _, data = line.decode().rstrip("\r\n").partition(": ")
        if field != "data":
            continue
        if data == "[DONE]":
            return
        yield json.loads(data)
    sys.exit("the answer broke off")


def main():
    url, question = sys.argv[1:]
    address = urllib.parse.urlsplit(url).netloc
    wait_until_ready(address)
    print(f"\n> {question}\n", flush=True)
    finish_reason = None
    for chunk in stream(address, question):
        if "error" in chunk:
            sys.exit(f"\n{chunk['error']['message']}")
        for choice in chunk["choices"]:
            print(choice["delta"].get("content") or "", end="", flush=True)
            finish_reason = choice["finish_reason"] or finish_reason
    print(flush=True)
    if finish_reason != "stop":
        sys.exit(f"the answer ended with {finish_reason}")


if __name__ == "__main__":
    main()
