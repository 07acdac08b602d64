"""What troupe simulate --json tells of a run: the names of its fields, and how people are shown them."""
import typing


class Figure(typing.NamedTuple):
    title: str
    digits: int = 0
    better: int = 0  # 1: more is better, -1: less is, 0: neither


def _times(key, title):
    return {f"{which}_{key}_ms": Figure(f"{title} {which} (ms)", 0, -1) for which in ("p50", "p90", "p99", "mean")}


FIGURES = {
    "completed": Figure("served"),
    "refused": Figure("refused", 0, -1),
    "duration": Figure("duration (s)"),
    "request_throughput": Figure("requests/s", 2, 1),
    "request_goodput": Figure("good requests/s", 2, 1),
    "good_percent": Figure("good (%)", 1, 1),
    "output_throughput": Figure("output tokens/s", 0, 1),
    "cached_percent": Figure("prompt tokens cached (%)", 1, 1),
    "preemptions": Figure("preemptions", 0, -1),
    "steps": Figure("steps"),
    "computing_percent": Figure("computing (%)", 1),
    "max_concurrent_requests": Figure("most requests at a time"),
    "largest_service_difference": Figure("largest difference of service", 0, -1),
    **_times("ttft", "TTFT"),
    **_times("tpot", "TPOT"),
    **_times("longest_gap", "longest gap"),
    **_times("e2el", "end to end"),
    **_times("queueing", "queueing"),
    **_times("step", "step"),
}

TOLD = ["good_percent", "output_throughput", "p50_ttft_ms", "p99_ttft_ms", "p50_tpot_ms", "p99_longest_gap_ms",
        "mean_e2el_ms", "p99_e2el_ms", "p99_queueing_ms", "preemptions"]  # unless an experiment says otherwise
PLOTTED = ["good_percent", "p50_ttft_ms", "p99_ttft_ms", "p50_tpot_ms", "p99_longest_gap_ms", "mean_e2el_ms"]


def best_of(key, values):
    """The best of several runs' values; none where there is nothing to choose."""
    better = FIGURES[key].better
    if better == 0 or len(set(values)) < 2:
        return None
    return max(values) if better > 0 else min(values)


def shown(key, value, half_width=0):
    digits = FIGURES[key].digits
    text = f"{value:,.{digits}f}"
    return f"{text} ± {half_width:,.{digits}f}" if half_width else text
