"""The serving process is killed in the middle of answers; another one on its journal goes on with them."""
import http.client
import json
import signal

import pytest

from conftest import Server

CHAT = {"model": "troupe-mini", "stream": True, "max_tokens": 700, "ignore_eos": True, "messages": [{"role": "user", "content": "Count from 1 to 900."}]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
STREAMS = {
    "seeded": ("/v1/chat/completions", CHAT | {"seed": 5}),
    "unseeded": ("/v1/chat/completions", CHAT | {"temperature": 1.2}),
    "two choices": ("/v1/completions", {"model": "troupe-mini", "prompt": "Once", "n": 2, "stream": True, "max_tokens": 700, "ignore_eos": True}),
    "a tool": ("/v1/chat/completions", CHAT | {"tools": [TOOL], "tool_choice": "required", "ignore_eos": False, "seed": 3}),
}


class Stream:
    """One answer as it comes: events as pairs of id and data."""

    def __init__(self, server, method, path, body=None, headers={}):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} | headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.id = self.response.headers["X-Stream-Id"]
        self.events = []

    def read_event(self):
        lines = []
        while (line := self.response.readline().decode()) != "\n":
            if line == "":
                return None
            if not line.startswith(":"):
                lines.append(line.rstrip("\n"))
        if not lines:
            return self.read_event()
        assert lines[0].startswith("id: ")
        self.events.append((lines[0].removeprefix("id: "), "\n".join(lines[1:])))
        return self.events[-1]

    def read(self, events=None):
        while events is None or len(self.events) < events:
            if self.read_event() is None:
                break
        return self


def resumed(server, stream_id, last_event_id=None):
    return Stream(server, "GET", "/v1/streams/" + stream_id, headers={"Last-Event-ID": last_event_id} if last_event_id else {}).read().events


def of_choice(events, choice):
    return [data for _, data in events if f'"index":{choice},' in data]


def text_of(events):
    chunks = [json.loads(data.removeprefix("data: ")) for _, data in events if data != "data: [DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


@pytest.fixture
def journal(tmp_path):
    return ("--resume-window", "120", "--journal", str(tmp_path / "journal"))


def kill(server):
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    server.reader.join(10)


def test_streams_go_on_after_the_death_of_their_server(journal):
    first = Server(*journal)
    undisturbed = Stream(first, "POST", *STREAMS["seeded"]).read().events
    streams = {name: Stream(first, "POST", path, body) for name, (path, body) in STREAMS.items()}
    for name, events in {"seeded": 9, "unseeded": 5, "two choices": 7, "a tool": 2}.items():
        streams[name].read(events)
    kill(first)
    second = Server(*journal)
    try:
        for name, stream in streams.items():
            before = stream.events
            assert all(data != "data: [DONE]" for _, data in before), name
            events = before + resumed(second, stream.id, before[-1][0])
            uncut = resumed(second, stream.id)
            assert len(events) == len(uncut), name
            assert events[-1][1] == uncut[-1][1] == "data: [DONE]", name
            for choice in (0, 1):
                assert of_choice(events, choice) == of_choice(uncut, choice), name
            if name == "seeded":
                assert text_of(events) == text_of(undisturbed)
        assert second.metric("journal_answers_resumed_total") == len(streams)
        assert second.metric("kept_answers") == len(streams) + 1, "the undisturbed one, too"
    finally:
        second.stop()
    lines = [line for line in map(json.loads, filter(lambda line: line.startswith("{"), second.log)) if line["event"] == "http_request" and line.get("restored")]
    assert sorted(line["generation"] for line in lines) == sorted(stream.id for stream in streams.values())
    assert all(line["end"] == "complete" and line["completion_tokens"] > 0 for line in lines)


def test_a_request_is_joined_by_its_retry_after_the_death_of_its_server(journal):
    key = {"Idempotency-Key": "3a0c"}
    first = Server(*journal)
    before = Stream(first, "POST", *STREAMS["unseeded"], headers=key).read(4)
    kill(first)
    second = Server(*journal)
    try:
        again = Stream(second, "POST", *STREAMS["unseeded"], headers=key).read()
        assert again.response.headers["Idempotent-Replayed"] == "true"
        assert again.id == before.id
        assert again.events[:4] == before.events
        assert again.events[-1][1] == "data: [DONE]"
        with pytest.raises(AssertionError, match="idempotency_key_reused"):
            Stream(second, "POST", *STREAMS["seeded"], headers=key)
    finally:
        second.stop()
