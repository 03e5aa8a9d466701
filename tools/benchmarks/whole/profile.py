"""Where the time of recording goes: in the kernel by the programs' own run time, in cairnd by
samples of perf. For each load: what one run of each program takes, and the functions of cairnd that
take more than a hundredth of its time. Root."""
import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from recorders import Cairn
from workloads import LOAD, as_user, run

STATS = "/proc/sys/kernel/bpf_stats_enabled"
ACTS = {"openclose": 200_000, "rdwr": 200_000, "files": 20_000, "spawn": 1_000, "getppid": 1_000_000}
WORKERS = 2


def programs():
    """{name: (runs, nanoseconds)} of all programs that ran, with those they tail-called."""
    loaded = json.loads(run(["bpftool", "prog", "show", "-j"]).stdout)
    return {one["name"]: (one.get("run_cnt", 0), one.get("run_time_ns", 0))
            for one in loaded if "name" in one}


def kernel_side(kind, load):
    before = programs()
    load()
    print(f"{kind}: programs in the kernel, with what they tail-call")
    rows = []
    for name, (count, spent) in programs().items():
        count, spent = count - before.get(name, (0, 0))[0], spent - before.get(name, (0, 0))[1]
        if count > 0:
            rows.append((spent, name, count))
    total = sum(spent for spent, *_ in rows)
    for spent, name, count in sorted(rows, reverse=True):
        if spent * 100 >= total:
            print(f"  {name:<18}{count:>10} runs{spent / count:>8.0f} ns each{spent / 1e6:>9.1f} ms")


def part_of(where, symbol):
    if where == "kernel" or where.startswith("bpf_prog"):
        return "kernel: sleeping, waking, write, fdatasync"
    if where.startswith("libzstd"):
        return "zstd"
    if where.startswith("libcrypto"):
        return "SHA-256, HMAC"
    folder = re.search(r"cairn::(capture|policy|ledger|agent)::", symbol)
    if folder:
        return folder.group(1)
    if where.startswith("libprotobuf") or symbol.startswith("cairn::"):
        return "messages (protobuf)"
    return "C and C++ libraries"


def user_side(kind, load, pid, data):
    perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-p", str(pid),
                             "-o", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    load()
    perf.send_signal(2)
    perf.wait()
    report = run(["perf", "report", "-i", data, "--stdio", "--no-children", "--sort", "dso,symbol",
                  "--percent-limit", "0"]).stdout
    rows = []
    for line in report.splitlines():
        found = re.match(r"\s+([\d.]+)%\s+(\S+)\s+\[(.)\]\s+(.*?)\s*$", line)
        if found:
            share, where, level, symbol = found.groups()
            where, symbol = "kernel" if level == "k" else where, symbol.rstrip(" -")
            rows.append((float(share), where, symbol))
    parts = collections.Counter()
    for share, where, symbol in rows:
        parts[part_of(where, symbol)] += share
    print(f"{kind}: cairnd, its time by part")
    for part, share in parts.most_common():
        print(f"  {share:>6.2f} %  {part}")
    print(f"{kind}: cairnd, functions of more than 1 % of its time")
    for share, where, symbol in rows:
        if share >= 1:
            print(f"  {share:>6.2f} %  {where:<22.22} {symbol[:90]}")


def profile(kinds, pack):
    tool, data = Cairn(pack), f"{tempfile.mkdtemp(prefix='cairn-bench-')}/perf.data"
    with open(STATS) as file:
        stats = file.read()
    tool.start()
    try:
        for kind in kinds:
            def load():
                run(as_user([LOAD, kind, str(ACTS[kind]), str(WORKERS)]), cwd="/tmp")
            tool.settled()
            with open(STATS, "w") as file:  # not while cairnd is looked at: it costs time itself
                file.write("1")
            kernel_side(kind, load)
            with open(STATS, "w") as file:
                file.write(stats)
            if kind == "getppid":
                print()  # nothing of it reaches cairnd
                continue
            tool.settled()
            user_side(kind, load, tool.process.pid, data)
            print()
    finally:
        with open(STATS, "w") as file:
            file.write(stats)
        tool.stop()
        shutil.rmtree(os.path.dirname(data))


def main():
    parser = argparse.ArgumentParser(prog="tools/bench profile", description=__doc__)
    parser.add_argument("--pack", default="audit")
    parser.add_argument("kinds", nargs="*", default=list(ACTS), metavar="LOAD",
                        help=f"of {', '.join(ACTS)}; default: all")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tools/bench profile: kernel events need root")
    if shutil.which("perf") is None:
        sys.exit("tools/bench profile: no perf here: tools/setup bench")
    unknown = set(arguments.kinds) - set(ACTS)
    if unknown:
        parser.error(f"no such load: {', '.join(sorted(unknown))}")
    profile(arguments.kinds, arguments.pack)


if __name__ == "__main__":
    main()
