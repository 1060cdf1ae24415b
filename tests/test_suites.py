"""A few minutes of `make test-programs`: other people's tests pass with tiermem as they do without, migration forced at random."""
import subprocess
from pathlib import Path

import pytest

SUITES = Path(__file__).parent / "suites/suites.py"


def test_cpython_modules_pass_as_without_tiermem(tmp_path):
    done = subprocess.run([SUITES, "--short", "--suite", "cpython", "--keep", tmp_path], text=True, capture_output=True, timeout=900)
    if "SKIPPED" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all(" of " in line for line in lines), lines
    assert int(lines[0].split()[2]) > 300  # tests of these modules
