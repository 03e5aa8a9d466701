"""Whole programs under whole workloads, in interleaved rounds: `tools/bench whole`.

Each round runs every workload without audit and then under each recorder; a figure is the
median over rounds of the ratio to the same round's run without. Run as root on a quiet machine.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPO, "build/release")
LOAD = os.path.join(BUILD, "tools/benchmarks/bench_load")
USER = 64999  # whom audit rules are scoped to, so that they never match the recorder itself

# What auditd's rules record: the set of config/policy/audit.yaml.
AUDIT_CALLS = ("open,openat,openat2,creat,connect,unlink,unlinkat,rmdir,rename,renameat,renameat2,"
               "link,linkat,symlink,symlinkat,mkdir,mkdirat,mknod,mknodat,truncate,ftruncate,chmod,"
               "fchmod,fchmodat,chown,fchown,lchown,fchownat,setxattr,fsetxattr,execve,execveat,"
               "fork,vfork,clone,clone3,setuid,setgid,setreuid,setregid,setresuid,setresgid")

# Goals of the pack `audit`, and of `provenance` for rdwr; the workload's CPU against none.
GOALS = {("audit", "openclose x2"): 1.40, ("audit", "files"): 1.15, ("audit", "compile"): 1.20,
         ("audit", "spawn"): 1.15, ("audit", "find"): 1.30, ("provenance", "rdwr x2"): 1.9}


def run(words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options)


def as_user(words):
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] + words


def measure(words):
    """CPU and wall seconds of a command and all its children."""
    before, start = os.times(), time.monotonic()
    run(as_user(words), cwd="/tmp")
    after = os.times()
    cpu = (after.children_user - before.children_user +
           after.children_system - before.children_system)
    return {"cpu": cpu, "wall": time.monotonic() - start}


def load(kind, count, workers):
    return lambda: measure([LOAD, kind, str(count), str(workers)])


def compile_work():
    source = os.path.join(tempfile.gettempdir(), "cairn-bench.c")
    with open(source, "w") as file:
        file.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                   "int main(int c, char **v) { return printf(\"%d %s\\n\", c, v[0]) < 0; }\n")
    os.chmod(source, 0o644)
    loop = f"i=0; while [ $i -lt 12 ]; do gcc -O1 -c {source} -o /dev/null; i=$((i+1)); done"
    return lambda: measure(["sh", "-c", loop])


def find_work():
    command = ["sh", "-c", "find /usr -xdev -newer /etc/hostname >/dev/null 2>&1 || true"]

    def once():
        run(command)  # its metadata gets reclaimed: warm it before each run
        return measure(command)
    return once


def server_work():
    """nginx on loopback under wrk: seconds for a request, so that more is worse as elsewhere."""
    if not (shutil.which("nginx") and shutil.which("wrk")):
        return None
    place = tempfile.mkdtemp(prefix="cairn-nginx-")
    os.chmod(place, 0o755)
    with open(f"{place}/nginx.conf", "w") as file:
        file.write(f"daemon off; pid {place}/pid; worker_processes 1; error_log /dev/null;\n"
                   "events {}\nhttp { access_log off; server { listen 127.0.0.1:18080;\n"
                   f"root {place}; }} }}\n")
    with open(f"{place}/index.html", "w") as file:
        file.write("x" * 600)

    def once():
        server = subprocess.Popen(["nginx", "-c", f"{place}/nginx.conf"],
                                  stderr=subprocess.DEVNULL)
        time.sleep(0.4)
        try:
            out = run(["wrk", "-t1", "-c16", "-d2s", "http://127.0.0.1:18080/"]).stdout
        finally:
            server.terminate()
            server.wait()
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
        return {"cpu": 1 / rate, "wall": 1 / rate}
    return once


def pgbench_work():
    tools = sorted(d for d in (f"/usr/lib/postgresql/{v}/bin" for v in range(10, 30))
                   if os.path.exists(f"{d}/pgbench") and os.path.exists(f"{d}/initdb"))
    if not tools:
        return None
    place = tempfile.mkdtemp(prefix="cairn-pg-")
    os.chmod(place, 0o700)
    os.chown(place, USER, USER)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
    options = f"-k {place} -c listen_addresses= -c fsync=off"
    pg = tools[-1]
    subprocess.run(as_user([f"{pg}/initdb", "-D", f"{place}/db", "-U", "bench"]), **quiet)

    def control(verb):
        subprocess.run(as_user([f"{pg}/pg_ctl", "-w", "-D", f"{place}/db", "-o", options,
                                "-l", f"{place}/log", verb]), **quiet)

    made = []

    def once():
        control("start")
        try:
            base = [f"{pg}/pgbench", "-h", place, "-U", "bench"]
            if not made:
                subprocess.run(as_user(base + ["-i", "postgres"]), **quiet)
                made.append(True)
            out = run(as_user(base + ["-S", "-c4", "-T2", "postgres"])).stdout
        finally:
            control("stop")
        rate = float(re.search(r"tps = ([\d.]+)", out).group(1))
        return {"cpu": 1 / rate, "wall": 1 / rate}
    return once


def workloads():
    found = {
        "getppid": load("getppid", 1_500_000, 1),
        "openclose": load("openclose", 150_000, 1),
        "openclose x2": load("openclose", 150_000, 2),
        "rdwr x2": load("rdwr", 300_000, 2),
        "files": load("files", 12_000, 1),
        "spawn": load("spawn", 400, 1),
        "compile": compile_work(),
        "find": find_work(),
        "nginx": server_work(),
        "pgbench": pgbench_work(),
    }
    for name in [name for name, work in found.items() if work is None]:
        print(f"not run: {name}: its programs are not installed", file=sys.stderr)
        del found[name]
    return found


class Nothing:
    name = "none"

    def start(self):
        pass

    def stop(self):
        return {}


class Cairn:
    """cairnd with one of the shipped packs."""

    def __init__(self, pack):
        self.pack = pack
        self.name = pack

    def start(self):
        self.dir = tempfile.mkdtemp(prefix="cairn-bench-")
        os.makedirs(f"{self.dir}/policy.d")
        shutil.copy(f"{REPO}/config/policy/{self.pack}.yaml", f"{self.dir}/policy.d/")
        with open(f"{self.dir}/agent.yaml", "w") as file:
            file.write(f"keys: {{dir: {self.dir}/keys}}\nlog: {{dir: {self.dir}/log}}\n"
                       f"policy: {{dir: {self.dir}/policy.d, state_dir: {self.dir}/state}}\n"
                       f"control: {{socket: {self.dir}/control.sock}}\n")
        run([f"{BUILD}/cli/cairn", "key", "init", "--config", f"{self.dir}/agent.yaml"])
        self.process = subprocess.Popen(
            [f"{BUILD}/agent/cairnd", "--config", f"{self.dir}/agent.yaml"],
            stderr=subprocess.DEVNULL)
        for _ in range(600):
            if self.status() is not None:
                break
            time.sleep(0.05)
        self.used = self.cpu()

    def status(self):
        got = subprocess.run([f"{BUILD}/cli/cairn", "status", "-o", "json", "--config",
                              f"{self.dir}/agent.yaml"], capture_output=True, text=True)
        return json.loads(got.stdout) if got.returncode == 0 else None

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        status, used = self.status() or {}, self.cpu() - self.used
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.dir)
        records = max(status.get("recorded", 0), 1)
        return {"records": records, "lost": status.get("lost", 0),
                "limited": status.get("limited", 0), "us/event": used / records * 1e6,
                "bytes/event": status.get("stored_bytes", 0) / records}


class Auditd:
    """auditd (and laurel as its plug-in) out of Debian's packages, unpacked, never installed."""

    def __init__(self, laurel, place):
        self.name = "auditd+laurel" if laurel else "auditd"
        self.laurel = laurel
        self.place = place

    @staticmethod
    def unpack(names):
        place = tempfile.mkdtemp(prefix="cairn-auditd-")
        for name in names:
            got = subprocess.run(["apt-get", "download", name], cwd=place, capture_output=True)
            if got.returncode != 0:
                return None
        for file in os.listdir(place):
            if file.endswith(".deb"):
                run(["dpkg", "-x", f"{place}/{file}", place])
        return place

    def control(self, *words):
        return run([f"{self.place}/sbin/auditctl", *words]).stdout

    def start(self):
        self.dir = tempfile.mkdtemp(prefix="cairn-auditd-run-")
        os.makedirs(f"{self.dir}/plugins.d")
        if self.laurel:
            os.makedirs(f"{self.dir}/laurel")
            with open(f"{self.dir}/laurel.toml", "w") as file:
                file.write(f'directory = "{self.dir}/laurel"\n[auditlog]\nfile = "audit.log"\n')
            with open(f"{self.dir}/plugins.d/laurel.conf", "w") as file:
                file.write(f"active = yes\ndirection = out\npath = {self.place}/usr/sbin/laurel\n"
                           f"type = always\nargs = --config {self.dir}/laurel.toml\n"
                           "format = string\n")
        with open(f"{self.dir}/auditd.conf", "w") as file:
            file.write(f"log_file = {self.dir}/audit.log\nlog_format = RAW\nflush = INCREMENTAL_ASYNC\n"
                       "freq = 50\nmax_log_file = 900\nmax_log_file_action = IGNORE\n"
                       f"plugin_dir = {self.dir}/plugins.d\nspace_left = 75\nq_depth = 10000\n"
                       "space_left_action = IGNORE\nadmin_space_left = 50\n"
                       "admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\n"
                       "disk_error_action = IGNORE\n")
        self.before = dict(line.split(None, 1) for line in self.control("-s").splitlines()
                           if " " in line)
        self.process = subprocess.Popen([f"{self.place}/sbin/auditd", "-n", "-c", self.dir],
                                        stderr=subprocess.DEVNULL)
        time.sleep(1)
        self.control("-b", "8192")
        self.rule = ["exit,always", "-F", "arch=b64", "-F", f"uid={USER}", "-S", AUDIT_CALLS]
        self.control("-a", *self.rule)

    def stop(self):
        self.control("-d", *self.rule)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.control("-e", self.before.get("enabled", "0").split()[0])
        self.control("-b", self.before.get("backlog_limit", "64").split()[0])
        shutil.rmtree(self.dir)
        return {}


def recorders(names):
    found = [Nothing()] + [Cairn(pack) for pack in ("baseline", "audit", "provenance")
                           if pack in names]
    if "auditd" in names or "auditd+laurel" in names:
        place = Auditd.unpack(["auditd"])
        if place is None:
            print("not run: auditd: its package cannot be had", file=sys.stderr)
            return found
        if "auditd" in names:
            found.append(Auditd(False, place))
        with_laurel = Auditd.unpack(["auditd", "laurel"]) if "auditd+laurel" in names else None
        if with_laurel:
            found.append(Auditd(True, with_laurel))
        elif "auditd+laurel" in names:
            print("not run: auditd+laurel: Debian has no such package here", file=sys.stderr)
    return found


def one_round(tools, works):
    """{recorder: {workload: seconds}}; what a recorder says of itself."""
    times, notes = {}, {}
    for tool in tools:
        tool.start()
        try:
            times[tool.name] = {name: work() for name, work in works.items()}
        finally:
            notes[tool.name] = tool.stop()
    return times, notes


def spread(values):
    """A 95 % interval of the median, by order statistics (n >= 6), else the range."""
    ordered, n = sorted(values), len(values)
    skip = max(int(n / 2 - 0.98 * n ** 0.5), 0)
    return ordered[skip], ordered[n - 1 - skip]


def summarise(rounds, works):
    table = {}
    for tool in rounds[0][0]:
        for work in works:
            ratios = [r[0][tool][work]["cpu"] / r[0]["none"][work]["cpu"] for r in rounds]
            walls = [r[0][tool][work]["wall"] / r[0]["none"][work]["wall"] for r in rounds]
            table[tool, work] = {"cpu": statistics.median(ratios), "range": spread(ratios),
                                 "wall": statistics.median(walls)}
    return table


def print_table(table, rounds, works):
    tools = [tool for tool in rounds[0][0] if tool != "none"]
    print(f"{'CPU against none (wall)':<16}" + "".join(f"{tool:>24}" for tool in tools) + "  goal")
    for work in works:
        line = f"{work:<16}"
        goals = []
        for tool in tools:
            cell = table[tool, work]
            line += f"{cell['cpu']:>8.2f} [{cell['range'][0]:.2f}-{cell['range'][1]:.2f}]" \
                    f" ({cell['wall']:.2f})".rjust(16)[:24].rjust(16)
            if (tool, work) in GOALS:
                goal = GOALS[tool, work]
                goals.append(f"{tool} <= {goal}: " + ("met" if cell["cpu"] <= goal else "MISSED"))
        print(line + "  " + "; ".join(goals))
    for tool in tools:
        notes = [r[1][tool] for r in rounds if r[1][tool]]
        if notes:
            print(f"{tool}: " + ", ".join(
                f"{key} {statistics.median(n[key] for n in notes):.3g}" for key in notes[0]))


def picture(table, tools, works, path):
    colours = ["#4c78a8", "#59a14f", "#edc948", "#e15759", "#b07aa1"]
    height, left, bar = 40 + len(works) * (len(tools) * 14 + 14), 120, 14
    top = max(min(table[tool, work]["cpu"], 4) for tool in tools for work in works)
    scale = 560 / max(top - 1, 0.1)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             '<text x="10" y="18">CPU of the workload, times that without audit (cut at 4)</text>']
    y = 34
    for work in works:
        lines.append(f'<text x="10" y="{y + 12}">{work}</text>')
        for number, tool in enumerate(tools):
            value = table[tool, work]["cpu"]
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--recorders", default="baseline,audit,provenance,auditd,auditd+laurel")
    parser.add_argument("--workloads", default="")
    parser.add_argument("--svg", default=f"{REPO}/docs/performance.svg")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tools/bench whole: kernel events need root")
    works = {name: work for name, work in workloads().items()
             if not arguments.workloads or name in arguments.workloads.split(",")}
    tools = recorders(arguments.recorders.split(","))
    rounds = []
    for number in range(arguments.rounds):
        print(f"\rround {number + 1} of {arguments.rounds}", end="", file=sys.stderr)
        rounds.append(one_round(tools, works))
    print(file=sys.stderr)
    table = summarise(rounds, works)
    print_table(table, rounds, works)
    picture(table, [tool.name for tool in tools if tool.name != "none"], works, arguments.svg)
    print(f"picture: {arguments.svg}")


if __name__ == "__main__":
    main()
