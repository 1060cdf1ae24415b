"""System calls that fail, one after the other (strace's fault injection): the program gets ENOMEM or does without, it does not die of it, hang,
or find other bytes than it wrote."""
import platform
import shutil
import subprocess

import pytest

from test_allocator import TIERMEM

# At jemalloc's start: what it says about that waits for itself with Debian 13's libc, whose strerror_r allocates.
JEMALLOC_STARTS = ["5", "5+"] if tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 41) else []

# Which call of each thread fails. The first hundred or so are the dynamic loader's, and tiermem's start; "20+": from the 20th on all.
CALLS = [("userfaultfd", "ENOMEM", ["1"]),
         ("memfd_create", "ENOMEM", ["1"]),
         ("ftruncate", "ENOSPC", ["1"]),
         ("fallocate", "ENOSPC", ["1", "1+"]),
         ("clone3", "EAGAIN", ["1", "2", "3", "4"]),
         ("ioctl", "ENOMEM", ["1", "2", "3", "5", "8", "12", "20", "30", "50", "100", "1+", "3+"]),  # userfaultfd's
         ("flock", "EINTR", ["1", "2", "1+"]),
         ("fcntl", "EINVAL", ["1", "3", "5", "1+"]),
         ("mremap", "ENOMEM", ["1", "2", "3", "10", "50", "1+", "8+", "11+", "14+", "17+", "20+"]),  # what hints set aside
         ("madvise", "ENOMEM", ["1", "2", "3", "5", "1+"]),
         ("mprotect", "ENOMEM", ["20", "30"]),
         ("munmap", "ENOMEM", ["3", "12", "20", "12+", *JEMALLOC_STARTS]),
         ("mmap", "ENOMEM", ["40", "80", "100", *map(str, range(110, 150, 4)), "200", "400", "800", "130+"])]


@pytest.fixture(scope="module")
def program(programs):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("strace cannot trace here")
    return programs / "no_memory"


def fail(program, call, error, when):
    return subprocess.run(["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                           f"inject={call}:error={error}:when={when}", TIERMEM, "run", "--dram", "4M", "--pmem", "memfd:256M",
                           "--granule", "4K", "--", program], text=True, capture_output=True, timeout=60)


def complaint(done):
    """Why the program is not as it should be; None: it ended well, or was not let start and somebody said so."""
    if done.returncode == 0:
        return None if done.stdout == "ok\n" else "its output"
    if done.returncode in (1, 127) and not done.stdout:
        return None if done.stderr.strip() else "no reason given"
    if done.stderr.startswith("<jemalloc>: Cannot allocate memory for MADV_DONTNEED check"):
        return None  # jemalloc's own, before anything else: it writes to MAP_FAILED, without tiermem too
    return "its end"


def test_calls_that_fail(program):
    good = 0
    for call, error, times in CALLS:
        for when in times:
            done = fail(program, call, error, when)
            assert not complaint(done), (complaint(done), call, error, when, done.returncode, done.stdout, done.stderr)
            good += done.returncode == 0
    assert good > 20  # most run to their end


@pytest.mark.parametrize("call,error,times", [("ioctl", "ENOMEM", ["25", "30", "40", "60"]), ("userfaultfd", "ENOMEM", ["3", "4"]),
                                              ("dup3", "EMFILE", ["1"]), ("socket", "EMFILE", ["1"]), ("openat", "EMFILE", ["9"]),
                                              ("clone3", "EAGAIN", ["5"])])
def test_calls_that_fail_in_a_family(program, programs, call, error, times):
    """Memory against its shadow while each process and thread has one call fail: children that grow and fork again among them."""
    for when in times:
        done = subprocess.run(["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                               f"inject={call}:error={error}:when={when}", TIERMEM, "run", "--dram", "4M", "--pmem", "memfd:256M",
                               "--granule", "4K", "--", programs / "stress", "1", "2", "family"], text=True, capture_output=True, timeout=120)
        assert done.returncode == 0 and done.stdout.startswith("ok"), (call, error, when, done.stdout, done.stderr)
