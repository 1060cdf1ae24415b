"""Forked children: unmanaged while they are small, managed once they have grown, with what they inherited where it was."""
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from test_allocator import MB, TIERMEM, run

FAMILY = """
import os, sys, time
def blocks(value, n):
    return [bytes([(i * value) % 256]) * 1500 for i in range(n)]
def right(b, value):
    return all(x == bytes([(i * value) % 256]) * 1500 for i, x in enumerate(b))
inherited = blocks(7, 8000)
pid = os.fork()
if not pid:
    own = blocks(11, int(sys.argv[1]))
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    sys.exit(0 if right(own, 11) and right(inherited, 7) else 1)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if right(inherited, 7) else 2)
"""


def start(n, *options, env=None):
    process = subprocess.Popen([TIERMEM, "run", "--granule", "4K", *options, "--", "/usr/bin/python3", "-c", FAMILY, str(n)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(env or {})})
    return process, int(process.stdout.readline())


def stats(pid):
    done = subprocess.run([TIERMEM, "stats", str(pid), "--format", "json", "--capture"], text=True, capture_output=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


@pytest.mark.parametrize("migrate", ["", "random"])
@pytest.mark.parametrize("pmem", ["memfd:256M", "file"])
def test_a_child_that_grows_is_managed(tmp_path, pmem, migrate):
    if pmem == "file":
        pmem = tmp_path / "pool"
        pmem.touch()
        os.truncate(pmem, 256 * MB)
    parent, child = start(20000, "--dram", "12M", "--pmem", pmem, "--stats", tmp_path / "%p.json", env={"TIERMEM_TEST_MIGRATE": migrate})
    now = stats(child)
    assert now["pool"]["processes"] == 2
    assert now["tiers"]["dram"]["peak_bytes"] <= 12 * MB  # its own: what it has from its parent is in no quota
    assert now["tiers"]["dram"]["bytes"] + now["tiers"]["pmem"]["bytes"] >= 25 * MB and now["tiers"]["pmem"]["bytes"] > 8 * MB
    assert now["captured"]["missed_bytes"] < MB
    for pid in child, parent.pid:
        done = subprocess.run([TIERMEM, "quota", str(pid), "8M"], text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert stats(child)["tiers"]["dram"]["bytes"] <= 8 * MB
    parent.communicate("\n", timeout=30)
    assert parent.returncode == 0
    files = {int(f.stem): json.loads(f.read_text()) for f in tmp_path.glob("*.json")}
    assert set(files) == {parent.pid, child} and all(f["migrations"]["demoted"] for f in files.values())


def test_a_small_child_is_not():
    parent, child = start(300, "--dram", "16M")
    assert stats(child) is None and len(os.listdir(f"/proc/{child}/task")) == 1
    parent.communicate("\n", timeout=30)
    assert parent.returncode == 0


def test_what_the_parent_gave_back_is_zero_in_the_child(programs, tmp_path):
    """On a file, whose frames keep what they held (a memfd's are punched out)."""
    pool = tmp_path / "pool"
    pool.write_bytes(b"\xa5" * (96 * MB))
    done = run(["--dram", "1M", "--pmem", pool, "--granule", "4K"], [programs / "zeros"])
    assert done.returncode == 0 and done.stdout == "zeros\n", done


def test_parent_killed_child_lives_on(tmp_path):
    """What the parent had is free again but for what the child shares, while the child goes on."""
    pool = tmp_path / "pool"
    pool.touch()
    os.truncate(pool, 320 * MB)
    parent, child = start(20000, "--dram", "1M", "--pmem", pool)
    had = stats(parent.pid)["tiers"]["pmem"]["bytes"]
    assert had > 10 * MB
    parent.kill()
    parent.wait()
    time.sleep(1.1)
    other = run(["--dram", "1M", "--pmem", pool, "--granule", "4K", "--stats", tmp_path / "s"],
                ["/usr/bin/python3", "-c", "x = [bytes(2000) for i in range(100000)]"])  # 200 MB
    assert other.returncode == 0, other.stderr
    assert stats(child)["tiers"]["pmem"]["bytes"] > 20 * MB
    parent.stdin.write("\n")
    parent.stdin.close()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{child}"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_without_userfaultfd(programs, place_for_everybody):
    """Children of a process that can only place memory can do that, too."""
    device = Path("/dev/userfaultfd")
    if Path("/proc/sys/vm/unprivileged_userfaultfd").read_text() != "0\n" or device.exists() and device.stat().st_mode & 0o006:
        pytest.skip("userfaultfd is for everybody here")
    place = place_for_everybody
    shutil.copy(programs / "stress", place)
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", place / "tiermem", "run", "--dram", "4M", "--granule",
                           "4K", "--", place / "stress", "1", "2", "family"], text=True, capture_output=True, timeout=60, cwd="/",
                          env={**os.environ, "TIERMEM_PRELOAD": str(place / "libtiermem-preload.so"), "XDG_RUNTIME_DIR": ""})
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stdout + done.stderr
