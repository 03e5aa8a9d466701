"""Whole programs under whole workloads, in interleaved rounds, and what else the goals name.

Each round runs every workload without audit and then under each recorder; a figure is the median
over rounds of the ratio to the same round's run without. Run as root on a quiet machine.
"""
import argparse
import json
import os
import signal
import sys

import figures
from recorders import CAPTURE, Rules, recorders
from report import SERVERS, Goals, Rounds, add_figure_goals, add_round_goals, picture
from workloads import REPO, workloads


def say(text):
    print(text, file=sys.stderr, flush=True)


def one_round(tools, works):
    """{recorder: {workload: cost}}; workload by workload, so that what is compared is moments apart: a
    machine drifts by more than what is looked for."""
    costs = {tool.name: {} for tool in tools}
    for name, work in works.items():
        for tool in tools:
            tool.start()
            try:
                costs[tool.name][name] = tool.during(work)
            finally:
                tool.stop()
    return costs


def other_figures(works):
    found = {}
    for kind in figures.EVENTS:
        say(f"capacity of {kind}")
        found[f"capacity {kind}"] = figures.capacity(kind)
    say("CPU of cairnd")
    found["bulk"] = figures.bulk()
    if why := Rules.why_not():
        say(f"not run: a call that nobody wants: {why}")
    else:
        say("a call that nobody wants")
        found["unaudited"] = figures.unaudited()
    say("producers at nice -19")
    found["nice"] = figures.attempt("openclose", nice=-19)
    for name in SERVERS:
        if name in works:
            say(f"{name}, with and without, moments apart")
            found[name] = figures.server(works[name])
    say("latency")
    found["latency quiet"] = figures.latency()
    best = found["capacity openclose"]["without loss"]["acts/s"]
    found["latency busy"] = figures.latency(int(best * 0.8))
    say("an idle agent")
    found["idle"] = figures.idle()
    say("verification")
    found["verify"] = figures.verification()
    return found


def main():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--recorders", default="baseline,audit,provenance,auditd,auditd+laurel,snoopy")
    parser.add_argument("--workloads", default="", help="only these, by commas")
    parser.add_argument("--only-workloads", action="store_true", help="no other figures")
    parser.add_argument("--svg", default=f"{REPO}/docs/performance.svg")
    parser.add_argument("--json", help="keep all figures in this file")
    parser.add_argument("--against", help="compare the verdicts with such a file")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tools/bench: kernel events need root")
    for number in (signal.SIGINT, signal.SIGTERM):  # what runs is stopped, audit's state restored
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    works = {}
    for name, work in workloads().items():
        if arguments.workloads and name not in arguments.workloads.split(","):
            continue
        if work is None:
            say(f"not run: {name}: its programs are not there (tools/setup bench)")
        else:
            works[name] = work
    tools, missing = recorders(arguments.recorders.split(","))
    for reason in missing:
        say(f"not run: {reason}")
    print(f"capture: {CAPTURE}")
    taken = []
    for number in range(arguments.rounds):
        say(f"round {number + 1} of {arguments.rounds}")
        taken.append(one_round(tools, works))
    rounds = Rounds(taken)
    rounds.print()
    found = {} if arguments.only_workloads else other_figures(works)
    goals = Goals()
    add_round_goals(goals, rounds)
    add_figure_goals(goals, found)
    goals.print()
    picture(rounds, arguments.svg)
    print(f"picture: {arguments.svg}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"rounds": taken, "figures": found, "verdicts": goals.verdicts()}, file)
    if arguments.against:
        with open(arguments.against) as file:
            before = json.load(file)["verdicts"]
        differ = [what for what, met in goals.verdicts().items() if before.get(what, met) != met]
        print("verdicts: " + ("as before" if not differ else "differ: " + "; ".join(differ)))


if __name__ == "__main__":
    main()
