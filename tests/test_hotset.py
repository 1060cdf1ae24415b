"""What is hot ends in DRAM, by the simulator's sampling unit in the guest: a program whose hot third changes."""
import json

import pytest

import simvm

pytestmark = pytest.mark.skipif(not (simvm.BUILD / "guest/root.img").exists(), reason="make guest has not been run")

SCRIPT = """
exec >/dev/ttyS1 2>&1
export TIERMEM_PRELOAD=/tm/lib/libtiermem-preload.so
tmmark model on
tiermem run --dram 8M --pmem /dev/dax1.0 --granule {granule} --sample-period 1009 --stats /tm/stats {options} -- hotset {reads}
echo "stats $(cat /tm/stats)"
"""


def pmem_share(guest, phase):
    vcpus = guest.phase(phase)["vcpus"]
    pmem = sum(v["llc_misses_pmem"] for v in vcpus)
    return pmem / (pmem + sum(v["llc_misses_dram"] for v in vcpus))


def follow(tmp_path, programs, options="", granule="4K", reads=2000000, script=SCRIPT):
    guest = simvm.run(tmp_path, script.format(options=options, granule=granule, reads=reads), programs=("tiermem", "tmmark"),
                      libraries=("libtiermem-preload.so",), extra={"hotset": programs / "hotset"}, pmem_mib=128, timeout=400)
    assert "\nok " in "\n" + guest.results.replace("\r", ""), guest.results + guest.console
    return guest, json.loads(guest.results.split("stats ", 1)[1].splitlines()[0])


@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_a_hot_third_comes_to_dram_and_another_after_it(tmp_path, programs, granule):
    guest, stats = follow(tmp_path, programs, granule=granule)
    shares = [pmem_share(guest, p) for p in ("f", "s", "f2", "s2")]
    assert shares[0] > 0.3 and shares[2] > 0.3, shares  # placed by age, and by what was hot before
    assert shares[1] < 0.15 and shares[3] < 0.15, shares
    assert stats["tracking"]["source"] == "samples" and stats["tracking"]["samples"] > 1000
    assert stats["tiers"]["dram"]["peak_bytes"] <= 8 << 20


def test_the_oracle_places_what_the_trace_says(tmp_path, programs):
    """When the quota is set, by what was counted until then, and not before."""
    again = "(sleep 0.7; tiermem quota $(pidof hotset) 8M) & tiermem run"
    guest, stats = follow(tmp_path, programs, "--policy oracle", script=SCRIPT.replace("tiermem run", again))
    assert pmem_share(guest, "f") > 0.3 and pmem_share(guest, "s") < 0.15
    assert pmem_share(guest, "s2") > 0.3 and stats["quota"]["changes"] == 1


def test_hints_instead_and_without_a_unit(tmp_path, programs):
    """Asked for, hint faults are what is used; a unit that is asked for and not there is told of."""
    _, stats = follow(tmp_path, programs, "--track hint", reads=1000)
    assert stats["tracking"]["source"] == "hint-fault"
    plain = tmp_path / "plain"
    plain.mkdir()
    guest = simvm.run(plain, SCRIPT.format(options="--track unit", granule="4K", reads="").replace("hotset", "true"), programs=("tiermem", "tmmark"),
                      libraries=("libtiermem-preload.so",), pmem_mib=128, plugin=None, preload=False)
    assert "--track unit: not in a simulated VM" in guest.results, guest.results
