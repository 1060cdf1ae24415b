"""Trackers: the one that works is in use, the statistics say why not a better one, and counts of a PMU (here: of page faults) lead the policy."""
import json
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
    assert stats["tracking"]["not"] == {"sim": "not underneath a simulated VM; see docs/tmsim.md",
                                        "unit": "not in a simulated VM; see docs/tmsim.md", "perf": NO_PMU, "damon": "only on request"}
    done = run(["--track", "perf"], ["/bin/true"])
    assert done.returncode == 1 and done.stderr == f"tiermem: --track perf: {NO_PMU}\n"


@pytest.mark.parametrize("options,why", [
    (["--track", "magic"], "--track: cannot track by 'magic'; there are auto, sim, unit, perf, damon and hint"),
    (["--track", "sim"], "--track sim: not underneath a simulated VM"),
    (["--track", "damon"], "--track damon: DAMON does not see DAX mappings; it needs --pmem numa:N"),
    (["--track", "hint", "--hint-rate", "0"], "--track hint: --hint-rate is 0"),
    (["--track", "perf", "--policy", "recency"], "--track perf: the policy needs hint faults")])
def test_a_tracker_that_cannot_be(options, why):
    done = run(options, ["/bin/true"], env=FAULTS)
    assert done.returncode in (1, 2) and why in done.stderr and done.stderr.count("\n") == 1


def test_a_policy_that_needs_none(tmp_path):
    _, stats = run_with_stats(tmp_path, ["--policy", "static", "--track", "perf"], ["/bin/true"])
    assert stats["tracking"]["source"] == "none"


@pytest.mark.parametrize("granule", ["4K", "64K"])
@pytest.mark.parametrize("kind", [[], ["--large-min", "64M"], ["--buffer-min", "64M", "--large-min", "64M"]], ids=["array", "buffer", "value"])
def test_perf_counts_lead_the_policy(programs, tmp_path, granule, kind):
    """Pages of a fifth of the heap fault again and again; they start on PMEM, and the policy brings them, and nothing else, to DRAM, of whatever kind they are. At most a
    hundredth of a CPU, by tiermem's own account."""
    done, stats = run_with_stats(tmp_path, ["--dram", "6M", "--pmem", "memfd:64M", "--granule", granule, *kind],
                                 [programs / "refault", "8", "4000", "20"], env=FAULTS)
    before, after = map(float, done.stdout.split())
    assert before > 90 and after < 10, done.stdout
    assert stats["tracking"]["source"] == "perf" and stats["tracking"]["samples"] > 500 and "perf" not in stats["tracking"]["not"]
    assert stats["tiers"]["dram"]["peak_bytes"] <= 6 * MB
    assert stats["migrations"]["promoted_bytes"] < 5 * MB and stats["migrations"]["failed"] == 0
    assert stats["tracking"]["cpu_ns"] < 0.015 * 8e9


DAMON = """
exec >/dev/ttyS1 2>&1
export PATH=/tm/bin:$PATH TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
damon() { tiermem run --track damon --dram 8M --pmem numa:1 --granule 64K "$@"; }
damon -- true
mount -t tracefs tracefs /sys/kernel/tracing
damon --stats /tm/stats -- skew 40 16000 25 100 & # the last quarter of its values is hot, and found no room in DRAM
sleep 3; damon -- true
wait
cat /tm/stats; echo
for i in 1 2 3 4 5; do grep off /sys/kernel/mm/damon/admin/kdamonds/0/state && break; sleep 1; done
damon -- sh -c 'grep -c . /sys/kernel/mm/damon/admin/kdamonds/0/pid && echo again'
"""


def test_damon_leads_the_policy(programs, tmp_path):
    """On a kernel that has it, with a NUMA node as PMEM: hot values come to DRAM, at a hundredth of a CPU. The system has one kdamond, and it ends with the process."""
    if not (simvm.BUILD / "kernel13/guest/vmlinuz").exists():
        pytest.skip("needs the guest: make kernel13")
    guest = simvm.run(tmp_path, DAMON, programs=("tiermem",), libraries=("libtiermem-preload.so",), plugin=None, preload=False, timeout=200,
                      extra={"skew": programs / "skew"}, kernel=simvm.BUILD / "kernel13/guest", **nodes(64))
    out = guest.results.replace("\r", "")
    before, after = out.split("{", 1)
    assert "its tracepoint is not to be found; mount -t tracefs" in before and "another kdamond is in use" in before, out
    on_pmem = [float(x) for x in re.search(r"^([\d.]+) ([\d.]+) $", before, re.M).groups()]
    assert on_pmem[0] > 60 and on_pmem[1] < 15, out
    stats = json.loads("{" + after.splitlines()[0])
    assert stats["tracking"]["source"] == "damon" and stats["tracking"]["samples"] > 0 and 0 < stats["tracking"]["cpu_ns"] < 0.01 * 40e9
    assert stats["migrations"]["promoted"] > 30 and stats["tiers"]["dram"]["bytes"] <= 8 * MB
    assert "off\n" in after and "again\n" in after, out


def test_programs_run_while_they_are_sampled(programs, tmp_path):
    """Threads that come and go, forks and children that become managed, against a shadow."""
    done, stats = run_with_stats(tmp_path, ["--dram", "2M", "--pmem", "memfd:512M", "--granule", "4K", "--bandwidth", "1G"],
                                 [programs / "stress", "3", "3", "family"], env=FAULTS)
    assert done.stdout.startswith("ok") and stats["tracking"]["source"] == "perf"
    assert stats["migrations"]["promoted"] > 0


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_perf_events_may_be_denied(place_for_everybody):
    """Another user may have them as far as perf_event_paranoid says; without userfaultfd there is nothing to track for."""
    place = place_for_everybody
    file = place / "stats.json"
    file.touch()
    file.chmod(0o666)
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all", place / "tiermem", "run", "--stats", file, "--",
                           "/bin/true"], text=True, capture_output=True, cwd="/",
                          env={**os.environ, **FAULTS, "TIERMEM_PRELOAD": str(place / "libtiermem-preload.so")})
    assert done.returncode == 0, done
    if "userfaultfd is denied" in done.stderr:
        assert re.search(r'"source":"none".*"perf":"nothing can migrate.*"hint":"userfaultfd is denied', file.read_text()), file.read_text()
