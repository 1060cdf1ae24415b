import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Files are given to whichever process is free, in this order: the longest first, or one of them would run alone in the end.
LONGEST = ["test_gate.py", "test_suites.py"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Builds tests/programs/*.c; the programs know nothing of tiermem."""
    where = tmp_path_factory.mktemp("programs")
    for source in (ROOT / "tests/programs").glob("*.c"):
        subprocess.run(["cc", "-O1", "-g", "-pthread", "-D_GNU_SOURCE", "-fno-builtin", "-w", "-I", ROOT, "-o", where / source.stem,
                        source], check=True)
    return where


@pytest.fixture
def place_for_everybody():
    """A folder with tiermem and its library that other users can read: this tree may be somebody's own."""
    with tempfile.TemporaryDirectory(prefix="tm-test-") as name:
        place = Path(name)
        place.chmod(0o755)
        for file in "bin/tiermem", "lib/libtiermem-preload.so":
            shutil.copy(ROOT / "build" / file, place)
        yield place
