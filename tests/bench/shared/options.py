"""What every measurement can be told on its command line, and where its results go."""

import argparse
import pathlib
import sys

from support.daemon import BUILD

RESULTS = pathlib.Path(__file__).resolve().parents[1] / "results"


def parser(description, rounds, quick_rounds=2):
    """`rounds` are the usual ones, `quick_rounds` those of --quick."""
    made = argparse.ArgumentParser(description=description,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true",
                      help="fewer and shorter rounds: whether it works, not what it costs")
    made.add_argument("--rounds", type=int, help=f"how many (default: {rounds})")
    made.add_argument("--results", type=pathlib.Path,
                      help="where table, data and plot go (default: tests/bench/results; with "
                           "--quick, bench in the build directory)")
    made.set_defaults(usual_rounds=rounds, quick_rounds=quick_rounds)
    return made


def parse(made, arguments=None):
    options = made.parse_args(arguments)
    options.rounds = options.rounds or (options.quick_rounds if options.quick
                                        else options.usual_rounds)
    options.results = options.results or (BUILD / "bench" if options.quick else RESULTS)
    options.results.mkdir(parents=True, exist_ok=True)
    return options


def show(what):
    """What is being measured, to a person who waits."""
    if sys.stderr.isatty():
        print(f"\r{what[:78]:78}\r", end="", file=sys.stderr, flush=True)
