"""Trackers: the one that works is in use, the statistics say why not a better one, and counts of a PMU (here: of page faults) lead the policy."""
import os
import re
import shutil
import subprocess

import pytest

import simvm
from test_numa import nodes
from test_allocator import MB, TIERMEM, run, run_with_stats

FAULTS = {"TIERMEM_TEST_PERF": "page-faults"}
NO_PMU = "no PMU here tells addresses; it needs a CPU with PEBS or IBS, or a VM whose host passes it on"
HAS_PMU = os.path.exists("/sys/bus/event_source/devices/cpu/events/mem-loads") or os.path.exists("/sys/bus/event_source/devices/ibs_op")


@pytest.mark.skipif(HAS_PMU, reason="this machine has such a PMU")
def test_auto_takes_hint_faults_and_says_why(tmp_path):
    _, stats = run_with_stats(tmp_path, [], ["/bin/true"])
    assert stats["tracking"]["source"] == "hint-fault"
    assert stats["tracking"]["not"] == {"sim": "not underneath a simulated VM; see docs/tmsim.md", "perf": NO_PMU}
    done = run(["--track", "perf"], ["/bin/true"])
    assert done.returncode == 1 and done.stderr == f"tiermem: --track perf: {NO_PMU}\n"


@pytest.mark.parametrize("options,why", [
    (["--track", "magic"], "--track: cannot track by 'magic'; there are auto, sim, perf, hint and damon"),
    (["--track", "sim"], "--track sim: not underneath a simulated VM"),
    (["--track", "hint", "--hint-rate", "0"], "--track hint: --hint-rate is 0"),
    (["--track", "perf", "--policy", "recency"], "--track perf: the policy needs hint faults")])
def test_a_tracker_that_cannot_be(options, why):
    done = run(options, ["/bin/true"], env=FAULTS)
    assert done.returncode in (1, 2) and why in done.stderr and done.stderr.count("\n") == 1


def test_a_policy_that_needs_none(tmp_path):
    _, stats = run_with_stats(tmp_path, ["--policy", "static", "--track", "perf"], ["/bin/true"])
    assert stats["tracking"]["source"] == "none"


@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_perf_counts_lead_the_policy(programs, tmp_path, granule):
    """Pages of a fifth of the heap fault again and again; they start on PMEM, and the policy brings them, and nothing else, to DRAM. At most a
    hundredth of a CPU, by tiermem's own account."""
    done, stats = run_with_stats(tmp_path, ["--dram", "6M", "--pmem", "memfd:64M", "--granule", granule],
                                 [programs / "refault", "8", "4000", "20"], env=FAULTS)
    before, after = map(float, done.stdout.split())
    assert before > 90 and after < 10, done.stdout
    assert stats["tracking"]["source"] == "perf" and stats["tracking"]["samples"] > 500 and "perf" not in stats["tracking"]["not"]
    assert stats["tiers"]["dram"]["peak_bytes"] <= 6 * MB
    assert stats["migrations"]["promoted_bytes"] < 5 * MB and stats["migrations"]["failed"] == 0
    assert stats["tracking"]["cpu_ns"] < 0.015 * 8e9


def test_programs_run_while_they_are_sampled(programs, tmp_path):
    """Threads that come and go, forks and children that become managed, against a shadow."""
    done, stats = run_with_stats(tmp_path, ["--dram", "2M", "--pmem", "memfd:512M", "--granule", "4K", "--bandwidth", "1G"],
                                 [programs / "stress", "3", "3", "family"], env=FAULTS)
    assert done.stdout.startswith("ok") and stats["tracking"]["source"] == "perf"
    assert stats["migrations"]["promoted"] > 0


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_perf_events_may_be_denied(programs, tmp_path):
    """Another user may have them as far as perf_event_paranoid says; without userfaultfd there is nothing to track for."""
    file = tmp_path / "stats.json"
    file.touch()
    file.chmod(0o666)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all", TIERMEM, "run", "--stats", file, "--", "/bin/true"],
                          text=True, capture_output=True, env={**os.environ, **FAULTS})
    assert done.returncode == 0, done
    if "userfaultfd is denied" in done.stderr:
        assert re.search(r'"source":"none".*"perf":"nothing can migrate.*"hint":"userfaultfd is denied', file.read_text()), file.read_text()


DAMON = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
K=/sys/kernel/mm/damon/admin/kdamonds
tiermem doctor | grep DAMON
manage="tiermem run --dram 12M --pmem numa:1 --granule 4K --bandwidth 256M --track damon --stats /tm/stats"
$manage -- skew 200 40000 20 & p=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	sleep 6; tiermem stats $p | grep -qE 'migrations: [0-9]{2,} promoted' && break
done
kill $p; wait $p
tr ',' '\\n' </tm/stats | tr -d '"{}' | grep -E 'source|cpu_ns|samples|promoted:|demoted:' | tr '\\n' ' '; echo
$manage -- sleep 12 & sleep 6; until cat $K/0/state 2>/dev/null; do sleep 0.3; done # busy while it is asked
$manage -- true; echo status $?
wait; sleep 4; cat $K/0/state # it ended with its process
$manage -- stress 1 3 family
TIERMEM_TRACK=damon tiermem run -- true || true
"""


@pytest.mark.skipif(not (simvm.BUILD / "kernel13/guest/vmlinuz").exists(), reason="needs a kernel with DAMON: make kernel13")
def test_damon_on_far_nodes(programs, tmp_path):
    """It sees memory used on the far node, within its cost, and leads to moves (whether the right ones depends on how many rounds an emulated CPU
    has time for); it is one process' at a time, ends with it, and a family of children does without."""
    guest = simvm.run(tmp_path, DAMON, programs=("tiermem",), libraries=("libtiermem-preload.so",), plugin=None,
                      preload=False, extra={n: programs / n for n in ("skew", "stress")}, timeout=400, kernel=simvm.BUILD / "kernel13/guest", **nodes(256))
    out = guest.results.replace("\r", "")
    assert "@@exit 0" in out and re.search(r"DAMON +ok ", out), out + guest.console
    assert int(re.search(r"promoted:(\d+)", out)[1]) >= 10, out
    cpu_ns, samples = map(int, re.search(r"source:damon cpu_ns:(\d+) samples:(\d+)", out).groups())
    assert samples > 1000 and cpu_ns < 0.03 * 180e9, out  # the intervals become longer until it is a hundredth
    assert "\non\n" in out and "\noff\n" in out, out
    assert "--track damon: DAMON is in use by another process\nstatus 1" in out and "\nok " in out, out
    assert "--track damon: DAMON sees no DAX mappings; it is for NUMA nodes" in out, out
