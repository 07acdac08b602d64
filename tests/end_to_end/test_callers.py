"""Who may ask for how much, and what is told of it: keys, limits, the audit's lines, TLS, nginx before the server."""
import http.client
import json
import random
import signal
import ssl
import time
import urllib.error
import urllib.request

import httpx
import openai
import pytest

from conftest import Server, wait_until
from key_file import KeyFile, troupe
from nginx import Nginx


class KeyedServer(Server):
    """Its own pages are asked for with a key of class metrics."""

    def __init__(self, keys, *flags):
        self.metrics_key = keys.add("watch", "--class", "metrics")
        super().__init__("--api-keys", keys.path, *flags)

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": "Bearer " + self.metrics_key})
        return urllib.request.urlopen(request, timeout=30).read().decode()

    def client(self, key):
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return KeyFile(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def keyed(keys):
    server = KeyedServer(keys, "--served-model-name", "demo")
    yield server
    server.stop()


def accepted(client):
    try:
        client.models.list()
        return True
    except openai.AuthenticationError:
        return False


def test_keys_come_and_go_while_a_stream_runs(keyed, keys):
    client = keyed.client(keys.add("rotating"))
    wait_until(lambda: accepted(client))
    stream = client.completions.create(model="demo", prompt="Once", max_tokens=1500, stream=True, extra_body={"ignore_eos": True})
    first = next(stream)
    second = keyed.client(keys.add("rotating"))
    wait_until(lambda: accepted(second))
    assert accepted(client), "both are valid while one takes the other's place"
    troupe("keys", "revoke", "rotating", "--api-keys", keys.path)
    wait_until(lambda: not accepted(client))
    assert not accepted(second)
    parts = [first, *stream]
    assert parts[-1].choices[0].finish_reason == "length", "the stream goes on"


def test_refusals_are_the_exceptions_of_the_client(keyed, keys):
    client = keyed.client(keys.add("refused", "--max-tokens", "5", "--models", "other"))
    wait_until(lambda: accepted(client))
    with pytest.raises(openai.AuthenticationError) as wrong:
        keyed.client("none").models.list()
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as forbidden:
        client.completions.create(model="demo", prompt="a", max_tokens=2)
    assert forbidden.value.code == "model_not_found"
    with pytest.raises(urllib.error.HTTPError) as metrics:
        urllib.request.urlopen(keyed.url + "/metrics", timeout=30)
    assert metrics.value.code == 401


def test_tokens_are_counted_as_they_were_used(keyed, keys):
    client = keyed.client(keys.add("counted", "--tokens-per-minute", "4000", "--concurrent", "1"))
    wait_until(lambda: accepted(client))
    answer = client.completions.with_raw_response.create(model="demo", prompt="Once upon a time", max_tokens=1000, stop=[" "], seed=1)
    usage = answer.parse().usage
    left = int(answer.headers["x-ratelimit-remaining-tokens"])
    assert answer.headers["x-ratelimit-limit-tokens"] == "4000"
    assert 4000 - usage.total_tokens <= left <= 4000, "what was not used of a thousand is there again"
    with client.completions.create(model="demo", prompt="Once", max_tokens=1500, stream=True, extra_body={"ignore_eos": True}) as stream:
        next(stream)
        with pytest.raises(openai.RateLimitError) as busy:
            client.completions.create(model="demo", prompt="a", max_tokens=2)
        assert busy.value.code == "rate_limit_exceeded"
        assert int(busy.value.response.headers["retry-after"]) >= 1
    with pytest.raises(openai.RateLimitError, match="Request too large"):
        wait_until(lambda: not retry_while_busy(lambda: client.completions.create(model="demo", prompt="a", max_tokens=4000)))


def retry_while_busy(ask):
    """Whether the caller's one place is still taken: the server learns that a client left when it writes to it."""
    try:
        ask()
    except openai.RateLimitError as error:
        if "concurrent" not in str(error):
            raise
        return True
    return False


def test_each_request_has_a_line_without_text(keyed, keys):
    marker = "zanzibar"
    key = keys.add("audited")
    client = keyed.client(key)
    wait_until(lambda: accepted(client))
    answer = client.chat.completions.create(model="demo", messages=[{"role": "user", "content": marker}], max_tokens=3, extra_headers={"X-Request-Id": "audit-1"})
    wait_until(lambda: any('"audit-1"' in line and '"http_request"' in line for line in keyed.log))
    line = next(json.loads(line) for line in keyed.log if '"audit-1"' in line and '"http_request"' in line)
    assert line["caller"] == "audited" and line["protocol"] == "openai" and line["status"] == 200 and line["end"] == "complete"
    assert line["prompt_tokens"] == answer.usage.prompt_tokens and line["completion_tokens"] == answer.usage.completion_tokens
    assert line["finish"] == answer.choices[0].finish_reason
    assert 0 <= line["accepted_ms"] <= line["first_ms"] <= line["ms"]
    everything = "".join(keyed.log)
    assert marker not in everything and key not in everything


def kolmogorov_smirnov(one, other):
    """The largest distance between the two distributions."""
    return max(abs(sum(x <= at for x in one) / len(one) - sum(x <= at for x in other) / len(other)) for at in one + other)


def test_nobody_learns_by_the_time_what_others_have_asked(keyed, keys):
    """A caller's cached prefix is as slow for another caller as a prompt that nobody asked."""
    alice, bob = keys.add("alice"), keys.add("bob")
    wait_until(lambda: accepted(keyed.client(bob)) and accepted(keyed.client(alice)))
    connection = http.client.HTTPConnection("127.0.0.1", keyed.port, timeout=60)
    draw = random.Random(7)

    def seconds(key, prompt):
        began = time.perf_counter()
        connection.request("POST", "/v1/completions", json.dumps({"model": "demo", "prompt": prompt, "max_tokens": 1}),
                           {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        return time.perf_counter() - began

    own, of_other, of_nobody = [], [], []
    count = 20
    for turn in range(count):
        asked, fresh = ([draw.randrange(10, 200) for _ in range(160)] for _ in range(2))
        seconds(alice, asked)
        both = [(of_other, asked), (of_nobody, fresh)]
        for times, prompt in both if turn % 2 else reversed(both):
            times.append(seconds(bob, prompt))
        own.append(seconds(alice, asked))
    # Of two samples of this size from one distribution, one pair in a thousand is further apart.
    critical = 1.95 * (2 / count) ** 0.5
    assert kolmogorov_smirnov(own, of_nobody) > critical, "the measurement would see a cached prefix"
    assert kolmogorov_smirnov(of_other, of_nobody) < critical


def test_openai_over_tls(tmp_path):
    troupe("certs", "127.0.0.1", "--out", str(tmp_path))
    certificate, key = str(tmp_path / "127.0.0.1.pem"), str(tmp_path / "127.0.0.1.key")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))

    class TlsServer(Server):
        def get(self, path):
            return urllib.request.urlopen(self.url.replace("http:", "https:") + path, timeout=30, context=trusting).read().decode()

    server = TlsServer("--ssl-certfile", certificate, "--ssl-keyfile", key)
    client = openai.OpenAI(base_url=f"https://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0, timeout=60,
                           http_client=httpx.Client(verify=trusting))
    model = client.models.list().data[0].id
    whole = client.completions.create(model=model, prompt="Once", max_tokens=20, seed=1, temperature=0)
    streamed = client.completions.create(model=model, prompt="Once", max_tokens=20, seed=1, temperature=0, stream=True)
    assert "".join(part.choices[0].text for part in streamed if part.choices) == whole.choices[0].text
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any('"certificate_read"' in line for line in server.log))
    assert client.models.list().data[0].id == model
    server.stop()


@pytest.fixture
def nginx(keyed, tmp_path):
    started = Nginx(tmp_path, [keyed.port])
    yield started
    started.stop()


def test_nginx_passes_streams_on_and_names_requests(nginx, keyed, keys):
    key = keys.add("behind-nginx")
    wait_until(lambda: accepted(keyed.client(key)))
    connection = nginx.connect()

    def ask(body, **headers):
        connection.request("POST", "/v1/completions", json.dumps({"model": "demo", "prompt": "Once", **body}),
                           {"Authorization": "Bearer " + key, "Content-Type": "application/json", **headers})
        return connection.getresponse()

    response = ask({"max_tokens": 1500, "stream": True, "ignore_eos": True}, **{"X-Request-Id": "proxied-1"})
    assert response.status == 200 and response.headers["X-Request-Id"] == "proxied-1"
    assert response.readline().startswith(b"id: ") and response.readline().startswith(b"data: ")
    assert keyed.metric("num_requests_running") >= 1, "the first event came before the last was made"
    connection.close()
    wait_until(lambda: keyed.metric("num_requests_running") == 0)  # the client left, and nginx said so
    response = ask({"max_tokens": 2})
    named = response.headers["X-Request-Id"]
    assert response.status == 200 and len(named) == 32 and json.loads(response.read())["id"] == "cmpl-" + named
    wait_until(lambda: named in nginx.access_log.read_text())
