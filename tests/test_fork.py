"""Forked children share PMEM frames with their parent: nothing is copied before somebody writes, everybody sees the memory of the fork, and frames come back
when those who had them have gone, however that happens."""
import contextlib
import mmap
import os
import signal
import subprocess
import time

import pytest

from test_allocator import MB, TIERMEM, stats_of
from test_cli import until

BYTES = 32 * MB


class Family:
    """tests/programs/shares.c, a step at a time."""

    def __init__(self, programs, cwd, *options, size=BYTES):
        self.process = subprocess.Popen([TIERMEM, "run", *options, "--", programs / "shares", str(size)], text=True, cwd=cwd,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # children, too
        self.process.communicate()

    def do(self, steps):
        for step in steps:
            self.process.stdin.write(step)
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            assert line == step + "\n", line

    def end(self):
        assert self.process.communicate(timeout=60)[0] == "ok\n" and self.process.returncode == 0

    def children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return [int(pid) for pid in f.read().split()]

    def stats(self):
        return stats_of(self.process)

    def pmem_in_use(self):
        """Of all processes, in MiB; the parent's own frames mapped ahead of use are at most one."""
        now = self.stats()
        return (now["pmem"]["bytes"] - now["pool"]["pmem_free_bytes"]) / MB


def anonymous(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Anonymous:")) << 10


@pytest.mark.parametrize("granule", ["4K", "64K", "2M"])
@pytest.mark.parametrize("dram", ["0", "8M"])
def test_nobody_sees_what_others_write(programs, tmp_path, granule, dram):
    """Children at several stages of their parent's life, a grandchild, one that becomes managed, one that is killed."""
    with Family(programs, tmp_path, "--dram", dram, "--pmem", "memfd:1G", "--granule", granule) as family:
        family.do("fpwcfwcprcfcwpgcebfcwrpkwpcpeewpfe")
        family.end()


@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_a_fork_copies_nothing(programs, tmp_path, granule):
    with Family(programs, tmp_path, "--dram", "0", "--pmem", "memfd:1G", "--granule", granule) as family:
        used = family.stats()["tiers"]["pmem"]["bytes"]
        family.do("f")
        now = family.stats()
        # What parent and child need to go on is copied: little.
        assert now["fork"]["shared_bytes"] > 0.95 * used and now["fork"]["copied_bytes"] < 0.05 * used
        assert anonymous(family.children()[0]) < 0.05 * used
        family.do("w")
        now = family.stats()
        assert 0.3 * used < now["fork"]["copied_bytes"] and now["tiers"]["pmem"]["bytes"] == used
        assert 1.3 * used < family.pmem_in_use() * MB < 2.1 * used
        family.do("e")
        until(lambda: family.stats()["fork"]["shared_bytes"] == 0)
        until(lambda: family.pmem_in_use() * MB < used + 2 * MB)
        family.do("p")
        family.end()


def test_a_child_that_is_killed_gives_its_frames_back(programs, tmp_path):
    with Family(programs, tmp_path, "--dram", "0", "--pmem", "memfd:1G") as family:
        used = family.pmem_in_use()
        family.do("fwk")
        until(lambda: family.stats()["fork"]["shared_bytes"] == 0)
        until(lambda: family.pmem_in_use() < used + 2)
        family.do("p")
        family.end()


def test_more_children_than_can_share(programs, tmp_path):
    """The 17th child and those after it get copies."""
    with Family(programs, tmp_path, "--dram", "0", "--pmem", "memfd:1G", size=8 * MB) as family:
        family.do("f" * 16)
        assert family.stats()["fork"]["shared_bytes"] > 7 * MB
        family.do("f" * 4 + "cwcp")
        family.do("e" * 20)
        until(lambda: family.stats()["fork"]["shared_bytes"] == 0)
        family.do("fwce")
        family.end()


def test_pmem_that_is_full(programs, tmp_path):
    """What is touched becomes DRAM, over the quota if it must: a touch cannot fail."""
    with Family(programs, tmp_path, "--dram", "0", "--pmem", "memfd:48M") as family:
        family.do("fwcpwcp")
        assert family.stats()["tiers"]["dram"]["bytes"] > 4 * MB
        family.do("e")
        family.end()


def test_a_child_outlives_its_parent(programs, tmp_path):
    """A parent that is killed: its child keeps what they shared from those who want frames; then nothing is left of either."""
    device = tmp_path / "pmem"
    with open(device, "wb") as f:
        f.truncate(112 * MB)
    options = ["--dram", "0", "--pmem", str(device)]
    with Family(programs, tmp_path, *options) as family:
        family.do("fwo")
        child = family.children()[0]
        family.process.kill()
        family.process.wait()
        time.sleep(1.5)
        with Family(programs, tmp_path, *options, size=20 * MB) as other:
            assert other.pmem_in_use() > 20 + 25  # the child's are not free
            other.do("wrwrp")
            (tmp_path / str(child)).touch()
            assert family.process.stdout.readline() == "orphan good\n"
            with Family(programs, tmp_path, *options, size=60 * MB) as third:  # finds room in what was theirs
                assert third.stats()["tiers"]["dram"]["bytes"] == 0
                third.end()
            other.do("fwcpe")
            other.end()


def test_what_a_kill_left_of_a_share_is_mended(programs, tmp_path):
    """A process that is killed while it gives a frame back: an orphan that no child has any more, and a count that is too high. (Written as the ledger
    has them, allocator/pool_ledger.h, for no kill hits that moment when it should.)"""
    count_at, owners_at, orphan = 44, 40 + 255 * 32 + 16 * 4, 255
    device = tmp_path / "pmem"
    with open(device, "wb") as f:
        f.truncate(112 * MB)
    with Family(programs, tmp_path, "--dram", "0", "--pmem", str(device), "--granule", "4K", size=20 * MB) as family, open(device, "r+b") as f:
        ledger = mmap.mmap(f.fileno(), 1 * MB)
        assert ledger[owners_at:owners_at + 28000].count(b"\1") > 20 * MB >> 12, "the layout is another"
        free = ledger.find(b"\0", owners_at + 20000)
        ledger[free] = orphan
        ledger[count_at:count_at + 4] = (10000).to_bytes(4, "little")
        used = family.pmem_in_use()
        assert used > 20 + 38  # who asks believes the count
        family.do("fwcep")
        until(lambda: family.stats()["fork"]["shared_bytes"] == 0)
        until(lambda: family.pmem_in_use() < 20 + 15)
        assert ledger[free] != orphan
        family.end()


def test_a_long_mapping_is_forked(programs, tmp_path):
    """Captured mappings are copied at the fork, in a piece of more than 64 MiB, too."""
    code = """if 1:
        import mmap, os
        m = mmap.mmap(-1, 150 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        at = range(0, len(m), 4096)
        def good(): return all(int.from_bytes(m[i:i + 8], 'little') == i for i in at)
        for i in at: m[i:i + 8] = i.to_bytes(8, 'little')
        pid = os.fork()
        if not pid: os._exit(not good())
        for i in at[::2]: m[i:i + 8] = i.to_bytes(8, 'little')
        print(os.waitpid(pid, 0)[1], good())"""
    done = subprocess.run([TIERMEM, "run", "--dram", "0", "--pmem", "memfd:512M", "--", "/usr/bin/python3", "-c", code], text=True, capture_output=True,
                          timeout=100)
    assert done.stdout == "0 True\n", done
