#!/usr/bin/python3
"""Runs the suites of suites.ini without tiermem and with it, at each DRAM setting, and compares which tests pass.

    suites.py [--suite NAME]... [--short] [--dram PERCENT,...] [--keep DIR] [--packages]

Prints a line for each run and one for each test whose result differs. Exit status: 0 the same pass set everywhere, 1 not, 2 usage.
A suite whose package is not installed is a skip, and says so. Of the two suites with hundreds of tests, some of which wait for a moment that a busy
machine misses, tests that fail with tiermem only are run again, alone (as long as they are few); those that pass then have a line all the same.
"""
import argparse
import configparser
import glob
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("TIERMEM_PRELOAD", ROOT / "build/lib/libtiermem-preload.so"))
PYTHON = "/usr/bin/python3"
JOBS = os.cpu_count() * 5 // 2  # tests beside each other: they wait most of the time (with one for each CPU, CPython's used 41 % of two)
AGAIN = {"cpython", "mtr"}  # suites whose failures are run again,
AGAIN_MOST = 10  # if they are not more, and
AGAIN_TIMES = 2  # so often


def default_signals():
    """Who starts us in the background may have SIGINT and its like ignored: then CPython's tests of signals and threads fail."""
    for number in signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


def call(command, seconds, where, env=None, out=None):
    """Runs a command in a process group of its own, all of which ends with it. Its exit status; None: it took too long."""
    with open(out or os.devnull, "ab") as file:
        child = subprocess.Popen(list(map(str, command)), cwd=where, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                                 preexec_fn=default_signals,
                                 env={**os.environ, "HOME": str(where), "TMPDIR": str(where), "LC_ALL": "C.UTF-8", **(env or {})})
        try:
            return child.wait(max(1, seconds))
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def wait_for(socket, server):
    """Until a server has its socket, or is gone, or a minute has passed."""
    until = time.monotonic() + 60
    while not socket.exists() and server.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


class Launcher:
    """How a suite starts what it runs: as it is, or with the library in front of all, and a configuration that lists what is to be managed,
    however it is started."""

    def __init__(self, settings, suite, dram, where):
        self.name, self.env, self.stats = "plain" if dram is None else f"{dram} %", {}, where / "stats"
        if dram is None:
            return
        self.stats.mkdir()
        self.stats.chmod(0o777)  # some programs change their user
        conf = where / "tiermem.conf"
        conf.write_text(f"[default]\ndram = {size(suite['memory']) * dram // 100}\npmem = {settings['pmem']}\ngranule = {settings['granule']}\n"
                        + "".join(f"[program {p}]\n" for p in programs(suite)))
        # Without io_uring MariaDB takes libaio; with it nothing of its server would migrate.
        self.env = {"LD_PRELOAD": str(LIBRARY), "TIERMEM_CONF": str(conf), "TIERMEM_STATS": f"{self.stats}/%p.json",
                    "TIERMEM_TEST_MIGRATE": "random", "TIERMEM_IO_URING": "deny"}

    def managed(self):
        """How many processes were managed to their end, and how many granules they migrated."""
        n = moved = 0
        for file in self.stats.glob("*.json"):
            try:
                migrations = json.loads(file.read_text())["migrations"]
            except ValueError:  # it was killed while it wrote
                continue
            n, moved = n + 1, moved + migrations["promoted"] + migrations["demoted"]
        return n, moved


def programs(suite):
    """The files of the programs that a suite is about, by their real paths."""
    found = [p for name in suite["programs"].split() for p in ([shutil.which(name)] if "/" not in name else glob.glob(name)) if p]
    return [os.path.realpath(p) for p in found]


def cpython(suite, launch, where, short, left, only=None):
    """Modules, each in a process of its own (-j), by regrtest's JUnit file: {test: passed}."""
    tests = subprocess.run([PYTHON, "-m", "test", "--list-tests"], text=True, capture_output=True, check=True).stdout.split()
    leave = {line.split()[0] for line in suite["except"].split("\n") if line.split()}
    chosen = suite["short"].split() if short else [t for t in tests if t not in leave]
    if only:  # of the test .test.test_gc.GCTests.test_tuple, test_gc
        chosen = sorted({part for name in only for part in name.split(".") if part in chosen}) or chosen
    report = where / "report.xml"
    ignore = [word for line in suite["ignore"].split("\n") if line.split() for word in ("-i", line.split()[0])]
    call([PYTHON, "-m", "test", "-j", JOBS, "--timeout", suite["module"], "--junit-xml", report, *ignore, *chosen], left(), where, launch.env,
         where / "log")
    results = {}
    if not report.exists():  # it took too long, or fell over; the log says which
        return results
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            name = f"{case.get('classname') or ''}.{case.get('name')}"
            results[name] = results.get(name, True) and case.find("failure") is None and case.find("error") is None
    return results


def stress_ng(suite, launch, where, short, left):
    names = suite["stressors"].split()[: 4 if short else None]
    return {n: call(["stress-ng", f"--{n}", "2", "--timeout", "3" if short else "5", "--vm-bytes", "64M", "--verify", "--temp-path", where],
                    min(left(), 120), where, launch.env, where / "log") == 0 for n in names}


def redis_benchmark(suite, launch, where, short, left):
    socket = where / "s"
    with open(where / "log", "ab") as log:
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(where)], stdout=log,
                                  stderr=log, env={**os.environ, **launch.env})
    try:
        wait_for(socket, server)
        n = "5000" if short else "100000"
        return {t: call(["redis-benchmark", "-s", socket, "-t", t, "-n", n, "-r", "50000", "-d", "600", "-q", "-e"], left(), where,
                        out=where / "log") == 0 and server.poll() is None for t in suite["tests"].split()[: 5 if short else None]}
    finally:
        server.terminate()
        server.wait()


def pgbench(suite, launch, where, short, left):
    """As the user postgres, who is given userfaultfd (in a mount namespace of its own) for the time."""
    newest = max(Path("/usr/lib/postgresql").iterdir(), key=lambda p: int(p.name)) / "bin"
    data, device = where / "data", where / "userfaultfd"
    shutil.chown(where, "postgres")
    as_user = ["runuser", "-u", "postgres", "--"]
    if launch.env and os.path.exists("/dev/userfaultfd"):
        os.mknod(device, 0o666 | stat.S_IFCHR, os.stat("/dev/userfaultfd").st_rdev)
        device.chmod(0o666)
        as_user = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /dev/userfaultfd && exec "$@"', device, *as_user]

    def tool(name, *arguments, managed=False):
        return call([*as_user, newest / name, *arguments], left(), where, launch.env if managed else {}, where / "log") == 0

    results = {"initdb": tool("initdb", "-D", data, "--no-sync")}
    results["start"] = tool("pg_ctl", "-D", data, "-w", "-l", where / "server.log", "-o", f"-c listen_addresses= -k {where} -c shared_buffers=32MB",
                            "start", managed=True)
    try:
        results["fill"] = tool("pgbench", "-h", where, "-i", "-s", "2" if short else "10", "postgres")
        for script in suite["scripts"].split():
            results[script] = tool("pgbench", "-h", where, "-b", script, "-c", "8", "-j", "2", "-t", "50" if short else "1000", "postgres")
        results["sums"] = tool("psql", "-h", where, "-v", "ON_ERROR_STOP=1", "postgres", "-c",
                               "do $$ begin if (select sum(abalance) from pgbench_accounts) <> (select sum(delta) from pgbench_history) then "
                               "raise 'balances and history differ'; end if; end $$")
    finally:
        results["stop"] = tool("pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
    return results


def sysbench(suite, launch, where, short, left):
    """A MariaDB server of its own, as root: O_DIRECT and libaio while its pool migrates. What sysbench did must be whole at the end."""
    data, socket = where / "data", where / "s"

    def run(*command):
        return call(command, left(), where, out=where / "log") == 0

    results = {"install": run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
                              "--auth-root-authentication-method=normal")}
    with open(where / "log", "ab") as log:
        server = subprocess.Popen(["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
                                         "--innodb-buffer-pool-size=48M",
                                         "--innodb-flush-method=O_DIRECT"], stdout=log, stderr=log,
                                  env={**os.environ, **launch.env})
    tables = ["--db-driver=mysql", f"--mysql-socket={socket}", "--mysql-user=root", "--mysql-db=sb", "--tables=4",
              f"--table-size={5000 if short else 50000}"]
    sql = ["mariadb", "--no-defaults", f"--socket={socket}", "--user=root", "-N", "-B"]
    try:
        wait_for(socket, server)
        results["create"] = run(*sql, "-e", "create database sb")
        results["prepare"] = run("sysbench", *tables, "oltp_read_write", "prepare")
        for script in suite["scripts"].split():
            results[script] = run("sysbench", *tables, "--threads=8", "--time=0", f"--events={200 if short else 4000}", script, "run")
        check = subprocess.run([*sql, "sb", "-e", "check table sbtest1, sbtest2, sbtest3, sbtest4 extended"], text=True, capture_output=True)
        results["tables"] = [line.split("\t")[-1] for line in check.stdout.splitlines()] == ["OK"] * 4
    finally:
        server.terminate()
        results["stop"] = server.wait() == 0
    return results


def mtr(suite, launch, where, short, left, only=None):
    """MariaDB's own tests, by their names in the log: {test: passed}. The client, the servers and mtr itself are managed."""
    folder = Path("/usr/share/mysql/mysql-test")
    chosen = sorted({name.split()[0] for name in only}) if only else ["--suite=main", f"--do-test={suite['short' if short else 'tests']}"]
    call(["perl", folder / "mysql-test-run.pl", "--force", "--max-test-fail=0", f"--parallel={JOBS}", "--retry=0",
          f"--vardir={where}/var", "--mysqld=--user=root", f"--testcase-timeout={suite['minutes']}", "--nocheck-testcases", *chosen],
         left(), folder, launch.env, where / "log")
    found = re.findall(r"^(main\.\S+(?: '[^']*')?)\s+(?:w\d+ )?\[ (pass|fail) ", (where / "log").read_text(errors="replace"), re.M)
    return {name: result == "pass" for name, result in found}


SUITES = {"cpython": cpython, "stress-ng": stress_ng, "redis-benchmark": redis_benchmark, "pgbench": pgbench,
          "sysbench": sysbench, "mtr": mtr}


def size(text):
    return int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]]


def packages(suite):
    version = subprocess.run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True, capture_output=True, check=True)
    return suite["package"].format(python=version.stdout.strip()).split()


def not_installed(suite):
    return [p for p in packages(suite)
            if "installed" not in subprocess.run(["dpkg-query", "-W", "-f", "${Status}", p], text=True, capture_output=True).stdout.split()]


def attempt(name, conf, short, keep, dram, only=None):
    """One run of a suite, or of some of its tests: {test: passed}, its launcher, its folder, and its seconds."""
    suite, more = conf[name], {"only": only} if only else {}
    where = Path(tempfile.mkdtemp(prefix=f"suite-{name}-", dir=keep))
    where.chmod(0o755)
    launch, begin = Launcher(conf["settings"], suite, dram, where), time.monotonic()
    results = SUITES[name](suite, launch, where, short, lambda: float(suite["seconds"]) - (time.monotonic() - begin), **more)
    return results, launch, where, time.monotonic() - begin


def steady_failures(name, conf, short, keep, dram, failed, log):
    """Of tests that failed with tiermem only, those that fail whenever they run. Says which do not."""
    for again in range(AGAIN_TIMES if name in AGAIN and len(failed) <= AGAIN_MOST else 0):
        if failed:
            results = attempt(name, conf, short, keep, dram, failed)[0]
            for test in sorted(t for t in failed if results.get(t)):
                print(f"{name}, {dram} %: {test} failed ({log}), and passes when it runs again", flush=True)
            failed = {t for t in failed if not results.get(t)}
    return failed


def run_suite(name, conf, short, keep, drams):
    """All runs of a suite. How many tests differ; None: skipped."""
    suite = conf[name]
    missing = not_installed(suite)
    if missing:
        print(f"{name}: SKIPPED: not installed: {' '.join(missing)}", flush=True)
        return None
    plain, differ = None, 0
    for dram in [None, *map(int, (drams or conf["settings"]["dram"]).split(","))]:
        results, launch, where, seconds = attempt(name, conf, short, keep, dram)
        passed = {t for t, ok in results.items() if ok}
        if not results:
            print(f"{name}, {launch.name}: no result within {suite['seconds']} s ({where}/log)", flush=True)
            return 1
        managed, moved = launch.managed()
        print(f"{name}, {launch.name}: {len(passed)} of {len(results)} passed in {seconds:.0f} s"
              + (f", {managed} processes managed, {moved} granules moved" if launch.env else "") + f" ({where}/log)", flush=True)
        if launch.env and not (moved if dram else managed):
            print(f"{name}, {launch.name}: nothing was managed, or nothing could migrate: that shows nothing", flush=True)
            return 1
        if plain is None:
            plain = passed
            if not plain:
                print(f"{name}: nothing passes without tiermem: no comparison", flush=True)
                return 1
            continue
        failed = steady_failures(name, conf, short, keep, dram, plain - passed, where / "log")
        differ += len(failed)
        for test in sorted(failed):
            print(f"{name}, {launch.name}: {test} passes without tiermem only", flush=True)
        for test in sorted(passed - plain):
            print(f"{name}, {launch.name}: {test} passes with tiermem only", flush=True)
        if not keep and passed >= plain:
            shutil.rmtree(where, ignore_errors=True)
    return differ


def main():
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(Path(__file__).with_name("suites.ini"))
    parser = argparse.ArgumentParser(description="Other people's tests, with tiermem and without.")
    parser.add_argument("--suite", action="append", choices=list(SUITES), help="only this one; may be given several times (all)")
    parser.add_argument("--short", action="store_true", help="the subset that `make test` runs")
    parser.add_argument("--keep", metavar="DIR", help="a folder where what the suites leave stays")
    parser.add_argument("--dram", metavar="PERCENT[,...]", help="other DRAM settings than suites.ini has")
    parser.add_argument("--packages", action="store_true", help="only say which Debian packages they need")
    options = parser.parse_args()
    if options.packages:
        print("\n".join(p for name in options.suite or SUITES for p in packages(conf[name])))
        return 0
    if options.keep:
        try:
            Path(options.keep).mkdir(parents=True, exist_ok=True)
        except OSError as e:
            sys.exit(f"suites: --keep {options.keep}: {e.strerror}; give a folder that is there or can be made")
    differ = [run_suite(name, conf, options.short, options.keep, options.dram) for name in options.suite or SUITES]
    return 1 if any(differ) else 0


if __name__ == "__main__":
    sys.exit(main())
