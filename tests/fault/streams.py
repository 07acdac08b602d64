"""Keeps streams in flight through OpenAI's client, from a fixed mix of requests, and compares each with what it was undisturbed."""
import concurrent.futures
import json
import random
import threading
import time

import openai

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Get the weather in a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
TIME = {"type": "function", "function": {"name": "get_time", "description": "Get the local time in a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
ON = {"ignore_eos": True}  # goes on to max_tokens
THINK = {"chat_template_kwargs": {"thinking": True}}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                           "tags": {"type": "array", "items": {"enum": ["red", "blue"]}, "maxItems": 3}},
          "required": ["name", "age", "tags"]}
AS_PERSON = {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}}
USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


def chat(text, **fields):
    return "chat", dict(messages=[{"role": "user", "content": text}], temperature=0, max_tokens=100) | fields


def completion(prompt, **fields):
    return "completion", dict(prompt=prompt, temperature=0, max_tokens=80) | fields


def sampled(seed, **fields):
    return dict(temperature=1.0, seed=seed) | fields


def long_text(start, numbers):
    return "Sort these numbers: " + ", ".join(str(start + 37 * i % 997) for i in range(numbers))


MIX = [
    chat("Solve 17 * 23", max_tokens=120),
    chat("Solve 486 + 957 and show your work."),
    chat("Count from 1 to 100.", max_tokens=120),
    chat("Solve 68 * 74 step by step.", extra_body=THINK, max_tokens=120),
    chat("Who are you?", extra_body=ON, max_tokens=60),
    chat("What is prefix caching?", logprobs=True, top_logprobs=2),
    chat("Tell me a short story about a fox.", **sampled(5, n=2)),
    chat("Tell me a short story about an owl in a village.", **sampled(6, top_p=0.9)),
    chat("Tell me a short story about a bear.", **sampled(7, extra_body={"top_k": 20})),
    chat("What is the weather in Lima?", tools=[WEATHER]),
    chat("What is the weather in Oslo?", tools=[WEATHER, TIME]),
    chat("What time is it in Tokyo?", tools=[TIME], n=2),
    chat(long_text(3, 150), max_tokens=60, extra_body=ON),
    chat(long_text(5, 250), max_tokens=60, extra_body=ON, **sampled(9)),
    chat("Describe a person.", **AS_PERSON),
    chat("Describe a person.", **AS_PERSON, **sampled(12, n=2)),
    chat("Describe a person.", **AS_PERSON, extra_body=THINK, max_tokens=120),
    chat("When were you made?", extra_body={"structured_outputs": {"regex": "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]"}}, **sampled(13)),
    chat("Good day!", tools=[WEATHER, TIME], tool_choice="required"),
    chat("Good day!", tools=[WEATHER, TIME], tool_choice={"type": "function", "function": {"name": "get_time"}}, **sampled(14)),
    chat("Count from 1 to 100.", frequency_penalty=0.5, presence_penalty=0.2, logit_bias={"40": 2}, extra_body={"repetition_penalty": 1.1, **ON}, max_tokens=60),
    completion("The capital of France is", n=2, extra_body=ON, **sampled(11)),
    completion("1, 2, 3, 4, 5,", extra_body=ON),
    completion(["Count from 1 to 10.", "The capital of"], extra_body=ON, max_tokens=60),
    completion(long_text(11, 200), extra_body=ON, max_tokens=60),
]


class Answer:
    """What a stream carried, and whether it kept to the protocol."""

    def __init__(self):
        self.choices = {}
        self.usage = None
        self.ended = False

    def take(self, data):
        assert not self.ended, "an event after [DONE]"
        if data == "[DONE]":
            self.ended = True
            return
        chunk = json.loads(data)
        assert "error" not in chunk, f"an error event: {data}"
        for choice in chunk["choices"]:
            self.take_choice(choice)
        if chunk.get("usage"):
            assert self.usage is None, "usage twice"
            self.usage = [chunk["usage"][field] for field in USAGE]

    def take_choice(self, choice):
        mine = self.choices.setdefault(choice["index"], {"text": "", "reasoning": "", "calls": {}, "logprobs": [], "finish_reason": None})
        assert mine["finish_reason"] is None, "an event of a choice that had ended"
        delta = choice.get("delta", {})
        mine["text"] += choice.get("text") or delta.get("content") or ""
        mine["reasoning"] += delta.get("reasoning_content") or ""
        for piece in delta.get("tool_calls") or []:
            call = mine["calls"].setdefault(piece["index"], {"name": "", "arguments": ""})
            for field in call:
                call[field] += piece["function"].get(field) or ""
        if isinstance(choice.get("logprobs"), dict):
            mine["logprobs"] += choice["logprobs"].get("content") or []
        mine["finish_reason"] = choice["finish_reason"]

    def whole(self):
        assert self.ended, "the stream broke off before [DONE]"
        assert self.choices and all(c["finish_reason"] for c in self.choices.values()), "[DONE] before the last finish_reason"
        assert self.usage, "no usage"
        return {"choices": self.choices, "usage": self.usage}


def events(response):
    """The data of each server-sent event, to the end of the body; comments, which a long silence brings, are none."""
    rest = b""
    for piece in response.iter_bytes():
        *whole, rest = (rest + piece).split(b"\n\n")
        for event in whole:
            if event.startswith(b":"):
                continue
            place, _, event = event.partition(b"\n")
            assert place.startswith(b"id: ") and event.startswith(b"data: "), f"no event: {event!r}"
            yield event[6:].decode()
    assert not rest, f"the body ends within an event: {rest!r}"


def first_difference(was, now):
    """Short, of two answers that differ."""
    for index in was["choices"]:
        for field, value in was["choices"][index].items():
            other = now["choices"].get(index, {}).get(field)
            if other != value:
                return f"choice {index}, {field}: {other!r} instead of {value!r}"
    return f"{now} instead of {was}"


class Streams:
    """Client threads. All times are wall times, as in log lines. A stream is a pair of its slot and its first event."""

    def __init__(self, url, seed, in_flight=12):
        self.client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=30)
        self.model = self.client.models.list().data[0].id
        self.seed, self.in_flight = seed, in_flight
        self.reference, self.failures = [], []
        self.gaps = []  # stream, end and length of each silence since they were last cleared
        self.open = {}  # slot: when its request's first and last event came; one that waits for its first is not there
        self.over = threading.Event()
        self.threads = []

    def ask(self, kind, body, seen=lambda: None):
        api = self.client.chat.completions if kind == "chat" else self.client.completions
        answer = Answer()
        with api.with_streaming_response.create(model=self.model, stream=True, stream_options={"include_usage": True}, **body) as response:
            for data in events(response):
                answer.take(data)
                seen()
        return answer.whole()

    def make_reference(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.reference = list(pool.map(lambda request: self.ask(*request), MIX))

    def start(self):
        self.threads = [threading.Thread(target=self.keep_asking, args=[slot], daemon=True) for slot in range(self.in_flight)]
        for thread in self.threads:
            thread.start()

    def keep_asking(self, slot):
        choose = random.Random(f"{self.seed}/{slot}")
        while not self.over.is_set():
            self.ask_once(slot, choose.randrange(len(MIX)))

    def ask_once(self, slot, number):
        try:
            answer = self.ask(*MIX[number], seen=lambda: self.note_event(slot))
            if answer != self.reference[number]:
                self.fail(number, first_difference(self.reference[number], answer))
        except (openai.OpenAIError, AssertionError, OSError, ValueError, KeyError) as problem:
            self.fail(number, f"{type(problem).__name__}: {problem}")
        except Exception as problem:  # the client's HTTP library has errors of its own
            self.fail(number, f"{type(problem).__module__}.{type(problem).__name__}: {problem}")
        finally:
            self.open.pop(slot, None)

    def note_event(self, slot):
        now = time.time()
        first, before = self.open.get(slot, (now, now))
        self.gaps.append(((slot, first), now, now - before))
        self.open[slot] = first, now

    def with_output(self):
        """What is in flight and has had an event."""
        return {(slot, first) for slot, (first, _) in list(self.open.items())}

    def fail(self, number, what):
        self.failures.append((time.time(), f"request {number} of the mix: {what}"))

    def have_gone_on(self, streams, since):
        """Each has had an event after that, or has ended."""
        return all(slot not in self.open or self.open[slot] > (first, since) for slot, first in streams)

    def silences(self, streams, since):
        """The longest silence of each that ended after that; seconds."""
        longest = dict.fromkeys(streams, 0.0)
        for stream, end, seconds in list(self.gaps):
            if end > since and stream in longest:
                longest[stream] = max(longest[stream], seconds)
        return list(longest.values())

    def finish(self, seconds=60):
        """Lets what is in flight come to its end."""
        self.over.set()
        deadline = time.time() + seconds
        for thread in self.threads:
            thread.join(max(0, deadline - time.time()))
        if stuck := sum(thread.is_alive() for thread in self.threads):
            self.failures.append((time.time(), f"{stuck} streams did not end"))
