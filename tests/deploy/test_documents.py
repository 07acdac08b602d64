"""Links of what operators and developers read lead somewhere, and commands that it shows are the program's."""
import os
import re
import subprocess

import pytest

from program import ROOT

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "launch/deployment.md", "launch/playbook.md", "launch/kubernetes/README.md", "launch/two-hosts.md"]


def anchors(text):
    """Of headings, as the sites that show them make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)", text, re.M)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text())
    for link in links:
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_of_the_tree_are_there(document):
    """Those that are named in code's letters: `launch/nginx.conf`, `tests/fault/soak --faults 100`."""
    named = re.findall(r"`((?:launch|tests|config|model|actors|runtime|kernels|transport|bench)/[\w./*-]*)", (ROOT / document).read_text())
    for name in named:
        assert list(ROOT.glob(name.rstrip("/") + "*")), name


def test_subcommands_are_the_programs():
    known = set(re.findall(r"^       ([a-z-]+) +\w", subprocess.run([os.environ["TROUPE_BINARY"], "--help"], capture_output=True, text=True, check=True).stdout, re.M))
    assert "serve" in known
    for document in DOCUMENTS:
        named = re.findall(r"(?:^|`|bin/|\(`?)troupe ([a-z-]+)", (ROOT / document).read_text(), re.M)
        assert set(named) <= known, set(named) - known
