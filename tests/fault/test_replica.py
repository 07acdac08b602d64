"""A replica of several processes, without faults or with a single one."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import openai
import pytest

import mpi_replica
from deployment import BINARY, FLAGS, Deployment
from streams import ON, Streams, chat, events

DEMO_MODEL = pathlib.Path(__file__).parents[2] / "model/demo"
LAYOUTS = [["-tp", "2"], ["-tp", "4", "-ep"], ["-dp", "2"], ["-dp", "4", "-ep"], ["-tp", "2", "-dp", "2"]]


def with_layout(layout):
    """FLAGS, with other ranks."""
    return [BINARY, "serve", *FLAGS[:FLAGS.index("-tp")], "--threads", "1", "--enable-replica-control", *layout]


def answers(layout):
    class Replica(Deployment):
        command = with_layout(layout)
    with Replica() as replica:
        replica.await_serving()
        streams = Streams(replica.url, seed=1)
        streams.make_reference()
        return streams.reference


@pytest.fixture(scope="module")
def answers_of_one_process():
    return answers([])


@pytest.mark.parametrize("layout", LAYOUTS, ids=" ".join)
def test_answers_are_those_of_one_process(layout, answers_of_one_process):
    """Greedy and seeded, with tool calls and several choices."""
    assert answers(layout) == answers_of_one_process


def with_overflowing_logit(folder):
    """A copy of the demo model that knows one token too well: its logit is no number."""
    shutil.copytree(DEMO_MODEL, folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    header_bytes = int.from_bytes(weights[:8], "little")
    head = json.loads(weights[8:8 + header_bytes])["lm_head.weight"]
    begin, end = head["data_offsets"]
    row_bytes = (end - begin) // head["shape"][0]
    row = 8 + header_bytes + begin + 300 * row_bytes
    weights[row:row + row_bytes] = b"\x7f" * row_bytes  # the largest numbers of BF16 and F32
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_an_output_that_is_no_number_is_an_error_and_no_fault(tmp_path):
    class Overflowing(Deployment):
        command = [BINARY, "serve", with_overflowing_logit(tmp_path / "model"), "--served-model-name", "troupe-mini", *FLAGS]
    with Overflowing() as replica:
        replica.await_serving()
        streams = Streams(replica.url, seed=1)
        for prompt in [[5], [5, 6, 7]]:
            with pytest.raises(openai.InternalServerError) as failed:
                streams.client.completions.create(model=streams.model, prompt=prompt, max_tokens=4)
            assert failed.value.code == "not_a_number"
        with pytest.raises(AssertionError, match="an error event.*not a number"):  # the stream had begun
            streams.ask(*chat("Count from 1 to 100."))
        assert replica.replica()["state"] == "serving" and not replica.replica()["last_fault"]


class Fragile(Deployment):
    command = [*Deployment.command, "--max-restarts", "0"]


def test_past_the_limit_every_stream_ends_with_one_error_and_requests_are_refused():
    with Fragile() as replica:
        replica.await_serving()
        client = Streams(replica.url, seed=1)
        kind, body = chat("Count from 1 to 100.", extra_body=ON, max_tokens=2000)
        with client.client.chat.completions.with_streaming_response.create(model=client.model, stream=True, **body) as response:
            stream = events(response)
            next(stream)
            os.kill(replica.replica()["ranks"][3]["pid"], signal.SIGKILL)
            last = [json.loads(data) if data != "[DONE]" else data for data in stream]
        errors = [event for event in last if "error" in event]
        assert last[-1] == "[DONE]" and errors == [last[-2]] and errors[0]["error"]["code"] == "replica_failed", last[-2:]
        with pytest.raises(Exception) as refused:
            client.ask(kind, body)
        assert refused.value.status_code == 503
        assert replica.replica()["state"] == "failed"
        page = subprocess.run([BINARY, "status", replica.url], capture_output=True, text=True).stdout
        assert "failed" in page and "exited" in page and re.search(r"^ *3 .*dead", page, re.M), page


def test_a_worker_that_dies_has_its_weights_without_reading_them(tmp_path):
    """Killed, or by a failure of its own; of a model that takes a while to read."""
    config = json.loads((DEMO_MODEL / "config.json").read_text())
    config |= {"hidden_size": 512, "intermediate_size": 4096, "moe_intermediate_size": 1024, "num_nextn_predict_layers": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    subprocess.run([BINARY, "synth", "--config", tmp_path / "config.json", "--out", tmp_path / "model", "--tokenizer", DEMO_MODEL], check=True)

    class Large(Deployment):
        command = [BINARY, "serve", tmp_path / "model", "--served-model-name", "troupe-mini", *FLAGS]
    with Large() as replica:
        replica.await_serving()
        streams = Streams(replica.url, seed=1)
        kind, body = chat("Count from 1 to 100.", max_tokens=200)
        calm = streams.ask(kind, body)
        for rank, fails in [(1, False), (3, True), (1, False)]:
            first = replica.log.find("weights_ready", rank=rank)
            struck = time.time()
            if fails:
                replica.drill("crash_worker", rank)
            else:
                os.kill(replica.replica()["ranks"][rank]["pid"], signal.SIGKILL)
            assert streams.ask(kind, body) == calm
            again = replica.await_event("weights_ready", struck, rank=rank)
            assert again["read_bytes"] == 0 and replica.replica()["ranks"][rank]["loaded_bytes"] == 0
            if first["read_bytes"]:
                assert first["read_bytes"] > 10 << 20 and again["seconds"] < first["seconds"], (first, again)


def test_weights_that_are_not_kept_are_read_again():
    class Forgetful(Deployment):
        command = [*Deployment.command, "--no-keep-weights"]
    with Forgetful() as replica:
        replica.await_serving()
        read = replica.log.find("weights_ready", rank=2)["read_bytes"]
        struck = time.time()
        os.kill(replica.replica()["ranks"][2]["pid"], signal.SIGKILL)
        assert replica.await_event("weights_ready", struck, rank=2)["read_bytes"] == read > 0


def listening_sockets():
    """Inodes of all that listen in this network namespace."""
    tables = [pathlib.Path("/proc/net", table).read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    return {fields[9] for lines in tables for fields in map(str.split, lines) if fields[3] == "0A"}


def target(link):
    try:
        return os.readlink(link)
    except FileNotFoundError:  # it was closed after it was listed
        return ""


def sockets_of(pid):
    targets = map(target, pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return {match[1] for each in targets if (match := re.fullmatch(r"socket:\[(\d+)\]", each))}


def test_workers_have_nothing_of_mpirun_and_listen_nowhere():
    """Of a launch without certificates: the nodes get theirs from the first one."""
    if reason := mpi_replica.reason_to_skip():
        pytest.skip(reason)
    with mpi_replica.MpiReplica() as replica:
        workers = [rank["pid"] for rank in replica.replica()["ranks"]]
        assert len(set(workers)) == 4 and len({mpi_replica.parent_of(pid) for pid in workers}) == 2
        assert sockets_of(replica.pid) & listening_sockets(), "the first node listens"
        for pid in workers:
            variables = pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")
            assert [v for v in variables if v.startswith(("OMPI_", "PMIX_", "PRTE_"))] == []
            assert os.sched_getaffinity(pid) == os.sched_getaffinity(0)
            assert not sockets_of(pid) & listening_sockets()
        assert replica.stop() == 0
