"""A policy that changes under load, one that looks on, a schedule that is recorded and played, and a plugin that serves."""
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from conftest import Server

POLICIES = pathlib.Path(__file__).parent.parent.parent / "runtime/scheduling/policies"
PROMPTS = ["Count from 1 to 100.", "Tell me a short story about an owl.", "Who are you?"]


def put(server, body):
    request = urllib.request.Request(server.url + "/v1/scheduler", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="PUT")
    return urllib.request.urlopen(request, timeout=30).status


def stream(server, number):
    body = {"model": "troupe-mini", "temperature": 0, "max_tokens": 60, "stream": True, "messages": [{"role": "user", "content": PROMPTS[number % 3]}]}
    events = [line[6:] for line in server.post("/v1/chat/completions", body).splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices), [c["finish_reason"] for c in choices if c["finish_reason"]]


def streams(server, meanwhile=lambda: None, count=12):
    answers = [None] * count

    def ask(number):
        answers[number] = stream(server, number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The policy of the README, built by its command."""
    folder = tmp_path_factory.mktemp("plugin")
    readme = (POLICIES / "README.md").read_text()
    (folder / "lifo.cpp").write_text(re.search("```cpp\n(.*?)```", readme, re.S)[1])
    (folder / "troupe").symlink_to(POLICIES.parent.parent.parent)
    subprocess.run(re.search("```sh\n(.*?)\n", readme)[1], shell=True, check=True, cwd=folder)
    return folder / "lifo.so"


def test_policy_changes_under_load(plugin, tmp_path):
    schedule = tmp_path / "schedule"
    server = Server("--enable-replica-control", "--max-num-seqs", "3", "--policy-plugin", str(plugin), "--shadow-policy", "lifo",
                    "--record-schedule", str(schedule))
    shown = lambda: json.loads(server.get("/v1/scheduler"))
    assert shown()["policy"] == {"name": "decode_first", "options": {}}
    expected = streams(server)

    def change():
        for policy, options in [("vtc", {"output_weight": 3}), ("lifo", {}), ("mlfq", {"levels": 2}), ("sjf", {"predictor": "history"})] * 5:
            assert put(server, {"policy": policy, "options": options}) == 202

    assert streams(server, change) == expected
    assert shown()["policy"]["name"] == "sjf"
    assert shown()["policy"]["options"] == {"predictor": "history", "quantile": 0.9}
    assert shown()["running"] == shown()["waiting"] == 0
    shadow = shown()["shadow_policy"]
    assert shadow["name"] == "lifo" and shadow["steps"] >= shadow["different_steps"] > 0
    assert server.metric("shadow_policy_different_steps_total") == shadow["different_steps"]
    assert shown()["groups"][0]["last_step"]["token_budget"] > 0

    for body, param in [({"policy": "lottery"}, "policy"), ({"policy": 7}, "policy"), ({}, "policy"),
                        ({"policy": "vtc", "options": {"weight": 1}}, "options"), ({"policy": "vtc", "options": {"input_weight": True}}, "options"),
                        ({"policy": "vtc", "options": {"input_weight": "much"}}, "options"), ({"policy": "vtc", "options": []}, "options")]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            put(server, body)
        assert refused.value.code == 400
        assert json.loads(refused.value.read())["error"]["param"] == param
    assert shown()["policy"]["name"] == "sjf"
    server.stop()

    command = [os.environ["TROUPE_BINARY"], "simulate", "--json", "--replay", str(schedule), "--policy-plugin", str(plugin), "--policy", "lifo"]
    played = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert "24 sequences that ended are planned as they were" in played["notes"][0]
    assert [each["completed"] for each in played["policies"]] == [24, 24]


def test_a_plugin_serves(server, plugin):
    with_it = Server("--policy-plugin", str(plugin), "--scheduling-policy", "lifo", "--max-num-seqs", "3")
    assert json.loads(with_it.get("/v1/scheduler"))["policy"]["name"] == "lifo"
    assert streams(with_it) == streams(server)
    with pytest.raises(urllib.error.HTTPError) as refused:
        put(with_it, {"policy": "fcfs"})
    assert refused.value.code == 405, "only where --enable-replica-control permits it"
    with_it.stop()
