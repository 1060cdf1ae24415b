"""Several processes on one pool of PMEM, with one DRAM budget: frames are never handed out twice, the budget holds, and what belonged to a
process that was killed comes back. On a file, which behaves as a device does."""
import fcntl
import json
import os
import re
import subprocess
import time

import pytest

import simvm
from test_allocator import MB, TIERMEM, run

# Blocks with contents that tell whose they are, looked at all the time: bytes of another process would show.
KEEPER = """
import random, sys
seed, steps = int(sys.argv[1]), int(sys.argv[2])
r = random.Random(seed)
blocks = {}
def check(k):
    assert blocks[k] == bytes([(k * 7 + seed) % 256]) * len(blocks[k]), (seed, k)
print("ready", flush=True)
for i in range(steps):
    k = r.randrange(3000)
    if k in blocks:
        check(k)
    blocks[k] = bytes([(k * 7 + seed) % 256]) * r.choice([600, 5000, 20000])
print("full", flush=True)
while sys.stdin.read(1) == "c":
    for k in blocks:
        check(k)
    print("checked", flush=True)
"""


def make_file(path, size):
    path.touch()
    os.truncate(path, size)
    return path


@pytest.fixture
def pool(request, tmp_path):
    """256 MB: a file, or several (indirect)."""
    n = getattr(request, "param", 1)
    files = [make_file(tmp_path / f"pool{i}", 256 // n * MB) for i in range(n)]
    return files[0] if n == 1 else ",".join(map(str, files))


@pytest.fixture
def keepers(pool):
    """Starts keepers on the pool; ends those that are left."""
    started = []

    def start(seed, steps, *options, env=None):
        started.append(subprocess.Popen([TIERMEM, "run", "--pmem", pool, "--granule", "4K", *options, "--", "/usr/bin/python3", "-c", KEEPER,
                                         str(seed), str(steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})}))
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield start
    for p in started:
        p.kill()
        p.wait()


def stats(process):
    done = subprocess.run([TIERMEM, "stats", str(process.pid), "--format", "json"], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(process):
    process.stdin.write("c")
    process.stdin.flush()
    assert process.stdout.readline() == "checked\n"


def end(process):
    process.stdin.close()
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("pool", [1, 2, 3], indirect=True)
def test_processes_that_are_killed_share_a_pool(keepers):
    options, wild = ["--dram", "16M", "--pool-dram", "24M"], {"TIERMEM_TEST_MIGRATE": "random"}
    running = [keepers(seed, 10**9, *options, env=wild) for seed in range(3)]
    for n in range(9):
        time.sleep(0.3)
        now = stats(running[1])
        assert now["pool"]["processes"] == 3 and now["pool"]["dram_limit_bytes"] == 24 * MB
        assert now["pool"]["dram_bytes"] <= 24 * MB
        running[0].kill()
        running[0].wait()
        running = running[1:] + [keepers(100 + n, 4000 if n > 5 else 10**9, *options, env=wild)]
    for process in running:
        assert process.stdout.readline() == "full\n"
        check(process)
    time.sleep(1.1)  # who looks for the dead does so once a second
    last = keepers(50, 4000, *options)
    assert last.stdout.readline() == "full\n"
    now = stats(last)
    assert now["pool"]["processes"] == 4
    mine = sum(stats(p)["tiers"]["pmem"]["bytes"] for p in [*running, last])
    missing = now["pmem"]["bytes"] - now["pool"]["pmem_free_bytes"] - mine  # mapped ahead of use, or on their way
    assert -MB < missing < 8 * MB, now
    for process in [*running, last]:
        check(process)
        end(process)


def test_one_that_has_more_than_its_share_gives_way(keepers):
    options = ["--pool-dram", "24M", "--bandwidth", "1G"]
    first = keepers(1, 4000, *options)
    assert first.stdout.readline() == "full\n"
    deadline = time.monotonic() + 30
    while stats(first)["tiers"]["dram"]["bytes"] < 20 * MB:
        assert time.monotonic() < deadline, stats(first)
        time.sleep(0.1)
    second = keepers(2, 4000, *options)
    assert second.stdout.readline() == "full\n"
    while stats(second)["tiers"]["dram"]["bytes"] < 10 * MB:
        assert time.monotonic() < deadline, (stats(first), stats(second))
        assert stats(second)["pool"]["dram_bytes"] <= 24 * MB
        time.sleep(0.1)
    for process in first, second:
        check(process)
        end(process)


def test_the_budget_is_the_most_that_a_quota_can_be(keepers):
    process = keepers(1, 4000, "--pool-dram", "8M")
    assert stats(process)["dram_quota_bytes"] == 8 * MB
    done = subprocess.run([TIERMEM, "quota", str(process.pid), "unlimited"], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert stats(process)["dram_quota_bytes"] == 8 * MB


def test_who_cannot_share_is_told_why(keepers, pool):
    first = keepers(1, 10)
    done = run(["--pmem", pool, "--granule", "64K"], ["/bin/true"])
    assert done.returncode == 1 and "is in use with granules of 4096 bytes; use --granule 4K" in done.stderr
    assert done.stderr.count("\n") == 1
    end(first)
    assert run(["--pmem", pool, "--granule", "64K"], ["/bin/true"]).returncode == 0
    with open(pool) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run(["--pmem", pool], ["/bin/true"])
    assert done.returncode == 1 and "is in use by a process that does not share it" in done.stderr
    os.truncate(pool, 8192)
    done = run(["--pmem", pool, "--granule", "4K"], ["/bin/true"])
    assert done.returncode == 1 and "too small" in done.stderr


def test_lists_of_devices_that_are_not_the_same(programs, tmp_path):
    """Who uses a device of a list must use the whole list, in any order; all else is refused with a line, whoever comes first."""
    a, b, c = (str(make_file(tmp_path / name, 32 * MB)) for name in "abc")
    hold = [programs / "stress", "1", "1"]

    def tried(value):
        return run(["--pmem", value, "--granule", "4K"], ["/bin/true"])

    def held(value):
        with subprocess.Popen([TIERMEM, "run", "--pmem", value, "--granule", "4K", "--", "/usr/bin/python3", "-S", "-c",
                               "print(1, flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
            assert p.stdout.readline() == "1\n"
            yield stats(p)
            p.communicate("\n")
            assert p.returncode == 0

    for now in held(f"{a},{b}"):
        assert now["pmem"]["devices"] == 2 and now["pmem"]["stripe_bytes"] == MB and 60 * MB < now["pmem"]["bytes"] < 64 * MB
        assert run(["--pmem", f"{b},{a}", "--dram", "1M", "--granule", "4K"], hold).returncode == 0
        assert tried(c).returncode == 0
        for other in (a, b, f"{b},{c}", f"{c},{a}", f"{a},{b},{c}"):
            done = tried(other)
            assert done.returncode == 1 and "is in use as one of 2 devices; give the same --pmem as who uses it" in done.stderr
            assert done.stderr.count("\n") == 1
    for now in held(b):
        assert now["pmem"]["devices"] == 1 and now["pmem"]["stripe_bytes"] is None
        for other in (f"{a},{b}", f"{b},{c}"):
            assert f"{b} is in use alone; give" in tried(other).stderr
    for value, why in ((f"{a},{a}", "a is there twice"), (f"{a},memfd:1G", "must be of one kind"), (f"{a},", "a path is missing"),
                       (f"{a},auto", "'auto' cannot be one of several"), (f"{a},numa:1", "cannot be one of several"),
                       (",".join([a, b, c] * 3), "twice"), (f"{a},{tmp_path}/none", "cannot open"), ("memfd:4K,memfd:1G", "")):
        done = tried(value)
        assert (done.returncode in (1, 2) and why in done.stderr if why else done.returncode == 0), (value, done)
        assert done.stderr.count("\n") == bool(why)


@pytest.mark.parametrize("granule", ["4K", "64K", "2M"])
def test_devices_have_equal_parts(programs, tmp_path, granule):
    """Contents under forced migration, and how much of each file is in use at the end, by the file system."""
    files = [make_file(tmp_path / name, 96 * MB) for name in "ab"]
    done = run(["--pmem", "a,b", "--dram", "4M", "--granule", granule], [programs / "stress", "2", "3", "family"], cwd=tmp_path,
               env={"TIERMEM_TEST_MIGRATE": "random"})
    assert done.returncode == 0 and done.stdout.startswith("ok"), done
    done = run(["--pmem", "a,b", "--dram", "0", "--granule", granule], [programs / "fill_memory", "80000"], cwd=tmp_path)
    assert done.returncode == 0, done
    used = [os.stat(f).st_blocks * 512 for f in files]
    assert min(used) > 32 * MB and max(used) - min(used) <= 8 * MB, used


def test_what_a_power_cut_leaves_behind_is_nothing(keepers, pool):
    """The ledger of the run before says that frames are taken by processes; none of them is there to be asked."""
    first = keepers(1, 4000, "--dram", "1M")
    assert first.stdout.readline() == "full\n"
    first.kill()
    first.wait()
    second = keepers(2, 10, "--dram", "1M")
    now = stats(second)
    assert now["pool"]["processes"] == 1
    assert now["pool"]["pmem_free_bytes"] >= now["pmem"]["bytes"] - now["tiers"]["pmem"]["bytes"] - 3 * MB  # mapped ahead of use


DEVICES = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
manage="tiermem run --dram 8M --pool-dram 12M --pmem /dev/dax1.0 --granule 4K --"
server() { $manage redis-server --save '' --bind 127.0.0.1 --port $1 --daemonize no >/tm/log$1 2>&1 & eval s$1=$!; }
load() { tmload -t 1 -c 2 -p $1 --key-maximum 4000 -d 1024 --wait-for-server 60 $2 $3 --key-pattern P:P -n allkeys >/tm/out || cat /tm/out /tm/log$1; }
server 6001; server 6002; load 6001 --ratio 1:0; load 6002 --ratio 1:0
kill -9 $s6001; wait $s6001; sleep 1.5
server 6003; load 6003 --ratio 1:0
TIERMEM_TEST_MIGRATE=random $manage stress 2 2 family
redis-cli -p 6002 dbsize; redis-cli -p 6003 dbsize
load 6002 --ratio 0:1; load 6003 --ratio 0:1
sleep 2
tiermem stats $s6002 --json | tr ',' '\\n' | grep -E '"processes"|pmem_free|kind'
tiermem stats $s6002 | grep ^pool
redis-cli -p 6002 shutdown nosave; redis-cli -p 6003 shutdown nosave; wait
"""


@pytest.mark.skipif(not (simvm.BUILD / "guest/root.img").exists(), reason="make guest has not been run")
def test_a_device_that_processes_share(programs, tmp_path):
    """devdax, which refuses private mappings: servers, one of them killed, and a family of children on one device."""
    guest = simvm.run(tmp_path, DEVICES, programs=("tiermem", "tmload"), libraries=("libtiermem-preload.so",),
                      extra={"stress": programs / "stress"}, pmem_mib=128, memory="768M", timeout=500)
    assert "@@exit 0" in guest.results, guest.results + guest.console
    assert "\nok " in guest.results.replace("\r", ""), guest.results
    assert guest.results.replace("\r", "").count("(integer) 4001") == 2 and '"devdax"' in guest.results, guest.results
    assert "pool: 2 processes with" in guest.results and "of 12.0 together" in guest.results, guest.results


INTERLEAVED = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
ndctl create-namespace -f -e namespace2.0 -m devdax -a 4096 -M mem >/dev/null || echo no second device
tiermem doctor | grep devdax
manage="tiermem run --dram 4M --pool-dram 8M --granule 4K"
server() { $manage --pmem $2 -- redis-server --save '' --bind 127.0.0.1 --port $1 --daemonize no >/tm/log$1 2>&1 & eval s$1=$!; }
load() { tmload -t 1 -c 2 -p $1 --key-maximum 6000 -d 1024 --wait-for-server 60 $2 $3 --key-pattern P:P -n allkeys >/tm/out || cat /tm/out /tm/log$1; }
server 6001 auto; load 6001 --ratio 1:0
server 6002 /dev/dax2.0,/dev/dax1.0; load 6002 --ratio 1:0
kill -9 $s6001; wait $s6001; sleep 1.5
server 6003 auto; load 6003 --ratio 1:0
TIERMEM_TEST_MIGRATE=random $manage --pmem auto -- stress 2 3 family
TIERMEM_TEST_MIGRATE=random $manage --pmem auto -- direct_io /dev/vda 2 libaio
for p in /dev/dax1.0 /dev/dax2.0; do $manage --pmem $p -- true; done
load 6002 --ratio 0:1; load 6003 --ratio 0:1
redis-cli -p 6002 dbsize; redis-cli -p 6003 dbsize
for s in $s6002 $s6003; do # MiB of mappings of each device, by the kernel's account, without the alias
	grep dev.dax /proc/$s/maps | while read range a b c d path; do echo $path $(((0x${range#*-} - 0x${range%-*}) / 4096)); done |
		awk '$2 < 4096 { s[$1] += $2 } END { printf "devices %.1f %.1f\\n", s["/dev/dax1.0"] / 256, s["/dev/dax2.0"] / 256 }'
done
tiermem stats $s6002 | grep -E '^pool|^pmem:'
redis-cli -p 6002 shutdown nosave; redis-cli -p 6003 shutdown nosave; wait
"""


@pytest.mark.skipif(not (simvm.BUILD / "guest/root.img").exists(), reason="make guest has not been run")
def test_two_devices_interleaved(programs, tmp_path):
    """devdax: servers that share two devices, one of them killed; both devices have half of what each server has."""
    (tmp_path / "disk").write_bytes(bytes(8 * MB))
    options = ["-object", "memory-backend-ram,id=pmem1,size=96M", "-device", "nvdimm,memdev=pmem1,id=nv2",
               "-drive", f"file={tmp_path}/disk,format=raw,if=none,id=d0,cache=none", "-device", "virtio-blk-pci,drive=d0"]
    guest = simvm.run(tmp_path, INTERLEAVED, programs=("tiermem", "tmload"), libraries=("libtiermem-preload.so",), plugin=None, preload=False,
                      extra={p: programs / p for p in ("stress", "direct_io")}, memory="768M", timeout=500,
                      qemu=["-object", "memory-backend-ram,id=pmem0,size=96M", "-device", "nvdimm,memdev=pmem0,id=nv1", *options])
    out = guest.results.replace("\r", "")
    assert "@@exit 0" in out, out + guest.console
    assert len(re.findall(r"^ok ", out, re.M)) == 2 and out.count("(integer) 6001") == 2, out
    assert out.count("is in use as one of 2 devices; give the same --pmem") == 2, out
    halves = [tuple(map(float, m)) for m in re.findall(r"devices (\S+) (\S+)", out)]
    assert len(halves) == 2, out
    for one, other in halves:
        assert min(one, other) > 1 and abs(one - other) < 6, out  # stripes of 2 MiB, and some 6 MiB in all
    assert "pool: 2 processes with" in out and "2 devices, interleaved by 2.0 MiB" in out, out
