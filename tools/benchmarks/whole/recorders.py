"""Who records while a workload runs: nobody, cairnd with a pack, auditd, auditd with laurel, snoopy."""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from workloads import BUILD, DEBIAN, REPO, USER, run

# What auditd's rules record: the set of config/policy/audit.yaml.
AUDIT_CALLS = ("open,openat,openat2,creat,connect,unlink,unlinkat,rmdir,rename,renameat,renameat2,"
               "link,linkat,symlink,symlinkat,mkdir,mkdirat,mknod,mknodat,truncate,ftruncate,chmod,"
               "fchmod,fchmodat,chown,fchown,lchown,fchownat,setxattr,fsetxattr,execve,execveat,"
               "fork,vfork,clone,clone3,setuid,setgid,setreuid,setregid,setresuid,setresgid")

# One configuration for every figure: the shipped one, but for larger rings, and no process is
# limited before a ring is full.
CAPTURE = "audit: auto, ring_bytes: 8388608, process_rate: 100000000"


class Nothing:
    name = "none"

    def start(self):
        pass

    def during(self, work):
        return work(1)

    def stop(self):
        return {}


class Recorder:
    """Begins and stops; what begins and fails, or is told to end meanwhile, leaves nothing behind."""
    process = None
    dir = None

    def start(self):
        try:
            self.begin()
        except BaseException:
            self.stop()
            raise

    def make_dir(self):
        self.dir = tempfile.mkdtemp(prefix="cairn-bench-")

    def stop(self):
        if self.process:
            self.end(self.process)
            self.process = None
        if self.dir:
            shutil.rmtree(self.dir)
            self.dir = None

    @staticmethod
    def end(process):
        """auditd loses a SIGTERM that comes while it starts, so it is said more than once."""
        for number in [signal.SIGTERM] * 5 + [signal.SIGKILL]:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
                return


class Cairn(Recorder):
    """cairnd with one of the shipped packs."""

    def __init__(self, pack):
        self.pack = pack
        self.name = pack

    def begin(self):
        self.make_dir()
        os.makedirs(f"{self.dir}/policy.d")
        shutil.copy(f"{REPO}/config/policy/{self.pack}.yaml", f"{self.dir}/policy.d/")
        with open(f"{self.dir}/agent.yaml", "w") as file:
            file.write(f"keys: {{dir: {self.dir}/keys}}\nlog: {{dir: {self.dir}/log}}\n"
                       f"policy: {{dir: {self.dir}/policy.d, state_dir: {self.dir}/state}}\n"
                       f"control: {{socket: {self.dir}/control.sock}}\n"
                       f"capture: {{{CAPTURE}, state_dir: {self.dir}/capture}}\n")
        self.cairn("key", "init")
        with open(f"{self.dir}/said", "w") as said:
            self.process = subprocess.Popen(
                [f"{BUILD}/bin/cairnd", "--config", f"{self.dir}/agent.yaml"], stderr=said)
        for _ in range(600):
            if self.status() is not None:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(f"{self.dir}/said") as said:
            raise RuntimeError(f"cairnd does not record: {said.read()}")

    def cairn(self, *words):
        return run([f"{BUILD}/bin/cairn", *words, "--config", f"{self.dir}/agent.yaml"]).stdout

    def status(self):
        try:
            return json.loads(self.cairn("status", "-o", "json"))
        except subprocess.CalledProcessError:
            return None

    @property
    def log(self):
        return f"{self.dir}/log/1"

    def usage(self):
        """CPU seconds of all its threads, and how often they went to sleep."""
        cpu = sleeps = 0
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat") as file:
                cpu += int(file.read().split()[0])
            with open(f"{tasks}/{task}/status") as file:
                sleeps += sum(int(line.split()[1]) for line in file
                              if line.startswith("voluntary_ctxt_switches"))
        return cpu / 1e9, sleeps

    def settled(self):
        """Its status once it has nothing left to write."""
        last, deadline = self.status(), time.monotonic() + 5
        while time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.status()
            # Asking is itself recorded, a few hundred events.
            if now["recorded"] - last["recorded"] < 1000 and now["lost"] == last["lost"]:
                return now
            last = now
        return last

    def during(self, work):
        """The work's cost, and what recording it took."""
        before, cpu = self.settled(), self.usage()[0]
        cost = work(1)
        after, used = self.settled(), self.usage()[0] - cpu
        records = after["recorded"] - before["recorded"]
        cost.update(records=records, agent_cpu=used, lost=after["lost"] - before["lost"],
                    limited=after["limited"] - before["limited"],
                    bytes=after["stored_bytes"] - before["stored_bytes"])
        return cost

    def records_of(self, event, where):
        """How many records of `event` that `where` holds for are in the log."""
        report = json.loads(self.cairn("report", "-o", "json", "--by", "event", "--all",
                                       "--type", event, "--where", where, self.log))
        return sum(row["count"] for row in report["by_event"])


class KernelAudit(Recorder):
    """The kernel's audit settings, by the auditctl of Debian's package; put back when it stops."""
    lock = None
    before = None

    def __init__(self):
        self.place = f"{DEBIAN}/auditd"
        libraries = f"{self.place}/lib/x86_64-linux-gnu:{self.place}/usr/lib/x86_64-linux-gnu"
        self.environment = {**os.environ, "LD_LIBRARY_PATH": libraries}

    def control(self, *words):
        return run([f"{self.place}/sbin/auditctl", *words]).stdout

    def claim(self):
        # The lock that our tests of kernel audit take too.
        self.lock = open("/run/lock/cairn-kernel-audit.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.before = dict(line.split(None, 1) for line in self.control("-s").splitlines()
                           if " " in line)

    def stop(self):
        super().stop()
        if self.lock:
            self.restore()
            self.lock.close()
            self.lock = self.before = None

    def restore(self):
        for option, key in (("-e", "enabled"), ("-b", "backlog_limit"), ("-r", "rate_limit"),
                            ("-f", "failure"), ("--backlog_wait_time", "backlog_wait_time")):
            if key in (self.before or {}):
                self.control(option, self.before[key].split()[0])


class Rules(KernelAudit):
    """The rules for the STIG that auditd ships, in the kernel alone: nobody takes their events."""

    RULES = "usr/share/doc/auditd/examples/rules/30-stig.rules"

    @staticmethod
    def why_not():
        """Why it cannot run; None: it can."""
        if not os.path.isdir(f"{DEBIAN}/auditd"):
            return "the package auditd cannot be had (tools/setup bench)"
        return None if "No rules" in KernelAudit().control("-l") else "audit rules are loaded here"

    def begin(self):
        self.claim()
        with open(f"{self.place}/{self.RULES}") as file:
            for line in file:
                if line.startswith("-"):  # one that is not for this machine is left out
                    subprocess.run([f"{self.place}/sbin/auditctl", *line.split()],
                                   capture_output=True)
        self.control("-e", "1")

    def restore(self):
        self.control("-D")
        super().restore()


class Auditd(KernelAudit):
    """auditd (and laurel as its plug-in) out of Debian's packages, unpacked, never installed."""

    def __init__(self, laurel):
        super().__init__()
        self.name = "auditd+laurel" if laurel else "auditd"
        self.laurel = laurel
        self.rule = ["exit,always", "-F", "arch=b64", "-F", f"uid={USER}", "-S", AUDIT_CALLS]
        self.added = False

    def begin(self):
        self.claim()
        self.make_dir()
        os.makedirs(f"{self.dir}/plugins.d")
        if self.laurel:
            self.configure_laurel()
        with open(f"{self.dir}/auditd.conf", "w") as file:
            file.write(f"log_file = {self.dir}/audit.log\nlog_format = RAW\n"
                       "flush = INCREMENTAL_ASYNC\nfreq = 50\nmax_log_file = 900\n"
                       "max_log_file_action = IGNORE\n"
                       f"plugin_dir = {self.dir}/plugins.d\nspace_left = 75\nq_depth = 10000\n"
                       "space_left_action = IGNORE\nadmin_space_left = 50\n"
                       "admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\n"
                       "disk_error_action = IGNORE\n")
        os.chmod(f"{self.dir}/auditd.conf", 0o640)
        self.process = subprocess.Popen([f"{self.place}/sbin/auditd", "-n", "-c", self.dir],
                                        env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while f"pid {self.process.pid}\n" not in self.control("-s"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("auditd does not record")
            time.sleep(0.02)
        self.control("-b", "8192")
        self.added = True
        self.control("-a", *self.rule)
        self.control("-e", "1")

    def configure_laurel(self):
        os.makedirs(f"{self.dir}/laurel")
        with open(f"{self.dir}/laurel.toml", "w") as file:
            file.write(f'directory = "{self.dir}/laurel"\n[auditlog]\nfile = "audit.log"\n')
        with open(f"{self.dir}/plugins.d/laurel.conf", "w") as file:
            file.write(f"active = yes\ndirection = out\npath = {DEBIAN}/laurel/usr/sbin/laurel\n"
                       f"type = always\nargs = --config {self.dir}/laurel.toml\n"
                       "format = string\n")
        os.chmod(f"{self.dir}/plugins.d/laurel.conf", 0o640)

    def written(self):
        paths = [f"{self.dir}/audit.log", f"{self.dir}/laurel/audit.log"]
        return sum(os.path.getsize(path) for path in paths if os.path.exists(path))

    def during(self, work):
        before = self.written()
        cost = work(0.1)
        cost["bytes"] = self.written() - before
        return cost

    def stop(self):
        if self.added:  # first: no event is on its way when auditd ends
            self.added = False
            subprocess.run([f"{self.place}/sbin/auditctl", "-d", *self.rule], env=self.environment, capture_output=True)
        super().stop()


class Snoopy(Recorder):
    """A library that is preloaded into programs and writes a line for each exec that they ask it for."""
    name = "snoopy"
    CONFIG = "/etc/snoopy.ini"  # built into it
    LIBRARY = f"{DEBIAN}/snoopy/lib/x86_64-linux-gnu/libsnoopy.so.0"

    def begin(self):
        self.make_dir()
        os.chmod(self.dir, 0o777)  # all that run write to it
        with open(self.CONFIG, "w") as file:
            file.write(f"[snoopy]\noutput = file:{self.dir}/log\n")

    def lines(self):
        try:
            with open(f"{self.dir}/log", "rb") as file:
                return sum(1 for _ in file)
        except FileNotFoundError:
            return 0

    def during(self, work):
        before = self.lines()
        os.environ["LD_PRELOAD"] = self.LIBRARY
        try:
            cost = work(1)
        finally:
            del os.environ["LD_PRELOAD"]
        cost["records"] = self.lines() - before
        return cost

    def stop(self):
        if os.path.exists(self.CONFIG):  # ours: somebody's, and it is not measured
            os.unlink(self.CONFIG)
        super().stop()


def recorders(names):
    """({those that can run}, [why others cannot])"""
    found, missing = [Nothing()], []
    found += [Cairn(pack) for pack in ("baseline", "audit", "provenance") if pack in names]
    for laurel, name in ((False, "auditd"), (True, "auditd+laurel")):
        if name not in names:
            continue
        needed = ["auditd", "laurel"] if laurel else ["auditd"]
        absent = [package for package in needed if not os.path.isdir(f"{DEBIAN}/{package}")]
        if absent:
            missing.append(f"{name}: the package {absent[0]} cannot be had (tools/setup bench)")
        else:
            found.append(Auditd(laurel))
    if "snoopy" in names:
        if not os.path.exists(Snoopy.LIBRARY):
            missing.append("snoopy: the package cannot be had (tools/setup bench)")
        elif os.path.exists(Snoopy.CONFIG):
            missing.append(f"snoopy: {Snoopy.CONFIG} is somebody's")
        else:
            found.append(Snoopy())
    return found, missing
