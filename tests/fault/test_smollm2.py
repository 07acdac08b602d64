"""SmolLM2-135M-Instruct, a real model in a GGUF file of Q4_1 weights, against llama.cpp's tokens and transformers' float32 logits
(tests/data/smollm2; launch/test fetches the file and names it in SMOLLM2_GGUF)."""
import json
import os
import pathlib
import signal
import struct
import subprocess
import time

import openai
import pytest

from deployment import BINARY, Deployment

ROOT = pathlib.Path(__file__).parents[2]
MODEL = pathlib.Path(os.environ.get("SMOLLM2_GGUF") or ROOT / "build/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
GOLDEN = json.loads((ROOT / "tests/data/smollm2/golden.json").read_text())
END = 2  # <|im_end|>
F32_CACHE = ["--kv-cache-dtype", "f32"]  # as the reference has it; of so many positions it would be bf16

# Where the model is named, it has to be there.
pytestmark = pytest.mark.skipif(not os.environ.get("SMOLLM2_GGUF") and not MODEL.exists(), reason="launch/test fetches the model")


class Tensors:
    """Of a safetensors file."""

    def __init__(self, path):
        self.bytes = path.read_bytes()
        self.data = 8 + int.from_bytes(self.bytes[:8], "little")
        self.header = json.loads(self.bytes[8:self.data])

    def __getitem__(self, name):
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        size, letter = {"F32": (4, "f"), "I64": (8, "q")}[entry["dtype"]]
        return struct.unpack(f"<{(end - begin) // size}{letter}", self.bytes[self.data + begin:self.data + end])


def write_ids(path, ids):
    header = json.dumps({"input_ids": {"dtype": "I64", "shape": [1, len(ids)], "data_offsets": [0, 8 * len(ids)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + struct.pack(f"<{len(ids)}q", *ids))


def converted(subcommand, lines):
    """What a subcommand of JSON lines makes of these."""
    out = subprocess.run([BINARY, subcommand, MODEL], input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True,
                         text=True, encoding="utf-8", check=True).stdout
    return [json.loads(line) for line in out.split("\n") if line]


def test_tokens_are_those_of_llama_cpp():
    texts = GOLDEN["texts"] + GOLDEN["chats"]
    assert [line["ids"] for line in converted("tokenize", [{"text": each["text"]} for each in texts])] == [each["ids"] for each in texts]


def test_chats_are_rendered_by_the_files_template():
    lines = [{"messages": each["messages"], "add_generation_prompt": True} for each in GOLDEN["chats"]]
    assert [line["text"] for line in converted("template", lines)] == [each["text"] for each in GOLDEN["chats"]]


def test_logits_are_those_of_float32(tmp_path):
    golden = Tensors(ROOT / "tests/data/smollm2/golden.safetensors")
    for text in ["text0", "text1"]:
        write_ids(tmp_path / "ids", golden[f"{text}.input_ids"])
        subprocess.run([BINARY, "logits", MODEL, tmp_path / "ids", tmp_path / "logits", *F32_CACHE], check=True)
        logits, expected = Tensors(tmp_path / "logits")["logits"], golden[f"{text}.logits"]
        width = len(expected) // len(golden[f"{text}.positions"])
        for i, position in enumerate(golden[f"{text}.positions"]):
            row = logits[position * width:(position + 1) * width]
            assert max(abs(a - b) for a, b in zip(row, expected[i * width:(i + 1) * width])) <= 2e-3, (text, position)
        best = [max(range(width), key=logits[position * width:(position + 1) * width].__getitem__)
                for position in range(len(logits) // width)]
        assert best == list(golden[f"{text}.argmax"])


class SmolLm2(Deployment):
    # Two groups, so that ranks are processes that can be killed.
    command = [BINARY, "serve", MODEL, "--served-model-name", "troupe-mini", "--kv-cache-memory-bytes", "256M",
               "--max-model-len", "1024", "-tp", "1", "-dp", "2",
               "--threads", "1", "--enable-replica-control"]


def ask(client, chat, **fields):
    """For the answer to a prompt in tokens."""
    return client.completions.create(model="troupe-mini", prompt=chat["ids"], max_tokens=len(chat["greedy"]), temperature=0,
                                     extra_body={"return_token_ids": True}, **fields)


def without_end(ids):
    """What the reference goes on with behind the end of the answer is left out."""
    return ids[:-1] if ids[-1:] == [END] else ids


def answer(client, chat):
    return without_end(ask(client, chat).choices[0].token_ids)


def answers_that_outlive(client, chats, fault):
    """Of streams at once, each of which has begun when the fault strikes."""
    streams = [ask(client, chat, stream=True) for chat in chats]
    ids = [next(stream).choices[0].token_ids for stream in streams]
    fault()
    for begun, stream in zip(ids, streams):
        for chunk in stream:
            begun += [token for choice in chunk.choices for token in choice.token_ids or []]
    return [without_end(each) for each in ids]


def expected_answer(chat):
    return chat["greedy"][:chat["greedy"].index(END)] if END in chat["greedy"] else chat["greedy"]


def test_answers_are_those_of_the_reference_also_of_a_replica_that_was_hurt():
    with SmolLm2() as replica:
        replica.await_serving(120)
        client = openai.OpenAI(base_url=replica.url + "/v1", api_key="none", max_retries=0, timeout=120)
        for chat in GOLDEN["chats"]:
            assert answer(client, chat) == expected_answer(chat), chat["messages"]
        long = [chat for chat in GOLDEN["chats"] if END not in chat["greedy"]]
        for rank, pid in enumerate(replica.processes()):  # each stream is in a cache of one of them
            struck = time.time()
            answers = answers_that_outlive(client, long, lambda: os.kill(pid, signal.SIGKILL))
            assert answers == [expected_answer(chat) for chat in long]
            replica.await_event("weights_ready", struck, rank=rank)
            replica.await_serving(120)
        assert replica.metrics()["replayed_tokens_total"] > 0
        for chat in GOLDEN["chats"]:
            assert answer(client, chat) == expected_answer(chat), chat["messages"]
