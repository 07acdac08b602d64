"""What `troupe bench decode` times, by llama.cpp: decoding steps and prompts; a line of JSON with the same names.

  LLAMA_CPP_LIB_PATH=build/peers/llama-library/bin build/peers/llama/bin/python bench/peers/llama_steps.py MODEL.gguf
    [--no-repack] [--threads N] [--prefill-batch-sizes N,...]

The same prompts, and the most likely token goes on. Settings are llama.cpp's own, but for the number of threads.
"""
import argparse
import json
import os
import sys
import time

import llama_cpp as llama
import numpy

BATCH_SIZES = 1, 4, 16
INPUT_LEN, WARMUP_STEPS, STEPS = 64, 4, 24
PREFILL_LEN, STEPS_OF_PROMPTS = 512, 5


class Context:
    def __init__(self, file, repack, threads, sequences):
        most_tokens = sequences * PREFILL_LEN
        parameters = llama.llama_model_default_params()
        parameters.use_extra_bufts = repack
        self.model = llama.llama_model_load_from_file(file.encode(), parameters)
        if not self.model:
            sys.exit(f"llama.cpp cannot load {file}")
        parameters = llama.llama_context_default_params()
        parameters.n_seq_max = sequences
        parameters.n_ctx = 2 * most_tokens
        parameters.n_batch = most_tokens  # llama.cpp cuts it into its own n_ubatch
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, parameters)
        if not self.context:
            sys.exit(f"llama.cpp makes no context of {2 * most_tokens} tokens")
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(most_tokens, 0, 1)

    def prompt(self, sequence, length):
        return [((sequence + 1) * 7919 + i * 104729) % self.vocabulary for i in range(length)]

    def forget(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), False)

    def step(self, rows):
        """rows: (sequence, position, token), a sequence's one after the other. The next token of each sequence."""
        self.batch.n_tokens = len(rows)
        lasts = [i for i, row in enumerate(rows) if i + 1 == len(rows) or rows[i + 1][0] != row[0]]
        for i, (sequence, position, token) in enumerate(rows):
            self.batch.token[i], self.batch.pos[i] = token, position
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence
            self.batch.logits[i] = i in lasts
        if llama.llama_decode(self.context, self.batch) != 0:
            sys.exit("llama_decode failed")
        logits = (llama.llama_get_logits_ith(self.context, i) for i in lasts)
        return [int(numpy.argmax(numpy.ctypeslib.as_array(each, (self.vocabulary,)))) for each in logits]


def decoding(context, sequences):
    context.forget()
    tokens = context.step([(s, i, token) for s in range(sequences)
                           for i, token in enumerate(context.prompt(s, INPUT_LEN))])
    for done in range(WARMUP_STEPS + STEPS):
        if done == WARMUP_STEPS:
            start = time.perf_counter()
        tokens = context.step([(s, INPUT_LEN + done, token) for s, token in enumerate(tokens)])
    seconds = (time.perf_counter() - start) / STEPS
    return {"batch_size": sequences, "step_ms": seconds * 1e3, "tokens_per_second": sequences / seconds}


def prompts(context, sequences):
    best = float("inf")
    for number in range(STEPS_OF_PROMPTS):
        context.forget()
        rows = [(s, i, token) for s in range(sequences)
                for i, token in enumerate(context.prompt(number * sequences + s, PREFILL_LEN))]
        start = time.perf_counter()
        context.step(rows)
        best = min(best, time.perf_counter() - start)
    return {"batch_size": sequences, "prefill_len": PREFILL_LEN, "ms": best * 1e3,
            "tokens_per_second": sequences * PREFILL_LEN / best}


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("file")
    flags.add_argument("--no-repack", action="store_true", help="weights stay as the file has them")
    flags.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    flags.add_argument("--prefill-batch-sizes", default="1")
    options = flags.parse_args()
    prefill_sizes = [int(each) for each in options.prefill_batch_sizes.split(",")]
    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, None)
    llama.llama_backend_init()
    context = Context(options.file, not options.no_repack, options.threads, max(*BATCH_SIZES, *prefill_sizes))
    print(json.dumps({"decode": [decoding(context, each) for each in BATCH_SIZES],
                      "prefill": [prompts(context, each) for each in prefill_sizes]}))


if __name__ == "__main__":
    main()
