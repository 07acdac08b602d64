"""Runs experiments as processes of troupe simulate, several at a time."""
import concurrent.futures
import dataclasses
import json
import shlex
import subprocess
import sys


class Failed(Exception):
    """A simulation that came to nothing: which one, and what it said."""


@dataclasses.dataclass
class Result:
    layout: str
    policy: str
    rate: float  # as the experiment has it
    command: str
    figures: dict  # fields of troupe simulate --json


@dataclasses.dataclass
class Findings:
    """Of one experiment."""
    results: list
    capacities: dict  # by layout and policy: rate_factor and requests_per_second

    def of(self, layout, policy, rate):
        return next(each for each in self.results if (each.layout, each.policy, each.rate) == (layout, policy, rate))


def arguments_of(flags):
    arguments = []
    for name, value in flags.items():
        if isinstance(value, bool):
            arguments.append(f"--{name}" if value else f"--no-{name}")
        else:
            arguments += [f"--{name}", str(value)]
    return arguments


class Laboratory:
    def __init__(self, troupe, jobs):
        self.troupe, self.jobs = troupe, jobs

    def run(self, experiments):
        """Findings of each experiment. Throws Failed, and lets nothing run on."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                searches = [self.search(pool, each) for each in experiments]
                running = [self.start(pool, each, search) for each, search in zip(experiments, searches)]
                return [Findings([job.result() for job in jobs], {key: job.result() for key, job in search.items()})
                        for jobs, search in zip(running, searches)]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def search(self, pool, experiment):
        """Capacities that are wanted, by layout and policy."""
        policies = list(experiment.policies) if experiment.capacities else []
        if experiment.of_capacity and experiment.of_capacity not in policies:
            policies.append(experiment.of_capacity)
        return {(layout, policy): pool.submit(self.simulate, experiment, layout, policy, {"find-capacity": True})
                for layout in experiment.layouts for policy in policies}

    def start(self, pool, experiment, search):
        jobs = []
        for layout in experiment.layouts:
            unit = 1
            if experiment.of_capacity:
                unit = search[layout, experiment.of_capacity].result()["rate_factor"]
                if unit == 0:
                    raise Failed(f"experiment '{experiment.name}', layout '{layout}': {experiment.of_capacity} keeps the "
                                 "service levels at no rate: lower them, or leave out of-capacity")
            jobs += [pool.submit(self.measure, experiment, layout, policy, rate, rate * unit)
                     for policy in experiment.policies for rate in experiment.rates]
        return jobs

    def measure(self, experiment, layout, policy, rate, factor):
        flags = {"rate": f"{factor:.6g}"}
        figures = self.simulate(experiment, layout, policy, flags)
        return Result(layout, policy, rate, shlex.join(self.command(experiment, layout, policy, flags)), figures)

    def simulate(self, experiment, layout, policy, flags):
        command = self.command(experiment, layout, policy, flags)
        done = subprocess.run([self.troupe, *command[1:], "--json"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"experiment '{experiment.name}', layout '{layout}', policy '{policy}': {shlex.join(command)}\n"
                         f"{done.stderr.strip()}")
        print(".", end="", file=sys.stderr, flush=True)
        return json.loads(done.stdout)["policies"][0]

    def command(self, experiment, layout, policy, flags):
        name, *options = policy.split()
        seeds = {"seeds": experiment.seeds} if experiment.seeds > 1 else {}
        command = ["troupe", "simulate", "--policy", name]
        for option in options:
            command += ["--policy-option", option]
        return command + arguments_of(experiment.flags | experiment.layouts[layout] | seeds | flags)
