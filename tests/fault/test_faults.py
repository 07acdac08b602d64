"""A short soak, for CTest: what soak does, with a fixed seed."""
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

import pytest

import invariants
import mpi_replica
import two_nodes
from campaign import Campaign
from deployment import BINARY
from faults import FAULTS

HANG_TIMEOUT = 0.4  # seconds, the server's default
SOAK = pathlib.Path(__file__).parent / "soak"


def possible_kinds():
    for kind, fault in FAULTS.items():
        if 1 not in fault.nodes:
            continue
        if reason := fault.reason_to_skip():
            warnings.warn(f"left out: {kind}: {reason}")
        else:
            yield kind


def median_detection(campaign, kind):
    return statistics.median(strike.detection for strike in campaign.strikes if strike.kind == kind)


def test_streams_survive_sixty_faults():
    campaign = Campaign(seed=1, kinds=list(possible_kinds()), say=print)
    began = time.monotonic()
    failures = campaign.run(range(60), kept_log="fault.log")
    assert not failures, "\n".join(failures) + "\nthe server's log is in fault.log; soak --seed 1 --only K repeats fault K"
    assert time.monotonic() - began < 240
    assert median_detection(campaign, "kill") < 0.1, "the end of a process is told by the kernel"
    for hang in ["stop", "stuck_kernel"]:  # which is held against a process for the time in which it had a CPU
        assert median_detection(campaign, hang) < 2 * HANG_TIMEOUT, f"{hang}: told at the first limit, not at a further one"
    assert median_detection(campaign, "lost_step") < 1, "the step before it ends, then nothing moves for the limit"


def test_workers_end_with_their_server():
    broken, _ = invariants.after_death_of_server()
    assert not broken


def test_streams_survive_faults_between_two_nodes():
    if reason := two_nodes.reason_to_skip():
        pytest.skip(reason)
    assert two_nodes.enter([sys.executable, str(SOAK), "--nodes", "2", "--faults", "9", "--seed", "2", "--faults-of", "pull_cable,lose_node,kill"]) == 0


def test_streams_survive_faults_under_mpirun():
    if reason := mpi_replica.reason_to_skip():
        pytest.skip(reason)
    campaign = Campaign(seed=3, kinds=["kill", "stop", "lose_node"], deploy=mpi_replica.MpiReplicaWithCertificates, say=print)
    failures = campaign.run(range(6), kept_log="mpirun-fault.log")
    assert not failures, "\n".join(failures)


def test_two_nodes_script():
    if reason := two_nodes.reason_to_skip():
        pytest.skip(reason)
    script = SOAK.parents[2] / "launch" / "two-nodes"
    subprocess.run([script, "--once"], check=True, timeout=120, env=os.environ | {"TROUPE_BINARY": BINARY})
