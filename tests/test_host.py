"""tmbench host: what a calibration becomes, when two throughputs are the same, what it says when it cannot. Nothing is timed."""
import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
TMBENCH = REPO / "build/bin/tmbench"
TMLOOP = REPO / "build/bin/tmloop"

KERNELS = {"sort": "program", "text": "program", "lookup": "program", "json": "program", "sql": "program", "regex": "program",
           "mixed": "program", "syscall": "system", "file": "system", "socket": "system", "switch": "system"}


def chase(size, l1=32, l2=1024, llc=8192):
    """A latency curve with sharp edges."""
    return 0 if size <= l1 * 1024 else 3 if size <= l2 * 512 else 6 if size <= l2 * 1024 else 20 if size <= llc * 512 else 120


def calibration(path, **more):
    """Figures of a machine that is known: programs' instructions take 0.1 ns, the system's 0.5, after 10 ns of stalls."""
    figures = {f"chase-{1 << k}": chase(1 << k) for k in range(12, 27)}
    figures |= {"latency-ntstore": 90, "latency-clwb": 60, "bandwidth-read": 12, "bandwidth-ntstore": 8, "bandwidth-clwb": 4,
                "l1_kib": 32, "l2_kib": 1024, "l2_ways": 8, "llc_ways": 16}
    for kernel, of in KERNELS.items():
        figures |= {f"instructions-{kernel}": 1000, f"stall-{kernel}": 10, f"loop-{kernel}": 110 if of == "program" else 510}
    figures |= more
    path.write_text("figure,value\n" + "".join(f"{name},{value}\n" for name, value in figures.items() if value is not None))
    return path


def host(*args, **env):
    return subprocess.run([str(TMBENCH), "host", *map(str, args)], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, NO_COLOR="1", **env))


def profile(tmp_path, **figures):
    """The profile that a calibration gives."""
    measured = calibration(tmp_path / "calibration.csv", **figures)
    done = host("--profile-only", "--calibration", measured, "--profile", tmp_path / "p.conf", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    ini = configparser.ConfigParser(inline_comment_prefixes=None)
    ini.read(tmp_path / "p.conf")
    return {k: v if k == "name" else float(v) for s in ini.sections() for k, v in ini[s].items()}, done


def test_a_wake_up_is_a_quarter_of_the_exchange_beyond_its_instructions(tmp_path):
    p, _ = profile(tmp_path, **{"instructions-wake": 40000, "stall-wake": 1000, "loop-wake": 59000})
    assert p["wake_ns"] == pytest.approx(9500, rel=0.02)
    p, _ = profile(tmp_path, **{"instructions-wake": 40000, "stall-wake": 1000, "loop-wake": 20000})  # an exchange that is cheaper
    assert "wake_ns" not in p


def test_a_profile_is_what_was_measured(tmp_path):
    p, done = profile(tmp_path)
    assert p["name"] == "this-host"
    assert p["ns_per_instruction"] == pytest.approx(0.1)
    assert p["system_ns_per_instruction"] == pytest.approx(0.5)
    assert (p["l1_kib"], p["l2_kib"], p["l2_ways"], p["llc_ways"]) == (32, 1024, 8, 16)
    assert p["l2_hit_ns"] == pytest.approx(3, rel=0.2)
    assert p["dram_random_ns"] == pytest.approx(120, rel=0.1)
    assert 4096 <= p["llc_kib"] <= 12288
    assert (p["dram_nt_ns"], p["dram_clwb_ns"], p["dram_core_read_gbps"]) == (90, 60, 12)
    # the second tier is the first, and no key that was measured is there twice, as a default too
    assert all(p[k.replace("dram_", "pmem_", 1)] == v for k, v in p.items() if k.startswith("dram_"))
    keys = re.findall(r"^(\w+) =", (tmp_path / "p.conf").read_text(), re.M)
    assert len(keys) == len(set(keys))
    for key in ("ns_per_instruction", "llc_kib", "dram_core_clwb_gbps"):
        assert key in done.stdout


def test_every_key_says_where_it_is_from(tmp_path):
    profile(tmp_path)
    source = None
    for line in (tmp_path / "p.conf").read_text().splitlines():
        if line.startswith("["):
            source = None
        elif line.startswith("; ["):
            source = line[2:5]
        elif " = " in line and not line.startswith(("name", ";")):
            assert source in ("[M]", "[D]", "[C]"), line


def test_the_simulator_takes_the_profile(tmp_path):
    profile(tmp_path)
    check = [str(REPO / "build/bin/tmsim"), "run", "--dry-run", "--quiet", "--profile", str(tmp_path / "p.conf"), "--",
             "qemu-system-x86_64", "-machine", "q35", "-display", "none"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (tmp_path / "p.conf").write_text((tmp_path / "p.conf").read_text().replace("system_ns_per_instruction", "system_ns"))
    done = subprocess.run(check, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "unknown profile key 'system_ns'" in done.stderr


def test_medians_count_and_private_caches_may_be_unknown(tmp_path):
    p, _ = profile(tmp_path, **{"l1_kib": 0, "l2_kib": 0})
    assert (p["l1_kib"], p["l2_kib"]) == (32, 1024)
    path = calibration(tmp_path / "c.csv")
    path.write_text(path.read_text() + "bandwidth-read,14\nbandwidth-read,1\n")
    done = host("--profile-only", "--calibration", path, "--profile", tmp_path / "p.conf", "--out", tmp_path)
    assert done.returncode == 0
    assert "\ndram_core_read_gbps = 12\n" in (tmp_path / "p.conf").read_text()
    assert "median of 3, spread 108 %" in done.stdout


@pytest.mark.parametrize("text, says", [
    ("figure,value\nchase-4096\n", ":2: want a line 'figure,value'"),
    ("figure,value\nchase-4096,fast\n", ":2: want a line 'figure,value'"),
    ("loop-sort,1\ninstructions-sort,1\nloop-syscall,1\ninstructions-syscall,1\n", "the calibration has no latency curve"),
])
def test_a_calibration_that_is_none(tmp_path, text, says):
    (tmp_path / "c.csv").write_text(text)
    done = host("--profile-only", "--calibration", tmp_path / "c.csv", "--profile", tmp_path / "p.conf", "--out", tmp_path)
    assert done.returncode == 1
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "p.conf").exists()


def runs(tmp_path, native, simulated, load="redis"):
    """A file of runs: pairs of operations per CPU second and per second."""
    lines = [f"{load},native,{i + 1},{v},{v * 0.98},0.8" for i, v in enumerate(native)]
    path = tmp_path / "runs.csv"
    lines.append(f"{load},simulated,1,{simulated},{simulated * 0.5},0.7")
    path.write_text("\n".join(["load,side,run,per_cpu_s,per_s,system", *lines, ""]))
    return path


@pytest.mark.parametrize("native, simulated, missed", [
    ([100000, 90000, 120000], 100000, 0),
    ([100000], 114900, 0),
    ([100000], 116000, 1),
    ([100000], 85100, 0),
    ([100000], 84000, 1),
    ([100, 1000, 1000, 1000, 5000], 1100, 0),
])
def test_the_verdict(tmp_path, native, simulated, missed):
    done = host("--runs", runs(tmp_path, native, simulated))
    assert done.returncode == 0, done.stderr
    assert f"\n{missed} outside the bound\n" in done.stdout
    judged = [line for line in done.stdout.splitlines() if "per server CPU s" in line]
    assert len(judged) == 1 and judged[0].rstrip().endswith("outside" if missed else "holds")
    assert "outside (not judged)" in done.stdout  # throughput by the clock is half of it
    assert host("--runs", tmp_path / "runs.csv", "--enforce").returncode == (3 if missed else 0)


def test_on_one_cpu_both_programs_count(tmp_path):
    done = host("--runs", runs(tmp_path, [1000], 1010, "sysbench-1cpu"))
    assert "transactions per CPU s" in done.stdout and "0 outside" in done.stdout


def test_a_side_without_runs_is_no_result(tmp_path):
    (tmp_path / "r.csv").write_text("load,side,run,per_cpu_s,per_s,system\nredis,native,1,1,1,0\n")
    done = host("--runs", tmp_path / "r.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("tmbench: no load was measured on both sides") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("line", ["redis,native,1,5", "redis,native,1,5,x,0", "redis,both,1,5,5,0", "postgres,native,1,5,5,0",
                                  "redis,native,1,-5,5,0"])
def test_runs_that_are_none(tmp_path, line):
    (tmp_path / "r.csv").write_text("load,side,run,per_cpu_s,per_s,system\n" + line + "\n")
    done = host("--runs", tmp_path / "r.csv")
    assert done.returncode == 1
    assert "r.csv:2: want a line" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("args, says", [
    (("--load", "redi"), "--load redi: 'redi' is none of: redis sysbench redis-1cpu sysbench-1cpu"),
    (("--load", "redis,"), "--load redis,: '' is none of"),
    (("--rounds", "0"), "--rounds 0: must be a whole number from 1 to"),
    (("--rounds", "many"), "--rounds many"),
    (("--progress", "maybe"), "--progress"),
    (("--fast",), "unknown option --fast"),
    (("redis",), "'redis' is no option of tmbench host"),
    (("--runs", "a", "--profile-only"), "--runs compares what was run: it takes no --profile-only"),
    (("--runs", "a", "--calibration", "b"), "--runs compares what was run: it takes no --calibration"),
])
def test_usage(args, says):
    done = host(*args)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize("option", ["--runs", "--calibration"])
def test_a_file_that_is_not_there(option):
    done = host(option, "/nowhere.csv")
    assert done.returncode == 1
    assert done.stderr == "tmbench: cannot read /nowhere.csv: No such file or directory\n"


def test_what_is_not_built_is_named_before_anything_runs(tmp_path):
    done = host(TMBENCH_ROOT=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"tmbench: {tmp_path}/build/bin/tmload is missing; run `make all`\n"


def test_tmloop_measures_every_kernel():
    done = subprocess.run([str(TMLOOP), "--rounds", "1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert rows[0] == ["kernel", "of", "operations", "ns"]
    assert {r[0]: r[1] for r in rows[1:] if r[0] != "wake"} == KERNELS
    assert all(int(r[2]) > 0 and float(r[3]) > 0 for r in rows[1:])


@pytest.mark.parametrize("args", [("--rounds", "0"), ("--rounds", "1x"), ("--cpu", "-1"), ("--nothing",), ("more",)])
def test_tmloop_usage(args):
    done = subprocess.run([str(TMLOOP), *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout


@pytest.mark.parametrize("value", ["0", "1K", "many", "4Q"])
def test_tmprobe_warm(value):
    done = subprocess.run([str(REPO / "build/bin/tmprobe"), "--dram", "--warm", value], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 2
    assert done.stderr == f"tmprobe: --warm {value}: want a size from 4K, such as 64M\n"
