"""The table of workloads, the figures beside their goals, the picture."""
import statistics

# (pack, workload): must, stretch; the workload's CPU against none.
CPU_GOALS = {("audit", "openclose x2"): (1.40, 1.30), ("audit", "files"): (1.15, 1.10),
             ("audit", "compile"): (1.20, 1.10), ("audit", "spawn"): (1.15, 1.10),
             ("audit", "find"): (1.30, 1.20), ("provenance", "rdwr x2"): (1.9, 1.7)}
BYTE_GOALS = {"openclose": (20, 14), "files": (40, 25), "compile": (50, 30)}
SERVERS = ("nginx", "pgbench")


def spread(values):
    """A 95 % interval of the median, by order statistics (n >= 6), else the range."""
    ordered, n = sorted(values), len(values)
    skip = max(int(n / 2 - 0.98 * n ** 0.5), 0)
    return ordered[skip], ordered[n - 1 - skip]


class Rounds:
    """[{recorder: {workload: cost}}]"""

    def __init__(self, rounds):
        self.rounds = rounds
        self.tools = [tool for tool in rounds[0] if tool != "none"]
        self.works = list(rounds[0]["none"])

    def has(self, work, *tools):
        return work in self.works and all(tool in self.tools for tool in tools)

    def ratios(self, tool, work, what="cpu"):
        return [r[tool][work][what] / r["none"][work][what] for r in self.rounds]

    def ratio(self, tool, work, what="cpu"):
        return statistics.median(self.ratios(tool, work, what))

    def median(self, figure):
        return statistics.median(figure(r) for r in self.rounds)

    def print(self):
        print(f"{'workload':<14}" + "".join(f"{tool:>26}" for tool in self.tools))
        for work in self.works:
            line = f"{work:<14}"
            for tool in self.tools:
                low, high = spread(self.ratios(tool, work))
                text = f"{self.ratio(tool, work):.2f} [{low:.2f}-{high:.2f}]" \
                       f" ({self.ratio(tool, work, 'wall'):.2f})"
                line += f"{text:>26}"
            print(line)
        print("CPU against none, the median of the rounds [its 95 % interval] (wall)\n")


class Goals:
    """Rows beside their goals; more is worse but where it says otherwise."""
    UNDECIDED = "undecided"

    def __init__(self):
        self.rows = []

    def add(self, what, value, must, stretch=None, unit="", more=False, note=""):
        def reached(goal):
            return goal is not None and (value >= goal if more else value <= goal)
        verdict = "stretch" if reached(stretch) else "met" if reached(must) else "MISSED"
        self.rows.append((what, value, must, stretch, unit, verdict, note))

    def add_between(self, what, value, low, high, must, unit=""):
        """Less is better. Of a value that is known to lie between two, which hold the goal, neither
        can be said."""
        verdict = "met" if high <= must else "MISSED" if low > must else self.UNDECIDED
        self.rows.append((what, value, must, None, unit, verdict, f"95 %: {low:.1f} to {high:.1f}"))

    def add_unknown(self, what, must, unit, note):
        self.rows.append((what, float("nan"), must, None, unit, self.UNDECIDED, note))

    def print(self):
        print(f"{'figure':<66}{'today':>10}{'must':>10}{'stretch':>10}")
        for what, value, must, stretch, unit, verdict, note in self.rows:
            print(f"{what:<66}{value:>10.3g}{must:>10.3g}"
                  f"{'' if stretch is None else f'{stretch:.3g}':>10}  {unit:<7}{verdict:<10}{note}")

    def verdicts(self):
        """{what: whether it is met}, of those that are decided."""
        return {what: verdict != "MISSED" for what, *_, verdict, _ in self.rows
                if verdict != self.UNDECIDED}


def added(costs, tool, work, what="cpu"):
    """What `tool` adds to `work` in one round."""
    return costs[tool][work][what] - costs["none"][work][what]


def add_round_goals(goals, rounds):
    if rounds.has("openclose", "audit", "auditd"):
        goals.add("openclose, CPU that audit adds, of the wall that auditd adds",
                  rounds.median(lambda r: added(r, "audit", "openclose") /
                                added(r, "auditd", "openclose", "wall")), 0.04, 0.02)
    for (pack, work), (must, stretch) in CPU_GOALS.items():
        if rounds.has(work, pack):
            goals.add(f"{work}, CPU against none, {pack}", rounds.ratio(pack, work), must, stretch)
    for work, (must, stretch) in BYTE_GOALS.items():
        if rounds.has(work, "audit"):
            goals.add(f"bytes per event, {work}, audit",
                      rounds.median(lambda r: r["audit"][work]["bytes"] /
                                    max(r["audit"][work]["records"], 1)), must, stretch, "B")


def add_figure_goals(goals, figures):
    for kind, (must, stretch) in (("openclose", (1.0, 1.2)), ("rdwr", (1.9, 3.0))):
        found = figures.get(f"capacity {kind}")
        if found:
            flat = found["flat"]
            goals.add(f"calls/s recorded and sealed without loss, {kind} x2",
                      found["without loss"]["rate"] / 1e6, must, stretch, "M/s", more=True,
                      note=f"flat out: lost {flat['lost'] / flat['generated']:.1%}; nobody "
                           f"recording: {flat['unrecorded'] / 1e6:.2f} M/s")
            goals.add(f"{kind} x2: generated is recorded or counted, in each run",
                      all(one["exact"] for one in found.values()), 1, more=True)
    if "bulk" in figures:
        goals.add("CPU of cairnd per event of a flood, audit", figures["bulk"], 0.5, 0.15, "us")
    if "unaudited" in figures:
        adds = figures["unaudited"]
        goals.add("unaudited syscall, what audit adds, of what the STIG's audit rules add",
                  adds["audit"] / adds["rules"], 0.2, 0.12,
                  note=f"{adds['audit']:.0f} of {adds['rules']:.0f} ns")
    if "nice" in figures:
        nice = figures["nice"]
        goals.add("producers at nice -19: generated is recorded or counted", nice["exact"], 1,
                  more=True, note=f"lost {nice['lost'] / nice['generated']:.1%}")
    for work in SERVERS:
        if work in figures:
            low, high = spread(figures[work])
            goals.add_between(f"{work}, throughput lost, baseline",
                              100 - 100 / statistics.median(figures[work]),
                              100 - 100 / low, 100 - 100 / high, 3, "%")
    for name, load in (("latency quiet", "quiet"), ("latency busy", "at 80 % of the capacity")):
        if name not in figures:
            continue
        probes = figures[name]
        for key, must, stretch in (("p50_us", 1, None), ("p99_us", 3, 1.5), ("max_us", 15, None)):
            what = f"syscall to chained record in the file, {load}, {key[:-3]}"
            if probes is None:
                goals.add_unknown(what, must, "ms", "the cpus stood still too often")
                continue
            goals.add(what, probes[key] / 1000, must, stretch, "ms",
                      note="" if key != "max_us" else
                      f"of {probes['found']}; not found {probes['missing']}, left out as a cpu "
                      f"stood still {probes['left_out']}")
    if "idle" in figures:
        resting = figures["idle"]
        goals.add("idle agent", 100 * resting["core"], 0.3, 0.1, "% core",
                  note=f"{resting['resident_mib']:.0f} MiB resident, "
                       f"{resting['seen/s']:.1f} events/s seen")
        goals.add("idle agent, wake-ups", resting["wakeups/s"], 10, None, "/s")
    if "verify" in figures:
        goals.add("verification, of SHA-256's speed, one thread", 100 * figures["verify"]["one"],
                  80, None, "%", more=True)
        goals.add("verification, of SHA-256's speed on as many, all threads",
                  100 * figures["verify"]["all"], 80, None, "%", more=True)


def picture(rounds, path):
    colours = ["#4c78a8", "#59a14f", "#edc948", "#e15759", "#b07aa1", "#9c755f"]
    tools, works, bar, left = rounds.tools, rounds.works, 14, 120
    top = max(min(rounds.ratio(tool, work), 4) for tool in tools for work in works)
    scale = 560 / max(top - 1, 0.1)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="800" '
             f'height="{40 + len(works) * (len(tools) + 1) * bar}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="#fff"/>',
             '<text x="10" y="18">CPU of the workload, times that without audit (cut at 4)</text>']
    y = 34
    for work in works:
        lines.append(f'<text x="10" y="{y + 12}">{work}</text>')
        for number, tool in enumerate(tools):
            value = rounds.ratio(tool, work)
            width = max((min(value, 4) - 1) * scale, 1)
            lines.append(f'<rect x="{left}" y="{y}" width="{width:.0f}" height="{bar - 3}" '
                         f'fill="{colours[number % len(colours)]}"/>'
                         f'<text x="{left + width + 4:.0f}" y="{y + 10}" font-size="10">'
                         f'{tool} {value:.2f}</text>')
            y += bar
        y += bar
    lines.append("</svg>")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
