"""The simulator on the other QEMU that it supports; `make test-qemu10` runs more of its tests there."""
import pytest

import simvm
from test_strict import REDIS, at_once, same

QEMU10 = simvm.BUILD / "qemu10/qemu-system-x86_64"

pytestmark = pytest.mark.skipif(not QEMU10.exists(), reason="needs Debian 13's QEMU: make qemu10")


def test_strict_repeats_and_time_is_simulated(tmp_path):
    def once(name):
        (tmp_path / name).mkdir()
        return simvm.run(tmp_path / name, simvm.SLEEP + REDIS, programs=("tmmark", "tmload", "tiermem"),
                         libraries=("libtiermem-preload.so",), vcpus=4, pmem_mib=256, plugin=",strict=on", timeout=400, program=QEMU10)
    a, b = at_once(once, ("one", "other"))
    same(a, b)
    sleep = a.phase("sleep")
    assert 10.0 <= (sleep["end_ns"] - sleep["begin_ns"]) / 1e9 < 10.05
    assert a.phase("get")["tiers"][1]["reads"] > 1000
