"""Answers that go round in circles, which --repetition-guard ends as if the model had."""
import json

import pytest

from conftest import Server

TOKENS = 4 * 3
# Of one token, again and again.
CIRCLES = {"model": "troupe-mini", "temperature": 0, "max_tokens": 100, "ignore_eos": True, "logit_bias": {"100": 100}}
MESSAGES = [{"role": "user", "content": "Count from 1 to 10."}]


@pytest.fixture(scope="module")
def guarding():
    server = Server("--repetition-guard", "--repetition-guard-ngram", "4", "--repetition-guard-repeats", "3")
    yield server
    server.stop()


def completion(server, **more):
    return json.loads(server.post("/v1/completions", CIRCLES | {"prompt": "Count"} | more))


def test_each_choice_ends_alone_and_is_counted(guarding):
    before = guarding.metric("repetition_guard_ends_total")
    answer = completion(guarding, n=3)
    assert [each["finish_reason"] for each in answer["choices"]] == ["stop"] * 3
    assert answer["usage"]["completion_tokens"] == 3 * TOKENS
    assert guarding.metric("repetition_guard_ends_total") == before + 3


def test_a_stream_has_the_same_bytes(guarding):
    whole = completion(guarding)["choices"][0]
    text = guarding.post("/v1/completions", CIRCLES | {"prompt": "Count", "stream": True})
    events = [json.loads(line[6:])["choices"][0] for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(each["text"] for each in events) == whole["text"]
    assert events[-1]["finish_reason"] == whole["finish_reason"] == "stop"


def test_thoughts_go_round_in_circles_too(guarding):
    body = CIRCLES | {"messages": MESSAGES, "chat_template_kwargs": {"thinking": True}}
    answer = json.loads(guarding.post("/v1/chat/completions", body))
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["reasoning_content"] and not answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] == TOKENS


def test_the_fewest_tokens_come_first(guarding):
    assert completion(guarding, min_tokens=50)["usage"]["completion_tokens"] > 50


def test_without_it_they_go_on(server, guarding):
    answer = completion(server)
    assert answer["choices"][0]["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 100
    fingerprints = [json.loads(each.get("/server_info"))["system_fingerprint"] for each in (server, guarding)]
    assert fingerprints[1] == fingerprints[0] + "_guard4x3", "other answers to the same seed"
