"""What overlays render to is valid by Kubernetes' schemas, hangs together, and has no flag, port or path that the program has not."""
import json
import os
import re
import shutil
import subprocess
import threading

import kubernetes_validate
import pytest
import yaml

from kustomize import pod_of, render
from program import LAUNCH, await_ready, clean_environment, complete, free_port, listening_url, settings_of, troupe

KUBERNETES = LAUNCH / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
VERSION = "1.34"  # of the schemas; from 1.30 on preStop can sleep
NO_SCHEMA = {"Issuer", "Certificate"}  # cert-manager's own
RENDERED = {name: render(KUBERNETES / "overlays" / name) for name in OVERLAYS}
LONGEST_LOAD = 600  # s


def of_kind(overlay, kind):
    return [each for each in RENDERED[overlay] if each["kind"] == kind]


def workloads(overlay):
    return of_kind(overlay, "Deployment") + of_kind(overlay, "StatefulSet")


def container(workload):
    [only] = pod_of(workload)["containers"]
    return only


def labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def ports(workload):
    return {port["name"]: port["containerPort"] for port in container(workload).get("ports", [])}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Of a pod, as the program understands its arguments and the text of its map."""
    def ask(overlay, workload):
        [text] = [each["data"]["troupe.toml"] for each in of_kind(overlay, "ConfigMap")]
        file = tmp_path_factory.mktemp(overlay) / "troupe.toml"
        file.write_text(text)
        arguments = [{"/etc/troupe/troupe.toml": str(file), "$(POD_IP)": "10.1.2.3"}.get(word, word) for word in container(workload)["args"]]
        return settings_of(*arguments)
    return ask


def test_there_are_overlays():
    assert OVERLAYS == ["cpu-demo", "h100-2node", "h200-1node"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_schemas_are_kept(overlay):
    for resource in RENDERED[overlay]:
        kubernetes_validate.validate(resource, VERSION, strict=True)


def test_certificates_make_the_secret_that_pods_mount():
    made = render(KUBERNETES / "cert-manager")
    assert {each["kind"] for each in made} == NO_SCHEMA
    secrets = {each["spec"]["secretName"] for each in made if each["kind"] == "Certificate"}
    mounted = {volume["secret"]["secretName"] for each in workloads("h100-2node") for volume in pod_of(each)["volumes"] if "secret" in volume}
    assert "troupe-links" in secrets & mounted


@pytest.mark.skipif(not shutil.which("kubectl"), reason="what kubectl renders is compared where there is one")
@pytest.mark.parametrize("folder", [f"overlays/{name}" for name in OVERLAYS] + ["cert-manager"])
def test_kubectl_renders_the_same(folder):
    done = subprocess.run(["kubectl", "kustomize", KUBERNETES / folder], capture_output=True, text=True, timeout=60)
    if done.returncode != 0 and "unknown" in done.stderr:
        pytest.skip("kubectl is too old")
    assert done.returncode == 0, done.stderr

    def comparable(resources):
        return sorted(json.dumps(in_order(each), sort_keys=True) for each in resources)

    def in_order(value):
        if isinstance(value, dict):
            return {key: in_order(each) for key, each in value.items()}
        if isinstance(value, list):
            return sorted(map(in_order, value), key=lambda each: json.dumps(each, sort_keys=True))
        return value
    assert comparable(render(KUBERNETES / folder)) == comparable(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_program_takes_every_flag_and_has_every_port(overlay, settings):
    for workload in workloads(overlay):
        known = settings(overlay, workload)
        if labels(workload)["app.kubernetes.io/component"] == "node":
            continue
        assert ports(workload)["http"] == known["port"] and ports(workload)["metrics"] == known["metrics-port"]
        assert workload["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(known["metrics-port"])
        assert known["host"] == "0.0.0.0"
        assert "control" not in ports(workload) or ports(workload)["control"] == known["control-port"]
        gpus = container(workload)["resources"]["limits"].get("nvidia.com/gpu", 0)
        assert known["device"] == ("cuda" if gpus else "cpu")
        assert known["tensor-parallel-size"] * known["data-parallel-size"] == max(gpus, 1) * known["nodes"]
        assert known["nodes"] == sum(each["spec"].get("replicas", 1) for each in workloads(overlay))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_settings_and_probes_name_is_there(overlay, settings):
    """Folders of files that settings name are mounted; paths of probes are routes that need no key."""
    routes = (LAUNCH.parent / "actors/edge/status_pages.cpp").read_text()
    for workload in workloads(overlay):
        known, one = settings(overlay, workload), container(workload)
        mounts = {mount["mountPath"]: mount["name"] for mount in one["volumeMounts"]}
        volumes = {volume["name"] for volume in pod_of(workload)["volumes"]}
        assert set(mounts.values()) == volumes
        for name in ["model", "api-keys", "tls-ca", "tls-certificate", "tls-key"]:
            if path := known.get(name):
                assert any(path.startswith(mount + "/") for mount in mounts), path
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"]:
            if probe in one:
                assert one[probe]["httpGet"]["port"] in ports(workload)
                assert re.search(rf'"{one[probe]["httpGet"]["path"]}",\s+\.key = KeyClass::none', routes)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_times_fit(overlay, settings):
    """A load of ten minutes is waited for, a drain is not cut off, and nodes stay until the head has gone."""
    for workload in workloads(overlay):
        pod, one = pod_of(workload), container(workload)
        sleep = one["lifecycle"]["preStop"]["sleep"]["seconds"]
        [server] = [each for each in workloads(overlay) if labels(each)["app.kubernetes.io/component"] == "server"]
        drained = container(server)["lifecycle"]["preStop"]["sleep"]["seconds"] + settings(overlay, server)["shutdown-timeout"]
        if workload is server:
            assert drained + 10 <= pod["terminationGracePeriodSeconds"]
            started = one["startupProbe"]
            assert started["periodSeconds"] * started["failureThreshold"] >= 1.5 * LONGEST_LOAD
            ready = one["readinessProbe"]
            assert ready["periodSeconds"] * ready["failureThreshold"] + 5 <= sleep  # nobody is sent here any more when it drains
        else:
            assert drained <= sleep < pod["terminationGracePeriodSeconds"]
    for deployment in of_kind(overlay, "Deployment"):
        assert deployment["spec"]["progressDeadlineSeconds"] >= 1.5 * LONGEST_LOAD
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_lead_somewhere(overlay):
    """Selectors, references by name, and names of ports."""
    for service in of_kind(overlay, "Service"):
        chosen = [each for each in workloads(overlay) if service["spec"]["selector"].items() <= labels(each).items()]
        assert chosen and all(any(port["targetPort"] in ports(each) for each in chosen) for port in service["spec"]["ports"])
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        chosen = [each for each in workloads(overlay) if budget["spec"]["selector"]["matchLabels"].items() <= labels(each).items()]
        assert len(chosen) == budget["spec"]["minAvailable"]
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        reference = scaler["spec"]["scaleTargetRef"]
        assert [reference["name"]] == [each["metadata"]["name"] for each in of_kind(overlay, reference["kind"])]
    [policy] = of_kind(overlay, "NetworkPolicy")
    for workload in workloads(overlay):
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels(workload).items()
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels(workload).items()
        assert {volume["configMap"]["name"] for volume in pod_of(workload)["volumes"] if "configMap" in volume} == \
            {each["metadata"]["name"] for each in of_kind(overlay, "ConfigMap")}
    opened = [port["port"] for rule in policy["spec"]["ingress"] for port in rule.get("ports", [])]
    assert opened == ["http", "metrics"]  # and the rest to pods alone:
    assert [rule["from"] for rule in policy["spec"]["ingress"] if "ports" not in rule] == [[{"podSelector": policy["spec"]["podSelector"]}]]


def test_the_second_node_finds_the_head(settings):
    head, node = (next(each for each in of_kind("h100-2node", "StatefulSet") if each["metadata"]["name"] == name) for name in ["troupe-head", "troupe-node"])
    [links] = [each for each in of_kind("h100-2node", "Service") if each["spec"].get("clusterIP") == "None"]
    assert head["spec"]["serviceName"] == links["metadata"]["name"] and links["spec"]["publishNotReadyAddresses"]
    words = container(node)["args"]
    assert words[words.index("--join") + 1] == f"troupe-head-0.{links['metadata']['name']}:{settings('h100-2node', head)['control-port']}"
    for each in head, node:
        assert "IPC_LOCK" in container(each)["securityContext"]["capabilities"]["add"]
        assert container(each)["resources"]["limits"]["nvidia.com/gpu"] == 8


def test_the_two_pods_become_a_replica(tmp_path):
    """Their arguments, their settings and the secrets that the README makes, on this machine, which has no GPUs."""
    files = {"ca.pem": "ca.crt", "troupe-links.pem": "tls.crt", "troupe-links.key": "tls.key"}
    troupe("certs", "--out", tmp_path, "troupe-links")
    for made, mounted in files.items():
        shutil.move(tmp_path / made, tmp_path / mounted)
    key = troupe("keys", "add", "me", "--api-keys", tmp_path / "keys.toml")
    control = free_port()
    [text] = [each["data"]["troupe.toml"] for each in of_kind("h100-2node", "ConfigMap")]
    for old, new in [('model = "/models/deepseek-v3"\nserved-model-name = ["deepseek-v3"]\n', 'kv-cache-memory-bytes = "16M"\nthreads = 1\n'),
                     ("\nport = 8000\n", "\nport = 0\n"), ("\nmetrics-port = 8001\n", "\n"), ("7000", str(control)), ("/etc/troupe/keys/", f"{tmp_path}/"),
                     ('"cuda"', '"cpu"'), ("tensor-parallel-size = 8", "tensor-parallel-size = 1"), ("require-rdma = true", ""), ('"eth0"', '"lo"')]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "troupe.toml").write_text(text.replace("/etc/troupe/links/", f"{tmp_path}/"))
    here = {"/etc/troupe/troupe.toml": str(tmp_path / "troupe.toml"), "$(POD_IP)": "127.0.0.1", "troupe-head-0.troupe-links:7000": f"127.0.0.1:{control}"}
    processes = []

    def start(name):
        [pod] = [each for each in of_kind("h100-2node", "StatefulSet") if each["metadata"]["name"] == name]
        words = [here.get(word, word) for word in container(pod)["args"]]
        processes.append(subprocess.Popen([os.environ["TROUPE_BINARY"], *words], env=clean_environment(), stderr=subprocess.PIPE, text=True))
        return processes[-1]
    try:
        head, node = start("troupe-head"), start("troupe-node")
        url = listening_url(head.stderr)
        for each in head, node:
            threading.Thread(target=each.stderr.read, daemon=True).start()
        await_ready(url)
        assert "391" in complete(url, key, "Solve 17 * 23")
        head.terminate()
        assert head.wait(60) == 0
        node.wait(60)  # by itself
    finally:
        for each in processes:
            each.kill()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_have_no_rights(overlay):
    for workload in workloads(overlay):
        pod, one = pod_of(workload), container(workload)
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"]
        assert one["securityContext"]["readOnlyRootFilesystem"] and not one["securityContext"]["allowPrivilegeEscalation"]
        assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert any(mount["mountPath"] == "/dev/shm" for mount in one["volumeMounts"])


def test_the_checkpoint_is_brought_to_where_it_is_served_from(settings):
    """By the program's own flags, with the rights of the server, who cannot write it; the demo model needs no network."""
    for overlay in "h200-1node", "h100-2node":
        for workload in workloads(overlay):
            pod = pod_of(workload)
            [pull] = pod["initContainers"]
            assert pull["image"] == container(workload)["image"] and pull["args"][0] == "pull"
            usage = subprocess.run([os.environ["TROUPE_BINARY"], *pull["args"], "--endpoint", "http://127.0.0.1:1", "--retries", "0"],
                                   env=clean_environment(), capture_output=True, text=True, timeout=30)
            assert usage.returncode == 1 and "127.0.0.1:1: Connection refused" in usage.stderr  # it was understood
            assert re.fullmatch(r"\S+@[0-9a-f]{40}", pull["args"][1]), "a commit"
            assert pull["args"][pull["args"].index("--to") + 1] == settings(overlay, workload).get("model", "/models/deepseek-v3")
            assert pull["securityContext"] == container(workload)["securityContext"] | {"capabilities": {"drop": ["ALL"]}}
            [written] = pull["volumeMounts"]
            [read] = [mount for mount in container(workload)["volumeMounts"] if mount["name"] == written["name"]]
            assert read["readOnly"] and not written.get("readOnly") and read["mountPath"] == written["mountPath"]
            [volume] = [each for each in pod["volumes"] if each["name"] == written["name"]]
            assert not volume["persistentVolumeClaim"]["readOnly"]
    for overlay in OVERLAYS:
        [policy] = of_kind(overlay, "NetworkPolicy")
        to_anybody = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
        assert to_anybody == ([] if overlay == "cpu-demo" else [[{"protocol": "TCP", "port": 443}]])


def test_the_autoscaler_reads_a_metric_that_there_is():
    adapter = yaml.safe_load((KUBERNETES / "metrics-adapter.yaml").read_text())
    [rule] = adapter["rules"]["custom"]
    [scaler] = of_kind("h200-1node", "HorizontalPodAutoscaler")
    name = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert name == rule["name"]["matches"] and rule["seriesQuery"].startswith(name + "{")
    assert f'"{name.removeprefix("troupe_")}"' in (LAUNCH.parent / "actors/metrics.cpp").read_text()
