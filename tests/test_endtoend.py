"""The whole chain, real in every part: Redis under tiermem in simulated VMs, as make bench-redis does it, at a small scale."""
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TMBENCH = ROOT / "build/bin/tmbench"
PHASES = "set,get50,get100"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    db = tmp_path_factory.mktemp("endtoend") / "tiermem.db"
    done = subprocess.run([TMBENCH, "run", "figure3", "--scale", "512", "--config", "baseline,2g", "--phase", PHASES, "--no-native",
                           "--no-llc-sensitivity", "--db", db, "--runs", db.parent / "runs", "--format",
                           "json"], capture_output=True, text=True, timeout=600,
                          env=dict(os.environ, NO_COLOR="1"), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return db, json.loads(done.stdout)


def metrics(db, config, phase):
    with sqlite3.connect(db) as c:
        rows = c.execute("SELECT metric, value, ratio_to_baseline FROM summary WHERE config = ? AND phase = ?", (config, phase))
        return {metric: (value, ratio) for metric, value, ratio in rows}


@pytest.mark.parametrize("config", ["baseline", "2g"])
@pytest.mark.parametrize("phase", PHASES.split(","))
def test_every_request_answered_and_server_saturated(run, config, phase):
    m = metrics(run[0], config, phase)
    assert m["ops"][0] > 10000
    assert sum(v[0] for k, v in m.items() if k.startswith("errors")) == 0
    assert m["server_busy"][0] >= 0.95
    if phase == "get100":
        assert m["misses"][0] == 0 and m["hits"][0] > 0


def test_pmem_is_really_used_and_dram_quota_held(run):
    m = metrics(run[0], "2g", "get100")
    quota = 2 * 1024**3 / 512
    assert 0 < m["dram_bytes"][0] <= quota
    assert m["pmem_bytes"][0] > quota
    assert m["llc_pmem_share"][0] > 0.1
    assert metrics(run[0], "baseline", "get100")["llc_pmem_share"][0] == 0


def test_slower_memory_is_slower_but_not_by_much(run):
    ratio = metrics(run[0], "2g", "get100")["ops"][1]
    assert 0.7 < ratio < 1.01


def test_json_report_says_what_was_simulated(run):
    report = run[1]
    assert report["schema"] >= 1
    text = json.dumps(report)
    assert "optane-100" in text and '"seed"' in text and '"scale"' in text
