"""Locust drives the server with its own HTTP clients; every request comes to its end with the tokens that were asked for."""
import json
import os
import pathlib
import subprocess
import sys


def test_locusts_users_get_what_they_ask_for(server, model):
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", pathlib.Path(__file__).with_name("locustfile.py"), "--headless", "--host", server.url,
         "--users", "6", "--spawn-rate", "6", "--run-time", "2s", "--stop-timeout", "10s", "--json", "--skip-log"],
        env=os.environ | {"MODEL": model}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    entries = {entry["name"]: entry for entry in json.loads(done.stdout)}
    first, answers = entries["first token"], entries["/v1/chat/completions"]
    assert (first["num_failures"], answers["num_failures"]) == (0, 0)
    assert 0 < first["num_requests"] < answers["num_requests"]
    assert first["min_response_time"] > 0
