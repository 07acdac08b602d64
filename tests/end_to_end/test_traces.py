"""Spans of requests, as a collector of OpenTelemetry gets them: this test's own."""
import http.server
import json
import os
import queue
import signal
import threading

import openai
import pytest

from conftest import Server

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Keeps the spans that are posted to it; status: of its answers."""

    def __init__(self, status=200):
        arrived = self.arrived = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json"
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
                arrived.put(body)

            def log_message(self, *_):
                pass
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def next(self):
        """The spans of one post, by name."""
        body = self.arrived.get(timeout=60)
        spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        return {span["name"]: span for span in spans} | {"text": json.dumps(body)}

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def collector():
    started = Collector()
    yield started
    started.stop()


def ask(server, **fields):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=60)
    fields = {"model": "troupe-mini", "prompt": "xylophone quark", "max_tokens": 8, "temperature": 0, "extra_body": {"ignore_eos": True}} | fields
    return client.completions.create(**fields)


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_request_is_a_trace(collector):
    server = Server("--otlp-traces-endpoint", collector.url + "/v1/traces")
    try:
        answer = ask(server, extra_headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "r-1"})
        spans = collector.next()
        text = spans.pop("text")
        assert "xylophone" not in text and answer.choices[0].text.strip() not in text
        assert set(spans) == {"POST /v1/completions", "queue", "prefill", "decode"}
        edge = spans["POST /v1/completions"]
        assert all(span["traceId"] == TRACE for span in spans.values())
        assert edge["parentSpanId"] == PARENT and all(spans[part]["parentSpanId"] == edge["spanId"] for part in ["queue", "prefill", "decode"])
        times = [int(edge["startTimeUnixNano"])] + [int(spans[part]["startTimeUnixNano"]) for part in ["queue", "prefill", "decode"]]
        times += [int(spans["decode"]["endTimeUnixNano"]), int(edge["endTimeUnixNano"])]
        assert times == sorted(times)
        assert attributes(edge)["gen_ai.response.id"] == answer.id and attributes(edge)["troupe.request_id"] == "r-1"
        assert attributes(edge)["gen_ai.usage.output_tokens"] == str(answer.usage.completion_tokens)

        ask(server, extra_headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})  # whose caller wants no spans
        with pytest.raises(openai.NotFoundError):
            ask(server, model="nobody")
        refused = collector.next()
        assert attributes(refused["POST /v1/completions"])["http.response.status_code"] == "404" and "queue" not in refused
        assert refused["POST /v1/completions"]["traceId"] != TRACE
    finally:
        server.stop()


def test_a_replay_is_linked_to_what_it_goes_on_with(collector):
    server = Server("--otlp-traces-endpoint", collector.url, "--kv-cache-memory-bytes", "64M", "--virtual-shards", "4", "--threads", "1", "-tp", "2")
    try:
        stream = ask(server, prompt="Count from 1 to 100.", max_tokens=400, stream=True, extra_body={"ignore_eos": True})
        next(iter(stream))
        os.kill(json.loads(server.get("/v1/replica"))["ranks"][1]["pid"], signal.SIGKILL)
        for _ in stream:
            pass
        spans = collector.next()
        assert spans["replay"]["links"] == [{"traceId": spans["decode"]["traceId"], "spanId": spans["decode"]["spanId"]}]
        assert int(spans["decode"]["startTimeUnixNano"]) <= int(spans["replay"]["startTimeUnixNano"]) < int(spans["replay"]["endTimeUnixNano"])
    finally:
        server.stop()


@pytest.mark.parametrize("status", [500, None], ids=["refuses", "is gone"])
def test_a_collector_that_takes_nothing_holds_nobody_up(status):
    collector = Collector(status)
    server = Server("--otlp-traces-endpoint", collector.url)
    try:
        if status is None:
            collector.stop()
        assert ask(server).choices[0].text
        while not any("spans_dropped" in line for line in server.log):
            assert server.process.poll() is None
    finally:
        server.stop()
        if status is not None:
            collector.stop()
