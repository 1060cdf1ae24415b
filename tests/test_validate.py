"""tmprobe's command line; and in a real guest, a part of `make validate-sim` that needs no data but the profile's own."""
import csv
import io
import json
import subprocess

import pytest

import simvm

TMPROBE = simvm.BUILD / "bin/tmprobe"
TMBENCH = simvm.BUILD / "bin/tmbench"
PROGRAMS = ("tmmark", "tmprobe")

BAD = [
    ([], "want either --path FILE or --dram"),
    (["--dram", "--path", "/dev/null"], "want either --path FILE or --dram"),
    (["--dram", "--test", "latency,speed"], "there is no test 'speed'"),
    (["--dram", "--test", ""], "there is no test ''"),
    (["--dram", "--threads", "0"], "--threads 0: want rising numbers"),
    (["--dram", "--threads", "4,2"], "--threads 4,2: want rising numbers"),
    (["--dram", "--threads", "1-"], "--threads 1-: want rising numbers"),
    (["--dram", "--region", "3"], "--region 3: want a size"),
    (["--dram", "--region", "-1M"], "--region -1M: want a size"),
    (["--dram", "--time", "fast"], "--time fast: want milliseconds"),
    (["--dram", "--warmup", "nan"], "--warmup nan: want milliseconds"),
    (["--dram", "--format", "xml"], "--format xml: there are human, csv and json"),
    (["--dram", "extra"], "'extra' is no option"),
]


@pytest.mark.parametrize("arguments,message", BAD, ids=[m for _, m in BAD])
def test_bad_use_is_one_line_and_status_2(arguments, message):
    done = subprocess.run([TMPROBE, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


@pytest.mark.parametrize("path,message", [("/nonexistent", "cannot open /nonexistent"), ("/dev/null", "has no size"),
                                          ("/proc", "cannot open /proc")])
def test_a_path_that_is_no_memory(path, message):
    done = subprocess.run([TMPROBE, "--path", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_runs_natively_and_its_json_is_json(tmp_path):
    memory = tmp_path / "memory"
    memory.write_bytes(b"\0" * (4 << 20))
    done = subprocess.run([TMPROBE, "--path", memory, "--region", "1M", "--threads", "1-2", "--test", "latency,bandwidth,mix",
                           "--time", "300", "--format", "json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert {f["test"] for f in figures} == {"latency", "bandwidth", "mix"}
    assert all(f["value"] >= 0 for f in figures if f["test"] != "latency")  # 0: a busy host left a thread no time at all
    assert any(f["value"] > 0 for f in figures)


def test_validate_names_what_is_wrong():
    for arguments, message in [(["--data", "/nonexistent"], "in /nonexistent"), (["--vcpus", "2"], "vcpus"),
                               (["extra"], "'extra' is no option")]:
        done = subprocess.run([TMBENCH, "validate", *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and message in done.stderr, done.stderr


SCRIPT = """
tmmark model on
probe() { tmprobe --format csv --mark --threads 1-2 "$@" >/tmp/figures || exit 1; cat /tmp/figures >/dev/ttyS1; }
probe --path /dev/dax1.0 --region 16M --test %s
%s
"""


def figures(guest):
    """{(memory's number, test, op, threads, bytes): value} of the tables that tmprobe printed."""
    assert guest.status == 0 and "@@exit 0" in guest.results, guest.stderr + guest.console
    out, table = {}, 0
    for row in csv.reader(io.StringIO(guest.results.replace("\r", ""))):
        if row[:1] == ["test"]:
            table += 1
        elif len(row) == 7:
            out[table, row[0], row[1], int(row[2]), int(row[3])] = float(row[5])
    return out


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    return simvm.run(tmp_path_factory.mktemp("validate"), SCRIPT % ("latency,bandwidth,chase", "probe --dram --region 16M "
                                                                    "--test latency,bandwidth"), programs=PROGRAMS, pmem_mib=64)


def check_one_core(got, settings):
    """What one thread measures of either tier is what the profile says, and the link's latency."""
    for table, tier in (1, "pmem"), (2, "dram"):
        random, link = settings[f"{tier}_random_ns"], settings[f"{tier}_remote_ns"]
        for op, key in ("read-random", "random_ns"), ("read-sequential", "sequential_ns"), ("ntstore", "nt_ns"), ("clwb", "clwb_ns"):
            assert got[table, "latency", op, 1, 0] == pytest.approx(settings[f"{tier}_{key}"] + link, rel=0.10), (tier, op)
        for op, key in ("read", "core_read_gbps"), ("ntstore", "core_write_gbps"), ("clwb", "core_clwb_gbps"):
            want = settings[f"{tier}_{key}"] * random / (random + link)  # as many lines in flight, each for longer
            assert got[table, "bandwidth", op, 1, 0] == pytest.approx(want, rel=0.05), (tier, op)


def test_latencies_and_one_core_are_the_profiles(guest):
    got = figures(guest)
    check_one_core(got, guest.events[0]["settings"])
    for table in 1, 2:
        for op in "read", "ntstore", "clwb":
            one, two = (got[table, "bandwidth", op, n, 0] for n in (1, 2))
            assert two == pytest.approx(2 * one, rel=0.05), op


@pytest.mark.parametrize("name", ["optane-200", "cxl-asic", "cxl-fpga", "numa-remote", "dram-only"])
def test_the_other_profiles_in_a_guest(name, tmp_path):
    script = SCRIPT.replace("--threads 1-2", "--threads 1") % ("latency,bandwidth", "probe --dram --region 16M --test latency,bandwidth")
    guest = simvm.run(tmp_path, script, programs=PROGRAMS, pmem_mib=32, profile=simvm.ROOT / f"sim/profiles/{name}.conf")
    assert guest.events[0]["profile"] == name
    check_one_core(figures(guest), guest.events[0]["settings"])


def test_latency_by_working_set_has_the_caches_steps(guest):
    settings = guest.events[0]["settings"]
    got = figures(guest)
    assert got[1, "chase", "read", 1, 16384] < 3
    assert got[1, "chase", "read", 1, 262144] == pytest.approx(settings["l2_hit_ns"], rel=0.4)
    assert got[1, "chase", "read", 1, 32 << 20] == pytest.approx(305, rel=0.12)


def test_statistics_have_media_bytes(guest):
    phase = guest.phase("bandwidth-ntstore-1-0-0")
    pmem = next(t for t in phase["tiers"] if t["name"] == "pmem")
    assert pmem["media_write_bytes"] == pytest.approx(pmem["write_bytes"] * 1.036, rel=0.02)
    assert pmem["write_amplification"] == pytest.approx(1.036, rel=0.02)


def test_one_dimm_amplification_and_its_bandwidth(tmp_path):
    guest = simvm.run(tmp_path, SCRIPT % ("bandwidth,amplification", ""), programs=PROGRAMS, pmem_mib=64, plugin=",set=pmem_dimms:1")
    got = figures(guest)
    assert got[1, "bandwidth", "ntstore", 2, 0] == pytest.approx(2.056, rel=0.05)
    for size, want, tolerance in (8192, 1.036, 0.02), (20480, 1.359, 0.10), (1 << 20, 2.07, 0.02):
        phase = guest.phase(f"amplification-ntstore-1-{size}-0")
        pmem = next(t for t in phase["tiers"] if t["name"] == "pmem")
        assert pmem["write_amplification"] == pytest.approx(want, rel=tolerance), size


def test_memory_mode_is_fast_where_the_dram_holds_it(tmp_path):
    guest = simvm.run(tmp_path, SCRIPT % ("chase", ""), programs=PROGRAMS, pmem_mib=64, plugin=",set=memory_mode_dram_mib:8")
    got = figures(guest)
    assert got[1, "chase", "read", 1, 4 << 20] < 130  # DRAM holds it all, the LLC a half
    assert got[1, "chase", "read", 1, 32 << 20] > 200  # most lines are not there, and cost both
