"""The unit: systemd takes it, it is as hardened as the README says, it lets the program do all that it does, and stopping fits the drain."""
import configparser
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from program import LAUNCH, ROOT, await_ready, clean_environment, complete, listening_url, settings_of, troupe

SYSTEMD = LAUNCH / "systemd"
DROP_INS = ["tls.conf", "cuda.conf"]


class Unit:
    def __init__(self, *names):
        self.lines = [line.split("=", 1) for name in names for line in (SYSTEMD / name).read_text().splitlines() if re.match(r"\w+=", line)]

    def all(self, key):
        return [value for name, value in self.lines if name == key]

    def __getitem__(self, key):
        return self.all(key)[-1]


UNIT = Unit("troupe.service")


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def installed(tmp_path):
    """A root folder with the unit and its drop-ins, as launch/deployment.md installs them."""
    units = tmp_path / "etc/systemd/system"
    (units / "troupe.service.d").mkdir(parents=True)
    shutil.copy(SYSTEMD / "troupe.service", units)
    for name in DROP_INS:
        shutil.copy(SYSTEMD / name, units / "troupe.service.d")
    return units


def exposure(file):
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", analyze("security", "--offline=true", file).stdout)[1])


def test_exposure_is_what_the_readme_says(installed):
    told, told_with_gpus = map(float, re.search(r"systemd-analyze security.*?(\d\.\d).*?(\d\.\d)", (LAUNCH / "deployment.md").read_text()).groups())
    assert (exposure(SYSTEMD / "troupe.service"), exposure(installed / "troupe.service")) == (told, told_with_gpus)
    assert told_with_gpus <= 2.0
    assert f"`systemd-analyze security` gives it {told}" in (ROOT / "README.md").read_text()


def test_systemd_takes_the_unit(tmp_path):
    """Every line means something to it; the program is the one that is tested. Its manual page is there once it is installed: build-package looks."""
    for name in ["troupe.service", *DROP_INS]:
        parser = configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None)
        parser.read_string((SYSTEMD / name).read_text())  # sections and assignments, nothing else
    text = (SYSTEMD / "troupe.service").read_text()
    extra = "".join((SYSTEMD / name).read_text().partition("[Service]\n")[2] for name in DROP_INS)
    text = text.replace("/opt/troupe/bin/troupe", os.environ["TROUPE_BINARY"]).replace("\n[Install]", extra + "\n[Install]")
    (tmp_path / "troupe.service").write_text(text)
    done = analyze("verify", "--man=no", tmp_path / "troupe.service")
    complaints = [line for line in done.stderr.splitlines() if "troupe.service" in line]
    assert done.returncode == 0 and not complaints, done.stderr


def test_settings_are_the_programs(tmp_path):
    """Those of the file, of the command line, and of the drop-ins' variables."""
    words = UNIT["ExecStart"].replace("%d", "/run/credentials").replace("/etc/troupe/troupe.toml", str(SYSTEMD / "troupe.toml")).split()
    assert words[:2] == ["/opt/troupe/bin/troupe", "serve"]
    variables = dict(pair.split("=", 1) for line in Unit(*DROP_INS).all("Environment") for pair in line.replace("%d", "/run/credentials").split())
    settings = settings_of(*words[1:], **variables)
    assert settings["ssl-keyfile"] == "/run/credentials/server.key" and settings["api-keys"] == "/run/credentials/keys.toml"
    assert settings["device"] == "cuda"
    credentials = [line.split(":")[0] for line in Unit("troupe.service", *DROP_INS).all("LoadCredential")]
    assert {os.path.basename(settings[name]) for name in ["api-keys", "ssl-certfile", "ssl-keyfile"]} == set(credentials)
    assert settings["journal"].startswith("/var/lib/" + UNIT["StateDirectory"] + "/")


def test_stopping_leaves_time_for_the_drain():
    drain = settings_of("serve", "--config", SYSTEMD / "troupe.toml")["shutdown-timeout"]
    assert drain + 10 <= float(UNIT["TimeoutStopSec"]) <= drain + 60
    assert UNIT["KillSignal"] == "SIGTERM" and UNIT["KillMode"] == "mixed"


def calls_of(group):
    """Of a group such as @system-service."""
    calls = set()
    for word in (line.strip() for line in analyze("syscall-filter", group).stdout.splitlines()[1:]):
        if word.startswith("@"):
            calls |= calls_of(word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def allowed_calls():
    allowed = set()
    for line in UNIT.all("SystemCallFilter"):  # a list of groups; ~ before it takes all of them away
        calls = set().union(*(calls_of(group) for group in line.lstrip("~").split()))
        assert calls, line
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def running_settings(folder):
    """Those of the unit, for a server of the test."""
    text = (SYSTEMD / "troupe.toml").read_text()
    for old, new in [("\nport = 8000\n", "\nport = 0\n"), ("\nmetrics-port = 8001 ", "\n# "), ("/var/lib/troupe/", f"{folder}/")]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "troupe.toml").write_text(text)
    return ["--config", folder / "troupe.toml", "--api-keys", folder / "keys.toml"]


def test_no_call_of_the_program_is_forbidden(tmp_path):
    """Start with the unit's settings, an answer, an end; with workers that are processes."""
    key = troupe("keys", "add", "me", "--api-keys", tmp_path / "keys.toml")
    traced = subprocess.Popen(
        ["strace", "-f", "-qq", "-c", "-U", "name", "-o", tmp_path / "calls", os.environ["TROUPE_BINARY"], "serve", *running_settings(tmp_path), "-tp", "2", "--threads", "1",
         "--kv-cache-memory-bytes", "16M"], env=clean_environment(), stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        url = listening_url(traced.stderr)
        log = threading.Thread(target=traced.stderr.read)
        log.start()
        await_ready(url)
        assert "391" in complete(url, key, "Solve 17 * 23")
        os.kill(int(pathlib.Path(f"/proc/{traced.pid}/task/{traced.pid}/children").read_text().split()[0]), signal.SIGTERM)
        assert traced.wait(60) == 0
        log.join(10)
    finally:
        if traced.poll() is None:
            os.killpg(traced.pid, signal.SIGKILL)
    calls = set(re.findall(r"^([a-z_0-9]+)$", (tmp_path / "calls").read_text(), re.M)) - {"syscall", "total"}
    assert {"execve", "pidfd_open", "memfd_create"} <= calls
    assert calls <= allowed_calls(), calls - allowed_calls()
