"""Two VMs with tiermem underneath that share one DRAM budget: what is refused, the meeting and its failures with a QEMU and a tiermem
that are scripts (tests/fixtures/fake-two-vms), and a small run in real VMs."""
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
BUILD = REPO / os.environ.get("BUILD", "build")
TMBENCH = BUILD / "bin/tmbench"
FAKE = REPO / "tests/fixtures/fake-two-vms"
CONF = REPO / "vmconfigs/scenarios/two-vms.conf"
MB = 1 << 20


def tmbench(*args, timeout=120, **env):
    return subprocess.run([str(TMBENCH), *map(str, args)], env=dict(os.environ, NO_COLOR="1") | env, capture_output=True, text=True,
                          timeout=timeout)


def rows(path, text):
    with sqlite3.connect(path) as db:
        return db.execute(text).fetchall()


@pytest.mark.parametrize("old, new, words", [
    ("quota = a:1G b:5G", "quota = a:1G b:6G", ["[phase after] quota", "7 GiB together", "[share] budget, 6 GiB"]),
    ("quota = a:1G b:5G", "quota = b:5G", ["[phase after] quota", "10 GiB together"]),  # a keeps its 5 GiB
    ("dram = 1G", "dram = 2G", ["dram of the configs: 7 GiB together", "6 GiB"]),
    ("quota = a:1G b:5G", "quota = a:1G c:5G", ["[phase after] quota = a:1G c:5G", "CONFIG:SIZE", "configs with tiermem"]),
    ("quota = a:1G b:5G", "quota = baseline:1G", ["CONFIG:SIZE", "configs with tiermem"]),
    ("quota = a:1G b:5G", "quota = a:little b:5G", ["CONFIG:SIZE"]),
    ("quota = a:1G b:5G", "quota = a b:5G", ["CONFIG:SIZE"]),
    ("budget = 6G", "budget = much", ["budget = much", "must be a size"]),
    ("[share]\nbudget = 6G", "", ["[share] budget", "is missing"]),
    ("[phase before]\ntest = oltp_read_only", "[phase before]\ntest = oltp_read_write", ["[phase before]", "only read"]),
])
def test_bad_scenarios(tmp_path, old, new, words):
    text = CONF.read_text()
    assert text.count(old) == 1
    path = tmp_path / "bad.conf"
    path.write_text(text.replace(old, new))
    for command in ("run", "prepare"):
        r = tmbench(command, path)
        assert r.returncode == 2 and r.stdout == "" and r.stderr.count("\n") == 1, r.stderr
        assert all(word in r.stderr for word in ["bad.conf", *words]), r.stderr


class Fakes:
    """A source tree whose QEMU and tiermem are one script; what happened is in its log."""

    def __init__(self, tree):
        self.tree, self.db = tree, tree / "results/tiermem.db"
        for part in ("stripped/bin/tmmark", "stripped/lib/libtmmark.so", "lib/libtiermem-preload.so", "lib/libtmsim.so",
                     "guest/vmlinuz", "guest/initrd.img", "guest-mysql/root.img", "databases/db-8x8525.img", "databases/db-8x8525.img.info"):
            (tree / "build" / part).parent.mkdir(parents=True, exist_ok=True)
            (tree / "build" / part).write_bytes(b"part " + part.encode())
        (tree / "build/bin").mkdir()
        shutil.copy(FAKE, tree / "build/bin/tiermem")
        for part in ("workloads/mariadb-underneath.cnf", "workloads/sysbench/marked.lua", "vmconfigs/scenarios/two-vms.conf"):
            (tree / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / part, tree / part)
        (tree / "sim/profiles").mkdir(parents=True)
        (tree / "sim/profiles/optane-100.conf").write_text("[cache]\nllc_kib = 2048\n")
        self.env = dict(os.environ, TMBENCH_ROOT=str(tree), TMBENCH_QEMU=str(FAKE), NO_COLOR="1", FAKE_STATE=str(tree / "state"),
                        FAKE_FIXTURES=str(REPO / "tests/fixtures"))
        (tree / "state").mkdir()

    def command(self, *args):
        return [str(TMBENCH), "run", "two-vms", "--scale", "512", "--progress", "never", *args]

    def run(self, *args, **env):
        return subprocess.run(self.command(*args), env=self.env | env, capture_output=True, text=True, timeout=300)

    def log(self):
        return (self.tree / "state/log").read_text().splitlines()

    def leftovers(self):
        return [p for p in self.tree.glob("results/runs/*/*/*") if p.is_fifo() or p.suffix == ".img"]


@pytest.fixture
def fakes(tmp_path):
    return Fakes(tmp_path)


def test_who_gives_comes_first(fakes):
    """b is asked to take only when statistics say that a has given, and both go on only then."""
    r = fakes.run()
    assert r.returncode == 0, r.stderr + r.stdout
    assert fakes.log() == ["quota a 2097152", "quota b 10485760 while a has 2097152", "a goes on", "b goes on"] or \
        fakes.log() == ["quota a 2097152", "quota b 10485760 while a has 2097152", "b goes on", "a goes on"]
    figures = {(c, p, m): v for c, p, m, v in rows(fakes.db, "SELECT config, phase, metric, value FROM summary")}
    for config, before, after in (("a", 10, 2), ("b", 2, 10)):
        assert figures[config, "small-before", "dram_quota"] == before * MB and figures[config, "small-after", "dram_quota"] == after * MB
        assert figures[config, "small", "dram_together_highest"] == 12 * MB
    assert rows(fakes.db, "SELECT value FROM run_parameter WHERE name = 'dram_budget'") == [(str(12 * MB),)]
    assert "one DRAM budget of 12 MiB for a, b" in r.stdout and "at most 12 MiB" in r.stdout
    assert not fakes.leftovers()


def test_more_than_two_repeats_run_pair_by_pair(fakes):
    assert fakes.run("--repeat", "3", "--jobs", "3").returncode == 0
    assert len(fakes.log()) == 12 and rows(fakes.db, "SELECT count(*) FROM vmrun WHERE status = 'ok'") == [(9,)]


@pytest.mark.parametrize("mode, only, failed, words", [
    ("refuse", "", "ab", ["a refused its quota: tiermem: no room"]),
    ("stuck", "", "ab", ["a still has 10 MiB in DRAM, more than its quota of 2 MiB"]),
    ("greedy", "", "ab", ["had 20 MiB together, and the budget is 12 MiB"]),
    ("deaf", "", "ab", ["does not answer"]),
    ("die", "small-b-", "ab", ["killed by signal 9", "b, with which it shares DRAM, ended before"]),
    ("broken", "small-b-", "b", ["its tables are not those of"]),
    ("errors", "small-b-", "b", ["sysbench met 3 errors"]),
])
def test_failures(fakes, mode, only, failed, words):
    patience = ["--set", "vm.stall=20"] if mode in ("stuck", "deaf") else []
    r = fakes.run(*patience, FAKE_MODE=mode, FAKE_ONLY=only)
    assert r.returncode == 1 and all(word in r.stderr for word in words), r.stderr
    states = dict(rows(fakes.db, "SELECT config, status FROM vmrun"))
    assert states == {c: "failed" if c in failed else "ok" for c in ("baseline", "a", "b")}
    assert rows(fakes.db, "SELECT status FROM run") == [("failed",)]
    assert not fakes.leftovers()


def test_both_need_a_place(fakes):
    r = fakes.run("--jobs", "1")
    assert r.returncode == 2 and r.stderr == "tmbench: --jobs 1: two-vms runs 2 VMs together\n"


def test_interrupt_in_a_meeting(fakes):
    p = subprocess.Popen(fakes.command(), env=fakes.env | {"FAKE_MODE": "stuck"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if (fakes.tree / "state/log").exists():
            break
        time.sleep(0.05)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    assert p.returncode == 130 and not fakes.leftovers()
    assert rows(fakes.db, "SELECT status FROM vmrun WHERE config <> 'baseline'") == [("interrupted",), ("interrupted",)]


def test_figure_4_does_not_take_such_a_run(fakes, tmp_path):
    assert fakes.run().returncode == 0
    r = tmbench("figure", "4", "--db", fakes.db, "--out", tmp_path)
    assert r.returncode == 1 and "no run of kind mysql-underneath" in r.stderr


@pytest.mark.skipif(not (BUILD / "guest-mysql/root.img").exists(), reason="no database guest: run `make guest-mysql`")
@pytest.mark.skipif(os.geteuid() != 0, reason="database images are made as root")
def test_small_run(tmp_path):
    """Two real VMs: DRAM moves from a to b under load, never more than the budget, and the tables stay what they were."""
    r = tmbench("prepare", "two-vms", "--scale", "512", timeout=300)
    assert r.returncode == 0, r.stderr
    db = tmp_path / "t.db"
    r = tmbench("run", "two-vms", "--scale", "512", "--requests", "40", "--config", "a,b", "--set", "scenario.baseline=a", "--progress",
                "never", "--db", db, "--runs", tmp_path / "runs", timeout=1200)
    assert r.returncode == 0, r.stderr + r.stdout
    figures = {(c, p, m): v for c, p, m, v in rows(db, "SELECT config, phase, metric, value FROM summary")}
    for config, before, after in (("a", 10, 2), ("b", 2, 10)):
        for phase, quota in (("small-before", before), ("small-after", after)):
            assert figures[config, phase, "dram_quota"] == quota * MB >= figures[config, phase, "dram_bytes"]
            assert figures[config, phase, "requests"] == 40 and figures[config, phase, "errors"] == 0
            assert 0.3 < figures[config, phase, "llc_pmem_share"] < 1
        assert 0 < figures[config, "small", "dram_together_highest"] <= 12 * MB
    assert figures["a", "small-after", "demoted_bytes"] >= figures["a", "small-before", "demoted_bytes"] + 7 * MB
    assert figures["a", "small", "tables_checksum"] == figures["b", "small", "tables_checksum"] > 0
    assert "Phases after a change of quotas do not repeat" in r.stdout
    assert not [p for p in (tmp_path / "runs").rglob("*") if p.is_fifo()]
