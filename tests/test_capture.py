"""How much of a program's private anonymous memory is captured, and that it stays right while it migrates. Java and Node reserve
their heaps first; they are tested where they are installed."""
import json
import os
import re
import shutil
import subprocess

import pytest

from test_allocator import MB, TIERMEM

PYTHON = """
m = {}
for i in range(400_000):
    m[i * 7919 % 100_003] = f"v{i * 7919 % 100_003}-{i}"
assert all(v.startswith(f"v{k}-") for k, v in m.items())
print(len(m), sum(map(len, m.values())), flush=True)
input()
"""
NODE = """
const m = new Map();
for (let i = 0; i < 400000; i++) { const k = i * 7919 % 100003; m.set(k, {k, s: 'v' + k + '-' + i}); }
let n = 0;
for (const [k, v] of m) { if (v.k !== k || !v.s.startsWith('v' + k + '-')) throw new Error('bad'); n += v.s.length; }
console.log(m.size, n);
process.stdin.once('data', () => process.exit(m.size ? 0 : 1));
"""
JAVA = """
import java.util.*;
class Keep {
    public static void main(String[] a) throws Exception {
        Map<Integer, String> m = new HashMap<>();
        for (long i = 0; i < 400000; i++) { int k = (int) (i * 7919 % 100003); m.put(k, "v" + k + "-" + i); }
        long n = 0;
        for (var e : m.entrySet()) {
            if (!e.getValue().startsWith("v" + e.getKey() + "-")) throw new Exception("bad");
            n += e.getValue().length();
        }
        System.out.println(m.size() + " " + n);
        System.in.read();
        System.exit(m.isEmpty() ? 1 : 0);
    }
}
"""


def stats_of(pid, *options):
    done = subprocess.run([TIERMEM, "stats", str(pid), "--format", "json", *options], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kinds_of_memory(programs):
    """Stacks and .bss aside, memory that is not captured is told; it costs, so only on request."""
    child = subprocess.Popen([TIERMEM, "run", "--dram", "8M", "--granule", "4K", "--", programs / "memory_kinds"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        assert "missed_bytes" not in stats_of(child.pid)["captured"]
        captured = stats_of(child.pid, "--capture")["captured"]
        assert 32 * MB <= captured["heap_bytes"] < 36 * MB and captured["mmap_bytes"] == 16 * MB
        assert 12 * MB <= captured["stack_bytes"] < 13 * MB
        assert 8 * MB <= captured["bss_bytes"] < 9 * MB
        assert 4 * MB <= captured["missed_bytes"] < 5 * MB
        done = subprocess.run([TIERMEM, "stats", str(child.pid), "--capture"], text=True, capture_output=True)
        assert re.search(r"^captured: (4[89]|5\d)\.\d MiB, 9\d\.\d %; not: 4\.\d MiB", done.stdout, re.M), done.stdout
    finally:
        child.stdin.close()
        child.wait(timeout=20)

HUGE = """
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
def reserve(size):
    p = libc.mmap(None, ctypes.c_size_t(size), 0, 0x4022, -1, ctypes.c_long(0))  # PROT_NONE; private, anonymous, noreserve
    assert p and p != 2**64 - 1
    return p
p = reserve(8 << 40)
assert libc.munmap(ctypes.c_void_p(p), ctypes.c_size_t(8 << 40)) == 0
p = reserve((8 << 40) + (4 << 20))
for at in p + (4 << 20), p + (3 << 40):
    assert libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(16 << 20), 3) == 0
    ctypes.memset(at, 7, 16 << 20)
print("ready", flush=True)
input()
assert all(ctypes.string_at(at, 16 << 20) == b"\\x07" * (16 << 20) for at in (p + (4 << 20), p + (3 << 40)))
"""


@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_reservation_of_terabytes(granule):
    """As MariaDB does it, twice, because the first is not aligned as it wants; and what it makes usable of it is tiered."""
    child = subprocess.Popen([TIERMEM, "run", "--dram", "8M", "--granule", granule, "--", "/usr/bin/python3", "-c", HUGE],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TIERMEM_TEST_MIGRATE": "random"})
    try:
        assert child.stdout.readline() == "ready\n"
        stats = stats_of(child.pid, "--capture")
        assert stats["captured"]["mmap_bytes"] >= 32 * MB and stats["captured"]["missed_bytes"] < 4 * MB
        assert stats["tiers"]["dram"]["peak_bytes"] <= 8 * MB and stats["metadata_bytes"] < 4 * MB
        child.stdin.write("\n")
        child.stdin.close()
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.wait()


def command(language, folder):
    if language == "python":
        return ["/usr/bin/python3", "-c", PYTHON]
    if language == "node":
        return ["node", "-e", NODE]
    (folder / "Keep.java").write_text(JAVA)
    subprocess.run(["javac", "-d", folder, folder / "Keep.java"], check=True)
    return ["java", "-Xmx256m", "-cp", folder, "Keep"]


@pytest.mark.parametrize("dram", ["0", "16M", "unlimited"])
@pytest.mark.parametrize("language", ["python", "node", "java"])
def test_managed_heaps(language, dram, tmp_path):
    """Other people's memory managers: as good as all of their memory is captured, and what is in it stays, also under random migration."""
    tool = {"java": "javac"}.get(language, language)
    if language != "python" and not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    child = subprocess.Popen([TIERMEM, "run", "--dram", dram, "--pmem", "memfd:2G", "--granule", "4K", "--", *command(language, tmp_path)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "TIERMEM_TEST_MIGRATE": "random"})
    try:
        assert child.stdout.readline().split() == ["100003", "1288932"]
        stats = stats_of(child.pid, "--capture")
        captured = stats["captured"]
        inside = captured["heap_bytes"] + captured["mmap_bytes"]
        assert inside > 10 * MB and captured["missed_bytes"] < (0.02 if language == "python" else 0.01) * inside, captured  # mappings under 64 KiB
        assert stats["tiers"]["dram"]["peak_bytes"] <= (stats["dram_quota_bytes"] or 1 << 60)
        child.stdin.write("\n")
        child.stdin.close()
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.wait()
