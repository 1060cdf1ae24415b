import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Builds tests/programs/*.c; the programs know nothing of tiermem."""
    where = tmp_path_factory.mktemp("programs")
    for source in (ROOT / "tests/programs").glob("*.c"):
        subprocess.run(["cc", "-O1", "-g", "-pthread", "-D_GNU_SOURCE", "-fno-builtin", "-w", "-I", ROOT, "-o", where / source.stem,
                        source], check=True)
    return where
