"""launch/policy-lab: a file of experiments becomes one page that needs nothing else, or an error that says where it is wrong."""
import html.parser
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACE = ROOT / "tests/data/traces/splitwise_conv_head.csv"
LAYOUT = '{ machine-profile = "h200x8", tensor-parallel-size = 8, enable-expert-parallel = true }'


def policy_lab(folder, text):
    (folder / "experiments.toml").write_text(text)
    return subprocess.run(
        [ROOT / "launch/policy-lab", folder / "experiments.toml", "--out", folder / "report.html", "--troupe",
         os.environ["TROUPE_BINARY"]], capture_output=True, text=True, timeout=300)


class Page(html.parser.HTMLParser):
    """What a page shows and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.references, self.cells = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_data(self, text):
        if self.tags[-1:] == ["td"]:
            self.cells.append(text.strip())


def test_experiments_become_one_page(tmp_path):
    (tmp_path / "trace.csv").write_bytes(TRACE.read_bytes())
    done = policy_lab(tmp_path, f"""
        title = "Two <experiments>"
        flags = {{ ttft-slo-ms = 1000 }}
        [[experiment]]
        name = "a trace"
        flags = {{ trace = "trace.csv" }}
        layouts = {{ "8 H200" = {LAYOUT} }}
        policies = ["fcfs", "mlfq quantum=256"]
        rates = [1, 4]
        of-capacity = "fcfs"
        capacities = true
        [[experiment]]
        name = "drawn"
        flags = {{ num-requests = 30, output-distribution = "exponential" }}
        layouts = {{ "8 H200" = {LAYOUT} }}
        policies = ["decode_first"]
        seeds = 2
        figures = ["completed", "p50_ttft_ms"]
        plots = ["p50_ttft_ms"]""")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert "Two &lt;experiments&gt;" in text and "--policy-option quantum=256" not in page.cells
    assert page.tags.count("svg") == 3 and page.tags.count("table") == 3
    assert page.cells.count("fcfs") == page.cells.count("mlfq quantum=256") == 2
    assert "30" in page.cells and any("±" in each for each in page.cells)
    assert page.references and all(each.startswith("#") for each in page.references)


@pytest.mark.parametrize("text, error", [
    ("[[experiment]\n", "experiments.toml: no TOML: "),
    ('title = "none"', "experiments.toml: experiment must be one or more tables [[experiment]]"),
    ('[[experiment]]\nname = "a"', "experiments.toml: experiment 1: policies must be a list of one or more names, each once"),
    ('[[experiment]]\nname = "a"\npolicies = ["fcfs"]\nrates = [1, -1]',
     "experiment 1: rates must be a list of numbers above 0, ascending, not [1, -1]"),
    ('[[experiment]]\nname = "a"\npolicies = ["fcfs"]\nseeds = true', "experiment 1: seeds must be a whole number from 1 to 1000"),
    ('[[experiment]]\nname = "a"\npolicies = ["fcfs"]\nplots = ["p50"]', "experiment 1: plots: 'p50' is none of completed, "),
    ('[[experiment]]\nname = "a"\npolicies = ["fcfs"]\nlayouts = { x = { seed = [1] } }',
     "experiment 1: layouts: x: seed must be a text, a number, true or false, not [1]"),
    ('[[experiment]]\nname = "a"\npolicys = ["fcfs"]\npolicies = ["fcfs"]', "experiment 1: policys is not known; known are name, "),
    ('[[experiment]]\nname = "a"\npolicies = ["fcfs"]\n' * 2, "two experiments are called 'a'"),
])
def test_a_wrong_file_is_refused_where_it_is_wrong(tmp_path, text, error):
    done = policy_lab(tmp_path, text)
    assert done.returncode == 2 and error in done.stderr, done.stderr
    assert not (tmp_path / "report.html").exists()


def test_what_the_program_refuses_is_told_with_its_experiment(tmp_path):
    done = policy_lab(tmp_path, f'[[experiment]]\nname = "a"\npolicies = ["fcfs", "fcsf"]\nlayouts = {{ x = {LAYOUT} }}')
    assert done.returncode == 1
    assert "experiment 'a', layout 'x', policy 'fcsf': troupe simulate" in done.stderr
    assert "the nearest known one is fcfs" in done.stderr
    assert not (tmp_path / "report.html").exists()
