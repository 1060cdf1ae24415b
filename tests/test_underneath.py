"""Underneath a VM: tiermem in the QEMU process, guest RAM in two tiers, the guest unaware. Without the simulator vCPUs truly race the
migration; with it the same inputs give the same bytes. UNDERNEATH_SECONDS makes the memory checker's runs longer."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import simvm

ROOT, BUILD, MB = simvm.ROOT, simvm.BUILD, 1 << 20
TIERMEM = BUILD / "bin/tiermem"
QUIET = "no_timer_check"  # a guest in real time on a busy host misses its timer's ticks, and Linux panics
SECONDS = int(os.environ.get("UNDERNEATH_SECONDS", "8"))


@pytest.fixture(scope="session")
def guest_programs(tmp_path_factory):
    where = tmp_path_factory.mktemp("guest")
    for name, more in (("memcheck", ["-pthread"]), ("hotset", [ROOT / "sim/mark.c"])):
        subprocess.run(["cc", "-O2", "-static", "-D_GNU_SOURCE", "-I", ROOT, "-o", where / name, ROOT / f"tests/guest/{name}.c", *more],
                       check=True)
    return where


def tiermem(folder, *options, dram="64M", granule="64K"):
    return [TIERMEM, "run", "--conf=", "--dram", dram, "--pmem", "memfd:2G", "--granule", granule, "--stats", folder / "tiermem.json",
            *options, "--"]


def stats_of(folder):
    return json.loads((folder / "tiermem.json").read_text())


def plain(folder, script, options=(), dram="64M", granule="64K", **more):
    """A VM without the simulator."""
    guest = simvm.run(folder, script, programs=(), plugin=None, preload=False, cpu="max", append=QUIET,
                      prefix=tiermem(folder, *options, dram=dram, granule=granule), **more)
    return guest


COPY = """
dd if=/dev/urandom of=/tmp/x bs=1M count=40 2>/dev/null; cp /tmp/x /tmp/y; cmp /tmp/x /tmp/y && echo same >/dev/ttyS1
"""
BACKENDS = {
    "default": (),
    "ram": "memory-backend-ram,share=off", "ram-shared": "memory-backend-ram,share=on",
    "ram-prealloc": "memory-backend-ram,prealloc=on,merge=off",
    "memfd": "memory-backend-memfd,share=off", "memfd-shared": "memory-backend-memfd,share=on",
    "file": "memory-backend-file,share=off,mem-path={file}", "file-shared": "memory-backend-file,share=on,mem-path={file}",
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_guest_ram_and_only_guest_ram_whatever_the_backend(tmp_path, backend):
    """The NVDIMM with the root image (256 MB, a file) and QEMU's heap stay out of it; contents survive migration."""
    qemu = ()
    if BACKENDS[backend]:
        what = BACKENDS[backend].format(file=tmp_path / "ram")
        qemu = ("-object", f"{what},id=ram0,size=512M", "-machine", "memory-backend=ram0")
    guest = plain(tmp_path, COPY, environment={"TIERMEM_TEST_MIGRATE": "random"}, qemu=qemu)
    assert guest.status == 0 and guest.stderr == "" and guest.results == "same\n@@exit 0\n", guest.stderr + guest.console
    stats = stats_of(tmp_path)
    captured = stats["captured"]
    run = 256 << 10  # a migration that is under way when QEMU ends is counted on both tiers
    assert captured["heap_bytes"] == 0 and 100 * MB < captured["mmap_bytes"] <= 512 * MB + run
    assert (captured["mmap_bytes"] >= 512 * MB) == (backend == "ram-prealloc")
    assert 60 * MB < stats["tiers"]["dram"]["peak_bytes"] <= 64 * MB and stats["tiers"]["pmem"]["bytes"] > 30 * MB
    assert stats["migrations"]["promoted"] > 100 and stats["migrations"]["demoted"] > 100


@pytest.mark.parametrize("granule,aio", [("4K", "threads"), ("64K", "threads"), ("64K", "native"), ("2M", "threads")])
def test_memory_checker_under_forced_migration(tmp_path, guest_programs, granule, aio):
    """Patterns in guest RAM, direct disk I/O to and from it and console output, while granules move as fast as they can."""
    disk = tmp_path / "disk"
    with open(disk, "wb") as f:
        f.truncate(32 * MB)
    memory, mib = ("192M", 24) if granule == "4K" else ("512M", 100)
    guest = plain(tmp_path, f"memcheck {SECONDS} {mib} /dev/vda 2>/dev/ttyS0 >/dev/ttyS1", granule=granule, dram="48M", memory=memory,
                  environment={"TIERMEM_TEST_MIGRATE": "random"}, extra={"memcheck": guest_programs / "memcheck"},
                  qemu=("-drive", f"file={disk},format=raw,if=virtio,cache=none,aio={aio}"), timeout=SECONDS * 3 + 240)
    assert guest.results.startswith("ok ") and "@@exit 0" in guest.results, guest.results + guest.console
    _, pages, _, blocks, _ = guest.results.splitlines()[0].split()
    stats = stats_of(tmp_path)
    print(granule, aio, guest.results.splitlines()[0], stats["migrations"])
    assert int(pages) > 1000 * SECONDS and int(blocks) > SECONDS
    assert f"memcheck: {SECONDS} s" in guest.console
    moved = stats["migrations"]["promoted"] + stats["migrations"]["demoted"]
    assert moved > (20 if granule == "2M" else 500) * SECONDS and stats["direct_io"]["held"] > SECONDS
    assert stats["tiers"]["dram"]["peak_bytes"] <= 48 * MB and guest.stderr == ""


def test_io_uring_is_refused(tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(MB))
    guest = plain(tmp_path, "exit 0", qemu=("-drive", f"file={disk},format=raw,if=virtio,cache=none,aio=io_uring"))
    assert guest.status == 1
    assert "tiermem: io_uring: memory that it reads and writes cannot be followed, so there is none; use aio=threads" in guest.stderr


@pytest.mark.parametrize("options,ram,says", [
    (("--granule", "4K"), "memory-backend-ram", "536870912 bytes of guest RAM are 131072 granules, and vm.max_map_count allows"),
    ((), "memory-backend-file,share=on,mem-path={used}", "the file has contents"),
    ((), "memory-backend-file,share=on,mem-path={open}", "another process has that file open"),
])
def test_what_cannot_be_managed(tmp_path, options, ram, says):
    used, is_open = tmp_path / "used", tmp_path / "open"
    used.write_bytes(b"x" * 4096)
    os.truncate(used, 512 * MB)
    with open(is_open, "wb") as f:
        f.truncate(512 * MB)
        qemu = ("-object", f"{ram.format(used=used, open=is_open)},id=ram0,size=512M", "-machine", "memory-backend=ram0")
        guest = plain(tmp_path, "exit 0", options=options, qemu=qemu)
    assert guest.status == 1 and says in guest.stderr and guest.stderr.count("\n") == 1, guest.stderr


def serve_vhost_user_blk(server, got):
    """As much of a vhost-user block device as lets QEMU start it; notes which requests came with descriptors."""
    connection, _ = server.accept()
    answers = {1: 1 << 32 | 1 << 30, 15: 1 << 9, 17: 1}  # GET_FEATURES, GET_PROTOCOL_FEATURES (CONFIG), GET_QUEUE_NUM
    with contextlib.suppress(OSError):
        while True:
            head, fds, _, _ = socket.recv_fds(connection, 12, 8)
            if len(head) < 12:
                return
            request, _, size = (int.from_bytes(head[i:i + 4], "little") for i in (0, 4, 8))
            body = connection.recv(size) if size else b""
            got.append((request, len(fds)))
            if request == 24:  # GET_CONFIG: 1 MiB
                body = body[:12] + (2048).to_bytes(8, "little") + bytes(len(body) - 20)
            elif request in answers:
                body = answers[request].to_bytes(8, "little")
            else:
                continue
            connection.sendall(b"".join(v.to_bytes(4, "little") for v in (request, 5, len(body))) + body)


@pytest.mark.parametrize("managed", [False, True])
def test_the_descriptor_of_guest_ram_is_not_given_away(tmp_path, managed):
    """vhost-user: QEMU sends the file of the RAM to the device's process, where managed memory would not be."""
    got = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "vhost"))
        server.listen()
        threading.Thread(target=serve_vhost_user_blk, args=(server, got), daemon=True).start()
        # The guest waits for the disk for ever.
        guest = simvm.run(tmp_path, "exit 0", programs=(), plugin=None, preload=False, cpu="max", append=QUIET,
                          prefix=("timeout", "-s", "KILL", "30", *(tiermem(tmp_path) if managed else ())), qemu=(
                              "-object", "memory-backend-memfd,id=ram0,share=on,size=512M", "-machine", "memory-backend=ram0",
                              "-chardev", f"socket,id=c,path={tmp_path}/vhost", "-device", "vhost-user-blk-pci,num-queues=1,chardev=c"))
    shared = any(n for request, n in got if request == 5)  # SET_MEM_TABLE
    assert shared != managed, got
    assert ("tiermem: the descriptor of guest RAM is not given to another process" in guest.stderr) == managed, guest.stderr


class Running:
    """A VM that runs until it is told to end."""

    def __init__(self, folder, script, prefix, environment=None, guest_programs=None):
        self.process = None
        self.folder = folder

        def run():
            self.guest = simvm.run(folder, script, programs=(), plugin=None, preload=False, cpu="max", append=QUIET, prefix=prefix,
                                   environment={**(environment or {}), "UNDERNEATH_TEST": str(folder)}, timeout=200,
                                   extra={"memcheck": guest_programs / "memcheck"})
        self.thread = threading.Thread(target=run)
        self.thread.start()

    def wait_for(self, text, seconds=100):
        results = self.folder / "results.log"
        for _ in range(seconds * 10):
            if results.exists() and text in results.read_text(errors="replace"):
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "console.log").read_text())

    def pid(self):
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and f"UNDERNEATH_TEST={self.folder}\0".encode() in (entry / "environ").read_bytes() and \
                        b"qemu" in (entry / "cmdline").read_bytes()[:40]:
                    return int(entry.name)
        raise AssertionError("no QEMU")


def ask(*command):
    return subprocess.run([TIERMEM, *map(str, command)], text=True, capture_output=True, timeout=60)


def test_quota_and_statistics_of_a_running_vm(tmp_path, guest_programs):
    script = "echo up >/dev/ttyS1; memcheck 20 120 2>/dev/ttyS0 >/dev/ttyS1"
    vm = Running(tmp_path, script, tiermem(tmp_path, dram="256M"), guest_programs=guest_programs)
    vm.wait_for("up")
    time.sleep(5)
    pid = vm.pid()
    before = json.loads(ask("stats", pid, "--json").stdout)
    assert before["tiers"]["dram"]["bytes"] > 128 * MB and before["program"].startswith("qemu")
    for quota in (64, 192):
        done = ask("quota", pid, f"{quota}M")
        assert done.returncode == 0, done.stderr
        stats = json.loads(ask("stats", pid, "--json").stdout)
        assert stats["dram_quota_bytes"] == quota * MB and stats["tiers"]["dram"]["bytes"] <= quota * MB
    assert stats["migrations"]["demoted"] > 1000
    vm.thread.join()
    assert vm.guest.status == 0 and "ok " in vm.guest.results, vm.guest.results + vm.guest.console


@pytest.fixture
def sockets(monkeypatch):
    """A folder for nobody's sockets but the test's: other programs come and go meanwhile."""
    with tempfile.TemporaryDirectory(prefix="tm-test-") as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)


def test_kill_in_mid_migration_leaves_nothing(tmp_path, guest_programs, sockets):
    def garbage():
        return {*sockets.rglob("*.*"), *Path("/dev/shm").glob("*tiermem*")}
    before = garbage()
    vm = Running(tmp_path, "echo up >/dev/ttyS1; memcheck 60 100 2>/dev/ttyS0", tiermem(tmp_path),
                 environment={"TIERMEM_TEST_MIGRATE": "random"}, guest_programs=guest_programs)
    vm.wait_for("up")
    time.sleep(3)
    pid = vm.pid()
    files = set(os.listdir(tmp_path))
    assert json.loads(ask("stats", pid, "--json").stdout)["migrations"]["promoted"] > 100
    os.kill(pid, 9)
    vm.thread.join()
    assert garbage() - before == {sockets / f"tiermem/{pid}.sock"}
    ask("stats", pid)  # whoever asks next removes its socket
    assert garbage() <= before and set(os.listdir(tmp_path)) <= files


# --- with the simulator

HOT = "hotset 64 8 6 >/dev/ttyS1"


@contextlib.contextmanager
def busy_host():
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


def strict(folder, guest_programs, options=("--bandwidth", "1G")):
    folder.mkdir()
    return simvm.run(folder, HOT, plugin=",strict=on", prefix=tiermem(folder, *options, "--heat", folder / "heat.csv"),
                     memory="256M", timeout=400, extra={"hotset": guest_programs / "hotset"})


def misses(phase, tier):
    return sum(v[f"llc_misses_{tier}"] for v in phase["vcpus"])


def test_strict_mode_repeats_itself_and_hot_memory_moves_to_dram(tmp_path, guest_programs):
    """A VM of 256 MB with a quarter of it in DRAM; the hot set is touched last and starts on PMEM."""
    a = strict(tmp_path / "idle", guest_programs)
    with busy_host():
        b = strict(tmp_path / "busy", guest_programs)
    assert a.status == 0 and "@@exit 0" in a.results, a.stderr + a.console
    assert (a.console, a.results, a.stats, a.stderr) == (b.console, b.results, b.stats, b.stderr)
    one, other = (stats_of(tmp_path / name) for name in ("idle", "busy"))
    for stats in (one, other):
        stats.pop("pid")
        stats["captured"].pop("missed_bytes")  # QEMU's own memory beside the guest's: the host's affair
    assert one == other
    heat = (tmp_path / "idle/heat.csv").read_text()
    assert heat == (tmp_path / "busy/heat.csv").read_text()
    lines = [tuple(map(int, line.split(","))) for line in heat.splitlines()[1:]]
    assert len(lines) % 256 == 0 and sorted(lines) == lines and lines[255][1] == 255 * MB
    assert sum(line[2] for line in lines) == one["tracking"]["samples"]
    first, last = a.phase("hot0"), a.phase("hot5")
    assert any(first["begin_ns"] <= line[0] <= first["end_ns"] for line in lines), "not the simulator's time"
    assert misses(first, "pmem") > 100_000 and misses(last, "pmem") < misses(first, "pmem") / 20
    assert last["end_ns"] - last["begin_ns"] < (first["end_ns"] - first["begin_ns"]) / 1.5
    assert one["tracking"]["source"] == "samples" and one["tracking"]["samples"] > 1000
    assert 100 < one["migrations"]["promoted"] < 300  # the hot set has 128 granules: then it stops
    assert one["tiers"]["dram"]["peak_bytes"] <= 64 * MB


def test_static_policy_and_costs_under_the_simulator(tmp_path, guest_programs):
    """Nothing moves, and the run through `tmsim run` is timed by where first touches put memory."""
    folder = tmp_path / "static"
    folder.mkdir()
    prefix = [*tiermem(folder, "--policy", "static"), BUILD / "bin/tmsim", "run", "--strict", "--quiet", "--stats", folder / "stats.json", "--"]
    guest = simvm.run(folder, HOT, plugin=None, preload=False, prefix=prefix, memory="256M", timeout=400,
                      extra={"hotset": guest_programs / "hotset"})
    assert guest.status == 0 and "@@exit 0" in guest.results, guest.stderr + guest.console
    assert stats_of(folder)["migrations"]["promoted"] == stats_of(folder)["migrations"]["demoted"] == 0
    for phase in ("hot0", "hot5"):
        assert misses(guest.phase(phase), "pmem") > 100_000
