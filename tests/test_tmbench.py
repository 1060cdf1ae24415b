"""tmbench against a QEMU that is a script (tests/fixtures/fake-qemu): the matrix, what is recorded, the reports, every failure."""
import csv
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
TMBENCH = REPO / "build/bin/tmbench"
FAKE = REPO / "tests/fixtures/fake-qemu"
PARTS = ["stripped/bin/tiermem", "stripped/bin/tmmark", "stripped/bin/tmload", "stripped/lib/libtiermem-preload.so", "bin/tmload",
         "lib/libtmsim.so", "guest/vmlinuz", "guest/initrd.img", "guest/root.img"]


class Bench:
    """A source tree of its own, so that nothing of a test lands in the real results."""

    def __init__(self, tree):
        self.tree = tree
        self.db = tree / "results/tiermem.db"
        self.env = dict(os.environ, TMBENCH_ROOT=str(tree), TMBENCH_QEMU=str(FAKE), NO_COLOR="1")
        self.env.pop("FAKE_QEMU", None)
        for part in PARTS:
            (tree / "build" / part).parent.mkdir(parents=True, exist_ok=True)
            (tree / "build" / part).write_bytes(b"part " + part.encode())
        (tree / "vmconfigs/scenarios").mkdir(parents=True)
        scenario = (REPO / "vmconfigs/scenarios/figure3.conf").read_text()
        for config, bound in ("4g", "0.96"), ("2g", "0.84"), ("0g", "0.80"):  # what the fake's VMs hold just so
            scenario, n = re.subn(rf"(\[config {config}\][^\[]*?\nbound = )[\d.]+(\nbound_phases = set.*)?", rf"\g<1>{bound}", scenario)
            assert n == 1
        (tree / "vmconfigs/scenarios/figure3.conf").write_text(scenario)
        (tree / "sim/profiles").mkdir(parents=True)
        (tree / "sim/profiles/optane-100.conf").write_text("[cache]\nllc_kib = 4096\n")
        (tree / "plots").symlink_to(REPO / "plots")

    def command(self, *args):
        return [str(TMBENCH), *map(str, args)]

    def __call__(self, *args, timeout=60, **env):
        return subprocess.run(self.command(*args), env=self.env | env, capture_output=True, text=True, timeout=timeout)

    def run(self, *args, **env):
        return self("run", "figure3", "--no-native", *args, **env)

    def start(self, *args, **env):
        return subprocess.Popen(self.command("run", "figure3", "--no-native", *args), env=self.env | env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def sql(self, text, *args):
        with sqlite3.connect(self.db) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return db.execute(text, args).fetchall()

    def vm_pids(self):
        return [int(p.read_text()) for p in self.tree.glob("results/runs/*/*/pid") if p.read_text()]

    def wait_for_vms(self, n):
        until = time.time() + 20
        while len(self.vm_pids()) < n:
            assert time.time() < until, "no VM came up"
            time.sleep(0.05)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "tree")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def one_line(result, *words):
    """A usage or start-up error: nothing on stdout, one line on stderr with these words."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("tmbench: "), result.stderr
    for word in words:
        assert word in lines[0]
    assert result.stdout == ""


def test_whole_matrix_is_run_recorded_and_reported(bench):
    r = bench.run("--repeat", "2")
    assert r.returncode == 0, r.stderr
    assert r.stderr == ""
    assert "SIMULATED TIME" in r.stdout and "73,418 keys" in r.stdout and "guest Linux 6.1.0-fake" in r.stdout
    assert "4 of 4 bounds hold" in r.stdout
    assert "half / default / twice" in r.stdout and "Spread over the repeats" in r.stdout
    assert bench.sql("SELECT status, scale, seed, repeats, keys, redis_version FROM run") == [
        ("ok", 64, 1, 2, 73418, "7.0.15")]
    assert bench.sql("SELECT variant, count(*), sum(status = 'ok') FROM vmrun GROUP BY variant ORDER BY 1") == [
        ("default", 10, 10), ("half", 5, 5), ("twice", 5, 5)]
    assert bench.sql("SELECT DISTINCT variant, llc_kib FROM vmrun ORDER BY 2") == [
        ("half", 2048), ("default", 4096), ("twice", 8192)]
    assert not list(bench.tree.glob("results/runs/*/*/initrd")), "boot archives are not kept without --keep-logs"


def test_summary_view_has_medians_ratios_and_bounds(bench):
    assert bench.run("--repeat", "3", "--no-llc-sensitivity").returncode == 0
    columns = [c[1] for c in bench.sql("PRAGMA table_info(summary)")]
    assert columns == ["run_id", "scenario", "config", "phase", "metric", "unit", "value", "ratio_to_baseline", "paper_bound"]
    rows = {(c, p): (v, ratio, bound) for c, p, v, ratio, bound in bench.sql(
        "SELECT config, phase, value, ratio_to_baseline, paper_bound FROM summary WHERE metric = 'ops'")}
    assert len(rows) == 5 * 6
    assert rows["baseline", "set"] == (60104, 1, None)  # the middle one of seeds 1, 2, 3
    assert rows["0g", "get100"][1] == pytest.approx(48144 / 60144)
    assert [rows["0g", p][2] for p in ("set", "get90", "get100", "gauss100")] == [None, None, 0.8, 0.8]
    assert rows["2g", "get50"][2] == 0.84 and rows["4g", "set"][2] == 0.96 and rows["6g", "set"][2] == 0.98
    metrics = {m for m, in bench.sql("SELECT DISTINCT metric FROM summary WHERE config = '2g' AND phase = 'get50'")}
    assert metrics >= {"ops", "sets_ops", "gets_ops", "hits", "misses", "latency_avg", "latency_p50", "latency_p99",
                       "latency_p99_9", "throughput", "errors", "server_busy", "vcpu7_busy", "instructions",
                       "llc_misses_dram", "llc_misses_pmem", "llc_pmem_share", "server_stall", "dram_granules",
                       "pmem_bytes", "promoted", "demoted", "faults_hint", "used_memory"}
    assert bench.sql("SELECT value FROM summary WHERE config = '2g' AND phase = 'set' AND metric = 'llc_pmem_share'") == [(0.25,)]


def test_no_bounds_at_another_scale(bench):
    r = bench.run("--scale", "512", "--no-llc-sensitivity")
    assert r.returncode == 0
    assert "quick look" in r.stdout
    assert bench.sql("SELECT count(*) FROM bound") == [(0,)]
    assert bench.sql("SELECT keys, ram_bytes, pmem_bytes, requests FROM run") == [(8510, 256 << 20, 256 << 20, 5000)]


def test_a_bound_that_does_not_hold_is_said_and_is_no_failure(bench):
    r = bench.run("--set", "config.0g.bound=0.9", "--no-llc-sensitivity")
    assert r.returncode == 0
    assert re.search(r"0g +>= 0\.90 +DOES NOT HOLD: get100 0\.800, gauss100 0\.800", r.stdout)
    assert "3 of 4 bounds hold" in r.stdout


def test_report_from_the_database_equals_the_runs_own(bench):
    r = bench.run("--repeat", "2")
    assert bench("report").stdout == r.stdout
    assert bench("report", "--run", "1").stdout == r.stdout


def test_json_and_csv_carry_the_same_figures(bench):
    r = bench.run("--format", "json")
    doc = json.loads(r.stdout, parse_constant=lambda c: pytest.fail(f"{c} in JSON"))
    assert doc["schema"] == 1 and doc["run"]["scale"] == 64 and doc["run"]["status"] == "ok"
    assert json.loads(bench("report", "--format", "json").stdout) == doc
    rows = list(csv.DictReader(io.StringIO(bench("report", "--format", "csv").stdout)))
    assert rows[0]["schema"] == "1"
    table = {(x["config"], x["phase"], x["metric"]): x for x in rows if x["llc"] == "default"}
    assert len(table) == len(doc["summary"])
    for x in doc["summary"]:
        y = table[x["config"], x["phase"] or "", x["metric"]]
        assert float(y["value"]) == pytest.approx(x["value"])
        assert (y["paper_bound"] == "") == (x["paper_bound"] is None)
    assert {x["llc"] for x in doc["llc_sensitivity"]} == {"half", "twice"}


def test_guest_script_and_command_line(bench):
    assert bench.run("--config", "baseline,2g", "--no-llc-sensitivity", "--keep-logs", "--set", "sim.quantum_ns=5000").returncode == 0
    tiered, base = (bench.tree / f"results/runs/1/{c}-1-default" for c in ("2g", "baseline"))
    script = (tiered / "run").read_text()
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
    assert "tiermem run --dram 33554432 --pmem /dev/dax1.0 --granule 4096" in script
    assert "--key-maximum 73418 --seed 1 --distinct-client-seed -n allkeys" in script and "-n 800" in script
    assert "tiermem run" not in (base / "run").read_text()
    command = (tiered / "command").read_text()
    assert command.index("rootmem") < command.index("pmem0")
    assert "pmem=pmem0" in command and "set=quantum_ns:5000" in command and "set=llc_kib:4096" in command
    assert "nv1" not in (base / "command").read_text()
    listing = subprocess.run(["sh", "-c", f"tail -c +513 {tiered / 'initrd'} | cpio -tv --quiet"], capture_output=True, text=True)
    assert [line.split()[-1] for line in listing.stdout.splitlines()] == [
        "tm", "tm/bin", "tm/lib", "tm/bin/tiermem", "tm/bin/tmload", "tm/bin/tmmark", "tm/lib/libtiermem-preload.so", "tm/run"]


def test_overlay_is_the_same_bytes_each_time(bench):
    for _ in range(2):
        assert bench.run("--config", "2g", "--no-llc-sensitivity", "--keep-logs").returncode == 0
        time.sleep(1)
    a, b = (f.read_bytes() for f in sorted(bench.tree.glob("results/runs/*/2g-1-default/initrd")))
    assert a == b


@pytest.mark.parametrize("args, words", [
    (["figure9"], ["unknown scenario 'figure9'", "there are: figure3"]),
    (["figure3", "--bogus"], ["unknown option --bogus"]),
    (["figure3", "--scale", "0"], ["--scale 0", "whole number"]),
    (["figure3", "--scale"], ["--scale needs a value"]),
    (["figure3", "--config", "9g"], ["unknown config '9g'", "baseline, 6g"]),
    (["figure3", "--phase", "get7"], ["unknown phase 'get7'"]),
    (["figure3", "--set", "load.speed=3"], ["load.speed", "unknown key 'speed' in section [load]"]),
    (["figure3", "--set", "load.value=big"], ["must be a size"]),
    (["figure3", "--set", "value"], ["section.key=value"]),
    (["figure3", "--progress", "loud"], ["auto|always|never"]),
    (["figure3", "--profile", "/nowhere.conf"], ["/nowhere.conf", "No such file"]),
    (["figure3", "--scale", "1000000"], ["scale 1000000 leaves"]),
    ([], ["run takes one scenario"]),
])
def test_usage_errors(bench, args, words):
    r = bench("run", *args)
    assert r.returncode == 2
    one_line(r, *words)
    assert not bench.db.exists()


@pytest.mark.parametrize("text, words", [
    ("[scenario]\nname = x\ncolour = red\n", [":3:", "unknown key 'colour'"]),
    ("[scenario]\nname = x\n\n[vm]\n[toys]\na = 1\n", [":6:", "unknown section [toys]"]),
    ("[scenario]\nname = x\nthis is nothing\n", [":3:", "neither"]),
    ("[vm]\nvcpus = many\n", [":2:", "whole number"]),
    ("[config]\ndram = 1\n", [":2:", "needs a name"]),
    ("[vm]\nappend = " + "x" * 300 + "\n", [":2:", "longer than"]),
    ("[scenario]\nname = x\n", ["kind", "redis-inside"]),
])
def test_bad_scenario_files(bench, tmp_path, text, words):
    path = tmp_path / "bad.conf"
    path.write_text(text)
    r = bench("run", path)
    assert r.returncode == 2
    one_line(r, "bad.conf", *words)


def test_missing_parts_are_named(bench):
    (bench.tree / "build/guest/root.img").unlink()
    r = bench.run()
    assert r.returncode == 1
    one_line(r, "root.img is missing", "make guest")


def test_qemu_missing_or_without_plugins(bench):
    r = bench.run(TMBENCH_QEMU="/no/such/qemu")
    assert r.returncode == 1
    one_line(r, "/no/such/qemu not found", "make deps")
    r = bench.run(FAKE_QEMU="noplugin")
    assert r.returncode == 1
    one_line(r, "no TCG plugins", "invalid option")


@pytest.mark.parametrize("mode, words", [
    ("panic", ["guest kernel panic: Kernel panic - not syncing: Attempted to kill init!"]),
    ("tmsim", ["the simulator gave up: tmsim: unknown profile key 'dram.speed' in line 3"]),
    ("status", ["QEMU ended with status 1: qemu-system-x86_64: cannot set up guest memory"]),
    ("killed", ["QEMU was killed by signal 9"]),
    ("fail", ["exit 1: phase set: redis-server died"]),
    ("wrong", ["phase set: wrong or missing replies", '"wrong":3']),
    ("truncated", ["ended without its exit status"]),
    ("exitless", ["ended without its exit status"]),
])
def test_a_failing_vm_is_recorded_and_not_averaged_in(bench, mode, words):
    r = bench.run("--repeat", "2", "--no-llc-sensitivity", FAKE_QEMU=mode, FAKE_QEMU_ONLY="/2g-2-")
    assert r.returncode == 1
    for word in words:
        assert word in r.stderr
    assert "logs: " in r.stderr and "/2g-2-default" in r.stderr
    if mode == "panic":
        assert "  | boot line 29" in r.stderr and "boot line 14" not in r.stderr  # the last 15 lines
    assert bench.sql("SELECT config, repeat, status FROM vmrun WHERE status <> 'ok'") [0] == ("2g", 2, "failed")
    assert bench.sql("SELECT status FROM run") == [("failed",)]
    assert bench.sql("SELECT count(*) FROM metric JOIN vmrun v ON v.id = vmrun_id WHERE v.status <> 'ok'") == [(0,)]
    assert bench.sql("SELECT repeats, value FROM repeats WHERE config = '2g' AND phase = 'set' AND metric = 'ops'") == [(1, 60004)]
    assert "Not counted" in r.stdout


def test_failure_before_the_first_phase_leaves_out_the_rest(bench):
    r = bench.run(FAKE_QEMU="panic", FAKE_QEMU_ONLY="/baseline-")
    assert r.returncode == 1
    assert "left out" in r.stderr
    assert bench.sql("SELECT count(*) FROM vmrun") [0][0] <= 3


def test_time_out_and_hang(bench):
    r = bench.run("--timeout", "1", "--config", "baseline", "--no-llc-sensitivity", FAKE_QEMU="hang")
    assert r.returncode == 1 and "time-out: not done after 1 s of real time (booting)" in r.stderr
    r = bench.run("--config", "baseline", "--no-llc-sensitivity", "--set", "vm.stall=1", FAKE_QEMU="silent")
    assert r.returncode == 1 and "hung: neither output nor work for 1 s (booting)" in r.stderr
    assert not any(map(alive, bench.vm_pids()))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("which", [slice(0, 2), slice(0, 1), slice(1, 2)], ids=["both", "one", "other"])
def test_vms_have_a_cpu_each_of_those_that_it_may_use(bench, which):
    every = os.sched_getaffinity(0)
    mine = set(sorted(every)[which])
    os.sched_setaffinity(0, mine)
    try:
        p = bench.start("--jobs", str(len(mine)), FAKE_QEMU="hang")
    finally:
        os.sched_setaffinity(0, every)
    bench.wait_for_vms(len(mine))
    given = [os.sched_getaffinity(pid) for pid in bench.vm_pids()]
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=20)
    assert sorted(map(sorted, given)) == [[cpu] for cpu in sorted(mine)]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_no_process_and_a_consistent_database(bench, sig):
    p = bench.start("--jobs", "2", FAKE_QEMU="hang")
    bench.wait_for_vms(2)
    p.send_signal(sig)
    out, err = p.communicate(timeout=20)
    assert p.returncode == 130
    assert "interrupted" in err and out == ""
    assert not any(map(alive, bench.vm_pids()))
    assert bench.sql("SELECT status FROM run") == [("interrupted",)]
    assert set(bench.sql("SELECT status FROM vmrun")) == {("interrupted",)}


def test_killed_tmbench_takes_its_vms_along_and_the_next_one_says_so(bench):
    p = bench.start("--jobs", "2", FAKE_QEMU="hang")
    bench.wait_for_vms(2)
    p.kill()
    p.communicate()
    until = time.time() + 5
    while any(map(alive, bench.vm_pids())) and time.time() < until:
        time.sleep(0.05)
    assert not any(map(alive, bench.vm_pids()))
    assert bench.sql("SELECT status FROM run") == [("running",)]
    assert bench.run("--config", "baseline", "--no-llc-sensitivity").returncode == 0
    assert bench.sql("SELECT status, substr(reason, 1, 6) FROM run ORDER BY id") == [("failed", "killed"), ("ok", None)]
    assert bench.sql("SELECT count(*) FROM vmrun WHERE status = 'running'") == [(0,)]


def test_a_live_run_is_not_taken_for_a_killed_one(bench):
    p = bench.start("--jobs", "1", FAKE_QEMU="hang", FAKE_QEMU_ONLY="/1/")
    bench.wait_for_vms(1)
    assert bench.run("--config", "2g", "--no-llc-sensitivity").returncode == 0
    assert bench.sql("SELECT status FROM run ORDER BY id") == [("running",), ("ok",)]
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=20)


def test_unusable_database(bench, tmp_path):
    (tmp_path / "text.db").write_text("this is a text file, long enough to be looked at as a database header" * 20)
    for path in ("/dev/full", "/proc/nowhere/x.db", tmp_path / "text.db"):
        r = bench.run("--db", path)
        assert r.returncode == 1
        one_line(r, str(path))
    r = bench("report")
    assert r.returncode == 1
    one_line(r, "cannot open the database", "tmbench run")


def test_full_disk(bench):
    """A limit on file sizes stands for the full disk: writing fails the same way."""
    for part in ("guest/initrd.img",):
        (bench.tree / "build" / part).write_bytes(bytes(4 << 20))
    r = subprocess.run(["sh", "-c", 'ulimit -f 2048; exec "$@"', "sh", *bench.command("run", "figure3", "--no-native")],
                       env=bench.env, capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    assert "cannot write " in r.stderr and "initrd: File too large" in r.stderr
    assert bench.sql("SELECT status FROM run") == [("failed",)]


def test_output_that_cannot_be_written_is_a_failure(bench):
    assert bench.run("--config", "baseline", "--no-llc-sensitivity").returncode == 0
    with open("/dev/full", "w") as full:
        r = subprocess.run(bench.command("report"), env=bench.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 1 and "cannot write the output" in r.stderr


def test_progress_only_where_it_belongs(bench):
    r = bench.run("--config", "2g", "--no-llc-sensitivity", "--phase", "get50", "--progress", "always", FAKE_QEMU="slow")
    assert re.search(r"\[1/1\] 2g: phase get50 · \d+ % · ETA \d+ s", r.stderr), r.stderr
    assert "ETA" not in bench.run("--config", "2g", "--no-llc-sensitivity").stderr


def test_partial_matrix_has_no_ratio(bench):
    r = bench.run("--config", "2g", "--phase", "get50", "--no-llc-sensitivity")
    assert r.returncode == 0
    assert bench.sql("SELECT name FROM run_phase ORDER BY position") == [("set",), ("get50",)]
    assert bench.sql("SELECT DISTINCT ratio_to_baseline FROM summary") == [(None,)]
    r = bench("figure", "3")
    assert r.returncode == 1
    one_line(r, "no ratio to draw")


def test_figure(bench):
    assert bench.run("--no-llc-sensitivity", "--repeat", "2").returncode == 0
    r = bench("figure", "3")
    assert r.returncode == 0, r.stderr
    svg, png = (bench.tree / f"results/figures/figure3.{e}" for e in ("svg", "png"))
    text = svg.read_text()
    assert "gauss100" in text and "simulated time" in text and "scale 1/64" in text and "bound" in text
    assert png.read_bytes().startswith(b"\x89PNG")
    one_line(bench("figure", "5"), "there are: 1 2 3 4")
    one_line(bench("figure", "4"), "no run of kind mysql-underneath")


def test_a_quick_look_does_not_take_a_whole_runs_place(bench):
    assert bench.run("--no-llc-sensitivity").returncode == 0
    assert bench.run("--no-llc-sensitivity", "--config", "baseline,4g").returncode == 0
    assert bench.run("--no-llc-sensitivity", "--scale", "512").returncode == 0
    svg = bench.tree / "results/figures/figure3.svg"
    for which, run in ("whole", 1), ("latest", 3), ("2", 2):
        assert bench("figure", "3", "--run", which).returncode == 0
        assert f"run {run}" in svg.read_text()


def test_list(bench):
    r = bench("list")
    assert r.returncode == 0 and "figure3" in r.stdout and "no runs yet" in r.stdout
    bench.run("--config", "baseline", "--no-llc-sensitivity")
    assert re.search(r"1 +20\S+ +figure3 +64 +1 +1 +ok +1", bench("list").stdout)


def test_native_run_is_apart_from_the_simulated_ones(bench):
    shutil.copy(REPO / "build/bin/tmload", bench.tree / "build/bin/tmload")
    r = bench("run", "figure3", "--config", "baseline,6g", "--phase", "get100", "--scale", "512", "--no-llc-sensitivity")
    assert r.returncode == 0, r.stderr
    assert "native" in r.stdout
    rows = bench.sql("SELECT phase, value, ratio_to_baseline FROM summary WHERE config = 'native' AND metric = 'ops'")
    assert [x[0] for x in sorted(rows)] == ["get100", "set"]
    assert all(value > 1000 and ratio is None for _, value, ratio in rows)


def test_native_failure_is_said_and_recorded(bench):
    (bench.tree / "build/bin/tmload").write_text("#!/bin/sh\nexit 1\n")
    (bench.tree / "build/bin/tmload").chmod(0o755)
    r = bench("run", "figure3", "--config", "baseline", "--no-llc-sensitivity")
    assert r.returncode == 1
    assert "the native run on this host failed: phase set: tmload failed" in r.stderr
    assert bench.sql("SELECT status FROM vmrun WHERE config = 'native'") == [("failed",)]
