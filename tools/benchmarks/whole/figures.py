"""What is not a ratio of workloads: capacity without loss, latency, an idle agent, verification."""
import json
import re
import statistics
import subprocess
import time

from recorders import Cairn, Rules
from workloads import BUILD, LOAD, USER, as_user, load, run

# What one act of a load is in pack `provenance`. Reads and writes are recorded at the first use of a
# file by a process (docs/capture.md), so their calls are far more than their records.
EVENTS = {"openclose": (("file.open", "/etc/hostname"), ("file.close", "/etc/hostname")),
          "rdwr": (("file.read", "/dev/zero"), ("file.write", "/dev/null"))}
ACTS = {"openclose": 1_000_000, "rdwr": 1_500_000}  # of each worker
WORKERS = 2


def attempt(kind, rate=0, nice=0):
    """One run of a load under a cairnd of its own. The generators count; then the log is asked."""
    tool = Cairn("provenance")
    tool.start()
    try:
        before = tool.settled()
        acts, start = ACTS[kind], time.monotonic()
        words = [LOAD, kind, str(acts), str(WORKERS)] + ([str(rate)] if rate else [])
        said = json.loads(run(as_user(words, nice), cwd="/tmp").stdout)
        calls = said["acts"] * len(EVENTS[kind])
        generated = WORKERS * len(EVENTS[kind]) if kind == "rdwr" else calls
        while True:
            now = tool.status()
            if now["recorded"] - before["recorded"] + now["lost"] - before["lost"] >= generated:
                break
            if time.monotonic() - start > 60:
                break
            time.sleep(0.02)
        wall = time.monotonic() - start
        after = tool.settled()
        recorded = sum(tool.records_of(event, f'file.path == "{path}" && process.uid == {USER}')
                       for event, path in EVENTS[kind])
    finally:
        tool.stop()
    lost = after["lost"] - before["lost"] + after["limited"] - before["limited"]
    return {"generated": generated, "recorded": recorded, "lost": lost, "rate": calls / wall,
            "acts/s": said["acts"] / said["wall_s"] / WORKERS,
            # What is lost may have been others': then it is more than what is missing.
            "exact": generated == recorded if lost == 0 else generated - recorded <= lost}


def unrecorded(kind):
    """Calls a second while nobody records: no recorder gets more of them on this machine."""
    said = json.loads(run(as_user([LOAD, kind, str(ACTS[kind]), str(WORKERS)]), cwd="/tmp").stdout)
    return said["acts"] * len(EVENTS[kind]) / said["wall_s"]


def capacity(kind):
    """The highest rate tried that lost nothing, and what happened flat out."""
    flat = attempt(kind)
    flat["unrecorded"] = unrecorded(kind)
    tried = flat
    for share in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
        if tried["lost"] == 0:
            break
        tried = attempt(kind, int(flat["acts/s"] * share))
    return {"flat": flat, "without loss": tried}


def latency(rate=0, agents=5):
    """Syscall to chained record in the file: 500 probes of each agent, beside `rate` opens a second and
    worker. The median agent's percentiles; of all of them the greatest. Probes during which a cpu stood
    still (bench_latency) are left out; an agent with more of them than others, as a whole. None: of
    three times as many agents too few were left."""
    found = []
    for _ in range(3 * agents):
        one = probes(rate)
        if one["found"] > one["left_out"]:
            found.append(one)
        if len(found) == agents:
            break
    else:
        return None
    return {**{key: statistics.median(one[key] for one in found) for key in ("p50_us", "p99_us")},
            "max_us": max(one["max_us"] for one in found),
            **{key: sum(one[key] for one in found) for key in ("found", "missing", "left_out")}}


def probes(rate):
    tool = Cairn("provenance")
    tool.start()
    worker = None
    try:
        tool.settled()
        if rate:
            worker = subprocess.Popen(as_user([LOAD, "openclose", str(rate * 9), str(WORKERS),
                                               str(rate)]), cwd="/tmp", stdout=subprocess.DEVNULL)
            time.sleep(1)
        probed = run([f"{BUILD}/tools/benchmarks/bench_latency", tool.log, "500", "10000"])
        if worker:
            worker.wait()
        return json.loads(probed.stdout)
    finally:
        tool.stop()


def bulk(times=5):
    """CPU of cairnd for each event of a flood, in microseconds: decode, policy, encode, hash, write.
    The least of several floods: others on the machine only add to it."""
    tool, found = Cairn("audit"), []
    tool.start()
    try:
        for _ in range(times):
            before, cpu = tool.settled(), tool.usage()[0]
            run(as_user([LOAD, "openclose", str(ACTS["openclose"]), str(WORKERS)]), cwd="/tmp")
            after, used = tool.settled(), tool.usage()[0] - cpu
            found.append(used / (after["recorded"] - before["recorded"]) * 1e6)
        return min(found)
    finally:
        tool.stop()


def unaudited(times=10, calls=300_000):
    """What a call that nobody wants costs more, in ns, under pack `audit` and under audit rules."""
    tools = {"audit": Cairn("audit"), "rules": Rules()}
    added = {name: [] for name in tools}
    work = load("getppid", calls, 1)
    for _ in range(times):
        for name, tool in tools.items():
            none = work(1)["cpu"]
            tool.start()
            try:
                added[name].append((work(1)["cpu"] - none) * 1e9)
            finally:
                tool.stop()
    return {name: statistics.median(all_) for name, all_ in added.items()}


def server(work, pairs=20):
    """Ratios of a server's time under pack `baseline` to that without, moments apart, of one and the
    same process: two starts of a server differ by more than what is looked for."""
    tool, ratios = Cairn("baseline"), []

    def recorded():
        tool.start()
        try:
            return work.seconds(3)["wall"]
        finally:
            tool.stop()
    with work.up():
        work.second()
        for pair in range(pairs):
            if pair % 2 == 0:
                none = work.seconds(3)["wall"]
                ratios.append(recorded() / none)
            else:
                under = recorded()
                ratios.append(under / work.seconds(3)["wall"])
    return ratios


def idle(seconds=10, windows=6):
    """An agent while nothing happens: of the windows the one in which the fewest events were seen."""
    tool = Cairn("audit")
    tool.start()
    try:
        time.sleep(3)
        return min((resting(tool, seconds) for _ in range(windows)), key=lambda one: one["seen/s"])
    finally:
        tool.stop()


def resting(tool, seconds):
    """Asking makes some hundred events of its own, as many each time."""
    first, second = tool.status()["seen"], tool.status()["seen"]
    time.sleep(1)
    cpu, sleeps = tool.usage()
    time.sleep(seconds)
    after, more = tool.usage()
    seen = max(tool.status()["seen"] - second - (second - first), 0)
    with open(f"/proc/{tool.process.pid}/status") as file:
        memory = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return {"seen/s": seen / (seconds + 1), "core": (after - cpu) / seconds,
            "wakeups/s": (more - sleeps) / seconds, "resident_mib": memory / 1024}


def verification():
    """Share of one thread's SHA-256 speed: of blocks of 60 KiB on one thread, and on all."""
    out = run([f"{BUILD}/tools/benchmarks/bench_verify"]).stdout
    line = next(line for line in out.splitlines() if line.startswith("blocks of 60 KiB"))
    one, every = re.findall(r"= +(\d+) %", line)
    return {"one": int(one) / 100, "all": int(every) / 100}
