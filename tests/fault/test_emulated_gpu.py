"""A replica whose ranks compute on emulated GPUs: its answers are those of a CPU, also when a rank dies or hangs on the way."""
import concurrent.futures
import os
import pathlib
import random
import signal
import struct
import time

import pytest

from deployment import BINARY, Deployment, state_of, wait_until
from faults import CrashWorker, Fault, KillWorker, StickKernel
from streams import ON, Streams, chat, completion, first_difference, sampled

EMULATED = str(pathlib.Path(BINARY).with_name("troupe-emulated"))
MODEL_FLAGS = ["--max-model-len", "512", "--max-num-batched-tokens", "128", "--max-num-seqs", "8", "--kv-cache-memory-bytes", "4M",
               "--virtual-shards", "2", "--threads", "1"]
REQUESTS = [
    chat("Solve 17 * 23", logprobs=True, top_logprobs=2, max_tokens=32, extra_body=ON),
    chat("Who are you?", logprobs=True, top_logprobs=1, max_tokens=32, **sampled(5, top_p=0.9, extra_body=ON)),
    completion("1, 2, 3, 4, 5,", max_tokens=32, extra_body=ON),
]
SECONDS = 60  # for what takes a few when nobody else computes on this machine


class OnCpu(Deployment):
    command = [BINARY, "serve", *MODEL_FLAGS]


class OnGpus(Deployment):
    command = [EMULATED, "serve", *MODEL_FLAGS, "--device", "cuda-emulated", "-tp", "2", "-ep", "--enable-replica-control", "--hang-timeout", "1"]


class OffloadedOnGpus(OnGpus):
    command = [*OnGpus.command, "--cpu-offload-gb", "0.002"]


class StopInCollective(Fault):
    """Stopped while it waits in a collective for the others, which then wait for it."""
    choose = Fault.kill_one

    def strike(self):
        self.pid = self.before["ranks"][self.rank]["pid"]
        wait_until(self.stop_there, SECONDS, "a rank that waits for others")
        self.struck = time.time()

    def stop_there(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", 1, "a stopped process")
        if self.is_in_collective():
            return True
        os.kill(self.pid, signal.SIGCONT)
        time.sleep(self.draw.uniform(0.001, 0.02))
        return False

    def is_in_collective(self):
        """As it says itself: see TickBoard and StepPlace in runtime/base/ticks.hpp."""
        ticks = 4  # its descriptor in a worker: runtime/recovery/worker_order.hpp
        with open(f"/proc/{self.pid}/fd/{ticks}", "rb", buffering=0) as board:
            _, _, _, _, place = struct.unpack("=3QB7xQ", board.read(40))
        return place & 0xf != 0


class FailDevice(CrashWorker):
    """A kernel of the rank's GPU fails."""
    kind = "device_error"


@pytest.fixture(scope="module")
def answers_of_cpu():
    with OnCpu() as replica:
        replica.await_serving()
        streams = Streams(replica.url, seed=1)
        return [streams.ask(*request) for request in REQUESTS]


@pytest.fixture(scope="module")
def replica():
    with OnGpus() as replica:
        replica.await_serving(SECONDS)
        yield replica


class Asked:
    """All requests at once, each in a thread."""

    def __init__(self, replica):
        streams = Streams(replica.url, seed=1)
        self.events = [0] * len(REQUESTS)
        self.pool = concurrent.futures.ThreadPoolExecutor(len(REQUESTS))
        self.answers = [self.pool.submit(streams.ask, *request, seen=lambda i=i: self.note(i)) for i, request in enumerate(REQUESTS)]

    def note(self, i):
        self.events[i] += 1

    def are_under_way(self):
        assert not any(answer.done() for answer in self.answers), "an answer was whole before the fault"
        return min(self.events) > 3

    def whole(self):
        return [answer.result(SECONDS) for answer in self.answers]


def differences(expected, answers):
    return [first_difference(was, now) for was, now in zip(expected, answers, strict=True) if was != now]


def test_answers_are_those_of_a_cpu(replica, answers_of_cpu):
    assert not differences(answers_of_cpu, Asked(replica).whole())


@pytest.mark.parametrize("kind", [KillWorker, StopInCollective])
def test_answers_go_on_after(kind, replica, answers_of_cpu):
    asked = Asked(replica)
    wait_until(asked.are_under_way, SECONDS, "output of all streams")
    fault = kind(replica, random.Random(1))
    fault.now_strike()
    wait_until(fault.done, SECONDS, "recovery")
    assert not differences(answers_of_cpu, asked.whole())
    told = replica.log.find("fault", fault.struck)
    assert told["rank"] == fault.rank, told
    assert replica.replica()["ranks"][fault.rank]["loaded_bytes"] == 0, "the node has held its weights"


@pytest.mark.parametrize("kind, fault_kind, device_error, kernels, weights_are_spoilt", [
    (FailDevice, "device_error", "launch_failed", "gather_rows", True),
    (StickKernel, "stuck", "hang", "spin", False),
])
def test_a_device_that_fails_is_named(kind, fault_kind, device_error, kernels, weights_are_spoilt, replica, answers_of_cpu):
    """With its kernels and their layer; its rank comes back, and without what lay in its memory."""
    asked = Asked(replica)
    wait_until(asked.are_under_way, SECONDS, "output of all streams")
    metric = f'device_errors_total{{kind="{device_error}"}}'
    before = replica.metrics().get(metric, 0)
    fault = kind(replica, random.Random(1))
    fault.now_strike()
    wait_until(fault.done, SECONDS, "recovery")
    assert not differences(answers_of_cpu, asked.whole())
    told = replica.log.find("fault", fault.struck)
    assert [told[field] for field in ("rank", "kind", "device_error", "kernels", "layer")] == [fault.rank, fault_kind, device_error, kernels, 0], told
    rank = replica.replica()["ranks"][fault.rank]
    shown = rank["last_fault"]
    assert (shown["kind"], shown["device"], shown["layer"]) == (fault_kind, {"error": device_error, "kernels": kernels}, 0), shown
    assert replica.metrics()[metric] == before + 1
    assert (rank["loaded_bytes"] > 0) == weights_are_spoilt


def test_weights_in_the_hosts_memory_are_kept_as_well(answers_of_cpu):
    """A part of each rank's weights stays there: answers are the same, and a rank that dies has them again without reading."""
    with OffloadedOnGpus() as replica:
        replica.await_serving(SECONDS)
        for rank in range(2):
            told = replica.log.find("weights_offloaded", 0, rank=rank)
            assert 1 << 20 < told["bytes"] < 0.002 * 2**30 < told["device_bytes"] + told["bytes"], told
        asked = Asked(replica)
        wait_until(asked.are_under_way, SECONDS, "output of all streams")
        fault = KillWorker(replica, random.Random(1))
        fault.now_strike()
        wait_until(fault.done, SECONDS, "recovery")
        assert not differences(answers_of_cpu, asked.whole())
        assert replica.replica()["ranks"][fault.rank]["loaded_bytes"] == 0, "the node has held its weights"
