"""The images' files are right by hadolint and say what the program has; compose's file is, and finds the files that it hands in."""
import json
import re
import subprocess
import sysconfig

import pytest
import yaml
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser

from program import LAUNCH, ROOT, settings_of

CONTAINER = LAUNCH / "container"
IMAGES = ["Dockerfile", "Dockerfile.cuda"]


def instructions(name):
    """[(instruction, value)], a stage's first is FROM."""
    parser = DockerfileParser(fileobj=open(CONTAINER / name, "rb"))
    return [(each["instruction"], each["value"]) for each in parser.structure if each["instruction"] != "COMMENT"]


def stages(name):
    found = {}
    for instruction, value in instructions(name):
        if instruction == "FROM":
            of = found.setdefault(value.split(" AS ")[1], [])
        of.append((instruction, value))
    return found


@pytest.mark.parametrize("name", IMAGES)
def test_hadolint_has_nothing_to_say(name):
    done = subprocess.run([sysconfig.get_path("scripts") + "/hadolint", CONTAINER / name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", IMAGES)
def test_what_runs_has_no_shell_and_no_rights(name):
    of = stages(name)
    assert list(of) == (["cuda"] if name.endswith("cuda") else []) + ["build", "program", "demo", "troupe"]  # without --target the last
    program = of["program"]
    assert program[0] == ("FROM", "scratch AS program") and not [value for what, value in program if what in ("RUN", "SHELL")]
    assert ("USER", "65532:65532") in program
    assert ("STOPSIGNAL", "SIGTERM") in program
    for what in "ENTRYPOINT", "CMD":
        assert json.loads(next(value for each, value in program if each == what))  # a list, so that no shell is asked for
    assert of["troupe"] == [("FROM", "program AS troupe")]
    assert [value for _, value in of["demo"][1:]] == ["--from=build /opt/troupe/share/troupe/demo /opt/troupe/share/troupe/demo"]
    assert any("--shm-size" in line for line in (CONTAINER / name).read_text().splitlines() if line.startswith("#"))


@pytest.mark.parametrize("name", IMAGES)
def test_packages_are_those_of_the_list(name):
    sections = set(re.findall(r"^\[(\w+)\]", (LAUNCH / "packages.txt").read_text(), re.M))
    runs = " ".join(value for what, value in instructions(name) if what == "RUN")
    wanted = re.search(r"install_packages ([\w ]+?) &&", runs)[1].split()
    assert "build" in wanted and set(wanted) <= sections
    assert "apt-get" not in runs and "pip" not in runs


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_copied_in_is_there(name):
    for what, value in instructions(name):
        if what == "COPY" and "--from" not in value:
            for source in value.split()[:-1]:
                assert (ROOT / source).exists(), source


@pytest.mark.parametrize("name", IMAGES)
def test_the_program_knows_command_variables_and_port(name):
    program = stages(name)["program"]
    variables = dict(pair.split("=") for what, value in program if what == "ENV" for pair in value.split())
    command = json.loads(next(value for what, value in program if what == "CMD"))
    settings = settings_of(*command, **{key: value for key, value in variables.items() if key.startswith("TROUPE_")})
    port = next(int(value) for what, value in program if what == "EXPOSE")
    assert settings["port"] == port and settings["host"] == "0.0.0.0"
    assert settings["device"] == ("cuda" if name.endswith("cuda") else "cpu")
    check = next(json.loads(value.partition(" CMD ")[2]) for what, value in program if what == "HEALTHCHECK")
    assert check == ["/opt/troupe/bin/troupe", "smoke", "--only", "health", "--timeout", "5", f"http://127.0.0.1:{port}"]


def test_runtime_files_are_enough(tmp_path):
    """A program and what it is linked with run in a root folder of their own; no shell is there."""
    root = tmp_path / "root"
    subprocess.run([CONTAINER / "runtime-files", "/usr/bin/openssl", root], check=True, timeout=60)
    files = {path.name for path in root.rglob("*")}
    assert "libcrypto.so.3" in files and "ld-linux-x86-64.so.2" in files and not files & {"sh", "bash", "dash"}
    loader = root / "lib64/ld-linux-x86-64.so.2"
    listed = subprocess.run([loader, "--inhibit-cache", "--library-path", root / "lib/x86_64-linux-gnu", "--list", "/usr/bin/openssl"], check=True,
                            capture_output=True, text=True, timeout=60).stdout
    assert all(str(root) in line for line in listed.splitlines() if "=> " in line), listed


def compose():
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (LAUNCH / "compose.yaml").read_text())  # variables that nobody has set
    whole = yaml.safe_load(text)
    PyCompose.from_yaml(yaml.safe_dump(whole))  # or it says what is wrong
    return whole["services"]


def test_compose_file_is_one_and_finds_its_files():
    services = compose()
    assert set(services) == {"troupe", "nginx", "prometheus", "grafana"}
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (LAUNCH / source).exists(), source
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
    build = services["troupe"]["build"]
    file = LAUNCH / build["context"] / build["dockerfile"]
    assert build["target"] in stages(file.name)


def test_compose_starts_what_the_other_files_expect():
    services = compose()
    settings = settings_of(*services["troupe"]["command"], **services["troupe"]["environment"])
    address = f"{settings['host']}:{settings['port']}"
    assert f"server {address} " in (LAUNCH / "nginx.conf").read_text()
    assert yaml.safe_load((LAUNCH / "prometheus/scrape.yml").read_text())["scrape_configs"][0]["static_configs"] == [{"targets": [address]}]
    assert settings["trusted-proxy"] == ["127.0.0.1"]
    assert settings["shutdown-timeout"] + 10 <= int(services["troupe"]["stop_grace_period"].removesuffix("s"))
    source = yaml.safe_load((LAUNCH / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    assert source["url"].removeprefix("http://") in " ".join(services["prometheus"]["command"])
    dashboards = yaml.safe_load((LAUNCH / "grafana/provisioning/dashboards/troupe.yml").read_text())["providers"][0]["options"]["path"]
    assert any(volume.split(":")[1].startswith(dashboards + "/") for volume in services["grafana"]["volumes"])
