"""What an operator watches with: Prometheus' own tools and queries, and those of the dashboard, against what is really served."""
import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import openai
import pytest

from conftest import Server
from prometheus import ROOT, RULES, Prometheus, promtool

DASHBOARD = json.loads((ROOT / "launch/grafana/troupe.json").read_text())
NAME = re.compile(r"\b(?:troupe|process)_\w+")
# Its histogram has vLLM's name; the counter is older than the rule that it breaks.
NAMES_OF_OLD = {"troupe_iteration_tokens_total", "troupe_expert_load"}
# What only GPUs have, and what there is only after a fault or with drafts.
ELSEWHERE = re.compile(r"troupe_gpu_|troupe_faults_total|troupe_recovery_seconds|_draft_tokens_total|troupe_expert_load")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def watched():
    server = Server("--metrics-port", str(free_port()), "--also-vllm-names", "--served-model-name", "watched")
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=60)
    ask(client)
    yield server, client
    server.stop()


def ask(client):
    """Requests of each class, that end in each way but by an error."""
    for fields in [{}, {"ttft_slo_ms": 60000}, {"latency_slo_ms": 1}]:
        client.chat.completions.create(model="watched", messages=[{"role": "user", "content": "Solve 17 * 23"}], temperature=0, n=2, max_tokens=40,
                                       extra_body=fields)


@pytest.fixture(scope="module")
def prometheus(watched, tmp_path_factory):
    started = Prometheus(tmp_path_factory.mktemp("watching") / "prometheus", watched[0].port)
    yield started
    started.stop()


def get(port, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read().decode()


def names_of(text):
    """Of the lines: a histogram has three."""
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def labels_of(text, name):
    return [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in text.splitlines() if line.startswith(name + "{")]


def test_promtool_accepts_metrics_and_files(watched, tmp_path):
    server, _ = watched
    own = "".join(line + "\n" for line in server.get("/metrics").splitlines() if "vllm:" not in line)
    checked = subprocess.run(["promtool", "check", "metrics"], input=own, capture_output=True, text=True, timeout=60)
    complaints = (checked.stdout + checked.stderr).splitlines()
    assert {line.split()[0] for line in complaints} <= NAMES_OF_OLD, complaints
    promtool("check", "config", RULES / "scrape.yml")
    assert "7 rules found" in promtool("check", "rules", RULES / "alerts.yml")
    for file in [RULES / "alerts.yml", ROOT / "tests/launch/prometheus/alerts_test.yml"]:
        shutil.copy(file, tmp_path)
    promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)


def test_labels_are_closed(watched):
    """Whatever requests hold, no label has another value than these."""
    server, client = watched
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="of\nanother\"name", messages=[{"role": "user", "content": "x"}])
    client.completions.create(model="watched", prompt=[5], max_tokens=1, extra_headers={"X-Request-Id": "curious"},
                              extra_body={"cache_salt": "curious", "priority": 7, "request_id": "curious"})
    text = server.get("/metrics")
    lines = "".join(line for line in text.splitlines() if not line.startswith("#"))
    assert "curious" not in lines and "another" not in lines
    for name, label, values in [("request_success_total", "finished_reason", {"stop", "length", "tool_calls", "content_filter", "abort", "error"}),
                                ("request_slo_total", "slo_class", {"interactive", "deadline", "none"}),
                                ("request_slo_total", "met", {"true", "false"}),
                                ("num_requests_waiting_by_reason", "reason", {"capacity", "deferred"})]:
        assert {each[label] for each in labels_of(text, "troupe_" + name)} == values
    assert {name for line in re.findall(r"\{(.*)\}", text) for name in re.findall(r'model_name="([^"]*)"', line)} == {"watched"}


def test_what_requests_cost_is_told(watched):
    server, client = watched
    text = server.get("/metrics")
    for name in ["request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds", "request_inference_time_seconds",
                 "request_time_per_output_token_seconds", "request_prompt_tokens", "request_generation_tokens", "request_params_n", "request_params_max_tokens"]:
        assert server.metric(name + "_count") > 0, name
    # Of one choice alone, all of its times add up.
    spans = [server.metric(f"request_{part}_time_seconds_sum") for part in ["queue", "inference"]]
    whole = server.metric("e2e_request_latency_seconds_sum")
    client.completions.create(model="watched", prompt="Count", max_tokens=20, temperature=0)
    served = sum(server.metric(f"request_{part}_time_seconds_sum") for part in ["queue", "inference"]) - sum(spans)
    assert 0 < served <= server.metric("e2e_request_latency_seconds_sum") - whole + 1e-6
    assert server.metric('request_slo_total{met="false",model_name="watched",slo_class="deadline"') > 0
    assert server.metric('request_slo_total{met="true",model_name="watched",slo_class="interactive"') > 0
    config, = labels_of(text, "troupe_cache_config_info")
    assert int(config["num_gpu_blocks"]) == json.loads(server.get("/v1/scheduler"))["groups"][0]["total_blocks"]


def test_vllms_names(watched):
    """As its own dashboard asks for them."""
    server, _ = watched
    text = server.get("/metrics")
    for name in ["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:cache_config_info", "vllm:prompt_tokens_total",
                 "vllm:generation_tokens_total", "vllm:request_success_total", "vllm:time_to_first_token_seconds_bucket", "vllm:inter_token_latency_seconds_bucket",
                 "vllm:e2e_request_latency_seconds_bucket", "vllm:request_queue_time_seconds_sum", "vllm:request_prefill_time_seconds_sum",
                 "vllm:request_decode_time_seconds_sum", "vllm:request_prompt_tokens_bucket", "vllm:request_generation_tokens_bucket",
                 "vllm:request_params_max_tokens_bucket", "vllm:iteration_tokens_total_bucket", "vllm:num_preemptions_total"]:
        assert labels_of(text, name), name
        assert all(each["engine"] == "0" for each in labels_of(text, name)), name


def test_the_metrics_port_is_for_watching_alone(watched):
    server, _ = watched
    port = next(json.loads(line)["metrics_port"] for line in server.log if '"listening"' in line)
    there = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=60)
    with pytest.raises(openai.NotFoundError):
        there.completions.create(model="watched", prompt="x")
    assert names_of(get(port, "/metrics")) == names_of(server.get("/metrics"))
    assert json.loads(get(port, "/v1/replica"))["state"] == "serving"


def dashboard_queries():
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_files_name_only_what_is_served(watched):
    served = names_of(watched[0].get("/metrics"))
    asked = [expression for _, expression in dashboard_queries()] + [(RULES / "alerts.yml").read_text()]
    asked += [variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    asked += [each["expr"] for each in DASHBOARD["annotations"]["list"]]
    missing = {name for expression in asked for name in NAME.findall(expression) if name not in served and not ELSEWHERE.match(name)}
    assert not missing


def test_the_dashboards_queries_yield_something(watched, prometheus):
    """Each is run by Prometheus; where what it asks for exists here, there is an answer."""
    _, client = watched
    prometheus.await_query("count_over_time(troupe_epoch[1m]) >= 2")
    ask(client)  # between two scrapes
    for title, expression in dashboard_queries():
        for variable, value in [("$__rate_interval", "1m"), ("$model_name", "watched"), ("$instance", ".+")]:
            expression = expression.replace(variable, value)
        assert "$" not in expression
        if ELSEWHERE.search(expression):
            prometheus.query(expression)
        else:
            assert prometheus.await_query(expression), title
    for each in DASHBOARD["annotations"]["list"]:
        prometheus.query(each["expr"].replace("$__interval", "1m").replace("$model_name", "watched").replace("$instance", ".+"))
    with pytest.raises(urllib.error.HTTPError):
        prometheus.query("rate(troupe_epoch)")  # what is no query would be noticed


def test_the_first_fault_of_its_kind_is_seen(tmp_path):
    """A series that begins with it has not grown."""
    expression = dict(dashboard_queries())["Faults"]
    for variable, value in [("$__rate_interval", "1m"), ("$model_name", "m"), ("$instance", ".+")]:
        expression = expression.replace(variable, value)
    def fault(kind, values):
        return {"series": f'troupe_faults_total{{model_name="m",instance="a",kind="{kind}",rank="0",collective="none"}}', "values": values}
    def seen_at(time, **faults):
        samples = [{"labels": f'{{kind="{kind}",rank="0",collective="none"}}', "value": value} for kind, value in faults.items()]
        return {"expr": expression, "eval_time": time, "exp_samples": samples}
    series = [fault("exited", "_x9 1x40"), fault("stuck", "1x40")]  # every 15 s
    times = [seen_at("165s", exited=1, stuck=0), seen_at("4m", exited=0, stuck=0)]
    (tmp_path / "faults.yml").write_text(json.dumps({"evaluation_interval": "15s", "tests": [
        {"interval": "15s", "input_series": series, "promql_expr_test": times}]}))
    promtool("test", "rules", "faults.yml", cwd=tmp_path)


def test_prometheus_knows_the_rules(prometheus):
    """And none of them fires for a server that is well."""
    groups = prometheus.get("rules")["groups"]
    while any(not rule.get("lastEvaluation", "0").startswith("20") for group in groups for rule in group["rules"]):
        groups = prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 7 and all(rule["health"] == "ok" for rule in rules), rules
    assert not [rule["name"] for rule in rules if rule["state"] == "firing"]
