"""launch/policy-lab: experiments of a TOML file, simulated side by side, and a report of them."""
import argparse
import os
import pathlib
import sys

import experiments
import report
from simulations import Failed, Laboratory

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    flags = argparse.ArgumentParser(prog="launch/policy-lab", description=__doc__)
    flags.add_argument("file", type=pathlib.Path, help="experiments; launch/policy_lab/example.toml shows what it says")
    flags.add_argument("--out", type=pathlib.Path, required=True, help="the HTML page")
    flags.add_argument("--jobs", type=int, default=os.cpu_count(), help="simulations at a time (default: one a core)")
    flags.add_argument("--troupe", type=pathlib.Path, default=ROOT / "build/release/bin/troupe", help="the program")
    options = flags.parse_args()
    if options.jobs < 1:
        flags.error("--jobs must be at least 1")
    if not options.troupe.exists():
        sys.exit(f"{options.troupe} is missing: cmake --preset release && cmake --build --preset release --target troupe")
    try:
        title, read = experiments.read(options.file)
        findings = Laboratory(options.troupe, options.jobs).run(read)
        options.out.write_text(report.report_of(title, read, findings))
    except experiments.BadFile as error:
        print(f"launch/policy-lab: {error}", file=sys.stderr)
        sys.exit(2)
    except (Failed, OSError) as error:
        print(f"\nlaunch/policy-lab: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"\n{options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
