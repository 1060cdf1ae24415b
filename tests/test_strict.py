"""Strict mode: the same inputs give the same bytes, whatever else the host does. Disks and rdtsc in simulated time."""
import concurrent.futures
import contextlib
import subprocess
import sys

import pytest

import simvm

# Redis, its client, the allocator with a small quota: threads, timers, page faults and migrations on every vCPU.
REDIS = """
sysctl -q net.core.somaxconn=1024
tiermem run --dram 2M --pmem /dev/dax1.0 --granule 4K -- redis-server --save '' --bind 127.0.0.1 --daemonize no >/tm/log 2>&1 &
pid=$!
tmmark model on
load() { tmload -t 2 -c 5 -p 6379 --distinct-client-seed --key-maximum 2000 -d 1024 "$@" --wait-for-server 30 || { cat /tm/log; exit 1; }; }
load --mark set --ratio 1:0 --key-pattern P:P -n allkeys
load --mark get --ratio 1:9 --key-pattern R:R -n 200
tiermem stats $pid
cat /proc/interrupts
redis-cli shutdown nosave
date +%s.%N
"""


@contextlib.contextmanager
def busy_host():
    """Two busy loops beside, as many as the machine that the issue names has cores."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for p in loops:
            p.kill()
            p.wait()


def same(a, b):
    assert a.status == 0 and "@@exit 0" in a.results, a.stderr + a.console
    assert a.console == b.console
    assert a.results == b.results
    assert a.stats == b.stats
    assert a.stderr == b.stderr


def at_once(once, names):
    """Runs VMs beside each other: each is load for the others."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(once, names))


@pytest.mark.parametrize("vcpus", [1, 2, 4, 8])
def test_same_bytes_on_an_idle_and_a_busy_host(tmp_path, vcpus):
    def once(name):
        (tmp_path / name).mkdir()
        return simvm.run(tmp_path / name, REDIS, programs=("tmmark", "tmload", "tiermem"), libraries=("libtiermem-preload.so",),
                         vcpus=vcpus, pmem_mib=256, plugin=",strict=on", timeout=400)
    if vcpus == 8:
        a = once("idle")
        with busy_host():
            b = once("busy")
    else:
        a, b = at_once(once, ("one", "other"))
    same(a, b)
    assert a.phase("get")["tiers"][1]["reads"] > 1000
    assert sum(v["instructions"] for v in a.phase("set")["vcpus"]) > 10_000_000


def test_another_seed_is_another_run(tmp_path):
    def once(name):
        (tmp_path / name).mkdir()
        return simvm.run(tmp_path / name, "cat /proc/sys/kernel/random/uuid >/dev/ttyS1", plugin=",strict=on", seed=int(name[0]))
    a, b, c = at_once(once, ("1", "1 again", "2"))
    assert a.results == b.results != c.results


DISK = """
tmmark model on
t() { s=$(date +%s%N); "$@" 2>/dev/null || exit 1; e=$(date +%s%N); echo "@ $(((e - s) / 1000))" >/dev/ttyS1; }
t dd if=/dev/vda of=/dev/null bs=4k count=500 iflag=direct
t dd if=/dev/vda of=/dev/null bs=1M count=64 iflag=direct
t dd if=/dev/zero of=/dev/vda bs=4k count=500 oflag=direct
t dd if=/dev/zero of=/dev/vda bs=4k count=200 oflag=dsync
dd if=/dev/vda bs=1M count=8 2>/dev/null | md5sum
dd if=/dev/vda of=/dev/null bs=64k 2>/dev/null & dd if=/dev/zero of=/dev/vda bs=64k seek=100 count=100 2>/dev/null & wait
cat /proc/diskstats /proc/interrupts
"""


def test_disk_takes_what_its_profile_says(tmp_path):
    def once(name):
        (tmp_path / name).mkdir()
        image = tmp_path / name / "disk"
        with open(image, "wb") as f:
            f.truncate(128 << 20)
        return simvm.run(tmp_path / name, DISK, plugin=",strict=on",
                         qemu=("-drive", f"file={image},format=raw,if=virtio,cache=none,aio=threads"))
    a = once("idle")
    with busy_host():
        b = once("busy")
    same(a, b)
    read4k, read1m, write4k, sync4k = [int(line.split()[1]) for line in a.results.splitlines() if line.startswith("@ ")]
    # optane-100's disk: 77 us to read, 18 us to write, 10 us to flush, 3.2 GB/s; the kernel and dd take some time too.
    assert 500 * 77 < read4k < 500 * 110
    assert 500 * 18 < write4k < 500 * 50
    assert 200 * 28 < sync4k < 200 * 90
    assert 64 * 1.048576e6 / 3200 < read1m < 64 * 1.048576e6 / 3200 * 1.6


def test_rdtsc_is_simulated_time(tmp_path):
    """Programs execute it although the guest's CPU has none."""
    source = simvm.ROOT / "tests/guest/ticks.c"
    subprocess.run(["cc", "-O1", "-static", "-o", tmp_path / "ticks", source], check=True)

    def once(name):
        (tmp_path / name).mkdir()
        return simvm.run(tmp_path / name, "ticks >/dev/ttyS1", extra={"ticks": tmp_path / "ticks"}, plugin=",strict=on")
    a, b = at_once(once, ("one", "other"))
    same(a, b)
    words = next(line.split() for line in a.results.splitlines() if line.startswith("ticks"))
    assert 250 <= int(words[1]) <= 260 and 250 <= int(words[3]) <= 260


def test_guest_can_have_a_tsc_clock(tmp_path):
    """With a TSC in its CPU the guest takes it as its clock, and it goes as fast as the others."""
    script = """
cat /sys/devices/system/clocksource/clocksource0/current_clocksource >/dev/ttyS1
tmmark begin sleep
sleep 2
tmmark end
dmesg | grep -i tsc
"""
    guest = simvm.run(tmp_path, script, cpu="max,-erms,-fsrm", append="clocksource=tsc tsc=reliable", plugin=",strict=on")
    assert guest.results.split()[0] == "tsc", guest.console
    phase = guest.phase("sleep")
    assert 1.99 <= (phase["end_ns"] - phase["begin_ns"]) / 1e9 <= 2.02, guest.console


def test_strict_takes_on_or_off(tmp_path):
    guest = simvm.run(tmp_path, "exit 0", plugin=",strict=perhaps")
    assert guest.status != 0 and "strict=perhaps: want strict=on or strict=off" in guest.stderr
