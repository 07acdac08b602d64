"""Traces that are made of published ones, or drawn, so that a policy meets what its paper is about. Each is written to a file
that troupe simulate reads; the same arguments give the same bytes."""
import csv
import json
import random


def rows_of(trace):
    with open(trace, newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def asking(trace, folder, ttft_ms, tpot_ms):
    """Its requests, each of which asks for these service levels."""
    rows = [row | {"ttft_slo_ms": ttft_ms, "tpot_slo_ms": tpot_ms} for row in rows_of(trace)]
    return write_csv(folder / f"asking-{trace.stem}.csv", rows)


def of_two_callers(trace, folder):
    """Its requests by two callers, of whom one sends seven of ten: well beyond what the server can do, both have somebody
    waiting all the time."""
    draw = random.Random(2026)
    rows = [row | {"caller": int(draw.random() < 0.3)} for row in rows_of(trace)]
    return write_csv(folder / f"two-callers-{trace.stem}.csv", rows)


def of_two_classes(trace, folder):
    """Half of its requests are read while they are written, the other half is wanted within two minutes."""
    draw = random.Random(2026)
    reader = {"ttft_slo_ms": 1000, "tpot_slo_ms": 100, "latency_slo_ms": ""}
    batch = {"ttft_slo_ms": "", "tpot_slo_ms": "", "latency_slo_ms": 120_000}
    rows = [row | (reader if draw.random() < 0.5 else batch) for row in rows_of(trace)]
    return write_csv(folder / f"two-classes-{trace.stem}.csv", rows)


def of_shared_prefixes(folder, requests=4000, tasks=192, families=8):
    """Questions to few-shot prompts, in Mooncake's form, one a second: each of the families of tasks begins with two blocks of
    512 tokens, each task with two more, and a question has one of its own. Tasks come in random order, so that who goes by
    arrival meets a prefix again when it may have been evicted."""
    draw = random.Random(2026)
    own = 1_000_000  # ids of blocks that nobody shares
    path = folder / "shared-prefixes.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    arrives = 0.0
    with open(path, "w") as file:
        for number in range(requests):
            arrives += draw.expovariate(1)
            task = draw.randrange(tasks)
            family = task % families
            ids = [2 * family, 2 * family + 1, 1000 + 2 * task, 1001 + 2 * task, own + number]
            file.write(json.dumps({"timestamp": int(arrives * 1000), "input_length": 4 * 512 + draw.randint(64, 512),
                                   "output_length": draw.randint(16, 128), "hash_ids": ids}) + "\n")
    return str(path)
