"""A few minutes of `make test-programs`: other people's tests pass with tiermem as they do without, migration forced at random."""
import configparser
import importlib.util
import subprocess
from pathlib import Path

import pytest

SUITES = Path(__file__).parent / "suites/suites.py"


def test_cpython_modules_pass_as_without_tiermem(tmp_path):
    done = subprocess.run([SUITES, "--short", "--suite", "cpython", "--keep", tmp_path], text=True, capture_output=True, timeout=900)
    if "SKIPPED" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if " passed in " in line]
    assert len(lines) == 4 and all(" of " in line for line in lines), done.stdout
    assert int(lines[0].split()[2]) > 300  # tests of these modules


@pytest.mark.parametrize("suite,differ", [("cpython", 1), ("pgbench", 2)])
def test_what_fails_once_is_told_and_what_always_fails_counts(suite, differ, tmp_path, capsys, monkeypatch):
    """Of cpython and mtr a failure runs again, alone; of the others, which are few and long, nothing does."""
    spec = importlib.util.spec_from_file_location("suites", SUITES)
    suites = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suites)
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(SUITES.with_name("suites.ini"))
    runs = []

    def three_tests(section, launch, where, short, left, only=None):
        runs.append(only)
        if launch.env:
            (launch.stats / "1.json").write_text('{"migrations":{"promoted":1,"demoted":0}}')
        return {"steady": True, "unsteady": len(runs) != 2, "broken": not launch.env}

    monkeypatch.setitem(suites.SUITES, suite, three_tests)
    monkeypatch.setattr(suites, "not_installed", lambda section: [])
    monkeypatch.setattr(suites, "programs", lambda section: [])
    assert suites.run_suite(suite, conf, False, tmp_path, "25") == differ
    said = capsys.readouterr().out
    assert "broken passes without tiermem only" in said
    if suite == "cpython":
        assert runs == [None, None, {"unsteady", "broken"}, {"broken"}] and "unsteady failed (" in said
    else:
        assert runs == [None, None] and "unsteady passes without tiermem only" in said
