"""The tiermem command and running processes: the control socket, quotas, migration on demand, live statistics."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from test_allocator import (TIERMEM, cli, redis, stats_of)  # noqa: F401  (fixtures)


def tiermem(*args, timeout=60, **more):
    return subprocess.run([TIERMEM, *map(str, args)], text=True, capture_output=True, timeout=timeout, **more)


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


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
    silent = [connect(path) for _ in range(40)]
    for s in silent[::2]:
        with contextlib.suppress(BrokenPipeError):  # hung up on already, for another's sake
            s.sendall(b"sta")
    deaf = [connect(path) for _ in range(40)]  # these ask and do not read
    for s in deaf:
        s.sendall(b"stats\n")
    start = time.monotonic()
    for _ in range(5):
        assert tiermem("stats", server.pid).returncode == 0
        assert cli(port, "ping") == "PONG"
    assert time.monotonic() - start < 10  # it was a second for each of them once
    for s in silent + deaf:
        s.close()
    until(lambda: len(os.listdir(fds)) <= before)
    assert server.poll() is None and tiermem("stats", server.pid).returncode == 0


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_other_users_are_refused(redis):
    server, _ = redis("--dram", "8M")
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    for command in (["stats", str(server.pid)]):
        done = subprocess.run([*other, TIERMEM, *command], text=True, capture_output=True)
        assert done.returncode == 1 and "does not answer; is it yours" in done.stderr
