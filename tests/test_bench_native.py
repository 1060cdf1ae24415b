"""tmmove, tmalloc and what tmbench makes of them: `make bench-migrate` and `make bench-alloc`."""
import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from test_allocator import ROOT, TIERMEM

BIN = ROOT / "build/bin"
TRACE = ROOT / "workloads/tmalloc/traces/redis.csv"


def call(*argv, **env):
    return subprocess.run([str(a) for a in argv], text=True, capture_output=True, timeout=300, env={**os.environ, **env})


def says(done, code, *words):
    assert done.returncode == code and done.stdout == "", done
    line = done.stderr.strip()
    assert "\n" not in line and all(w in line for w in words), line


def managed(*argv, granule="64K", dram="256M"):
    return call(TIERMEM, "run", "--conf=", "--policy", "static", "--dram", dram, "--pmem", "memfd:64M", "--granule", granule, "--", *argv)


@pytest.mark.parametrize("granule, order, pause", [("4K", "random", 0), ("64K", "linear", 50), ("2M", "linear", 0)])
def test_tmmove_moves_all_of_it_and_loses_nothing(granule, order, pause):
    done = managed(BIN / "tmmove", "--size", "8M", "--batch", granule, "--order", order, "--pause", pause, "--seconds", 1, granule=granule)
    assert done.returncode == 0 and done.stderr == "", done
    figures = json.loads(done.stdout)
    assert figures["wrong"] == 0 and figures["still"]["count"] + figures["demote"]["access"]["count"] + figures["promote"]["access"]["count"] > 0
    for way in ("demote", "promote"):
        assert figures[way]["bytes"] >= 0.9 * figures[way]["calls"] * figures["batch"]  # threads of its own may hold a granule for a moment
        assert figures[way]["gb_s"] > 0 and figures[way]["access"]["max_us"] >= figures[way]["access"]["p50_us"]


@pytest.mark.parametrize("order", ["linear", "random"])
def test_what_moves_one_by_one_is_one_mapping_again(tmp_path, order):
    """More granules than a process can have mappings: promoted next to each other, in whatever order, they are merged by the kernel."""
    done = call(TIERMEM, "run", "--conf=", "--policy", "static", "--dram", "unlimited", "--pmem", "memfd:512M", "--granule", "4K", "--stats",
                tmp_path / "stats", "--", BIN / "tmmove", "--size", "160M", "--batch", "4K", "--order", order, "--pause", 1000, "--seconds", 1)
    assert done.returncode == 0 and done.stderr == "", done
    figures, stats = json.loads(done.stdout), json.loads((tmp_path / "stats").read_text())
    assert figures["wrong"] == 0 and figures["demote"]["bytes"] == figures["promote"]["bytes"] >= 160 << 20
    assert stats["migrations"]["failed"] == 0 and stats["mappings"] < 100
    if order == "linear":
        assert figures["mappings"] < 1000  # by the kernel's count, in the middle: all before is on PMEM, all behind in DRAM


def test_tmmove_says_what_is_missing():
    says(call(BIN / "tmmove"), 2, "tiermem run")
    says(managed(BIN / "tmmove", "--size", "8M", "--batch", "4K"), 2, "multiple", "65536")
    says(managed(BIN / "tmmove", "--size", "7k"), 2, "--size 7k", "multiple of 4K")
    says(managed(BIN / "tmmove", "--size", "8M", dram="0"), 1, "nothing moved to PMEM", "room for 8388608 bytes")


def test_tmalloc_frees_here_and_elsewhere():
    done = call(BIN / "tmalloc", "--trace", TRACE, "--threads", 3, "--remote", 50, "--operations", 20000)
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and figures["wrong"] == 0 and figures["operations"] == 60000
    assert 500 < figures["remote_frees"] < 60000 * 0.6  # half of what ends, as long as those who should free it do
    again = managed(BIN / "tmalloc", "--trace", TRACE, "--threads", 3, "--remote", 50, "--operations", 20000)
    figures = json.loads(again.stdout)
    assert again.returncode == 0 and figures["wrong"] == 0 and figures["remote_frees"] > 500


@pytest.mark.parametrize("text, words", [("", ["no line"]), ("16,3,1\n", ["line 1", "power of two"]), ("# x\n16,4\n", ["line 2"]),
                                         ("16,4,1,9\n", ["line 1"])])
def test_tmalloc_refuses_bad_traces(tmp_path, text, words):
    bad = tmp_path / "bad.csv"
    bad.write_text(text)
    says(call(BIN / "tmalloc", "--trace", bad), 2, str(bad), *words)


def test_recorder_counts_sizes_and_lifetimes(tmp_path):
    out = tmp_path / "trace.csv"
    source = tmp_path / "p.c"
    source.write_text("#include <stdlib.h>\nint main(void) { for (int i = 0; i < 5000; i++) { void *volatile a = malloc(100), "
                      "*volatile b = calloc(3, 1000); b = realloc(b, 7000); free(a); free(b); } return malloc(33) == 0; }\n")
    subprocess.run(["cc", "-O0", "-o", tmp_path / "p", source], check=True)
    assert call(tmp_path / "p", LD_PRELOAD=str(BIN.parent / "lib/libtmrecord.so"), TMRECORD=str(out)).returncode == 0
    rows = [r for r in csv.DictReader(out.open())]
    count = {}
    for r in rows:
        count[int(r["size"])] = count.get(int(r["size"]), 0) + int(r["count"])
    assert count[104] == count[3072] == count[7168] == 5000  # eight classes in a power of two
    assert any(r["size"] == "36" and r["lifetime"] == str(1 << 20) for r in rows)  # never freed
    assert call(BIN / "tmalloc", "--trace", out, "--operations", 1000).returncode == 0


def test_tmbench_migrate_reports_each_way(tmp_path):
    done = call(BIN / "tmbench", "migrate", "--size", "2M", "--seconds", 1, "--repeat", 1, "--pmem", "memfd:64M", "--out", tmp_path, "--format", "json")
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert {(c["granule"], c["order"], c["program"]) for c in cells} >= {("4K", "random", "idle"), ("2M", "linear", "load")}
    assert all(c["demote.gb_s"]["median"] > 0 for c in cells)
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == len(cells) + 1


def test_tmbench_migrate_says_why_it_fails(tmp_path):
    says(call(BIN / "tmbench", "migrate", "--pmem", "/nosuch/device", "--out", tmp_path), 1, "4K, 2M, linear, idle", "/nosuch/device")
    says(call(BIN / "tmbench", "migrate", "now"), 2, "'now'")


def test_tmbench_alloc_natively(tmp_path):
    done = call(BIN / "tmbench", "alloc", "--only", "native", "--operations", 5000, "--requests", 4000, "--repeat", 1, "--out", tmp_path,
                "--format", "json")
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["native"]
    assert {c["allocator"] for c in cells} >= {"jemalloc", "tiermem", "glibc"}
    assert "mimalloc" in {c["allocator"] for c in cells} or "mimalloc is skipped" in done.stderr
    assert {c["load"] for c in cells} == {"redis", "python", "mariadb", "redis-server"} and all(c["cpu_ns"]["median"] > 0 for c in cells)


def test_tmbench_alloc_in_simulated_time(tmp_path):
    done = call(BIN / "tmbench", "alloc", "--only", "simulated", "--trace", "python", "--operations", 2000, "--out", tmp_path, "--enforce",
                "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    (row,) = json.loads(done.stdout)["simulated"]
    assert row["trace"] == "python" and row["jemalloc_seconds"] > 0
    assert (done.returncode == 3) == (min(row["throughput"], row["throughput_quota"]) < 0.99)
