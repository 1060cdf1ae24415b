"""The allocator: `tiermem run` and `tiermem stats` with small C programs and the real redis-server, on a memfd as PMEM."""
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIERMEM = ROOT / "build/bin/tiermem"
MB = 1 << 20


def threads_of(pid):
    """What each thread of a process waits for, as the kernel tells it."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").iterdir()):
        for file in "comm", "wchan", "syscall", "sched", "stack":
            with contextlib.suppress(OSError):
                lines += [f"{task.name} {file}: {line}" for line in (task / file).read_text().splitlines()[:12]]
    return "\n".join(lines)


def run(options, command, timeout=60, env=None, **more):
    with subprocess.Popen([TIERMEM, "run", *options, "--", *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, **(env or {})}, **more) as child:
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            threads = threads_of(child.pid)
            child.kill()
            pytest.fail(f"not done in {timeout} s: {command}\n{threads}")
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def run_with_stats(tmp_path, options, command, **more):
    file = tmp_path / "stats.json"
    done = run([*options, "--stats", file], command, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done, json.loads(file.read_text())


@pytest.mark.parametrize("granule", ["4K", "64K"])
@pytest.mark.parametrize("dram", ["0", "2M", "unlimited"])
@pytest.mark.parametrize("program", ["malloc_rules", "mmap_rules", "reservation_rules", "code_rules", "heap_map_rules"])
def test_rules_hold(programs, program, dram, granule):
    done = run(["--dram", dram, "--pmem", "memfd:512M", "--granule", granule], [programs / program])
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("program", ["malloc_rules", "mmap_rules", "reservation_rules", "code_rules", "heap_map_rules"])
def test_rules_hold_under_migration(programs, program):
    done = run(["--dram", "2M", "--pmem", "memfd:512M", "--granule", "4K"], [programs / program],
               env={"TIERMEM_TEST_MIGRATE": "random"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("granule,fork", [("4K", []), ("64K", []), ("2M", []), ("4K", ["fork"]), ("64K", ["fork"]),
                                          ("4K", ["family"]), ("64K", ["family"]), ("2M", ["family"])])
def test_stress_with_random_migration(programs, tmp_path, granule, fork):
    """Threads, kernel writers and forks against a shadow, while granules move as fast as they can."""
    done, stats = run_with_stats(tmp_path, ["--dram", "16M", "--pmem", "memfd:512M", "--granule", granule],
                                 [programs / "stress", "1", "3", *fork], env={"TIERMEM_TEST_MIGRATE": "random"})
    assert done.stdout.startswith("ok")
    assert stats["migrations"]["promoted"] > 0 and stats["migrations"]["demoted"] > 0
    assert stats["tiers"]["dram"]["peak_bytes"] <= 16 * MB


def test_forks_and_migration_with_pmem_full(programs, tmp_path):
    """What a touch takes back from a forked child finds no frame and becomes DRAM, while promotions wait for the thread that serves touches."""
    done, stats = run_with_stats(tmp_path, ["--dram", "16M", "--pmem", "memfd:24M", "--granule", "4K"],
                                 [programs / "stress", "2", "3", "fork"], env={"TIERMEM_TEST_MIGRATE": "random"})
    assert done.stdout.startswith("ok")
    assert stats["migrations"]["promoted"] > 0 and stats["fork"]["copied_bytes"] > 0


def test_quota_and_tiers(programs, tmp_path):
    _, stats = run_with_stats(tmp_path, ["--dram", "8M", "--pmem", "memfd:64M", "--granule", "4K"],
                              [programs / "fill_memory", "20000"])
    assert stats["schema"] == 1 and stats["program"] == "fill_memory" and stats["granule_bytes"] == 4096
    assert stats["dram_quota_bytes"] == 8 * MB and stats["pmem"]["kind"] == "memfd"
    assert 4 * MB < stats["tiers"]["dram"]["peak_bytes"] <= 8 * MB
    assert stats["tiers"]["pmem"]["bytes"] > 10 * MB
    total = sum(z["dram_granules"] + z["pmem_granules"] for z in stats["zones"])
    assert total == stats["tiers"]["dram"]["granules"] + stats["tiers"]["pmem"]["granules"]
    assert total * 4096 == stats["captured"]["heap_bytes"] + stats["captured"]["mmap_bytes"]


def test_a_program_that_has_little_holds_little(tmp_path):
    """What jemalloc took when it started, and nobody uses, is in no tier."""
    _, stats = run_with_stats(tmp_path, ["--dram", "8M", "--pmem", "memfd:64M", "--granule", "4K"], ["/bin/true"])
    assert stats["tiers"]["dram"]["peak_bytes"] > 2 * MB  # for a moment
    assert stats["tiers"]["dram"]["bytes"] < MB, stats["zones"]


def test_threads_that_start_at_once_have_arenas_of_their_own(programs):
    """Those who share one fill twice as much memory with short-lived arrays. Five sets of three are enough for four threads and the main one."""
    done = run(["--dram", "unlimited"], [programs / "arenas"], env={"TIERMEM_ARENAS": "8"})
    found = re.findall(r"(\w+): (\d+) share, (\d+) arenas", done.stdout)
    assert [who for who, _, _ in found] == ["parent", "child"] and not done.returncode, done
    assert all(shares == "0" and int(arenas) <= 15 for _, shares, arenas in found), found


def test_dram_0_puts_everything_on_pmem(programs, tmp_path):
    _, stats = run_with_stats(tmp_path, ["--dram", "0", "--pmem", "memfd:64M", "--granule", "4K"],
                              [programs / "fill_memory", "20000"])
    assert stats["tiers"]["dram"]["peak_bytes"] == 0
    assert stats["tiers"]["pmem"]["bytes"] > 19 * MB
    assert stats["migrations"]["promoted"] == stats["migrations"]["demoted"] == 0


def test_io_uring_denied_is_a_kernel_without(programs, tmp_path):
    """Programs that can do without (MariaDB) fall back then; this one says what it was told."""
    command = [programs / "direct_io", tmp_path / "file", "2", "uring"]
    done = run(["--dram", "2M", "--pmem", "memfd:256M", "--io-uring", "deny"], command)
    assert (done.stdout, done.stderr) == (f"broken at block {errno.ENOSYS}: io_uring_setup\n", "")
    wrong = run(["--io-uring", "maybe"], command)
    assert wrong.returncode == 2 and "--io-uring: 'maybe' is neither allow nor deny" in wrong.stderr and wrong.stderr.count("\n") == 1


def test_unlimited_needs_no_pmem(programs, tmp_path):
    _, stats = run_with_stats(tmp_path, [], [programs / "fill_memory", "20000"])
    assert stats["dram_quota_bytes"] is None and stats["tiers"]["pmem"]["peak_bytes"] == 0


def test_freed_memory_makes_room_before_anything_spills(programs, tmp_path):
    """jemalloc keeps freed pages for ten seconds: in DRAM, and counted. Where DRAM is short they go back at once."""
    _, stats = run_with_stats(tmp_path, ["--dram", "64M", "--pmem", "memfd:256M", "--granule", "4K", "--policy", "static"],
                              [programs / "kept_pages"])
    assert stats["tiers"]["dram"]["bytes"] > 36 * MB and stats["tiers"]["pmem"]["bytes"] < 4 * MB


def test_a_core_dump_has_what_is_in_use_and_no_more(tmp_path):
    """Terabytes of addresses are reserved: the kernel must not look at each page of them for a dump (it took more than ten minutes)."""
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core":
        pytest.skip("core dumps go elsewhere: kernel.core_pattern is not 'core'")
    program = "import os\nx = [b'core%05d' % i * 10 for i in range(50000)]\nos.abort()"
    done = subprocess.run(["sh", "-c", 'ulimit -c unlimited || exit 77; exec "$@"', "sh", TIERMEM, "run", "--dram", "2M", "--pmem", "memfd:64M", "--granule", "4K",
                           "--", "/usr/bin/python3", "-c", program], cwd=tmp_path, text=True, capture_output=True, timeout=120)
    if done.returncode == 77:
        pytest.skip("core dumps are forbidden: ulimit -c")
    (core,) = tmp_path.glob("core*")
    assert done.returncode == -signal.SIGABRT and core.stat().st_size < 200 * MB
    text = core.read_bytes()
    assert all(b"core%05d" % i * 2 in text for i in (0, 25000, 49999))  # in either tier


def test_both_tiers_full_is_enomem(programs):
    done = run(["--dram", "8M", "--pmem", "memfd:8M", "--granule", "4K"], [programs / "fill_memory", "100000"])
    assert done.returncode == 0, done.stderr
    assert 10000 < int(done.stdout) < 17000  # 16 MB of 1000-byte blocks


def test_a_file_can_be_the_pmem(programs, tmp_path):
    file = tmp_path / "pmem"
    file.write_bytes(b"\xff" * (64 * MB))  # what was there before must not show
    for program in ("malloc_rules", "mmap_rules", "code_rules"):
        done = run(["--dram", "2M", "--pmem", file, "--granule", "4K"], [programs / program])
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize("granule,mode", [("4K", "sync"), ("4K", "vector"), ("4K", "libaio"), ("64K", "libaio"), ("4K", "uring")])
def test_direct_io_is_not_lost_in_migrations(programs, tmp_path, granule, mode):
    """Devices read and write pages, not addresses: without care, a read into a granule that moves meanwhile is lost within seconds."""
    done, stats = run_with_stats(tmp_path, ["--dram", "2M", "--pmem", "memfd:256M", "--granule", granule],
                                 [programs / "direct_io", tmp_path / "file", "3", mode], env={"TIERMEM_TEST_MIGRATE": "random"})
    if done.stdout.startswith("skip"):
        pytest.skip(done.stdout.strip())
    assert done.stdout.startswith("ok"), done.stdout
    assert stats["migrations"]["promoted"] > 0
    if mode == "uring":
        assert stats["direct_io"]["refused"] == "io_uring" and stats["migrations"]["possible"] is False
        assert done.stderr == "tiermem: io_uring: device I/O that cannot be followed; nothing migrates from here on\n"
    else:
        assert stats["direct_io"]["held"] > 100 and stats["direct_io"]["refused"] is None
        assert stats["migrations"]["possible"] is True and done.stderr == ""


@pytest.mark.parametrize("kind", ["raw", "condition", "semaphore"])
def test_no_wake_up_is_lost_in_migrations(programs, tmp_path, kind):
    """Futexes that are not process-private: the kernel's key of one changes with the tier, so its granule must stay in one."""
    done, stats = run_with_stats(tmp_path, ["--dram", "2M", "--pmem", "memfd:256M", "--granule", "4K"],
                                 [programs / "futexes", "3", kind], env={"TIERMEM_TEST_MIGRATE": "random"})
    assert done.stdout.startswith("ok"), done.stdout
    assert stats["migrations"]["promoted"] > 100


def test_static_policy_never_migrates(programs, tmp_path):
    _, stats = run_with_stats(tmp_path, ["--dram", "4M", "--pmem", "memfd:64M", "--granule", "4K", "--policy", "static"],
                              [programs / "stress", "1", "2"])
    assert stats["policy"] == "static" and stats["tracking"]["source"] == "none"
    assert stats["migrations"]["promoted"] == stats["migrations"]["demoted"] == 0


def skew(programs, tmp_path, seconds, hot):
    """Percentages of hot memory on PMEM before and after, and how many granules moved."""
    done, stats = run_with_stats(tmp_path, ["--dram", "8M", "--pmem", "memfd:64M", "--granule", "4K"],
                                 [programs / "skew", str(seconds), "20000", str(hot)])
    assert stats["tiers"]["dram"]["peak_bytes"] <= 8 * MB
    assert stats["faults"]["hint"] > 10 and stats["tracking"]["source"] == "hint-fault"
    assert stats["migrations"]["failed"] == 0
    return *map(float, done.stdout.split()), stats["migrations"]["promoted"] + stats["migrations"]["demoted"]


def test_hot_values_are_promoted(programs, tmp_path):
    """They were allocated last and start on PMEM, where the quota of a third left them. On a busy machine it takes longer."""
    before, after, moved = skew(programs, tmp_path, 6, 20)
    if after >= 60:
        before, after, moved = skew(programs, tmp_path, 40, 20)
    assert before > 90 and after < 60 and moved < 5000


def test_equal_values_are_left_alone(programs, tmp_path):
    before, after, moved = skew(programs, tmp_path, 6, 100)
    assert abs(after - before) < 15 and moved < 2000


def test_children_are_not_managed(tmp_path):
    done, stats = run_with_stats(tmp_path, ["--dram", "1M", "--pmem", "memfd:64M"],
                                 ["/bin/sh", "-c", "/bin/true; (exit 3); echo $?; exec /bin/cat /dev/null"])
    assert done.stdout == "3\n"
    assert stats["program"] == "cat"  # exec keeps the process, and it stays managed


def test_python_runs_on_pmem(tmp_path):
    code = "import subprocess,os; x=[str(i)*9 for i in range(200000)]; p=os.fork()\n" \
           "if p==0: os._exit(len(set(x))!=200000)\n" \
           "print(os.waitpid(p,0)[1], subprocess.run(['/bin/echo','hi'],capture_output=True).stdout.decode(), len(set(x)))"
    done, stats = run_with_stats(tmp_path, ["--dram", "4M", "--pmem", "memfd:512M", "--granule", "64K"],
                                 ["/usr/bin/python3", "-c", code])
    assert done.stdout.split() == ["0", "hi", "200000"]
    assert stats["captured"]["mmap_bytes"] + stats["captured"]["heap_bytes"] > 10 * MB


# --- the real Redis

@pytest.fixture
def redis(tmp_path):
    started = []

    def start(*options, env=None):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        server = subprocess.Popen([TIERMEM, "run", "--pmem", "memfd:1G", "--stats", tmp_path / "redis.json", *options, "--",
                                   "redis-server", "--port", str(port), "--save", "", "--appendonly", "no",
                                   "--dir", tmp_path], stdout=open(tmp_path / "redis.log", "w"), stderr=subprocess.STDOUT,
                                  env={**os.environ, **(env or {})})
        started.append(server)
        for _ in range(100):
            if subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True).stdout == b"PONG\n":
                return server, port
            time.sleep(0.05)
        raise AssertionError((tmp_path / "redis.log").read_text())

    yield start
    for server in started:
        server.kill()
        server.wait()


def cli(port, *args, **more):
    return subprocess.run(["redis-cli", "-p", str(port), *args], text=True, capture_output=True, check=True, timeout=60,
                          **more).stdout.strip()


def value(key, size=1024):
    return (f"{key}:" * size)[:size]


def populate(port, n):
    protocol = "".join(f"SET key:{i} {value(i)}\r\n" for i in range(n))
    assert f"errors: 0, replies: {n}" in cli(port, "--pipe", input=protocol)


def check_values(port, n):
    got = cli(port, input="".join(f"GET key:{i}\n" for i in range(n))).splitlines()
    assert got == [value(i) for i in range(n)]


def stats_of(server):
    done = subprocess.run([TIERMEM, "stats", str(server.pid), "--format", "json"], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("dram,quota", [("unlimited", None), ("12M", 12 * MB), ("0", 0)])
def test_redis_values_quota_and_exit(redis, tmp_path, dram, quota):
    server, port = redis("--dram", dram, "--granule", "4K")
    populate(port, 20000)
    for _ in range(3):
        stats = stats_of(server)
        if quota is not None:
            assert stats["tiers"]["dram"]["peak_bytes"] <= quota
            assert stats["tiers"]["pmem"]["bytes"] > 10 * MB
        check_values(port, 20000)
    if dram == "12M":
        small = next(z for z in stats["zones"] if z["name"] == "small")
        assert small["dram_granules"] > 100 and small["pmem_granules"] == 0  # small structures stay in DRAM
        assert stats["mappings"] < 1000
    server.terminate()
    assert server.wait(timeout=20) == 0
    final = json.loads((tmp_path / "redis.json").read_text())
    assert final["pid"] == server.pid and final["program"] == "redis-server"
    assert final["captured"]["heap_bytes"] > 20 * MB


def test_redis_memory_comes_back_after_flush(redis):
    server, port = redis("--dram", "8M", "--granule", "64K")
    populate(port, 20000)
    before = stats_of(server)["captured"]["heap_bytes"]
    cli(port, "flushall")
    cli(port, "memory", "purge")
    after = stats_of(server)["captured"]["heap_bytes"]
    assert after < before / 3
    populate(port, 20000)
    check_values(port, 20000)


@pytest.mark.parametrize("migrate", ["", "random"])
def test_redis_bgsave_dump_is_good(redis, tmp_path, migrate):
    """The child of BGSAVE sees the values of the fork although the parent changes them and granules migrate."""
    server, port = redis("--dram", "12M", "--granule", "16K", env={"TIERMEM_TEST_MIGRATE": migrate})
    populate(port, 20000)
    assert "started" in cli(port, "bgsave")
    cli(port, "--pipe", input="".join(f"SET key:{i} {value(i + 1)}\r\n" for i in range(5000)))
    for _ in range(200):
        if "rdb_bgsave_in_progress:0" in cli(port, "info", "persistence"):
            break
        time.sleep(0.05)
    assert "rdb_last_bgsave_status:ok" in cli(port, "info", "persistence")
    check = subprocess.run(["redis-check-rdb", tmp_path / "dump.rdb"], text=True, capture_output=True)
    assert check.returncode == 0 and "20000 keys read" in check.stdout, check.stdout
    cli(port, "shutdown", "nosave")
    server.wait(timeout=20)
    again, port = redis("--dram", "0", "--granule", "4K")  # loads the dump
    check_values(port, 20000)


def test_stats_for_people(redis):
    server, port = redis("--dram", "8M")
    done = subprocess.run([TIERMEM, "stats", str(server.pid)], text=True, capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(f"redis-server (pid {server.pid})")
    assert re.search(r"^dram +\d+\.\d +\d+\.\d +8\.0$", done.stdout, re.M)


def test_hostile_clients_of_the_socket(redis):
    server, _ = redis("--dram", "8M")
    base = os.environ.get("XDG_RUNTIME_DIR") or "/run"
    places = [f"{base}/tiermem", "/run/tiermem", f"/tmp/tiermem-{os.getuid()}"]
    path = next(p for p in (f"{d}/{server.pid}.sock" for d in places) if os.path.exists(p))
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    for message in (b"", b"x" * 100000, b"\0\n", b"stats"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            try:
                s.sendall(message)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(path)
    assert stats_of(server)["pid"] == server.pid
    silent.close()


# --- what can be wrong

@pytest.mark.parametrize("options,status,says", [
    (["--dram", "12Q"], 2, "--dram: '12Q' is not a size"),
    (["--dram", "-1"], 2, "is not a size"),
    (["--dram"], 2, "--dram"),
    (["--granule", "3K"], 2, "is not a power of two"),
    (["--granule", "8M"], 2, "is not a power of two"),
    (["--policy", "magic"], 2, "no policy 'magic'"),
    (["--nonsense", "1"], 2, "unknown option '--nonsense'"),
    (["--pmem", "memfd:lots"], 2, "is not a size"),
    (["--pmem", "/dev/dax77.7"], 1, "cannot open /dev/dax77.7"),
    (["--pmem", "/dev/null"], 1, "not a devdax device"),
    (["--pmem", "/tmp"], 1, "/tmp"),
    (["--stats", "/nowhere/at/all"], 1, "cannot write the statistics"),
])
def test_bad_options(options, status, says):
    done = run(options, ["/bin/true"])
    assert done.returncode == status and says in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("tiermem: ") and done.stdout == ""


CLOSES = """
import ctypes, os
def right(b, value):
    return all(x == bytes([(i * value) % 256]) * 1000 for i, x in enumerate(b))
kept = [bytes([(i * 7) % 256]) * 1000 for i in range(30000)]
for fd in range(3, 1100):
    try:
        os.close(fd)
    except OSError:
        pass
libc = ctypes.CDLL(None)
libc.closefrom(3)
assert libc.close_range(3, 2000, 0) == 0 and libc.close_range(9, 3, 0) == -1
mine = [os.open("/dev/null", os.O_RDONLY) for i in range(910)]  # among them tiermem's numbers, were they free
assert len(set(mine)) == 910
pid = os.fork()
if not pid:
    os.closerange(3, 5000)
    more = [bytes([(i * 11) % 256]) * 1000 for i in range(30000)]
    os._exit(not (right(kept, 7) and right(more, 11)))
assert os.waitpid(pid, 0)[1] == 0 and right(kept, 7)
"""


def test_a_program_that_closes_every_descriptor(tmp_path):
    """As daemons do, with their children: it cannot close tiermem's, and nothing of its own takes their place."""
    _, stats = run_with_stats(tmp_path, ["--dram", "8M", "--granule", "4K"], ["/usr/bin/python3", "-c", CLOSES],
                              env={"TIERMEM_TEST_MIGRATE": "random"})
    assert stats["migrations"]["demoted"] > 100 and stats["migrations"]["failed"] < stats["migrations"]["demoted"]


def test_bad_programs_and_commands(tmp_path):
    for command, status, says in [
            (["run", "--", "/no/such/program"], 1, "cannot run /no/such/program"),
            (["run", "--", "no-such-program"], 1, "cannot run no-such-program"),
            (["run"], 2, "program to run is missing"),
            (["run", "--"], 2, "program to run is missing"),
            ([], 2, "what to do is missing"),
            (["jump"], 2, "unknown command 'jump'"),
            (["stats"], 2, "process is missing"),
            (["stats", "abc"], 2, "not a process id"),
            (["stats", "999999"], 1, "no process 999999"),
            (["stats", str(os.getpid())], 1, "does not answer"),
            (["stats", "1", "--format", "xml"], 2, "no format 'xml'"),
            (["stats", "1", "--capture", "--watch"], 2, "--capture is for one look")]:
        done = subprocess.run([TIERMEM, *command], text=True, capture_output=True)
        assert done.returncode == status and says in done.stderr and done.stderr.count("\n") == 1, (command, done)


def test_bad_environment_and_missing_library(tmp_path):
    done = run([], ["/bin/true"], env={"TIERMEM_DRAM": "x"})
    assert done.returncode == 2 and "TIERMEM_DRAM" in done.stderr
    lonely = tmp_path / "tiermem"
    shutil.copy(TIERMEM, lonely)
    done = subprocess.run([lonely, "run", "--", "/bin/true"], text=True, capture_output=True)
    assert done.returncode == 1 and "libtiermem-preload.so not found" in done.stderr


def test_help_names_every_option():
    done = subprocess.run([TIERMEM, "--help"], text=True, capture_output=True)
    assert done.returncode == 0
    for option in ("--dram", "--pmem", "--granule", "--policy", "--stats"):
        assert option in done.stdout
