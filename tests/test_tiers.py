"""Direct I/O while granules migrate, on every kind of slow tier and on both kernels: what a device reads and writes is never lost."""
import re
import subprocess

import pytest

import simvm
from test_allocator import MB
from test_numa import nodes

PREPARE = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
ndctl create-namespace -f -e namespace2.0 -m fsdax -M mem >/dev/null && dd if=/dev/vdb of=/dev/pmem2 bs=1M status=none
mkdir -p /tmp/dax; mount -t ext4 -o dax=always /dev/pmem2 /tmp/dax && head -c 80000000 /dev/zero >/tmp/dax/pool
"""
DIRECT_IO = PREPARE + """
for pmem in memfd:128M /dev/dax1.0 /tmp/dax/pool numa:1; do
	for mode in sync vector libaio uring; do
		TIERMEM_TEST_MIGRATE=random tiermem run --dram 2M --pmem $pmem --granule 4K --stats /tm/stats -- direct_io /dev/vda 2 $mode || echo failed
		echo $mode $(tr ',' '\\n' </tm/stats | tr -d '"{}' | grep -E 'kind|promoted:|demoted:|refused' | sed 's/.*kind:/kind:/')
	done
done
uname -r
"""


FORKS = PREPARE + """
for pmem in memfd:128M /dev/dax1.0 /tmp/dax/pool numa:1; do
	echo fpwcfwcprkwpcgep | tiermem run --dram 2M --pmem $pmem --granule 4K --stats /tm/stats -- shares 0x400000 | tail -1
	TIERMEM_TEST_MIGRATE=random tiermem run --dram 2M --pmem $pmem --granule 4K -- stress 1 2 family
	echo kind $(tr ',' '\\n' </tm/stats | tr -d '"{}' | grep -E 'kind|copied_bytes' | sed 's/.*kind://')
done
uname -r
"""


def run(tmp_path, kernel, script, **extra):
    """What a guest prints that has two NVDIMMs, a far node, a disk, and an fsdax file system."""
    if not (simvm.BUILD / kernel / "vmlinuz").exists():
        pytest.skip(f"needs the guest: make {kernel.split('/')[0]}")
    (tmp_path / "disk").write_bytes(bytes(8 * MB))
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-O", "^has_journal", tmp_path / "fs", "96M"], check=True)
    machine = nodes(256)  # half of it is free when the guest has booted; a family of four processes shares that
    for i in (1, 2):
        machine["qemu"] += ["-object", f"memory-backend-ram,id=p{i},size=128M", "-device", f"nvdimm,memdev=p{i},id=nv{i}"]
    for i, file in enumerate(("disk", "fs")):
        machine["qemu"] += ["-drive", f"file={tmp_path}/{file},format=raw,if=none,id=d{i},cache=none", "-device", f"virtio-blk-pci,drive=d{i}"]
    guest = simvm.run(tmp_path, script, programs=("tiermem",), libraries=("libtiermem-preload.so",), plugin=None, preload=False,
                      extra=extra, timeout=500, kernel=simvm.BUILD / kernel, **machine)
    out = guest.results.replace("\r", "")
    assert "@@exit 0" in out and "failed" not in out.split() and "broken" not in out, out + guest.console
    assert ("6.12" if "13" in kernel else "6.1.") in out
    return out


KERNELS = pytest.mark.parametrize("kernel", ["guest", "kernel13/guest"])


@KERNELS
def test_direct_io_on_every_tier(programs, tmp_path, kernel):
    out = run(tmp_path, kernel, DIRECT_IO, direct_io=programs / "direct_io")
    assert len(re.findall(r"^ok ", out, re.M)) == 16, out
    runs = re.findall(r"^(\w+) kind:(\w+) promoted:(\d+) demoted:(\d+) .*refused:(\w+)", out.replace("migrations:", ""), re.M)
    assert [r[1] for r in runs] == [k for k in ("memfd", "devdax", "fsdax", "numa") for _ in range(4)], out
    for mode, kind, promoted, demoted, refused in runs:
        if mode == "uring" and kind != "numa":
            assert refused == "io_uring", out  # it cannot be followed: no migration from then on
        else:
            assert refused == "null" and int(promoted) > 20 and int(demoted) > 20, out  # of some seconds, on a busy machine


@KERNELS
def test_forks_on_every_tier(programs, tmp_path, kernel):
    """Frames are shared where the device has private mappings."""
    out = run(tmp_path, kernel, FORKS, shares=programs / "shares", stress=programs / "stress")
    assert len(re.findall(r"^ok", out, re.M)) == 8 and "wrong" not in out, out
    copied = {kind: int(n) for kind, n in re.findall(r"^kind (\w+) copied_bytes:(\d+)", out.replace("fork:", ""), re.M)}
    assert min(copied["memfd"], copied["fsdax"]) > MB and copied["devdax"] == copied["numa"] == 0, out
