"""What `troupe bench decode` times, by llama.cpp: decoding steps and a prompt; a line of JSON with the same names.

  LLAMA_CPP_LIB_PATH=build/peers/llama-library/bin build/peers/llama/bin/python bench/peers/llama_steps.py MODEL.gguf

The same prompts, and the most likely token goes on. Settings are llama.cpp's own, but for the number of threads.
"""
import json
import os
import sys
import time

import llama_cpp as llama
import numpy

BATCH_SIZES = 1, 4, 16
INPUT_LEN, WARMUP_STEPS, STEPS = 64, 4, 24
PREFILL_LEN, PROMPTS = 512, 5
MOST_TOKENS = max(max(BATCH_SIZES) * INPUT_LEN, PREFILL_LEN)


class Context:
    def __init__(self, file):
        self.model = llama.llama_model_load_from_file(file.encode(), llama.llama_model_default_params())
        parameters = llama.llama_context_default_params()
        parameters.n_seq_max = max(BATCH_SIZES)
        parameters.n_ctx = 256 * max(BATCH_SIZES)
        parameters.n_batch = parameters.n_ubatch = MOST_TOKENS
        parameters.n_threads = parameters.n_threads_batch = len(os.sched_getaffinity(0))
        self.context = llama.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(MOST_TOKENS, 0, 1)

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


def prompt(context):
    best = float("inf")
    for number in range(PROMPTS):
        context.forget()
        rows = [(0, i, token) for i, token in enumerate(context.prompt(number, PREFILL_LEN))]
        start = time.perf_counter()
        context.step(rows)
        best = min(best, time.perf_counter() - start)
    return {"prefill_len": PREFILL_LEN, "ms": best * 1e3, "tokens_per_second": PREFILL_LEN / best}


def main(file):
    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, None)
    llama.llama_backend_init()
    context = Context(file)
    print(json.dumps({"decode": [decoding(context, each) for each in BATCH_SIZES], "prefill": prompt(context)}))


if __name__ == "__main__":
    main(sys.argv[1])
