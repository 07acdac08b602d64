"""Users of a load test, one for each of Locust's HTTP clients: they ask for so many tokens and look whether they came."""
import json
import os
import time

from locust import FastHttpUser, HttpUser, constant_throughput, task

TOKENS = 12
QUESTION = {"model": os.environ["MODEL"], "messages": [{"role": "user", "content": "Count from 1 to 50."}], "temperature": 0, "max_tokens": TOKENS}


def check(response, text, usage):
    if not text or usage["completion_tokens"] != TOKENS:
        response.failure(f"{TOKENS} tokens were asked for: {text!r}, {usage}")


class Streaming(HttpUser):
    wait_time = constant_throughput(10)

    @task
    def chat(self):
        body = QUESTION | {"stream": True, "stream_options": {"include_usage": True}}
        with self.client.post("/v1/chat/completions", json=body, stream=True, catch_response=True) as response:
            lines = [line for line in self.timed(response.iter_lines()) if line.startswith(b"data: ")]
            chunks = [json.loads(line.removeprefix(b"data: ")) for line in lines[:-1]]
            text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
            check(response, text, chunks[-1]["usage"])

    def timed(self, lines):
        """Tells Locust when the first came."""
        begun = time.perf_counter()
        for i, line in enumerate(lines):
            if i == 0:
                self.environment.events.request.fire(
                    request_type="SSE", name="first token", response_time=1e3 * (time.perf_counter() - begun), response_length=len(line),
                    exception=None, context={})
            yield line


class Whole(FastHttpUser):
    wait_time = constant_throughput(10)

    @task
    def chat(self):
        with self.rest("POST", "/v1/chat/completions", json=QUESTION) as response:
            check(response, response.js["choices"][0]["message"]["content"], response.js["usage"])
