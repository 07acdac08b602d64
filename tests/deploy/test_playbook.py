"""launch/playbook.md names what there is: metrics, flags, commands, paths and tests; and troupe doctor its entries."""
import os
import re
import subprocess

import pytest

from program import ROOT, clean_environment
from test_documents import anchors

TEXT = (ROOT / "launch/playbook.md").read_text()
SOURCES = "".join(path.read_text() for path in (ROOT / "actors").rglob("*.cpp"))
# Of Prometheus' histograms.
SUFFIX = re.compile(r"_(bucket|count|sum)$")


def entries():
    return dict(each.split("\n", 1) for each in re.split(r"^## ", TEXT, flags=re.M)[1:])


def row(entry, name):
    """What stands in code's letters in one row of its table."""
    return re.findall(r"`([^`]+)`", re.search(rf"^\| {name} \| (.*) \|$", entries()[entry], re.M)[1])


def help_of(*command):
    return subprocess.run([os.environ["TROUPE_BINARY"], *command, "--help"], env=clean_environment(), capture_output=True, text=True, check=True, timeout=60).stdout


def flags_in(text):
    return re.findall(r"(?<![\w-])(--[a-z][a-z-]+|-(?:tp|dp|ep)\b)", text)


def test_all_troubles_are_there():
    assert set(entries()) == {"Out of memory", "Long tail", "Stuck generation", "Overload spike", "Wrong timeouts", "Reasoning loops",
                              "Low throughput", "TCP fallback"}


@pytest.mark.parametrize("entry", entries())
def test_metrics_are_the_servers(entry):
    names = [name for span in row(entry, "metrics") for name in re.findall(r"\b(?:troupe|process)_\w+", span)]
    assert names
    for name in names:
        plain = SUFFIX.sub("", name)
        assert f'"{plain}"' in SOURCES or f'"{plain.removeprefix("troupe_")}"' in SOURCES or \
            f'gpu_gauge("{plain.removeprefix("troupe_gpu_")}"' in SOURCES, name


@pytest.mark.parametrize("entry", entries())
def test_flags_and_commands_are_the_programs(entry):
    commands = [span for span in row(entry, "look") if span.startswith("troupe ")]
    assert commands
    for command in commands:
        words = command.split()[1:]
        known = help_of(*words[:2]) if words[0] == "bench" else help_of(words[0])
        for flag in flags_in(command):
            assert re.search(rf"(?<![\w-]){flag}(?![\w-])", known), f"{command}: {flag}"
    served = help_of("serve")
    flags = [flag for span in row(entry, "do") for flag in flags_in(span)]
    assert flags
    for flag in flags:
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", served), flag


@pytest.mark.parametrize("entry", entries())
def test_paths_are_the_servers(entry):
    for path in re.findall(r"`(?:GET |POST |PUT )?(/v1/[\w/]+|/readyz|/version|/server_info)`", entries()[entry]):
        assert f'"{path}"' in SOURCES, path


@pytest.mark.parametrize("entry", entries())
def test_its_tests_are_there(entry):
    tests = row(entry, "tests")
    assert any("test_playbook.py" in each for each in tests), "one that makes the trouble"
    for each in tests:
        file, _, name = each.partition("::")
        text = (ROOT / file).read_text()
        if file.endswith(".py"):
            assert re.search(rf"^def {name}\(", text, re.M), each
        else:
            suite, _, test = name.partition(".")
            assert re.search(rf"^TEST(?:_F|_P)?\({suite}, {test}\)", text, re.M), each


def test_the_doctor_names_its_entries():
    findings = "".join(path.read_text() for path in (ROOT / "launch/doctor").glob("*.cpp"))
    named = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"\s*}', findings))
    assert named == {anchor for anchor in anchors(TEXT) if anchor != "when-something-goes-wrong"}
