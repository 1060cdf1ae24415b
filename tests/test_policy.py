"""What any policy that migrates must do: the hot set ends up in DRAM, equal memory is left alone, and then moving stops. On a memfd."""
import json
import subprocess
import time

import pytest

from test_allocator import MB, TIERMEM, run

POLICIES = ["hotness", "recency"]


def stats(process):
    done = subprocess.run([TIERMEM, "stats", str(process.pid), "--json"], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("hot", [20, 100])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_hot_set_ends_up_in_dram_and_moving_stops(programs, policy, hot):
    """Values that get 95 % of the touches start on PMEM (20), or all are alike (100). Waits until nothing has moved for six seconds."""
    with subprocess.Popen([TIERMEM, "run", "--dram", "8M", "--pmem", "memfd:64M", "--granule", "4K", "--policy", policy, "--",
                           programs / "skew", "60", "20000", str(hot)], stdout=subprocess.PIPE, text=True) as child:
        moved, still, now = 0, 0, None
        while still < 6 and child.poll() is None:
            time.sleep(1)
            try:
                now = stats(child)
            except AssertionError:  # at its end
                break
            before, moved = moved, now["migrations"]["promoted"] + now["migrations"]["demoted"]
            enough = moved > 1000 if hot == 20 else now["tracking"]["samples"] > 100
            still = still + 1 if moved == before and enough else 0
        assert still == 6, now
        assert now["tiers"]["dram"]["peak_bytes"] <= 8 * MB and now["policy"] == policy
        child.terminate()
    assert hot == 20 or moved < 3000, now


@pytest.mark.parametrize("policy", POLICIES)
def test_hot_values_are_promoted(programs, policy):
    done = run(["--dram", "8M", "--pmem", "memfd:64M", "--granule", "4K", "--policy", policy], [programs / "skew", "20", "20000", "20"])
    before, after = map(float, done.stdout.split())
    assert before > 90 and after < 30, done


def test_new_values_go_where_those_of_their_size_belong(programs, tmp_path):
    """Values of 1,000 bytes are hot, those of 3,000 are not: learned in ten seconds, then some more of both come, while DRAM is full."""
    done = run(["--dram", "8M", "--pmem", "memfd:128M", "--granule", "4K", "--stats", tmp_path / "stats"], [programs / "classes", "10"])
    small, large = map(float, done.stdout.split())
    assert small < 40 < 60 < large, done  # without that both are on PMEM
    assert {"bytes": 1008, "new": "dram"} in json.loads((tmp_path / "stats").read_text())["classes"]


@pytest.mark.parametrize("policy", POLICIES)
def test_programs_run_under_it(programs, policy):
    """Threads, kernel writers and forks against a shadow, with a quota of a few per cent and much bandwidth."""
    done = run(["--dram", "1M", "--pmem", "memfd:512M", "--granule", "4K", "--policy", policy, "--bandwidth", "1G", "--hint-rate", "2000"],
               [programs / "stress", "3", "3", "family"])
    assert done.returncode == 0 and done.stdout.startswith("ok"), done


def test_a_policy_that_does_not_exist():
    done = run(["--policy", "magic"], ["/bin/true"])
    assert done.returncode == 2 and "no policy 'magic'; there are static, recency, hotness and oracle" in done.stderr
