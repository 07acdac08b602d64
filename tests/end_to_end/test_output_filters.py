"""What operators' rules make of the demo model's answers, by every protocol, whole and streamed."""
import json
import re
import urllib.request

import pytest

from conftest import Server
from key_file import KeyFile

FILTERS = r"""
[[filter]]
name = "masked"
[[filter.rule]]
pattern = '\b[3-5]\b|1, 2'
action = "mask"
replacement = "*"
[[filter]]
name = "stopped"
[[filter.rule]]
pattern = '4, \d+, 6'
action = "stop"
"""
QUESTION = "Count from 1 to 10."
MESSAGES = [{"role": "user", "content": QUESTION}]


def masked(text):
    return re.sub(r"\b[3-5]\b|1, 2", "*", text)


def stopped(text):
    return text[:re.search(r"4, \d+, 6", text).start()]


@pytest.fixture(scope="module")
def filtering(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters")
    (folder / "filters.toml").write_text(FILTERS)
    keys = KeyFile(folder)
    shown = {"plain": keys.add("plain")} | {name: keys.add(name, "--filters", name) for name in ("masked", "stopped")}
    server = FilteringServer(shown, keys.add("watch", "--class", "metrics"), "--api-keys", keys.path, "--output-filters", str(folder / "filters.toml"),
                             "--served-model-name", "demo", "--region", "eu-west-1", "--max-num-seqs", "8")
    yield server
    server.stop()


class FilteringServer(Server):
    def __init__(self, keys, metrics_key, *flags):
        self.keys, self.metrics_key = keys, metrics_key
        super().__init__(*flags)

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": "Bearer " + self.metrics_key})
        return urllib.request.urlopen(request, timeout=30).read().decode()

    def ask(self, caller, path, body):
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + self.keys[caller]}
        answer = urllib.request.urlopen(urllib.request.Request(self.url + path, json.dumps(body).encode(), headers), timeout=60)
        assert answer.headers["X-Region"] == "eu-west-1"
        text = answer.read().decode()
        if "text/event-stream" in answer.headers["Content-Type"]:
            return [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:") and "[DONE]" not in line]
        return [json.loads(line) for line in text.splitlines()]


def chat(server, caller, stream, **more):
    events = server.ask(caller, "/v1/chat/completions", {"model": "demo", "messages": MESSAGES, "temperature": 0, "max_tokens": 60, "stream": stream, **more})
    choices = [e["choices"][0] for e in events if e["choices"]]
    text = "".join(c["delta" if stream else "message"].get("content") or "" for c in choices)
    logprobs = "".join(t["token"] for c in choices for t in (c["logprobs"] or {"content": []})["content"])
    return text, choices[-1]["finish_reason"], logprobs


def completion(server, caller, stream):
    events = server.ask(caller, "/v1/completions", {"model": "demo", "prompt": QUESTION, "temperature": 0, "max_tokens": 60, "stream": stream})
    return "".join(e["choices"][0]["text"] for e in events), events[-1]["choices"][0]["finish_reason"]


def responses(server, caller, stream):
    events = server.ask(caller, "/v1/responses", {"model": "demo", "input": QUESTION, "temperature": 0, "max_output_tokens": 60, "stream": stream})
    last = events[-1].get("response", events[-1])
    if stream:
        assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == last["output"][-1]["content"][0]["text"]
    return last["output"][-1]["content"][0]["text"], (last["incomplete_details"] or {"reason": None})["reason"]


def messages(server, caller, stream):
    events = server.ask(caller, "/v1/messages", {"model": "demo", "messages": MESSAGES, "temperature": 0, "max_tokens": 60, "stream": stream})
    if not stream:
        return events[0]["content"][-1]["text"], events[0]["stop_reason"]
    reason = [e["delta"]["stop_reason"] for e in events if e["type"] == "message_delta"][0]
    return "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta"), reason


def ollama(server, caller, stream):
    options = {"temperature": 0, "num_predict": 60}
    lines = server.ask(caller, "/api/chat", {"model": "demo", "messages": MESSAGES, "stream": stream, "options": options})
    return "".join(line["message"]["content"] for line in lines), lines[-1]["done_reason"]


def tgi(server, caller, stream):
    parameters = {"max_new_tokens": 60, "details": True}
    events = server.ask(caller, "/generate_stream" if stream else "/generate", {"inputs": QUESTION, "parameters": parameters})
    if stream:
        text = "".join(e["token"]["text"] for e in events if not e["token"]["special"])
        assert text == events[-1]["generated_text"], "tokens tell what the text tells"
    return events[-1]["generated_text"], events[-1]["details"]["finish_reason"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol, word", [(completion, "content_filter"), (responses, "content_filter"), (messages, "refusal"), (ollama, "stop"),
                                            (tgi, "stop_sequence"), (lambda *a: chat(*a)[:2], "content_filter")])
def test_answers_are_masked_or_end(filtering, protocol, word, stream):
    plain, end = protocol(filtering, "plain", stream)
    assert re.search(r"4, \d+, 6", plain), plain
    assert protocol(filtering, "masked", stream) == (masked(plain), end)
    assert protocol(filtering, "stopped", stream) == (stopped(plain), word)


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_tell_what_the_text_tells(filtering, stream):
    asked = dict(logprobs=True, top_logprobs=2)
    plain, _, tokens = chat(filtering, "plain", stream, **asked)
    assert tokens.startswith(plain)
    for caller, expected in ("masked", masked(plain)), ("stopped", stopped(plain)):
        text, _, tokens = chat(filtering, caller, stream, **asked)
        assert text == expected and tokens.startswith(expected)
        assert "1, 2" not in tokens or caller == "stopped"


def test_matches_are_counted(filtering):
    stops = filtering.metric('output_filter_matches_total{action="stop",filter="stopped"')
    completion(filtering, "stopped", False)
    assert filtering.metric('output_filter_matches_total{action="stop",filter="stopped"') == stops + 1
    assert all('region="eu-west-1"' in line for line in filtering.get("/metrics").splitlines() if not line.startswith("#"))
