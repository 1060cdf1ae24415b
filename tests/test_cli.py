"""The tiermem command and running processes: the control socket, quotas, migration on demand, live statistics."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import simvm
from test_allocator import (MB, ROOT, TIERMEM, check_values, cli, populate, redis, stats_of)  # noqa: F401  (a fixture)


def tiermem(*args, timeout=60, **more):
    return subprocess.run([TIERMEM, *map(str, args)], text=True, capture_output=True, timeout=timeout, **more)


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def zone(stats, name):
    return next(z for z in stats["zones"] if z["name"] == name)


# --- the control socket

def control_path(pid, uid=None):
    base = os.environ.get("XDG_RUNTIME_DIR") or "/run"
    places = [f"{base}/tiermem", f"/run/user/{os.getuid()}/tiermem", "/run/tiermem", f"/tmp/tiermem-{os.getuid()}"]
    return next(p for p in (f"{d}/{pid}.sock" for d in places) if os.path.exists(p))


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    return s


def talk(path, data):
    """What the process answers to these bytes; the connection stays open to the end."""
    with connect(path) as s:
        answer = b""
        try:
            s.sendall(data)
            while more := s.recv(65536):
                answer += more
        except ConnectionError:
            pass
        return answer


def test_odd_requests(redis):
    server, _ = redis("--dram", "8M")
    path = control_path(server.pid)
    for data in (b"nonsense\n", b"\n", b"stats \n", b"\0stats\n", b"st\0ats\n", bytes(range(128, 160)) + b"\n"):
        assert json.loads(talk(path, data)) == {"error": "unknown request"}, data
    for data in (b"x" * 64, b"stats" + b" " * 100 + b"\n", os.urandom(65536).replace(b"\n", b"").replace(b"\0", b"")):
        assert b"too long" in talk(path, data)
    assert json.loads(talk(path, b"stats\nstats\n"))["pid"] == server.pid  # one line, one answer
    with connect(path) as s:  # in pieces
        for piece in (b"st", b"at", b"s\n"):
            s.sendall(piece)
            time.sleep(0.05)
        assert s.recv(1) == b"{"
    assert talk(path, b"stat") == b""  # never ends its line: hung up on


def test_clients_that_hold_on_hold_up_nobody(redis):
    server, port = redis("--dram", "8M")
    path, fds = control_path(server.pid), f"/proc/{server.pid}/fd"
    before = len(os.listdir(fds))
    held = [connect(path) for _ in range(80)]
    for i, s in enumerate(held):  # silent, in the middle of a line, asking and not reading
        with contextlib.suppress(BrokenPipeError):  # hung up on already, for another's sake
            s.sendall((b"", b"sta", b"stats\n")[i % 3])
    start = time.monotonic()
    for _ in range(5):
        assert tiermem("stats", server.pid).returncode == 0
        assert cli(port, "ping") == "PONG"
    assert time.monotonic() - start < 10  # it was a second for each of them once
    for s in held:
        s.close()
    until(lambda: len(os.listdir(fds)) <= before)
    assert server.poll() is None and tiermem("stats", server.pid).returncode == 0


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_other_users_are_refused(redis):
    server, _ = redis("--dram", "8M")
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    for command in (["stats", str(server.pid)], ["quota", str(server.pid), "1M"]):
        done = subprocess.run([*other, TIERMEM, *command], text=True, capture_output=True)
        assert done.returncode == 1 and "does not answer; is it yours" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="changing the user needs root")
def test_a_daemon_that_gives_up_root_still_answers_root():
    """As memcached -u and mariadbd --user do: its control socket is where root's are."""
    code = "import os, sys\nos.setgid(65534); os.setuid(65534)\nprint('ready', flush=True); sys.stdin.readline()"
    with subprocess.Popen([TIERMEM, "run", "--dram", "8M", "--", "/usr/bin/python3", "-S", "-c", code], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == "ready\n"
        stats = json.loads(tiermem("stats", child.pid, "--json").stdout)
        assert stats["pid"] == child.pid
        assert quota(child, "4M")["dram_quota_bytes"] == 4 << 20
        child.communicate("\n", timeout=30)


def test_a_process_without_descriptors_does_not_spin():
    """Nobody can be let in; who waits at the door is let in when there is a descriptor again."""
    code = "import os, resource, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\nfds = []\n" \
           "while True:\n  try: fds.append(os.dup(0))\n  except OSError: break\n" \
           "print('ready', flush=True); sys.stdin.readline(); print(sum(os.times()[:2]), flush=True)\n" \
           "for fd in fds: os.close(fd)\nsys.stdin.readline()"
    with subprocess.Popen([TIERMEM, "run", "--dram", "8M", "--", "/usr/bin/python3", "-S", "-c", code], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == "ready\n"
        with connect(control_path(child.pid)) as s:
            s.sendall(b"stats\n")
            time.sleep(3)
            child.stdin.write("\n")
            child.stdin.flush()
            assert float(child.stdout.readline()) < 1.5  # of three seconds
            assert s.recv(1) == b"{"
        child.communicate("\n", timeout=30)


# --- the quota

def quota(server, *size, status=0):
    done = tiermem("quota", server.pid, *size, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("policy,granule", [("static", "64K"), ("hotness", "4K")])
def test_quota_goes_down_and_up(redis, policy, granule):
    server, port = redis("--dram", "unlimited", "--policy", policy, "--granule", granule)
    populate(port, 20000)
    assert quota(server)["dram_quota_bytes"] is None
    for size in (12 * MB, 4 * MB, 0):
        now = quota(server, size)
        assert now["dram_quota_bytes"] == size and now["dram_bytes"] <= size and now["over_bytes"] == 0
        assert now["pmem_bytes"] > 10 * MB
        check_values(port, 20000)
    assert stats_of(server)["quota"] == {"changes": 3, "over_bytes": 0, "why": None}
    assert quota(server, "16M")["dram_quota_bytes"] == 16 * MB
    if policy == "static":
        populate(port, 25000)
        assert stats_of(server)["tiers"]["dram"]["bytes"] >= MB  # new memory may be DRAM again
        return
    until(lambda: 14 * MB < stats_of(server)["tiers"]["dram"]["bytes"] <= 16 * MB)
    stats = stats_of(server)
    assert zone(stats, "small")["pmem_granules"] == 0 and zone(stats, "buffer")["pmem_granules"] == 0
    quota(server, "unlimited")
    until(lambda: stats_of(server)["tiers"]["pmem"]["bytes"] == 0)
    check_values(port, 20000)
    quota(server, "8M")
    check_values(port, 20000)


def test_quota_for_people(redis):
    server, port = redis("--dram", "unlimited")
    populate(port, 5000)
    done = tiermem("quota", server.pid)
    assert done.stdout.startswith("quota unlimited, DRAM ") and done.stderr == ""
    done = tiermem("quota", server.pid, "2M")
    assert done.stdout.startswith("quota 2.0 MiB (was unlimited), DRAM ")
    assert " 2.0 " in tiermem("stats", server.pid).stdout.splitlines()[2]  # the limit of the DRAM tier


@pytest.mark.parametrize("policy", ["static", "hotness"])
def test_quota_changes_under_a_program_that_checks_its_memory(programs, policy):
    """Threads, kernel writers and forks against a shadow, while the quota goes up and down."""
    with subprocess.Popen([TIERMEM, "run", "--pmem", "memfd:512M", "--granule", "4K", "--policy", policy, "--",
                           programs / "stress", "6", "3", "fork"], text=True, stdout=subprocess.PIPE) as child:
        time.sleep(1)
        for i, size in enumerate(("4M", "unlimited", "1M", "0", "8M", "2M")):
            done = tiermem("quota", child.pid, size)
            if done.returncode and i > 2:
                break  # a loaded host: the program is at its end
            assert done.returncode == 0, (done.stderr, child.poll() is None or child.communicate())
            time.sleep(0.3)
        else:
            assert json.loads(tiermem("stats", child.pid, "--json").stdout)["migrations"]["demoted"] > 500
        out = child.communicate(timeout=60)[0]
    assert child.returncode == 0 and out.startswith("ok"), out


def test_frames_mapped_ahead_are_not_shared_by_fork(programs):
    """After all memory went back to DRAM there are still frames mapped for what comes next."""
    with subprocess.Popen([TIERMEM, "run", "--dram", "0", "--pmem", "memfd:512M", "--", programs / "fork_fresh"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == "ready\n"
        quota(child, "unlimited")
        until(lambda: stats_of(child)["tiers"]["pmem"]["bytes"] == 0)
        assert child.communicate("go\n", timeout=30)[0] == "parent good, child good\n"


def test_quota_that_pmem_cannot_hold_is_refused(redis):
    server, port = redis("--dram", "unlimited", "--pmem", "memfd:8M")
    populate(port, 20000)
    done = tiermem("quota", server.pid, "4M")
    assert done.returncode == 1 and "bytes would have to move to PMEM, which has room for 8388608" in done.stderr
    assert "the least that the quota can be now is" in done.stderr and done.stderr.count("\n") == 1
    assert quota(server)["dram_quota_bytes"] is None
    least = int(done.stderr.split()[-1])
    now = quota(server, least + MB)
    assert 0 < now["pmem_bytes"] <= 8 * MB
    check_values(port, 20000)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_quota_without_userfaultfd(request):
    with open("/proc/sys/vm/unprivileged_userfaultfd") as f:
        if f.read().strip() != "0" or os.access("/dev/userfaultfd", os.F_OK) and os.stat("/dev/userfaultfd").st_mode & 0o7:
            pytest.skip("userfaultfd is for everybody here")
    code = "import sys; x = bytearray(8 << 20); print('ready', flush=True); sys.stdin.read(1)"
    # Where everybody can read it: this tree may be somebody's own.
    place = Path(tempfile.mkdtemp(prefix="tm-test-"))
    request.addfinalizer(lambda: shutil.rmtree(place))
    place.chmod(0o755)
    shutil.copy(TIERMEM, place)
    shutil.copy(TIERMEM.parent.parent / "lib/libtiermem-preload.so", place)
    with subprocess.Popen(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", place / "tiermem", "run", "--pmem",
                           "memfd:512M", "--", "/usr/bin/python3", "-c", code], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                          env={**os.environ, "TIERMEM_PRELOAD": str(place / "libtiermem-preload.so")}) as child:
        assert child.stdout.readline() == "ready\n", child.stderr.read()
        done = tiermem("quota", child.pid, "1M")
        assert done.returncode == 1 and "userfaultfd is denied" in done.stderr and "cannot shrink" in done.stderr
        assert done.stderr.count("\n") == 1 and "sysctl vm.unprivileged_userfaultfd=1" in done.stderr
        assert tiermem("quota", child.pid, "1G").returncode == 0  # no memory has to move for that
        child.communicate("\n", timeout=30)


HUGE = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
echo always >/sys/kernel/mm/transparent_hugepage/enabled
mkfifo /tmp/in
start() { tiermem run --dram $1 --granule 4K --pmem memfd:64M --policy static -- fork_fresh </tmp/in & p=$!; exec 3>/tmp/in; sleep 2; }
show() { echo "$1 $(awk '/^AnonHuge/ {print $2}' /proc/$p/smaps_rollup)"; }
splits() { echo "splits $(awk '/^thp_split_page / {print $2}' /proc/vmstat)"; }
start unlimited; show before; tiermem stats $p --json | grep -o '"metadata_bytes":[0-9]*'; tiermem quota $p 0; show after; echo >&3; exec 3>&-; wait
start 96M; show early; splits; tiermem quota $p 0; show after; splits; echo >&3; exec 3>&-; wait
start 2M; show beyond; echo >&3; exec 3>&-; wait
start 0; show never; echo >&3; exec 3>&-; wait
"""


@pytest.mark.skipif(not (ROOT / "build/guest/root.img").exists(), reason="make guest has not been run")
def test_a_quota_drives_huge_pages_out(programs, tmp_path):
    """In a guest whose kernel uses them unasked: a quota that is far away does not; one that is reached does, and no more
    are left than in a process that began with it. What has moved is free, and not the rest of a huge page that the kernel keeps.
    tiermem's own tables never have any: a few pages here and there would take 2 MiB each."""
    guest = simvm.run(tmp_path, HUGE, programs=("tiermem",), libraries=("libtiermem-preload.so",),
                      extra={"fork_fresh": programs / "fork_fresh"})
    found = [(name, int(n)) for name, n in re.findall(r"^(before|after|early|beyond|never|splits) (\d+)\s*$", guest.results, re.M)]
    before, after, early, splits, after_early, more_splits, beyond, never = [n for _, n in found]
    assert min(before, early) > after == after_early == beyond == never and more_splits > splits, guest.results
    assert 0 < int(re.search(r'"metadata_bytes":(\d+)', guest.results)[1]) < 2 * MB, guest.results  # tables take pages, never huge ones
    assert guest.results.count("parent good, child good") == 4 and "(was unlimited), DRAM 0.0 MiB" in guest.results


# --- migration on demand

def migrate(server, *args, status=0):
    done = tiermem("migrate", server.pid, *args, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_migrate_moves_what_it_says(redis):
    server, port = redis("--dram", "unlimited", "--policy", "static", "--granule", "4K")
    populate(port, 20000)
    dram = stats_of(server)["tiers"]["dram"]["bytes"]
    done = tiermem("migrate", server.pid, "--to", "pmem", "--bytes", "8M")
    assert done.stdout.startswith("moved 8.0 MiB to pmem: values 8.0, ") and done.stderr == ""  # values go first
    stats = stats_of(server)
    assert stats["tiers"]["pmem"]["bytes"] == 8 * MB == dram - stats["tiers"]["dram"]["bytes"]
    check_values(port, 20000)
    moved = migrate(server, "--to=pmem")
    assert moved["moved_bytes"] > 10 * MB and moved["why"] is None and moved["small"] > 0
    assert moved["moved_bytes"] == sum(moved[name] for name in ("small", "buffer", "bulk", "mmap"))
    assert stats_of(server)["tiers"]["dram"]["bytes"] == 0
    check_values(port, 20000)
    moved = migrate(server, "--to", "dram", "--bytes", "1M")
    assert moved["moved_bytes"] == moved["small"] == MB  # to DRAM small allocations go first
    quota(server, "10M")
    moved = migrate(server, "--to", "dram", status=1)
    assert moved["why"] == "the DRAM quota is full" and 7 * MB < moved["moved_bytes"] < 10 * MB
    assert stats_of(server)["tiers"]["dram"]["peak_bytes"] > 10 * MB >= stats_of(server)["tiers"]["dram"]["bytes"]
    quota(server, "unlimited")
    assert migrate(server, "--to", "dram", "--bytes", "1G", status=1)["why"] == "there is no more"
    assert stats_of(server)["tiers"]["pmem"]["bytes"] == 0
    check_values(port, 20000)


def test_migration_that_nobody_waits_for_stops(redis):
    server, port = redis("--dram", "unlimited", "--policy", "static", "--granule", "4K")
    populate(port, 40000)
    with connect(control_path(server.pid)) as first:
        first.sendall(b"migrate pmem unlimited\n")
        assert "another migration is under way" in talk(control_path(server.pid), b"migrate dram 1M\n").decode()
    time.sleep(0.5)
    before = stats_of(server)["tiers"]
    time.sleep(0.5)
    assert stats_of(server)["tiers"] == before and before["dram"]["bytes"] > 0  # it has not gone on to the end
    for bad in (b"migrate\n", b"migrate pmem\n", b"migrate moon 1M\n", b"migrate pmem lots\n", b"quota\n", b"quota \n"):
        assert b"error" in talk(control_path(server.pid), bad)
    migrate(server, "--to", "pmem")
    check_values(port, 40000)


def test_migrate_under_a_program_that_checks_its_memory(programs):
    with subprocess.Popen([TIERMEM, "run", "--pmem", "memfd:512M", "--granule", "4K", "--dram", "16M", "--",
                           programs / "stress", "5", "3", "fork"], text=True, stdout=subprocess.PIPE) as child:
        time.sleep(0.5)
        for _ in range(8):
            for to in ("pmem", "dram"):
                assert tiermem("migrate", child.pid, "--to", to).returncode in (0, 1)
        out = child.communicate(timeout=60)[0]
    assert child.returncode == 0 and out.startswith("ok"), out


@pytest.mark.parametrize("mode", ["sync", "libaio", "uring"])
def test_direct_io_meets_quota_and_migration(programs, tmp_path, mode):
    """Buffers that a device writes to stay where they are; where that cannot be known, nothing is moved, and it is said."""
    with subprocess.Popen([TIERMEM, "run", "--pmem", "memfd:256M", "--granule", "4K", "--policy", "static", "--",
                           programs / "direct_io", tmp_path / "file", "4", mode], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        time.sleep(1)
        if mode == "uring":  # a slow disk: it first writes its file
            until(lambda: child.poll() is not None or json.loads(tiermem("stats", child.pid, "--json").stdout or "{}").get("direct_io", {}).get("refused"))
        for command in (["quota", child.pid, "64K"], ["migrate", child.pid, "--to", "pmem"], ["migrate", child.pid, "--to", "dram"],
                        ["quota", child.pid, "0"]):
            done = tiermem(*command)
            if child.poll() is not None:
                break
            assert done.returncode in (0, 1)
            if mode == "uring":
                assert "it does device I/O that cannot be followed, so " in done.stderr and done.stderr.count("\n") == 1
        out, _ = child.communicate(timeout=60)
    if out.startswith("skip"):
        pytest.skip(out.strip())
    assert child.returncode == 0 and out.startswith("ok"), out


# --- live statistics

def test_watch_prints_lines_until_the_process_ends(redis):
    server, port = redis("--dram", "8M")
    done = tiermem("stats", server.pid, "--watch", "0.1", "--count", "3")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 4 and lines[0].split()[:2] == ["dram", "MiB"]
    assert lines[1].split()[2:4] == ["8.0", "-"] and lines[3].split()[3] == "0.0"
    done = tiermem("stats", "--watch", server.pid, "--count", "1")  # the process is not taken for the seconds
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
    done = tiermem("stats", server.pid, "--json", "--watch=0.05", "--count", "2")
    assert [json.loads(line)["pid"] for line in done.stdout.splitlines()] == [server.pid] * 2
    with subprocess.Popen([TIERMEM, "stats", str(server.pid), "--watch", "0.1"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as watch:
        watch.stdout.readline()
        server.terminate()
        assert watch.wait(timeout=20) == 0 and watch.stderr.read() == ""


def test_watch_ends_with_control_c(redis):
    server, _ = redis("--dram", "8M")
    with subprocess.Popen([TIERMEM, "stats", str(server.pid), "--watch", "0.1"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as watch:
        watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=20) == 0 and watch.stderr.read() == ""


def test_statistics_know_heat(programs):
    with subprocess.Popen([TIERMEM, "run", "--dram", "8M", "--pmem", "memfd:64M", "--granule", "4K", "--",
                           programs / "skew", "5", "20000", "20"], stdout=subprocess.DEVNULL) as child:
        time.sleep(4)
        stats = stats_of(child)
        done = tiermem("stats", child.pid)
    assert [bar["times"] for bar in stats["heat"]["known"]] == [0.125, 0.25, 0.5, 1, 2, 4, 8]
    assert stats["tracking"]["samples"] > 10 and sum(bar["dram"] + bar["pmem"] for bar in stats["heat"]["known"]) > 100
    assert "+" in done.stdout and "8, more" in done.stdout and "average" in done.stdout


# --- the manual

@pytest.mark.parametrize("page,conf", [("tiermem.1", False), ("tiermem.conf.5", True)])
def test_manual_pages_name_every_option(page, conf):
    text = (ROOT / "build/man" / page).read_text()
    assert text == tiermem("help", "--man=conf" if conf else "--man").stdout
    plain = text.replace("\\-", "-")
    table = re.findall(r'\[TM_OPT_\w+\] =\s*\{("[\w-]+"|NULL),\s*"(TIERMEM_\w+)"', (ROOT / "allocator/options.c").read_text())
    assert len(table) > 10
    for name, variable in table:
        name = name.strip('"')
        if conf:
            assert (f"\n.B {name} " in plain) == (name not in ("NULL", "conf")), name
        else:
            assert f"\n.B {variable}\n" in plain and (name == "NULL" or f"\n.B --{name} " in plain), name
    if not conf:
        for command in ("run", "stats", "quota", "migrate", "doctor"):
            assert f"\n.B {command}\n" in plain
    if shutil.which("groff"):
        lint = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, text=True, capture_output=True)
        assert (lint.returncode, lint.stderr) == (0, "")


# --- what can be wrong

@pytest.mark.parametrize("command,status,says", [
    (["quota"], 2, "process is missing"),
    (["quota", "abc"], 2, "not a process id"),
    (["quota", ""], 2, "not a process id"),
    (["quota", "1", "12Q"], 2, "'12Q' is not a size"),
    (["quota", "1", "-1"], 2, "unexpected '-1'"),
    (["quota", "1", "1M", "2M"], 2, "unexpected '2M'"),
    (["quota", "1", "--format", "xml"], 2, "no format 'xml'"),
    (["quota", "999999"], 1, "no process 999999"),
    (["quota", str(os.getpid()), "1M"], 1, "does not answer"),
    (["migrate"], 2, "process is missing"),
    (["migrate", "1"], 2, "give --to dram or --to pmem"),
    (["migrate", "1", "--to", "disk"], 2, "give --to dram or --to pmem"),
    (["migrate", "1", "--to"], 2, "unexpected '--to'"),
    (["migrate", "1", "--to", "dram", "--bytes", "x"], 2, "--bytes: 'x' is not a size"),
    (["migrate", "999999", "--to", "dram"], 1, "no process 999999"),
    (["stats", "1", "--watch", "soon"], 2, "'soon' is not a number of seconds"),
    (["stats", "1", "--watch=0"], 2, "'0' is not a number of seconds"),
    (["stats", "1", "--count", "0.5"], 2, "--count needs a number"),
    (["stats", "999999", "--watch"], 1, "no process 999999"),
])
def test_bad_commands(command, status, says):
    done = tiermem(*command)
    assert done.returncode == status and says in done.stderr, done
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("tiermem: ") and done.stdout == ""
