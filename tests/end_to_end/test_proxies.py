"""Caddy, Traefik and Envoy before the server, as launch/ configures them: nothing is held back, cut short or lost. nginx: test_rolling_restart.py."""
import json
import subprocess
import urllib.request

import pytest

from conftest import Server, wait_until
from proxies import LAUNCH, Caddy, Envoy, Traefik

COUNT = {"model": "troupe-mini", "messages": [{"role": "user", "content": "Count from 1 to 100."}], "temperature": 0, "max_tokens": 400}
ENDLESS = COUNT | {"ignore_eos": True, "max_tokens": 3000, "stream": True}
SHORT = COUNT | {"messages": [{"role": "user", "content": "Solve 17 * 23"}]}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def servers():
    """The first has one seat: who comes second waits."""
    both = [Server("--max-num-seqs", "1", "--served-model-name", name) for name in ["troupe-mini", "the-other"]]
    yield both
    for each in both:
        each.stop()


@pytest.fixture(scope="module", params=[Caddy, Traefik, Envoy], ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def proxy(kind, servers, tmp_path):
    started = kind(tmp_path, servers[0].port)
    yield started
    started.stop()


def begin(proxy, body):
    """A stream whose answer has begun, and its connection, which must be kept until it is read."""
    connection = proxy.connect()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), JSON)
    answer = connection.getresponse()
    assert answer.status == 200
    return connection, answer


def end(connection, answer):
    answer.close()
    connection.close()


def read_text(answer, events):
    """Of the next ones of a stream."""
    text = ""
    while events > 0:
        line = answer.readline()
        assert line, "the stream was cut off"
        if line.startswith(b"data: "):
            events -= 1
            text += json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"].get("content") or ""
    return text


def await_running(server, number):
    wait_until(lambda: server.metric("num_requests_running") == number)


def test_streams_are_not_held_back(proxy, servers):
    stream = begin(proxy, ENDLESS)
    read_text(stream[1], 2)
    assert servers[0].metric("num_requests_running") == 1  # events are here before there is a last one
    end(*stream)
    await_running(servers[0], 0)


@pytest.mark.parametrize("streamed", [True, False])
def test_who_leaves_ends_the_generation(proxy, servers, streamed):
    before = servers[0].metric('request_success_total{finished_reason="abort"')
    connection = proxy.connect()
    connection.request("POST", "/v1/chat/completions", json.dumps(ENDLESS | {"stream": streamed}), JSON)
    await_running(servers[0], 1)
    connection.close()
    await_running(servers[0], 0)
    assert servers[0].metric('request_success_total{finished_reason="abort"') == before + 1


def test_who_waits_is_waited_for(proxy, servers):
    """The second request hears nothing until the first has left its seat."""
    first = begin(proxy, ENDLESS)
    waiting = proxy.connect()
    waiting.request("POST", "/v1/chat/completions", json.dumps(SHORT), JSON)
    wait_until(lambda: servers[0].metric("num_requests_waiting") == 1)
    for _ in range(50):
        assert first[1].readline()
    end(*first)
    answer = waiting.getresponse()
    assert answer.status == 200
    assert "391" in json.loads(answer.read())["choices"][0]["message"]["content"]


def test_streams_outlive_a_reload(proxy, servers):
    before = servers[0].metric("generation_tokens_total")
    body = ENDLESS | {"n": 20}  # one after the other, on the one seat: a single one is over in a second, which a reload may take
    connection, answer = begin(proxy, body)
    proxy.reload(servers[1].port)
    wait_until(lambda: json.loads(proxy.ask("GET", "/v1/models")[2])["data"][0]["id"] == "the-other")
    assert servers[0].metric("num_requests_running") == 1
    # An event is a token or more: the last of these was not there yet when the reload was over.
    events = int(servers[0].metric("generation_tokens_total") - before) + 20
    text = read_text(answer, events)
    end(connection, answer)
    await_running(servers[0], 0)
    with urllib.request.urlopen(urllib.request.Request(servers[0].url + "/v1/chat/completions", json.dumps(body).encode(), JSON), timeout=60) as direct:
        assert text == read_text(direct, events)
    await_running(servers[0], 0)


def test_limits_and_names(proxy, servers):
    large = json.dumps(COUNT | {"user": "x" * (16 << 20)})
    try:
        assert proxy.ask("POST", "/v1/chat/completions", large, JSON)[0] == 413
    except OSError:
        pass  # it did not read to the end before it answered
    status, headers, _ = proxy.ask("GET", "/v1/models", headers={"X-Request-Id": "of-the-client"})
    assert status == 200 and headers["X-Request-Id"] == "of-the-client"
    assert proxy.ask("GET", "/v1/models")[1]["X-Request-Id"]


def test_no_answer_is_too_long():
    """What takes longer than a test may: times of which the proxies' own defaults would cut answers off."""
    caddy = json.loads(subprocess.run([Caddy.program, "adapt", "--config", LAUNCH / "Caddyfile"], check=True, capture_output=True, timeout=60).stdout)
    of_caddy = caddy["apps"]["http"]["servers"]["srv0"]
    assert "write_timeout" not in of_caddy and "response_header_timeout" not in json.dumps(of_caddy)
    assert "flush_interval" not in json.dumps(of_caddy)  # see the comment there
    traefik = (LAUNCH / "traefik.yaml").read_text()
    assert "writeTimeout: 0s" in traefik and "responseHeaderTimeout: 0s" in traefik
    envoy = (LAUNCH / "envoy.yaml").read_text()
    assert " timeout: 0s " in envoy and "stream_idle_timeout: 0s" in envoy
