"""Policies on traces: what bench/policies runs, and how its results come into bench/policies.md.

The page is written by hand but for what stands between a comment `<!-- NAME -->` and the next `<!-- end -->`: there come
the plots and tables of the experiment of that name.
"""
import argparse
import os
import pathlib
import re
import sys

import served
import workloads

sys.path.insert(0, str(served.ROOT / "launch/policy_lab"))
import plots
from experiments import Experiment
from figures import FIGURES, shown
from simulations import Failed, Laboratory

PAGE = served.ROOT / "bench/policies.md"
PLOTS = served.ROOT / "bench/plots"
WORKLOADS = served.ROOT / "build/bench/policies"
TRACES = {"conversations": "splitwise_conv.csv", "code": "splitwise_code.csv"}
ALL = ["fcfs", "prefill_first", "decode_first", "priority", "edf", "slo", "vtc", "sjf", "mlfq", "lpm", "dfs"]
LAYOUTS = {
    "h200x8": {"machine-profile": "h200x8", "tensor-parallel-size": 8, "enable-expert-parallel": True},
    "h100x16": {"machine-profile": "h100x16", "tensor-parallel-size": 8, "data-parallel-size": 2,
                "enable-expert-parallel": True},
}
# Nobody is refused, so that all policies serve the same requests.
SERVED = {"max-waiting": 1_000_000, "ttft-slo-ms": 2000, "tpot-slo-ms": 100}
FAIR = "largest_service_difference"


def experiment(name, layout, flags, policies, rates, figures, plotted, **others):
    return Experiment(name=name, note="", flags=SERVED | flags, layouts={"": LAYOUTS[layout]}, policies=policies,
                      rates=rates, figures=figures, plots=plotted,
                      **{"of_capacity": "decode_first", "capacities": False, "seeds": 1} | others)


def experiments_of(options):
    """By the names that the page calls them."""
    number = {"num-requests": options.num_requests}
    traces = {name: options.traces / file for name, file in TRACES.items()}
    levels = SERVED["ttft-slo-ms"], SERVED["tpot-slo-ms"]
    every = {name: experiment(
        name, options.layout, number | {"trace": workloads.asking(trace, WORKLOADS, *levels)}, ALL, [0.5, 0.8, 1.0, 1.2],
        ["good_percent", "output_throughput", "p50_ttft_ms", "p99_ttft_ms", "p50_tpot_ms", "p99_longest_gap_ms",
         "mean_e2el_ms", "p99_e2el_ms", "preemptions"],
        ["good_percent", "p50_ttft_ms", "p99_ttft_ms", "p50_tpot_ms", "p99_longest_gap_ms", "mean_e2el_ms"],
        capacities=True) for name, trace in traces.items()}
    return every | {
        "stalls": experiment(
            "stalls", options.layout, number | {"trace": str(traces["code"]), "max-step-time": 0},
            ["prefill_first", "fcfs", "decode_first"], [0.2, 0.5, 0.8, 1.0],
            ["good_percent", "p50_ttft_ms", "p99_ttft_ms", "p50_tpot_ms", "p50_longest_gap_ms", "p99_longest_gap_ms"],
            ["p99_longest_gap_ms", "p99_ttft_ms", "mean_e2el_ms"], capacities=True),
        "callers": experiment(
            "callers", options.layout,
            number | {"trace": workloads.of_two_callers(traces["conversations"], WORKLOADS), "num-gpu-blocks": 8192},
            ["fcfs", "decode_first", "sjf", "vtc"], [1.0, 1.5, 2.0, 3.0],
            [FAIR, "p50_ttft_ms", "p99_ttft_ms", "output_throughput"], [FAIR, "p50_ttft_ms", "output_throughput"]),
        "levels": experiment(
            "levels", options.layout,
            {"num-requests": 4000, "request-rate": 1, "input-len": 100, "output-len": 300, "output-distribution": "lognormal",
             "max-num-seqs": 16},
            ["fcfs", "sjf", "sjf predictor=history", "mlfq quantum=128", "mlfq", "mlfq quantum=2048"], [0.8, 1.0, 1.2],
            ["mean_e2el_ms", "p50_e2el_ms", "p99_e2el_ms", "p99_queueing_ms", "p50_ttft_ms", "output_throughput", "preemptions"],
            ["mean_e2el_ms", "p50_e2el_ms", "p99_e2el_ms"], seeds=3),
        "prefixes": experiment(
            "prefixes", options.layout,
            {"trace": workloads.of_shared_prefixes(WORKLOADS), "num-gpu-blocks": 8192, "num-requests": 4000},
            ["fcfs", "decode_first", "lpm", "dfs"], [0.5, 1.0, 2.0, 4.0],
            ["cached_percent", "output_throughput", "p50_ttft_ms", "p99_ttft_ms", "mean_e2el_ms", "preemptions"],
            ["cached_percent", "p50_ttft_ms", "output_throughput"]),
        "deadlines": experiment(
            "deadlines", options.layout,
            number | {"trace": workloads.of_two_classes(traces["conversations"], WORKLOADS)},
            ["fcfs", "decode_first", "edf", "slo"], [0.8, 1.0, 1.2, 1.5],
            ["good_percent", "request_goodput", "p50_ttft_ms", "p99_ttft_ms", "p50_tpot_ms", "p99_longest_gap_ms"],
            ["good_percent", "p50_ttft_ms", "p50_tpot_ms"], capacities=True),
    }


def markdown_table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def drawn(name, svg):
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"policies-{name}.svg").write_text(svg)
    return f"![{name}](plots/policies-{name}.svg)\n"


def section_of(name, experiment, found):
    parts = [drawn(name, plots.against_rate(experiment, found, "", experiment.plots))]
    if experiment.capacities:
        found_at = [found.capacities["", policy] for policy in experiment.policies]
        parts.append(markdown_table(["capacity", *experiment.policies], [
            [title, *(f"{each[key]:.2f}" for each in found_at)]
            for title, key in [("times the arrivals' rate", "rate_factor"), ("requests/s served", "requests_per_second")]]))
    unit = found.capacities["", experiment.of_capacity]
    parts.append(f"The capacity of {experiment.of_capacity} is {unit['requests_per_second']:.2f} requests/s "
                 f"(`--rate {unit['rate_factor']:.3f}`). Rates are parts of it.\n")
    for rate in experiment.rates:
        rows = [[each.policy, *(shown(key, each.figures[key]) for key in experiment.figures)]
                for each in (found.of("", policy, rate) for policy in experiment.policies)]
        parts.append(markdown_table([f"rate {rate:g}", *(FIGURES[key].title for key in experiment.figures)], rows))
    parts.append("`" + found.results[-1].command.replace(str(served.ROOT) + "/", "") + "`\n")
    return "\n".join(parts)


def put_into_page(name, section):
    page = PAGE.read_text()
    place = re.compile(rf"(<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    if len(place.findall(page)) != 1:
        sys.exit(f"{PAGE} has no one place for '{name}': a line <!-- {name} --> and, somewhere behind it, <!-- end -->")
    PAGE.write_text(place.sub(lambda found: found[1] + section, page))


def main():
    flags = argparse.ArgumentParser(prog="bench/policies", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--traces", type=pathlib.Path, required=True, help=f"the folder of {' and '.join(TRACES.values())}")
    flags.add_argument("--num-requests", type=int, default=5000, help="of each trace, the first")
    flags.add_argument("--layout", choices=LAYOUTS, default="h200x8")
    flags.add_argument("--only", action="append", metavar="NAME", help="one experiment; may come several times")
    flags.add_argument("--jobs", type=int, default=os.cpu_count(), help="simulations at a time")
    options = flags.parse_args()
    options.traces = options.traces.resolve()
    for file in TRACES.values():
        if not (options.traces / file).is_file():
            flags.error(f"--traces: {options.traces / file} is missing")
    chosen = experiments_of(options)
    for name in options.only or []:
        if name not in chosen:
            flags.error(f"--only: '{name}' is none of {', '.join(chosen)}")
    laboratory = Laboratory(served.TROUPE, options.jobs)
    for name, each in chosen.items():
        if options.only and name not in options.only:
            continue
        try:
            section = section_of(name, each, laboratory.run([each])[0])
            put_into_page(name, section.replace(str(options.traces), "FOLDER"))
        except Failed as error:
            sys.exit(f"\n{error}")
        print(f" {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
