"""Figure 4, MariaDB with tiermem underneath: what is refused, the database images, and a small run in real VMs."""
import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
BUILD = REPO / os.environ.get("BUILD", "build")
TMBENCH = BUILD / "bin/tmbench"
RECIPE = REPO / "vmconfigs/database/build.sh"
# As small as a run can be: 40 transactions on 8 tables of some thousand rows.
SMALL = ["--scale", "512", "--requests", "40", "--set", "sysbench.settle=0.5", "--no-llc-sensitivity", "--progress", "never"]

needs_image = pytest.mark.skipif(not (BUILD / "guest-mysql/root.img").exists(),
                                 reason="no database guest: run `make guest-mysql`")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="database images are made as root")


def tmbench(*args, timeout=60, **env):
    return subprocess.run([str(TMBENCH), *map(str, args)], env=dict(os.environ, NO_COLOR="1") | env, capture_output=True, text=True,
                          timeout=timeout)


def refused(result, *words, status=2):
    lines = result.stderr.strip().splitlines()
    assert result.returncode == status and len(lines) == 1 and lines[0].startswith("tmbench: "), result.stderr
    for word in words:
        assert word in lines[0]
    assert result.stdout == ""


@pytest.fixture
def scenario(tmp_path):
    """figure4.conf with replacements, in a file of its own."""
    def write(*pairs):
        text = (REPO / "vmconfigs/scenarios/figure4.conf").read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "bad.conf"
        path.write_text(text)
        return path
    return write


@pytest.mark.parametrize("pairs, words", [
    ([("kind = mysql-underneath", "kind = mysql-above")], ["kind = mysql-above", "redis-inside or mysql-underneath"]),
    ([("[database small]\ndata = 8G", ""), ("[database large]\ndata = 20G\ntiered_ram = 28G", "")], ["[database NAME] is missing"]),
    ([("data = 8G", "data = lots")], [":", "must be a size"]),
    ([("test = oltp_read_only\n\n[phase rw]", "test = oltp_read_mostly\n\n[phase rw]")], ["[phase ro]", "oltp_read_only, oltp_read_write"]),
    ([("distribution = special", "distribution = odd")], ["[phase ro-special]", "uniform, special, pareto"]),
    ([("bounds = small:0.99 large:1.05", "bounds = tiny:0.99")], ["[config 16g]", "tiny:0.99", "DATABASE:RATIO"]),
    ([("bounds = small:0.99 large:1.05", "bounds = small:high")], ["[config 16g]", "DATABASE:RATIO"]),
    ([("databases = large", "databases = larger")], ["databases = larger", "[database] sections"]),
    ([("cpus = 6-7", "cpus = 6-8")], ["[sysbench] cpus = 6-8", "no such vCPU"]),
    ([("cpus = 6-7", "cpus = six")], ["[sysbench] cpus = six", "list of vCPUs"]),
    ([("pool = 0.75", "pool = 75")], ["pool = 75", "between 0.01 and 0.95"]),
    ([("bytes_per_row = 246\n", "")], ["[sysbench] tables bytes_per_row"]),
    ([("configuration = workloads/mariadb-underneath.cnf\n", "")], ["[mariadb] pool configuration"]),
    ([("[phase rw]", "[phase read-write-with-a-long-name]")], ["names are too long"]),
])
def test_bad_scenarios(scenario, pairs, words):
    path = scenario(*pairs)
    for command in ("run", "prepare"):
        refused(tmbench(command, path), "bad.conf", *words)


def test_bad_options(scenario):
    refused(tmbench("run", "figure4", "--phase", "ro"), "unknown phase 'ro'", "small-ro, small-rw")
    refused(tmbench("run", "figure4", "--scale", "1000000"), "scale 1000000 leaves", "rows")
    refused(tmbench("run", "figure3", "--quick"), "figure3 has no quick look", "[quick]")
    refused(tmbench("prepare"), "takes one scenario")
    refused(tmbench("figure", "9"), "there are: 1 2 3 4 heat")
    refused(tmbench("figure", "4", "--config", "4g"), "--config goes with figure heat only")


@needs_image
def test_missing_database_is_named():
    refused(tmbench("run", "figure4", "--scale", "333"), "is missing; run `tmbench prepare figure4 --scale 333`", status=1)


def test_recipe_refuses_what_it_cannot_use(tmp_path):
    def run(*args):
        return subprocess.run(["sh", str(RECIPE), *map(str, args)], capture_output=True, text=True)
    assert run("root.img").returncode == 2
    r = run(tmp_path / "no.img", REPO / "workloads/mariadb-underneath.cnf", 1, 1000, tmp_path / "db.img")
    assert r.returncode == 1 and "no.img is missing" in r.stderr
    r = run(TMBENCH, REPO / "workloads/mariadb-underneath.cnf", 1, "many", tmp_path / "db.img")
    assert r.returncode == 2 and "'many' is no number of tables or rows" in r.stderr
    assert not list(tmp_path.iterdir())


@needs_image
@needs_root
def test_broken_root_image_leaves_nothing_half_made(tmp_path):
    (tmp_path / "root.img").write_bytes(b"no file system" * 1000)
    r = subprocess.run(["sh", str(RECIPE), str(tmp_path / "root.img"), str(REPO / "workloads/mariadb-underneath.cnf"), "1", "1000",
                        str(tmp_path / "out/db.img")], capture_output=True, text=True)
    assert r.returncode != 0 and r.stderr.strip()
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """One real run of the baseline with the small database, both loads; its database file, the report, and the runs' folder."""
    if os.geteuid() != 0 or not (BUILD / "guest-mysql/root.img").exists():
        pytest.skip("needs root and `make guest-mysql`")
    out = tmp_path_factory.mktemp("mysql")
    r = tmbench("prepare", "figure4", "--scale", "512", "--phase", "small-ro", timeout=300)
    assert r.returncode == 0, r.stderr
    again = tmbench("prepare", "figure4", "--scale", "512", "--phase", "small-ro")
    assert (again.returncode, again.stderr) == (0, ""), "a database that is there is made again"
    r = tmbench("run", "figure4", *SMALL, "--config", "baseline", "--phase", "small-ro,small-rw", "--db", out / "t.db",
                "--runs", out / "runs", timeout=900)
    assert r.returncode == 0, r.stderr + r.stdout
    return out, r.stdout


def rows(path, text):
    with sqlite3.connect(path) as db:
        return db.execute(text).fetchall()


def test_small_run_is_recorded(small_run):
    out, report = small_run
    assert rows(out / "t.db", "SELECT status, kind, requests, redis_version FROM run") == [("ok", "mysql-underneath", 40, None)]
    assert rows(out / "t.db", "SELECT config, part, status FROM vmrun") == [("baseline", "small", "ok")]
    metrics = {(p, m): v for p, m, v in rows(out / "t.db", "SELECT phase, metric, value FROM summary")}
    for phase in ("small-ro", "small-rw"):
        assert metrics[phase, "requests"] == 40 and metrics[phase, "errors"] >= 0
        assert metrics[phase, "latency_p50"] <= metrics[phase, "latency_p95"] <= metrics[phase, "latency_p99"]
        assert 100 < metrics[phase, "ops"] < 100000 and metrics[phase, "llc_misses_dram"] > 1000
        assert metrics[phase, "llc_misses_pmem"] == 0
    assert metrics["small-ro", "log_bytes"] == 0 < metrics["small-rw", "log_bytes"]
    assert metrics["small-rw", "disk_writes"] > 0
    # filled before: what the load reads is there
    assert metrics["small-ro", "pool_hits"] > 0.999
    parameters = dict(rows(out / "t.db", "SELECT name, value FROM run_parameter"))
    assert parameters["tables"] == "8" and len(parameters["small_sha256"]) == 64 and "MariaDB" in parameters["server"]
    assert "small-ro" in report and "transactions/s" in report and "quick look" in report


def test_small_run_leaves_no_copy_of_the_database(small_run):
    out, _ = small_run
    assert not list((out / "runs").rglob("*.img"))
    assert "rm -f" in next((out / "runs").rglob("command")).read_text()


def test_reports_of_a_recorded_run(small_run):
    out, report = small_run
    assert tmbench("report", "--db", out / "t.db").stdout == report
    doc = json.loads(tmbench("report", "--db", out / "t.db", "--format", "json").stdout)
    assert doc["run"]["kind"] == "mysql-underneath" and doc["run"]["parameters"]["tables"] == "8"
    refused(tmbench("figure", "3", "--db", out / "t.db"), "no run of kind redis-inside", status=1)


@pytest.fixture
def tiered(small_run, tmp_path):
    """The recorded run, as if two configs had run at the scale of the bounds: with 0.97 and 1.1 times the baseline's throughput."""
    path = tmp_path / "t.db"
    shutil.copy(small_run[0] / "t.db", path)
    with sqlite3.connect(path) as db:
        for i, (name, factor) in enumerate((("4g", 0.97), ("2g", 1.1)), 1):
            db.execute("INSERT INTO run_config VALUES (1, ?, ?, 1, 536870912, 131072)", (i, name))
            db.execute("INSERT INTO vmrun (id, run_id, config, repeat, variant, part, llc_kib, seed, status, started, seconds) "
                       "SELECT id + ?, run_id, ?, repeat, variant, part, llc_kib, seed, status, started, seconds FROM vmrun "
                       "WHERE config = 'baseline'", (i, name))
            db.execute("INSERT INTO metric SELECT vmrun_id + ?, phase, metric, unit, value * ? FROM metric WHERE vmrun_id = 1",
                       (i, factor))
            for phase in ("small-ro", "small-rw"):
                db.execute("INSERT INTO bound VALUES (1, ?, ?, 'ops', ?)", (name, phase, 0.98 if phase == "small-ro" else 0.96))
    return path


def test_bounds_are_told_one_by_one(tiered):
    report = tmbench("report", "--db", tiered).stdout
    assert re.search(r"4g +>= 0\.98 +DOES NOT HOLD: small-ro 0\.970", report)
    assert re.search(r"4g +>= 0\.96 +holds \(lowest 0\.970 in small-rw, 1 phase\)", report)
    assert re.search(r"2g +>= 0\.98 +holds", report)
    assert "3 of 4 bounds hold" in report


def test_figure(tiered, tmp_path):
    r = tmbench("figure", "4", "--db", tiered, "--out", tmp_path)
    assert r.returncode == 0, r.stderr
    svg = (tmp_path / "figure4.svg").read_text()
    assert "small-ro" in svg and "underneath" in svg and "bound" in svg and "transactions/s" in svg
    assert (tmp_path / "figure4.png").read_bytes().startswith(b"\x89PNG")


MADE_UP_RUN = """
INSERT INTO run (started, status, scenario, kind, baseline, scale, seed, repeats, keys, value_bytes, requests, vcpus, server_vcpu,
                 ram_bytes, pmem_bytes, profile, llc_kib, tiermem_version)
VALUES ('t', 'ok', 'figure4', 'mysql-underneath', 'baseline', 64, 7, 1, 0, 0, 9, 8, 0, 1, 1, 'p.conf', 2048, 'abc');
INSERT INTO run_config VALUES (1, 0, 'baseline', 0, NULL, NULL), (1, 1, '4g', 1, 67108864, 131072);
INSERT INTO vmrun (id, run_id, config, repeat, variant, part, status, started) VALUES
    (1, 1, 'baseline', 1, 'default', 'small', 'ok', 't'), (2, 1, '4g', 1, 'default', 'small', 'ok', 't'),
    (3, 1, '4g', 1, 'default', 'large', 'failed', 't');
INSERT INTO metric VALUES (2, 'small-ro', 'sim_begin', 's', 10.02), (2, 'small-ro', 'sim_seconds', 's', 0.08),
                          (2, 'small-rw', 'sim_begin', 's', 12), (2, 'small-rw', 'sim_seconds', 's', 0.1);
"""


@pytest.fixture
def heated(tmp_path):
    """A run with heat that nobody measured: two loads with a pause of two seconds, the hot part moves to DRAM in the second."""
    path = tmp_path / "heat.db"
    with sqlite3.connect(path) as db:
        db.executescript((REPO / "results/schema.sql").read_text() + MADE_UP_RUN)
        for begin in (10, 12):
            for step in range(6):
                for part in range(16):
                    hot, used = part == 5, part < 12
                    db.execute("INSERT INTO heat VALUES (2, ?, ?, ?, ?, ?)",
                               (begin * 10**9 + step * 20_000_000, part << 25, (100 if hot else part % 3) * used,
                                256 if hot and begin == 12 else 0, 256 if used and not (hot and begin == 12) else 0))
    return path


def test_heat_map(heated, tmp_path):
    r = tmbench("figure", "heat", "--db", heated, "--out", tmp_path / "out")
    assert r.returncode == 0 and r.stderr == "", r.stderr
    names = [tmp_path / f"out/heat-small-4g.{ext}" for ext in ("svg", "png")]
    assert r.stdout.split() == [str(n) for n in names] and sorted((tmp_path / "out").iterdir()) == sorted(names)
    svg = names[0].read_text()
    for word in ("database small, config 4g (512 MiB of guest RAM, 64 MiB of DRAM)", "simulated time", "scale 1/64", "p.conf", "seed 7",
                 "run 1", "tiermem abc", "warm-up", ">ro<", ">rw<", "MiB", "unused", "all PMEM"):
        assert word in svg
    assert ">0.2<" in svg and ">0.25<" not in svg, "the pause between the loads is not drawn"
    assert names[1].read_bytes().startswith(b"\x89PNG")
    assert tmbench("figure", "heat", "--db", heated, "--out", tmp_path, "--config", "4g", "--database", "small").returncode == 0


def test_heat_that_is_not_there(heated, tmp_path):
    def figure(*args):
        return tmbench("figure", "heat", "--db", heated, "--out", tmp_path / "out", *args)
    refused(figure("--config", "2g"), "run 1 has no heat of that config and database; it has: small-4g", status=1)
    refused(figure("--database", "large"), "it has: small-4g", status=1)
    refused(figure("--run", "2"), "no run 2", status=1)
    refused(figure("--run", "two"), "--run two")
    with sqlite3.connect(heated) as db:
        db.execute("DELETE FROM heat WHERE time_ns <> 10000000000")
    refused(figure(), "database small, config 4g: its heat is too short to draw", status=1)
    with sqlite3.connect(heated) as db:
        db.execute("DROP TABLE heat")  # as a tmbench from before made it
    refused(figure(), "no run in", "has heat yet", status=1)
    refused(figure("--run", "1"), "run 1 has no heat", status=1)
    assert rows(heated, "SELECT count(*) FROM vmrun JOIN run_config USING (run_id)") == [(6,)]


@pytest.mark.parametrize("number, words", [
    ("1", ["Underneath", "QEMU process", "16 GiB or 28 GiB", "16/4/2 GiB", "8 GiB or 20 GiB", "buffer pool 75 %"]),
    ("2", ["Inside", "redis-server", "6/4/2/0 GiB", "guest's NVDIMM", "128 GiB"])])
def test_placements_are_drawn_from_the_scenarios(tmp_path, number, words):
    r = tmbench("figure", number, "--out", tmp_path)
    assert r.returncode == 0, r.stderr
    svg = (tmp_path / f"figure{number}.svg").read_text().replace("&apos;", "'").replace("&#39;", "'")
    for word in words:
        assert word in svg
    assert (tmp_path / f"figure{number}.png").read_bytes().startswith(b"\x89PNG")


def test_an_older_database_is_brought_up_to_date(tmp_path):
    """vmrun had no part, run no kind: what is recorded stays, and both kinds of run fit in."""
    path = tmp_path / "old.db"
    schema = (REPO / "results/schema.sql").read_text()
    old = re.sub(r"\n\tkind .*|\n\tpart .*", "", schema).replace("variant, part)", "variant)")
    assert old != schema
    with sqlite3.connect(path) as db:
        db.executescript(old)
        db.executescript("DROP TABLE run_parameter; DROP TABLE heat")
        db.execute("INSERT INTO run (started, status, scenario, baseline, scale, seed, repeats, keys, value_bytes, requests, vcpus, "
                   "server_vcpu, ram_bytes, pmem_bytes, profile, llc_kib) VALUES ('t', 'ok', 'figure3', 'b', 64, 1, 1, 9, 9, 9, 8, 2, 1, "
                   "1, 'p', 2048)")
        db.execute("INSERT INTO run_config VALUES (1, 0, 'b', 0, NULL, NULL)")
        db.execute("INSERT INTO run_phase VALUES (1, 0, 'set', '1:0', 'P:P')")
        db.execute("INSERT INTO vmrun (run_id, config, repeat, variant, status, started) VALUES (1, 'b', 1, 'default', 'ok', 't')")
        db.execute("INSERT INTO metric VALUES (1, 'set', 'ops', 'ops/s', 1234)")
    r = tmbench("report", "--db", path)
    assert r.returncode == 0 and "1,234" in r.stdout, r.stderr
    assert rows(path, "SELECT kind FROM run") == [("redis-inside",)]
    assert rows(path, "SELECT part, value FROM vmrun JOIN metric ON vmrun_id = vmrun.id") == [("", 1234)]
    assert rows(path, "SELECT count(*) FROM heat") == [(0,)]
    assert rows(path, "PRAGMA foreign_key_check") == [] and rows(path, "PRAGMA integrity_check") == [("ok",)]
