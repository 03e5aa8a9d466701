"""What a machine does while it is recorded: each workload is a function that returns what it cost.
Its argument: which share of its acts to do. What is short is done several times over and the least
counts: others on the machine only add to it, in bursts that are longer than these runs."""
import atexit
import contextlib
import os
import pwd
import re
import resource
import shutil
import subprocess
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = f"{REPO}/build/release"
LOAD = f"{BUILD}/tools/benchmarks/bench_load"
DEBIAN = f"{REPO}/build/debian"  # tools/setup bench: unpacked packages
USER = pwd.getpwnam("nobody").pw_uid  # whom audit rules are scoped to, so that they never match the recorder itself


def run(words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options)


def as_user(words, nice=0):
    before = ["nice", "-n", str(nice)] if nice else []
    return before + ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] + words


def measure(words, acts=1):
    """CPU and wall seconds, of each act, of a command and all its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run(as_user(words), cwd="/tmp")
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"cpu": cpu / acts, "wall": wall / acts}


def least(costs):
    costs = list(costs)
    return {of: min(cost[of] for cost in costs) for of in costs[0]}


def load(kind, count, workers, times=5):
    """Under a recorder that takes a hundred times as long, a share of the acts will do."""
    def work(share):
        acts = int(count * share)
        return least(measure([LOAD, kind, str(acts), str(workers)], acts) for _ in range(times))
    return work


def compile_work():
    source = f"{place_for('compile')}/bench.c"
    with open(source, "w") as file:
        file.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                   "int main(int c, char **v) { return printf(\"%d %s\\n\", c, v[0]) < 0; }\n")
    os.chmod(os.path.dirname(source), 0o755)
    os.chmod(source, 0o644)
    loop = f"i=0; while [ $i -lt 8 ]; do gcc -O1 -c {source} -o /dev/null; i=$((i+1)); done"
    return lambda _: least(measure(["sh", "-c", loop]) for _ in range(3))


def find_work():
    command = ["sh", "-c", "find /usr -xdev -newer /etc/hostname >/dev/null 2>&1 || true"]

    def work(_):
        run(command)  # its metadata gets reclaimed: warm it before each run
        return least(measure(command) for _ in range(2))
    return work


def program(name, *places):
    """Where a program is: unpacked, or installed."""
    for place in places:
        if os.access(place, os.X_OK):
            return place
    return shutil.which(name)


def place_for(what):
    """A directory of this run's, gone when it ends."""
    place = tempfile.mkdtemp(prefix=f"cairn-{what}-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


class Server:
    """A server that is asked as fast as it answers: seconds for an answer, so that more is worse as
    elsewhere. `up`: a context in which it runs; `second`: what an answer took in a second of it."""

    def __init__(self, up, second):
        self.up = up
        self.second = second

    def seconds(self, times):
        return least(self.second() for _ in range(times))

    def __call__(self, _):
        with self.up():
            return self.seconds(2)


def nginx_work():
    """nginx on loopback under wrk."""
    nginx = program("nginx", f"{DEBIAN}/nginx/usr/sbin/nginx")
    wrk = program("wrk", f"{DEBIAN}/wrk/usr/bin/wrk")
    if not (nginx and wrk):
        return None
    place = place_for("nginx")
    os.chmod(place, 0o755)
    temporary = "".join(f"{kind}_temp_path {place}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{place}/nginx.conf", "w") as file:
        file.write(f"daemon off; pid {place}/pid; worker_processes 1; error_log {place}/errors;\n"
                   f"events {{}}\nhttp {{ access_log off; {temporary}\n"
                   f"server {{ listen 127.0.0.1:18080; root {place}; }} }}\n")
    with open(f"{place}/index.html", "w") as file:
        file.write("x" * 600)
    libraries = {**os.environ, "LD_LIBRARY_PATH": f"{DEBIAN}/wrk/usr/lib/x86_64-linux-gnu"}

    def second():
        out = run([wrk, "-t1", "-c16", "-d1s", "http://127.0.0.1:18080/"], env=libraries).stdout
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
        return {"cpu": 1 / rate, "wall": 1 / rate}

    @contextlib.contextmanager
    def up():
        server = subprocess.Popen([nginx, "-e", f"{place}/errors", "-c", f"{place}/nginx.conf"],
                                  stderr=subprocess.DEVNULL)
        time.sleep(0.4)
        try:
            yield
        finally:
            server.terminate()
            server.wait()
    return Server(up, second)


def pgbench_work():
    """PostgreSQL under pgbench, which selects."""
    places = [f"{DEBIAN}/postgresql/usr/lib/postgresql/15/bin"]
    places += [f"/usr/lib/postgresql/{version}/bin" for version in range(10, 30)]
    found = [place for place in places if os.path.exists(f"{place}/initdb")]
    if not found:
        return None
    binaries = found[0]
    pgbench = program("pgbench", f"{binaries}/pgbench")
    place = place_for("pg")
    os.chmod(place, 0o700)
    os.chown(place, USER, USER)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True,
             "cwd": "/tmp"}
    options = f"-k {place} -c listen_addresses= -c fsync=off"
    subprocess.run(as_user([f"{binaries}/initdb", "-D", f"{place}/db", "-U", "bench"]), **quiet)

    def control(verb):
        subprocess.run(as_user([f"{binaries}/pg_ctl", "-w", "-D", f"{place}/db", "-o", options,
                                "-l", f"{place}/log", verb]), **quiet)

    base = [pgbench, "-h", place, "-U", "bench"]
    control("start")
    subprocess.run(as_user(base + ["-i", "postgres"]), **quiet)
    control("stop")

    def second():
        out = run(as_user(base + ["-S", "-n", "-c4", "-T1", "postgres"]), cwd="/tmp").stdout
        rate = float(re.search(r"tps = ([\d.]+)", out).group(1))
        return {"cpu": 1 / rate, "wall": 1 / rate}

    @contextlib.contextmanager
    def up():
        control("start")
        try:
            yield
        finally:
            control("stop")
    return Server(up, second)


def workloads():
    """{name: function, or None when its programs are not there}"""
    return {
        "getppid": load("getppid", 300_000, 1),
        "openclose": load("openclose", 30_000, 1),
        "openclose x2": load("openclose", 30_000, 2),
        "rdwr x2": load("rdwr", 80_000, 2),
        "files": load("files", 4_000, 1),
        "spawn": load("spawn", 120, 1),
        "compile": compile_work(),
        "find": find_work(),
        "nginx": nginx_work(),
        "pgbench": pgbench_work(),
    }
