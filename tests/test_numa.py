"""PMEM that is NUMA nodes (CXL, PMEM as system RAM): guests with nodes that have memory and no CPUs."""
import re

import pytest

import simvm
from test_allocator import MB, run

NEEDS_GUEST = pytest.mark.skipif(not (simvm.BUILD / "guest/root.img").exists(), reason="make guest has not been run")


def nodes(*far, near=384, vcpus=2):
    """QEMU's options for a node with the CPUs and far ones, in MiB."""
    options = ["-object", f"memory-backend-ram,id=near,size={near}M", "-numa", f"node,nodeid=0,cpus=0-{vcpus - 1},memdev=near"]
    for i, mib in enumerate(far, 1):
        options += ["-object", f"memory-backend-ram,id=far{i},size={mib}M", "-numa", f"node,nodeid={i},memdev=far{i}"]
    return {"qemu": options, "memory": f"{near + sum(far)}M"}


@pytest.mark.parametrize("value,why", [
    ("numa:x", "--pmem: 'numa:x' names no NUMA nodes (0 to 63); write for example numa:1 or numa:1,2:64G"),
    ("numa:0,64", "names no NUMA nodes"), ("numa:0:", "names no NUMA nodes"), ("numa:0:0", "names no NUMA nodes"),
    ("numa:", "names no NUMA nodes"), ("numa:63", "there is no NUMA node 63 with memory")])
def test_nodes_that_are_wrong(value, why):
    done = run(["--pmem", value], ["/bin/true"])
    assert done.returncode in (1, 2) and why in done.stderr and done.stderr.count("\n") == 1


START = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
nodes() { # MiB on the far nodes, of mappings that are theirs; of others
	awk '{ for (i = 3; i <= NF; i++) if (split($i, a, "=") == 2 && a[1] ~ /^N[1-9]$/) s[$2 != "default"] += a[2] }
		END { printf "far %.1f strangers %.1f\\n", s[1] / 256, s[0] / 256 }' /proc/$1/numa_maps
}
tiers() { tiermem stats $1 | awk '/^dram|^pmem /{ printf "%s %s ", $1, $2 } /^migrations|^pmem:/'; }
"""

REDIS = START + """
both() { # of one moment: nothing has moved between them
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		t=$(tiers $1); n=$(nodes $1)
		[ "$t" = "$(tiers $1)" ] && break
		sleep 0.5
	done
	echo "$t"; echo "$n"
}
tiermem doctor | grep far
tiermem run --dram 8M --pmem auto -- redis-server --save '' --bind 127.0.0.1 --port 6001 >/tm/log 2>&1 &
s=$!
load() { tmload -t 1 -c 2 -p 6001 --key-maximum 15000 -d 1024 --wait-for-server 60 --key-pattern P:P "$@" >/tm/out || cat /tm/out /tm/log; }
load --ratio 1:0 -n allkeys
both $s
tiermem quota $s 12M; load --ratio 0:1 -n allkeys; tiermem quota $s 4M
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; tiers $s | grep -q 'dram 4.0' && break; done
both $s
load --ratio 0:1 -n allkeys
redis-cli -p 6001 bgsave; load --ratio 1:1 -n 5000
while redis-cli -p 6001 info persistence | grep -q bgsave_in_progress:1; do sleep 0.2; done
redis-cli -p 6001 info persistence | grep last_bgsave_status
redis-cli -p 6001 dbsize; redis-cli -p 6001 shutdown nosave; wait
tiermem run --pmem numa:1:1G -- true; tiermem run --pmem numa:0,1,2 -- true
"""


@NEEDS_GUEST
def test_redis_on_two_far_nodes(tmp_path):
    """What tiermem counts as PMEM is on the nodes, by the kernel's account, and nothing else is; both have their share."""
    guest = simvm.run(tmp_path, REDIS, programs=("tiermem", "tmload"), libraries=("libtiermem-preload.so",), plugin=None, preload=False,
                      timeout=300, **nodes(64, 64))
    out = guest.results.replace("\r", "")
    assert "@@exit" in out, out + guest.console
    assert "node1: 0.1 GiB and no CPUs: give --pmem numa:1" in out and out.count("numa numa:1,2") == 2, out
    tiers = [tuple(map(float, m)) for m in re.findall(r"dram (\S+) pmem (\S+) ", out)]
    far = [tuple(map(float, m)) for m in re.findall(r"far (\S+) strangers (\S+)", out)]
    assert len(tiers) == len(far) == 2, out
    for (_, pmem), (theirs, strangers) in zip(tiers, far):
        assert pmem - 2 < theirs <= pmem + 0.1 and strangers < 1, out  # of a granule not all need be in use
    assert tiers[0][0] <= 8 and tiers[0][1] > 8 and tiers[1][0] <= 4.1 and tiers[1][1] > tiers[0][1] + 3, out
    assert "(integer) 15001" in out and "last_bgsave_status:ok" in out, out
    assert "the nodes have" in out and "numa:0,1,2 is all the memory there is" in out, out
    assert "mismatch" not in out and "error" not in out.lower(), out


PROGRAMS = START + """
sysctl -q vm.max_map_count=262144 2>/dev/null
t() { TIERMEM_TEST_MIGRATE=random tiermem run --dram 2M --pmem numa:1 --stats /tm/stats "$@" || echo failed: "$@"
	echo "$1 $2 $4: $(tr ',' '\\n' </tm/stats | tr -d '"{}' | grep -E 'promoted:|demoted:|failed:|possible|refused' | tr '\\n' ' ')"; }
for g in 4K 64K; do
	t --granule $g -- malloc_rules; t --granule $g -- mmap_rules; t --granule $g -- reservation_rules; t --granule $g -- code_rules
	t --granule $g -- heap_map_rules
	t --granule $g -- stress 2 3; t --granule $g -- stress 2 3 family
done
for mode in sync vector libaio uring; do t --granule 4K -- direct_io /dev/vda 2 $mode; done
for kind in raw condition semaphore; do t --granule 4K -- futexes 2 $kind; done
echo 0 >/proc/sys/vm/unprivileged_userfaultfd
chmod 666 /tm/stats
TIERMEM_TEST_MIGRATE=random setpriv --reuid 1000 --bounding-set=-all tiermem run --dram 2M --pmem numa:1 --granule 4K --stats /tm/stats stress 2 2
tr ',' '\\n' </tm/stats | tr -d '"{}' | grep -E 'promoted:|possible' | tr '\\n' ' '
"""


@NEEDS_GUEST
def test_programs_while_the_kernel_moves_their_memory(programs, tmp_path):
    """Mapping rules, forks, direct I/O by every way that there is (io_uring too: the kernel does not move what a device has), and futexes that
    are not process-private; at last without userfaultfd."""
    (tmp_path / "disk").write_bytes(bytes(8 * MB))
    names = ("malloc_rules", "mmap_rules", "reservation_rules", "code_rules", "heap_map_rules", "stress", "direct_io", "futexes")
    machine = nodes(256)
    machine["qemu"] += ["-drive", f"file={tmp_path}/disk,format=raw,if=none,id=d0,cache=none", "-device", "virtio-blk-pci,drive=d0"]
    guest = simvm.run(tmp_path, PROGRAMS, programs=("tiermem",), libraries=("libtiermem-preload.so",), plugin=None, preload=False,
                      extra={n: programs / n for n in names}, timeout=500, **machine)
    out = guest.results.replace("\r", "")
    assert "@@exit 0" in out, out + guest.console
    assert "\nfailed:" not in out and "broken" not in out and "skip" not in out, out
    assert len(re.findall(r"^ok", out, re.M)) == 2 * 7 + 4 + 3 + 1, out
    moved = re.findall(r"possible:(\S+) promoted:(\d+) demoted:(\d+)", out.replace("migrations:", ""))
    assert len(moved) == 21 and all(possible == "true" for possible, *_ in moved), out
    assert all(int(p) > 20 and int(d) > 20 for _, p, d in moved[5:7] + moved[14:21]), out
    assert "refused:null" in out and "refused:io_uring" not in out, out
    assert "no capture of mmap, no tracking of heat" in out, out
    assert int(re.findall(r"promoted:(\d+)", out)[-1]) > 20, out
