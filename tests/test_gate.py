"""The latency gate: its verdicts on made-up figures, its ways on a QEMU that is a script, and the real thing."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from test_tmbench import Bench, REPO, TMBENCH, alive, one_line

VALUES = {"ops": 90000.0, "mean": 0.55, "p50": 0.51, "p99": 1.01, "p99.9": 1.1, "server_instructions_per_op": 18900.0,
          "llc_misses_pmem": 2e5, "llc_misses_dram": 9e4, "promoted_bytes": 0.0}
SEEDS = (1.000, 1.004, 0.997, 1.002, 0.995, 1.001, 0.999, 1.003, 0.996, 1.005)


def figures(path, change=None, seeds=10, qemu="7.2.99 (fake)", drop=(), extra=""):
    """A reference (or what was measured): change maps metrics to a factor, or to one factor a seed."""
    rows = []
    for metric, value in VALUES.items():
        factor = (change or {}).get(metric, 1)
        factors = factor if isinstance(factor, (list, tuple)) else [factor] * seeds
        if metric not in drop:
            rows.append(f"row 2g get100 {metric} " + " ".join(repr(value * s * f) for s, f in zip(SEEDS[:seeds], factors)))
    path.write_text("tiermem-gate 1\ncommit abc1234\nmade 2026-11-23T00:00:00Z\naccepted 2026-11-23 abc1234 first\n"
                    f"version scenario gate 0123\nversion qemu {qemu}\nseeds 1 {seeds}\n" + "\n".join(rows) + "\n" + extra)
    return path


def slower(percent):
    f = 1 + percent / 100
    return {"ops": 1 / f, "mean": f, "server_instructions_per_op": f}


@pytest.fixture
def verdict(tmp_path):
    def run(change=None, *args, ref=None, **measured):
        figures(tmp_path / "ref", **(ref or {}))
        figures(tmp_path / "now", change, **measured)
        return subprocess.run([TMBENCH, "gate", "--reference", tmp_path / "ref", "--measured", tmp_path / "now", *args],
                              capture_output=True, text=True, env=dict(os.environ, NO_COLOR="1"), timeout=30)
    return run


def test_what_is_the_same_is_called_identical(verdict):
    r = verdict()
    assert r.returncode == 0 and r.stderr == ""
    assert "identical: all 9 figures of 5 seeds, to the last digit" in r.stdout
    assert "reference of 2026-11-23, commit abc1234" in r.stdout


@pytest.mark.parametrize("percent", [0.31, 0.5, 3])
def test_a_regression_is_named_with_what_explains_it(verdict, percent):
    r = verdict(slower(percent))
    assert r.returncode == 3, r.stdout
    worse = [line for line in r.stdout.splitlines() if line.startswith("WORSE")]
    assert len(worse) == 2 and f"2g get100 mean latency +{percent:.2f} %" in "".join(worse)
    for line in worse:
        assert "worse in 10 of 10 seeds" in line
        assert line.endswith(f"server's instructions/op +{percent:.2f} %, PMEM misses +0.00 %")
    assert "seeds 1 to 10 (a second look" in r.stdout and "REGRESSION: 2 figures are worse by more than 0.3 %, and not by chance" in r.stdout


def test_the_largest_change_comes_first(verdict):
    r = verdict({"p50": 1.01, "p99": 1.05, "mean": 1.02})
    assert [line.split()[3] for line in r.stdout.splitlines() if line.startswith("WORSE")] == ["p99", "mean", "p50"]


def test_below_the_tolerance_is_a_change_and_no_regression(verdict):
    r = verdict(slower(0.25))
    assert r.returncode == 0
    assert "changed   2g get100 mean latency +0.25 %" in r.stdout and "no regression" in r.stdout
    assert verdict(slower(0.25), "--tolerance", "0.2").returncode == 3
    assert verdict(slower(3), "--tolerance", "5").returncode == 0


def test_tiny_changes_get_no_line_each(verdict):
    r = verdict(slower(0.01))
    assert r.returncode == 0
    assert "no median of throughput or latency changed by 0.1 % or more; 3 of 9 figures are not identical" in r.stdout


def test_an_improvement_is_named_with_what_to_do(verdict):
    r = verdict(slower(-2))
    assert r.returncode == 0
    assert "better    2g get100 throughput" in r.stdout and "keep what was gained: tmbench gate --accept REASON" in r.stdout


def test_a_second_look_decides(verdict):
    """Worse by half of the tolerance with p < 0.05 is suspect; a regression is worse by more than it in ten seeds with p < 0.001."""
    small = [1.001, 1.003, 1.002, 1.0005, 1.003]
    r = verdict({"p99": small + [1.006, 1.004, 1.005, 1.007, 1.005]})
    assert r.returncode == 3 and re.search(r"WORSE +2g get100 p99 latency \+0\.35 % .*worse in 10 of 10 seeds", r.stdout), r.stdout
    r = verdict({"p99": small * 2})
    assert r.returncode == 0 and "seeds 1 to 10 (a second look" in r.stdout and "changed   2g get100 p99 latency +0.20 %" in r.stdout
    r = verdict({"p99": [1.01] * 5 + [0.99, 1.01, 1.0, 0.99, 1.0]})
    assert r.returncode == 0 and "unsteady  2g get100 p99 latency +1.00 %" in r.stdout and "worse in 6 of 10 seeds" in r.stdout
    r = verdict({"p99": [1.001, 1.0, 1.002, 0.9995, 1.0] + [1.01] * 5})
    assert r.returncode == 0 and "seeds 1 to 5," in r.stdout, "nothing suspect: no second look"


def test_without_further_seeds_the_first_look_decides(verdict):
    """Then it has to be worse in every seed."""
    r = verdict({"p99": [1.01] * 5}, seeds=5)
    assert r.returncode == 3 and "seeds 1 to 5," in r.stdout and "worse in 5 of 5 seeds" in r.stdout
    r = verdict({"p99": [1.02, 1.03, 1.01, 1.02, 0.999]}, seeds=5)
    assert r.returncode == 0 and "unsteady  2g get100 p99 latency" in r.stdout and "worse in 4 of 5 seeds" in r.stdout
    r = verdict({"p99": [1.004, 1.0001, 1.3, 1.0004, 1.005]}, seeds=5)
    assert r.returncode == 0 and "unsteady  2g get100 p99 latency" in r.stdout and "worse in 5 of 5 seeds" in r.stdout


def test_json_has_every_row(verdict):
    r = verdict(slower(1), "--format", "json")
    assert r.returncode == 3
    doc = json.loads(r.stdout)
    assert (doc["schema"], doc["verdict"], doc["against"], doc["seeds"], doc["second_look"]) == (2, "regression", "reference", 10, True)
    rows = {x["metric"]: x for x in doc["rows"]}
    assert set(rows) == set(VALUES)
    assert rows["mean"]["state"] == "worse" and rows["mean"]["change_percent"] == pytest.approx(1) and len(rows["mean"]["now"]) == 10
    assert rows["llc_misses_pmem"]["state"] == "same" and rows["llc_misses_pmem"]["kind"] == "counter"
    assert json.loads(verdict(None, "--format", "json").stdout)["verdict"] == "identical"


@pytest.mark.parametrize("side", ["ref", "now"])
def test_a_missing_metric_is_never_passed_over(verdict, side):
    r = verdict(ref={"drop": ("p99",)}) if side == "ref" else verdict(drop=("p99",))
    assert r.returncode == 1
    one_line(r, "has no p99 of 2g get100", "the reference" if side == "ref" else "this run")


def test_other_versions_without_a_tree_are_a_failure(verdict):
    r = verdict(qemu="10.0.1")
    assert r.returncode == 1
    one_line(r, "the reference does not hold here (qemu: 10.0.1 here, 7.2.99 (fake) in the reference)")


@pytest.mark.parametrize("text, words", [
    ("", ["has no rows"]),
    ("hello\n", [":1:", "does not begin with tiermem-gate"]),
    ("tiermem-gate 99\n", [":1:", "another version of tmbench"]),
    ("tiermem-gate 1\nrow a b ops 1\n", [":2:", "before the line of seeds"]),
    ("tiermem-gate 1\nseeds 1 2\nrow a b ops 1\n", [":3:", "fewer values than seeds"]),
    ("tiermem-gate 1\nseeds 1 2\nrow a b ops 1 2 3\n", [":3:", "more values than seeds"]),
    ("tiermem-gate 1\nseeds 1 2\nrow a b ops 1 nan\n", [":3:", "no number"]),
    ("tiermem-gate 1\nseeds 1 2\nrow a b\n", [":3:", "needs config, phase and metric"]),
    ("tiermem-gate 1\nseeds 1 2\nrow a b ops 1 2\nrow a b ops 1 2\n", [":4:", "same row twice"]),
    ("tiermem-gate 1\nseeds 1 9999\n", [":2:", "seeds needs"]),
    ("tiermem-gate 1\n<<<<<<< HEAD\n", [":2:", "unknown word"]),
])
def test_a_corrupt_reference_is_one_clear_line(tmp_path, text, words):
    (tmp_path / "ref").write_text(text)
    figures(tmp_path / "now")
    r = subprocess.run([TMBENCH, "gate", "--reference", tmp_path / "ref", "--measured", tmp_path / "now"], capture_output=True, text=True)
    assert r.returncode == 1
    one_line(r, str(tmp_path / "ref"), *words)


@pytest.mark.parametrize("args, words", [
    (["figure3"], ["no operands"]),
    (["--tolerance", "much"], ["--tolerance much", "percentage"]),
    (["--seeds", "1"], ["--seeds 1", "from 2"]),
    (["--scenario", "nothing"], ["unknown scenario 'nothing'"]),
    (["--accept"], ["--accept needs a value"]),
    (["--accept", "  ", "--measured", "now"], ["--accept needs a reason"]),
])
def test_usage(tmp_path, args, words):
    figures(tmp_path / "now")
    r = subprocess.run([TMBENCH, "gate", *args], capture_output=True, text=True, cwd=tmp_path)
    assert r.returncode == 2
    one_line(r, *words)


def test_accept_takes_the_run_just_made_and_keeps_the_history(tmp_path, verdict):
    r = verdict(slower(1), "--accept", "values are checked now")
    assert r.returncode == 0 and "renewed: 9 rows, seeds 1 to 10, abc1234" in r.stdout
    text = (tmp_path / "ref").read_text()
    assert "accepted 2026-11-23 abc1234 first\naccepted 2026-11-23 abc1234 values are checked now\n" in text
    again = subprocess.run([TMBENCH, "gate", "--reference", tmp_path / "ref", "--measured", tmp_path / "now"], capture_output=True, text=True)
    assert again.returncode == 0 and "identical" in again.stdout


class Tree(Bench):
    """A repository whose build copies things; the library's text says how fast the fake machine is."""

    MAKEFILE = """
all:
	mkdir -p build/bin build/lib build/stripped/bin build/stripped/lib
	cp {tmbench} build/bin/
	for f in bin/tiermem bin/tmload bin/tmmark; do echo $$f >build/stripped/$$f; done
	echo sim >build/lib/libtmsim.so
	cp library build/stripped/lib/libtiermem-preload.so
"""

    def __init__(self, tree):
        super().__init__(tree)
        shutil.copy(REPO / "vmconfigs/scenarios/gate.conf", tree / "vmconfigs/scenarios")
        (tree / "results").mkdir()
        (tree / "Makefile").write_text(self.MAKEFILE.format(tmbench=TMBENCH))
        (tree / ".gitignore").write_text("/build/\n/results/runs/\n")
        (tree / "build/guest/packages").write_text("redis 1\n")
        (tree / "build/guest/kernel-version").write_text("6.1.0-fake\n")
        self.git("init", "-q")
        self.commit("quick")

    def git(self, *args):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *args], cwd=self.tree, check=True, capture_output=True)

    def build(self, library):
        (self.tree / "library").write_text(library)
        subprocess.run(["make"], cwd=self.tree, check=True, capture_output=True)

    def commit(self, library):
        self.build(library)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", library)

    def gate(self, *args, **env):
        return self("gate", *args, timeout=400, **env)

    def accept(self, reason="first"):
        r = self.gate("--accept", reason, "--seeds", "3")
        assert r.returncode == 0, r.stderr
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "reference")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "tree")


def test_accept_then_gate(tree):
    tree.accept("the first one")
    text = (tree.tree / "results/gate.reference").read_text()
    assert text.startswith("tiermem-gate 1\n") and "the first one\n" in text and "-dirty" not in text
    assert "row 2g get100 ops " in text and "row 6g gauss100 p99.9 " in text and "row 2g set faults_hint " in text
    assert "version qemu 7.2.99 (fake)\n" in text and "version guest-kernel 6.1.0-fake\n" in text and str(tree.tree) not in text
    assert "row all all mean " in text
    command = next(tree.tree.glob("build/gate/runs/1/2g-1-default/command")).read_text()
    assert "set=l1_kib:1024" in command, "[sim] of the scenario"
    r = tree.gate("--seeds", "3")
    assert r.returncode == 0 and r.stderr == ""
    assert "identical" in r.stdout and "seeds 1 to 3" in r.stdout
    tree.build("slow")
    r = tree.gate("--seeds", "3")
    assert r.returncode == 3
    assert re.search(r"WORSE +2g get100 throughput -(1\.00|0\.99) % .*worse in 6 of 6 seeds", r.stdout)
    r = tree.gate("--seeds", "3", "--accept", "worth it")
    assert r.returncode == 0 and "changes that are not committed" in r.stderr
    text = (tree.tree / "results/gate.reference").read_text()
    assert len([x for x in text.splitlines() if x.startswith("accepted ")]) == 2 and "-dirty worth it" in text


def test_other_versions_compare_with_the_commit_before(tree):
    tree.accept()
    tree.commit("slow")
    r = tree.gate("--seeds", "3", FAKE_QEMU_VERSION="10.0.1")
    assert r.returncode == 3, r.stderr
    assert "built and measured here, because the reference does not hold:\n  qemu: 10.0.1 (fake) here, 7.2.99 (fake) in the reference" in r.stdout
    assert re.search(r"WORSE +2g get100 throughput -(1\.00|0\.99) %", r.stdout)
    tree.commit("slow again")
    r = tree.gate("--seeds", "3", FAKE_QEMU_VERSION="10.0.1")
    assert r.returncode == 0 and "identical" in r.stdout
    (tree.tree / "build/guest/packages").write_text("redis 2\n")
    r = tree.gate("--seeds", "3")
    assert r.returncode == 0 and "guest-packages: " in r.stdout


def test_what_is_not_committed_is_compared_with_the_last_commit(tree):
    tree.commit("slow")
    tree.build("slow, but at work")
    r = tree.gate("--seeds", "2")
    assert r.returncode == 0, r.stderr
    assert "identical" in r.stdout and "reference: there is no " in r.stdout
    tree.build("quick")
    assert "better    2g get100 throughput +1.01 %" in tree.gate("--seeds", "2").stdout


def test_another_scenario_is_no_match_for_the_reference(tree):
    tree.accept()
    tree.commit("quick")
    r = tree.gate("--seeds", "2", "--set", "load.value=512")
    assert r.returncode == 0 and "scenario: gate " in r.stdout and "load.value=512 here" in r.stdout


def test_it_never_passes_by_not_looking(tree, tmp_path):
    r = tree.gate("--seeds", "2")  # neither a reference nor a parent
    assert r.returncode == 1 and r.stdout == ""
    assert "there is no commit to compare with" in r.stderr
    tree.commit("quick")
    (tree.tree / "Makefile").write_text("all:\n\tfalse\n")
    r = tree.gate("--seeds", "2")
    assert r.returncode == 0, "the tree does not build, but the commit before does"
    tree.git("commit", "-qam", "broken")
    (tree.tree / "Makefile").write_text(Tree.MAKEFILE.format(tmbench=TMBENCH))
    r = tree.gate("--seeds", "2")
    assert r.returncode == 1 and "cannot be built: see " in r.stderr
    shutil.rmtree(tree.tree / ".git")
    r = tree.gate("--seeds", "2", GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert r.returncode == 1 and "no git repository" in r.stderr


def test_a_vm_that_fails_is_a_failure(tree):
    tree.accept()
    r = tree.gate("--seeds", "2", FAKE_QEMU="panic", FAKE_QEMU_ONLY="/2g-2-")
    assert r.returncode == 1 and "guest kernel panic" in r.stderr and r.stdout == ""


def test_interrupt_leaves_no_vm(tree):
    tree.accept()
    p = subprocess.Popen(tree.command("gate"), env=dict(tree.env, FAKE_QEMU="hang"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.time() + 60
    pids = []
    while len(pids) < 2 and time.time() < until:
        time.sleep(0.1)
        runs = sorted(tree.tree.glob("build/gate/runs/*"), key=lambda x: int(x.name))
        pids = [int(f.read_text()) for f in runs[-1].glob("*/pid") if f.read_text()] if len(runs) == 2 else []
    assert len(pids) == 2
    other = tree.gate()
    assert other.returncode == 1
    one_line(other, "another gate runs in this tree")
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    assert p.returncode == 130 and out == "" and "interrupted" in err
    assert not any(map(alive, pids))


class Real:
    """The built tree, in a folder of its own, with another allocator's library where one is given."""

    SHORT = ("--config", "2g", "--phase", "set,get100", "--set", "load.requests=6000", "--timeout", "900")

    def __init__(self, folder, library=None):
        self.tree = folder
        (folder / "build").mkdir(parents=True)
        for part in ("build/bin", "build/lib", "build/guest", "vmconfigs", "sim"):
            (folder / part).symlink_to(REPO / part)
        shutil.copytree(REPO / "build/stripped", folder / "build/stripped")
        if library:
            shutil.copy(library, folder / "build/stripped/lib/libtiermem-preload.so")

    def gate(self, reference, seeds, *args, what=SHORT):
        r = subprocess.run([TMBENCH, "gate", "--reference", reference, "--seeds", str(seeds), *what, *args], capture_output=True,
                           text=True, timeout=2400, env=dict(os.environ, TMBENCH_ROOT=str(self.tree), NO_COLOR="1"))
        assert r.returncode in (0, 3), r.stderr
        return r


def slowed_library(folder, loops):
    """The allocator with a loop of so many turns (two instructions each) in its malloc, built apart."""
    folder.mkdir()
    for part in ("allocator", "sim", "workloads", "harness", "vmconfigs", "tests"):
        shutil.copytree(REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for makefile in ("Makefile", "install.mk"):
        shutil.copy2(REPO / makefile, folder)
    for part in ("pic/allocator", "allocator"):
        shutil.copytree(REPO / "build" / part, folder / "build" / part)
    shutil.copy2(REPO / "build/deps.stamp", folder / "build")
    source = folder / "allocator/preload_malloc.c"
    head = "void *malloc(size_t size)\n{\n"
    text = source.read_text()
    assert text.count(head) == 1
    source.write_text(text.replace(head, head + f'\t__asm__ volatile("mov ${loops}, %%ecx\\n1: dec %%ecx\\n jnz 1b" ::: "ecx", "cc");\n'))
    subprocess.run(["make", "-C", folder, "build/stripped/lib/libtiermem-preload.so"], check=True, capture_output=True)
    return folder / "build/stripped/lib/libtiermem-preload.so"


def test_real_guests_are_identical_when_nothing_changed_and_a_slower_allocator_is_caught(tmp_path):
    """3 % slower: four seeds of one config see no less for sure; what the whole matrix sees is in docs/gate.md."""
    same = Real(tmp_path / "same")
    reference = tmp_path / "reference"
    r = same.gate(reference, 4, "--accept", "as it is")
    assert "renewed" in r.stdout, r.stderr
    for _ in range(2):
        r = same.gate(reference, 2)
        assert r.returncode == 0 and "identical: " in r.stdout and r.stderr == ""
    slow = Real(tmp_path / "slow", slowed_library(tmp_path / "source", 63))
    r = slow.gate(reference, 4)
    assert r.returncode == 3, r.stdout
    assert "WORSE     all all throughput" in r.stdout and "server's instructions/op +" in r.stdout


LONG = pytest.mark.skipif(not os.environ.get("TEST_LONG"), reason="an hour of simulation in all: make test-gate")
WHOLE = ("--timeout", "900")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The gate as it is, and a reference of five and five seeds that it made."""
    folder = tmp_path_factory.mktemp("whole")
    same = Real(folder / "same")
    r = same.gate(folder / "reference", 5, "--accept", "as it is", what=WHOLE)
    assert "renewed" in r.stdout, r.stderr
    return same, folder / "reference"


@LONG
def test_the_whole_gate_catches_half_a_percent(whole, tmp_path):
    """Eleven turns are 0.5 to 0.6 % more instructions per request."""
    slow = Real(tmp_path / "slow", slowed_library(tmp_path / "source", 11))
    r = slow.gate(whole[1], 5, what=WHOLE)
    print(r.stdout)
    assert r.returncode == 3 and "WORSE     all all throughput" in r.stdout, r.stdout


@LONG
@pytest.mark.parametrize("turn", range(20))
def test_the_whole_gate_is_silent_when_nothing_changed(whole, turn):
    same, reference = whole
    r = same.gate(reference, 2, what=WHOLE)
    assert r.returncode == 0 and "identical: " in r.stdout and r.stderr == ""
