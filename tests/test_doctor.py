"""`tiermem doctor`: on this machine, and on made-up ones (--root)."""
import json
import os
import shutil
import subprocess

import pytest

from test_allocator import TIERMEM


def doctor(*args, env=None, user=None):
    switch = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
    done = subprocess.run([*switch, TIERMEM, "doctor", *args], text=True, capture_output=True, env={**os.environ, **(env or {})})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def items(*args, **more):
    report = json.loads(doctor("--json", *args, **more))
    assert report["schema"] == 1
    return {i["item"]: i for i in report["items"]}


def make(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return f"--root={root}"


def test_this_machine():
    report = items()
    for item in ("kernel", "userfaultfd", "UFFDIO_MOVE", "MREMAP_DONTUNMAP", "/dev/userfaultfd", "unprivileged_userfaultfd",
                 "max_map_count", "transparent huge pages", "address space", "far NUMA node", "perf PEBS/IBS", "DAMON", "KVM",
                 "libpmem2", "preload library", "configuration"):
        assert report[item]["state"] in ("ok", "emulated", "missing", "unknown") and report[item]["found"], item
    assert any(item.startswith("devdax") for item in report) and "fsdax" in report
    assert report["kernel"]["found"].split()[1] == os.uname().release
    assert report["preload library"]["state"] == "ok" and "libtiermem-preload.so" in report["preload library"]["found"]
    assert report["KVM"]["state"] != "ok"  # only booting would prove it
    text = doctor()
    for item, about in report.items():
        assert any(line.split(about["state"])[0].strip() == item for line in text.splitlines()), item
        assert about["todo"] is None or about["todo"] in text


def test_a_machine_with_everything(tmp_path):
    root = make(tmp_path, {
        "sys/bus/dax/devices/dax0.0/size": "8589934592\n", "sys/bus/dax/devices/dax0.0/align": "4096\n", "dev/dax0.0": "",
        "sys/bus/dax/devices/dax1.0/size": "4294967296\n", "sys/bus/dax/devices/dax1.0/align": "2097152\n", "dev/dax1.0": "",
        "sys/bus/dax/devices/dax2.0/size": "4294967296\n",
        "proc/self/mounts": "/dev/pmem0 /mnt/pmem ext4 rw,relatime,dax=always 0 0\n/dev/sda / ext4 rw 0 0\n"
                            "/dev/sdb /x xfs rw,dax=never 0 0\n",
        "sys/devices/system/node/node0/cpulist": "0-7\n", "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 1 kB\n",
        "sys/devices/system/node/node1/cpulist": "\n",
        "sys/devices/system/node/node1/meminfo": "Node 1 MemTotal:       16777216 kB\n",
        "sys/bus/event_source/devices/cpu/events/mem-loads": "event=0xcd\n", "sys/bus/event_source/devices/cpu/type": "4\n", "proc/sys/kernel/perf_event_paranoid": "2\n",
        "sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds": "0\n", "proc/sys/vm/max_map_count": "1000\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n", "proc/sys/vm/overcommit_memory": "2\n",
        "etc/tiermem.conf": "[default]\ndram = lots\n"})
    report = items(root)
    assert report["devdax dax0.0"]["state"] == "ok" and report["devdax dax0.0"]["found"].startswith("8.0 GiB")
    assert "must not be smaller" in report["devdax dax1.0"]["found"] and report["devdax dax2.0"]["state"] == "missing"
    assert report["fsdax"]["found"].startswith("/dev/pmem0 on /mnt/pmem")
    assert report["far NUMA node"]["found"].startswith("node1: 16.0 GiB")
    assert report["perf PEBS/IBS"]["state"] == report["DAMON"]["state"] == "ok"
    assert report["max_map_count"]["state"] == "missing" and "max_map_count=65530" in report["max_map_count"]["todo"]
    assert "keeps them out" in report["transparent huge pages"]["found"] and report["address space"]["state"] == "missing"
    assert "tiermem.conf:2: dram: 'lots' is not a size" in report["configuration"]["found"]


def test_a_machine_with_nothing(tmp_path):
    report = items(f"--root={tmp_path}", env={"TIERMEM_PRELOAD": "/no/such/library"})
    assert {item: report[item]["state"] for item in ("devdax", "fsdax", "far NUMA node", "perf PEBS/IBS", "DAMON", "KVM",
                                                     "max_map_count", "preload library", "configuration")} == {
        "devdax": "emulated", "fsdax": "missing", "far NUMA node": "missing", "perf PEBS/IBS": "emulated",
        "DAMON": "missing", "KVM": "emulated", "max_map_count": "unknown", "preload library": "missing", "configuration": "ok"}
    (tmp_path / "library").write_bytes(b"\0" * 5000)
    assert items(env={"TIERMEM_PRELOAD": str(tmp_path / "library")})["preload library"]["state"] == "unknown"
    (tmp_path / "library").write_bytes(b"\0" * 1048500 + b"@(#)tiermem 0.0.1\0" + b"\0" * 5000)
    assert "is version 0.0.1" in items(env={"TIERMEM_PRELOAD": str(tmp_path / "library")})["preload library"]["found"]


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_a_user_without_userfaultfd():
    report = items(user="65534")
    if report["/dev/userfaultfd"]["state"] == "ok" or report["unprivileged_userfaultfd"]["state"] == "ok":
        pytest.skip("userfaultfd is for everybody here")
    assert report["userfaultfd"]["state"] == "missing" and "no migration" in report["userfaultfd"]["found"]
    assert "vm.unprivileged_userfaultfd=1" in report["userfaultfd"]["todo"]


def test_usage():
    done = subprocess.run([TIERMEM, "doctor", "who"], text=True, capture_output=True)
    assert done.returncode == 2 and done.stderr.startswith("tiermem: unexpected 'who'") and done.stderr.count("\n") == 1
    assert subprocess.run([TIERMEM, "--version"], text=True, capture_output=True).stdout.startswith("tiermem 0.")
