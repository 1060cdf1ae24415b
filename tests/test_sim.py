"""The simulator under stock QEMU: simulated time in a real guest, where accesses go, marks, and what it refuses."""
import json

import pytest

import simvm

SCRIPT = """
tmmark model on
cat /proc/uptime >/tmp/u0
tmmark begin sleep
sleep 10
tmmark end
cat /proc/uptime >/tmp/u1
echo "uptimes $(cut -d' ' -f1 /tmp/u0) $(cut -d' ' -f1 /tmp/u1)" >/dev/ttyS1
echo "clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" >/dev/ttyS1
tmmark begin spin0
taskset -c 0 sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done'
tmmark begin both
taskset -c 0 sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done' &
taskset -c 1 sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'
wait
tmmark end
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    return simvm.run(tmp_path_factory.mktemp("sim"), SCRIPT, pmem_mib=256)


def test_guest_runs_to_its_end(guest):
    assert guest.status == 0, guest.stderr + guest.console
    assert "@@exit 0" in guest.results
    assert guest.events[0]["event"] == "start" and guest.events[0]["profile"] == "optane-100"
    assert guest.events[-1]["event"] == "exit"


def test_sleep_takes_its_simulated_time(guest):
    phase = guest.phase("sleep")
    assert 10.0 <= (phase["end_ns"] - phase["begin_ns"]) / 1e9 < 10.05
    words = next(line for line in guest.results.splitlines() if line.startswith("uptimes")).split()
    assert 10.0 <= float(words[2]) - float(words[1]) < 10.1
    assert guest.events[-1]["host_s"] < 200


def test_guest_is_off_the_host_clock(guest):
    assert "clock hpet" in guest.results


def test_idle_vcpus_are_idle_and_add_up(guest):
    phase = guest.phase("sleep")
    total = phase["end_ns"] - phase["begin_ns"]
    for v in phase["vcpus"]:
        assert abs(v["busy_ns"] + v["idle_ns"] - total) < total * 0.001
        assert v["idle_ns"] > total * 0.99


def test_two_vcpus_run_in_parallel_simulated_time(guest):
    phase = guest.phase("both")
    total = phase["end_ns"] - phase["begin_ns"]
    busy = [v["busy_ns"] for v in phase["vcpus"]]
    assert sum(busy) > total * 1.6, phase
    assert max(busy) <= total * 1.01


def test_dram_only_work_touches_no_pmem(guest):
    phase = guest.phase("spin0")
    assert sum(v["llc_misses_pmem"] for v in phase["vcpus"]) == 0
    assert sum(v["instructions"] for v in phase["vcpus"]) > 100000


REFUSED = [
    (dict(plugin=",set=clock_ghz:3"), "unknown profile key 'clock_ghz'"),
    (dict(plugin=",set=llc_kib:lots"), "llc_kib = 'lots': not a number"),
    (dict(vcpus=65), "65 vCPUs are too many"),
    (dict(plugin=",colour=red"), "unknown option 'colour'"),
    (dict(preload=False), "must be in LD_PRELOAD"),
    (dict(plugin=",profile=/nonexistent.conf"), "cannot read profile"),
]


@pytest.mark.parametrize("how,message", REFUSED, ids=[m for _, m in REFUSED])
def test_refuses_in_one_line(tmp_path, how, message):
    if how.get("plugin", "").startswith(",profile="):
        how = dict(plugin="")
        saved, simvm.PROFILE = simvm.PROFILE, "/nonexistent.conf"
    else:
        saved = simvm.PROFILE
    try:
        guest = simvm.run(tmp_path, "exit 0", **how)
    finally:
        simvm.PROFILE = saved
    assert guest.status != 0
    lines = [line for line in guest.stderr.splitlines() if line.startswith("tmsim:")]
    assert len(lines) == 1 and message in lines[0], guest.stderr


def test_unknown_pmem_backend_ends_the_run(tmp_path):
    guest = simvm.run(tmp_path, "tmmark begin x\ntmmark end", plugin=",pmem=nosuch")
    assert guest.status != 0
    assert "pmem=nosuch: the machine has no memory backend of that id" in guest.stderr
