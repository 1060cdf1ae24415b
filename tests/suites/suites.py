#!/usr/bin/python3
"""Runs the suites of suites.ini without tiermem and with it, at each DRAM setting, and compares which tests pass.

    suites.py [--suite NAME]... [--short] [--keep DIR] [--packages]

Prints a line for each run and one for each test whose result differs. Exit status: 0 the same pass set everywhere, 1 not, 2 usage.
A suite whose package is not installed is a skip, and says so.
"""
import argparse
import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIERMEM = ROOT / "build/bin/tiermem"
PYTHON = "/usr/bin/python3"


def call(command, seconds, where, env=None, out=None):
    """Runs a command in a process group of its own, all of which ends with it. Its exit status; None: it took too long."""
    with open(out or os.devnull, "ab") as file:
        child = subprocess.Popen(command, cwd=where, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
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
    """How a suite starts what it runs: as it is, or managed by tiermem."""

    def __init__(self, settings, memory, dram):
        self.name, self.env, self.words = "plain" if dram is None else f"{dram} %", {}, []
        if dram is not None:
            quota = str(int(memory) * dram // 100)
            self.words = [str(TIERMEM), "run", "--conf=", "--dram", quota, "--pmem", settings["pmem"], "--granule", settings["granule"], "--"]
            # Without io_uring MariaDB takes libaio; with it nothing of its server would migrate.
            self.env = {"TIERMEM_TEST_MIGRATE": "random", "TIERMEM_IO_URING": "deny"}

    def __call__(self, *command):
        return [*self.words, *map(str, command)]


def cpython(suite, launch, where, short, left):
    """Modules, each in a process of its own (-j), by regrtest's JUnit file: {test: passed}."""
    tests = subprocess.run([PYTHON, "-m", "test", "--list-tests"], text=True, capture_output=True, check=True).stdout.split()
    leave = {line.split()[0] for line in suite["except"].split("\n") if line.split()}
    chosen = suite["short"].split() if short else [t for t in tests if t not in leave]
    report = where / "report.xml"
    call(launch(PYTHON, "-m", "test", "-j", os.cpu_count(), "--timeout", "300", "--junit-xml", report, *chosen), left(), where, launch.env,
         where / "log")
    results = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            name = f"{case.get('classname') or ''}.{case.get('name')}"
            results[name] = results.get(name, True) and case.find("failure") is None and case.find("error") is None
    return results


def stress_ng(suite, launch, where, short, left):
    names = suite["stressors"].split()[: 4 if short else None]
    return {n: call(launch("stress-ng", f"--{n}", "2", "--timeout", "3" if short else "10", "--vm-bytes", "64M", "--verify", "--temp-path", where),
                    min(left(), 120), where, launch.env, where / "log") == 0 for n in names}


def redis_benchmark(suite, launch, where, short, left):
    socket = where / "s"
    with open(where / "log", "ab") as log:
        server = subprocess.Popen(launch("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", where), stdout=log,
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
    """As the user postgres, who may not use userfaultfd where it is for root only: placement without migration then."""
    newest = max(Path("/usr/lib/postgresql").iterdir(), key=lambda p: int(p.name)) / "bin"
    data = where / "data"
    shutil.chown(where, "postgres")
    as_user = ["runuser", "-u", "postgres", "--"]

    def tool(name, *arguments, managed=False):
        command = [*as_user, *(launch(newest / name, *arguments) if managed else [newest / name, *arguments])]
        return call(list(map(str, command)), left(), where, launch.env if managed else {}, where / "log") == 0

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
        return call(list(map(str, command)), left(), where, out=where / "log") == 0

    results = {"install": run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
                              "--auth-root-authentication-method=normal")}
    with open(where / "log", "ab") as log:
        server = subprocess.Popen(launch("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
                                         "--innodb-buffer-pool-size=48M",
                                         "--innodb-flush-method=O_DIRECT"), stdout=log, stderr=log,
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


def mtr(suite, launch, where, short, left):
    """MariaDB's own tests, by their names in the log: {test: passed}. The client, the servers and mtr itself are managed."""
    folder = Path("/usr/share/mysql/mysql-test")
    call(launch("perl", folder / "mysql-test-run.pl", "--force", "--max-test-fail=0", f"--parallel={os.cpu_count()}", "--retry=0", "--suite=main",
                f"--do-test={suite['short' if short else 'tests']}", f"--vardir={where}/var", "--mysqld=--user=root",
                f"--testcase-timeout={suite['minutes']}", "--nocheck-testcases"), left(), folder, launch.env, where / "log")
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


def run_suite(name, conf, short, keep):
    """All runs of a suite. How many tests differ; None: skipped."""
    suite, settings = conf[name], conf["settings"]
    missing = not_installed(suite)
    if missing:
        print(f"{name}: SKIPPED: not installed: {' '.join(missing)}", flush=True)
        return None
    plain, differ = None, 0
    for dram in [None, *map(int, settings["dram"].split(","))]:
        launch = Launcher(settings, size(suite["memory"]), dram)
        where = Path(tempfile.mkdtemp(prefix=f"suite-{name}-", dir=keep))
        os.chmod(where, 0o755)
        # Not the first process that is started, but what that starts: it must be managed, too.
        if dram is not None and call(launch("sh", "-c", "grep -q libtiermem-preload /proc/self/maps; exit $?"), 60, where, launch.env):
            print(f"{name}, {launch.name}: tiermem does not manage what it is to manage", flush=True)
            return 1
        begin = time.monotonic()
        results = SUITES[name](suite, launch, where, short, lambda: float(suite["seconds"]) - (time.monotonic() - begin))
        passed = {t for t, ok in results.items() if ok}
        print(f"{name}, {launch.name}: {len(passed)} of {len(results)} passed in {time.monotonic() - begin:.0f} s ({where}/log)", flush=True)
        if plain is None:
            plain = passed
            if not plain:
                print(f"{name}: nothing passes without tiermem: no comparison", flush=True)
                return 1
            continue
        for test in sorted(plain ^ passed):
            differ += test in plain
            print(f"{name}, {launch.name}: {test} {'passes without tiermem only' if test in plain else 'passes with tiermem only'}", flush=True)
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
    parser.add_argument("--packages", action="store_true", help="only say which Debian packages they need")
    options = parser.parse_args()
    if options.packages:
        print("\n".join(p for name in options.suite or SUITES for p in packages(conf[name])))
        return 0
    differ = [run_suite(name, conf, options.short, options.keep) for name in options.suite or SUITES]
    return 1 if any(differ) else 0


if __name__ == "__main__":
    sys.exit(main())
