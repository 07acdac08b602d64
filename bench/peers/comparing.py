"""What the scripts of bench/peers share: a checkpoint's steps by Troupe and by llama.cpp, and the table of rounds."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import served

PEERS = served.ROOT / "build/peers"
PREFILL_LEN = 512


def listed(numbers):
    return ",".join(map(str, numbers))


def bench_decode(checkpoint, batches, *flags):
    """Decoding steps and prompts by Troupe."""
    with tempfile.NamedTemporaryFile("r") as result:
        served.troupe("bench", "decode", checkpoint, "--batch-sizes", listed(batches), "--prefill-len", PREFILL_LEN,
                      "--output-json", result.name, *flags, stdout=subprocess.DEVNULL)
        return json.load(result)


def install_llama():
    subprocess.run([HERE / "install-llama"], check=True)


def llama_steps(gguf, *flags):
    """The same by llama.cpp: see llama_steps.py, which has these batch sizes and this length of prompts, too."""
    command = [PEERS / "llama/bin/python", HERE / "llama_steps.py", gguf, *map(str, flags)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE,
                                     env={**os.environ, "LLAMA_CPP_LIB_PATH": str(PEERS / "llama-library/bin")}).stdout)


class Comparison:
    """Rows of the table: what was measured; of each round, Troupe's and the peer's figure and shares of the ceiling."""

    def __init__(self):
        self.rows = {}

    def add(self, what, ours, theirs, our_share=None, their_share=None):
        self.rows.setdefault(what, []).append((ours, theirs, ours / theirs, our_share, their_share))

    def add_steps(self, peer, ours, theirs, bytes_ratio=1):
        """A round of bench_decode and one of llama_steps; bytes_ratio: of the peer's weights to Troupe's."""
        for our, their in zip(ours["decode"], theirs["decode"], strict=True):
            share = our["memory_read_ratio"]
            self.add(f"{peer}: decode, {our['batch_size']} sequences, tokens/s", our["tokens_per_second"],
                     their["tokens_per_second"], share, share * bytes_ratio * our["step_ms"] / their["step_ms"])
        for our, their in zip(ours["prefill"], theirs["prefill"], strict=True):
            share = our["fma_peak_ratio"]
            self.add(f"{peer}: {our['batch_size']} prompts of {our['prefill_len']}, tokens/s",
                     our["tokens_per_second"], their["tokens_per_second"], share, share * our["ms"] / their["ms"])

    def print(self):
        def cell(rounds, form):
            return "" if None in rounds else form % statistics.median(rounds)

        served.print_table(
            ["", "Troupe", "peer", "ratio", "Troupe of the read", "peer of the read"],
            [[what, *(cell(rounds, form) for rounds, form in zip(zip(*measured), ("%.1f", "%.1f", *["%.2f"] * 3)))]
             for what, measured in self.rows.items()])
