"""The API: tests/programs/api.c, linked with libtiermem and loading it, with and without `tiermem run`."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from test_allocator import MB, ROOT, TIERMEM, run

LIB = ROOT / "build/lib"
PRELOAD, API = LIB / "libtiermem-preload.so", LIB / "libtiermem.so.0"
FUNCTIONS = {f"tiermem_{f}" for f in "version managed error alloc free advise pin unpin query stats on_pressure off_pressure".split()}
RANDOM = {"TIERMEM_TEST_MIGRATE": "random"}


def pkg_config(*what, where=LIB / "pkgconfig"):
    return subprocess.run(["pkg-config", *what, "tiermem"], check=True, text=True, capture_output=True,
                          env={**os.environ, "PKG_CONFIG_PATH": str(where)}).stdout.split()


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The program, built as users do: against the header and what pkg-config says, and without the library."""
    where = tmp_path_factory.mktemp("api")
    source = ROOT / "tests/programs/api.c"
    flags = ["-O1", "-g", "-pthread", "-D_GNU_SOURCE", "-fno-builtin", "-Wall", "-Werror"]
    subprocess.run(["cc", *flags, "-DLINKED", "-o", where / "linked", source, *pkg_config("--cflags", "--libs"),
                    f"-Wl,-rpath,{LIB}"], check=True)
    subprocess.run(["cc", *flags, "-o", where / "loaded", source], check=True)
    return where


def api(built, mode, *options, how="linked", env=None, args=(), timeout=240, **more):
    return run(["--pmem", "memfd:256M", "--conf", "", *options], [built / how, mode, *args], timeout=timeout,
               env={"TIERMEM_LIB": str(API), **(env or {})}, **more)


def ok(done):
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("how", ["linked", "loaded"])
def test_without_tiermem_it_does_nothing(built, how):
    for mode in ("anywhere", "unmanaged"):
        ok(subprocess.run([built / how, mode], text=True, capture_output=True, timeout=60,
                          env={**os.environ, "TIERMEM_LIB": str(API)}))
        ok(subprocess.run([built / how, mode], text=True, capture_output=True, timeout=60,  # the library is there, and inert
                          env={**os.environ, "TIERMEM_LIB": str(API), "LD_PRELOAD": str(PRELOAD), "TIERMEM_CONF": ""}))


@pytest.mark.parametrize("granule", ["4K", "64K", "2M"])
@pytest.mark.parametrize("how", ["linked", "loaded"])
def test_what_holds_anywhere_holds_managed(built, how, granule):
    ok(api(built, "anywhere", "--dram", "8M", "--granule", granule, how=how))
    ok(api(built, "anywhere", "--dram", "4M", "--granule", granule, how=how, env=RANDOM))


@pytest.mark.parametrize("how", ["linked", "loaded"])
def test_hints_decide_the_tier(built, how):
    command = [TIERMEM, "run", "--pmem", "memfd:256M", "--conf", "", "--dram", "8M", "--policy", "static", "--", built / how, "place"]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, "TIERMEM_LIB": str(API)}) as child:
        line = child.stdout.readline()
        assert line.startswith("ready "), line
        stats = json.loads(subprocess.run([TIERMEM, "stats", str(child.pid), "--json"], check=True, text=True,
                                          capture_output=True).stdout)
        assert abs(stats["tiers"]["pmem"]["bytes"] - int(line.split()[1])) <= 4 * 65536  # both count the same; the line itself took memory
        mmap = next(z for z in stats["zones"] if z["name"] == "mmap")
        assert mmap["pmem_granules"] * 65536 >= 3 * MB and mmap["dram_granules"] * 65536 >= 3 * MB
        out, _ = child.communicate("\n", timeout=60)
        assert (out, child.returncode) == ("ok\n", 0)


def test_advice_moves_memory(built):
    ok(api(built, "advise", "--dram", "8M", "--policy", "static"))


def test_io_uring_ends_advice_with_a_reason(built):
    """Where memory cannot move, advice says why; placement and queries go on."""
    done = api(built, "cannot", "--dram", "8M", env={"API_URING": "1"})
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout
    assert "device I/O that cannot be followed; start the program with --io-uring deny" in done.stdout


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="changing the user needs root and setpriv")
def test_without_userfaultfd(built):
    sysctl = Path("/proc/sys/vm/unprivileged_userfaultfd")
    device = Path("/dev/userfaultfd")
    if sysctl.exists() and sysctl.read_text() != "0\n" or device.exists() and device.stat().st_mode & 0o006:
        pytest.skip("userfaultfd is for everybody here")
    with tempfile.TemporaryDirectory() as name:
        there = Path(name)
        there.chmod(0o755)
        for file in (TIERMEM, PRELOAD, API, built / "loaded"):
            shutil.copy(file, there)
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", there / "tiermem", "run", "--conf", "",
                               "--dram", "8M", "--pmem", "memfd:64M", "--", there / "loaded", "cannot"], text=True, capture_output=True,
                              timeout=60, env={**os.environ, "TIERMEM_LIB": str(there / API.name), "XDG_RUNTIME_DIR": ""})
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
    assert "userfaultfd is denied; start the program as root" in done.stdout


@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_pins_hold_under_random_migration(built, granule):
    ok(api(built, "pins", "--dram", "4M", "--granule", granule, env=RANDOM))


@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_unpinning_leaves_what_tiermem_pins(built, granule):
    """A lost pin of a shared futex is a lost wake-up."""
    ok(api(built, "futex", "--dram", "4M", "--granule", granule, env=RANDOM))


def test_pressure(built):
    ok(api(built, "pressure", "--dram", "8M", "--policy", "static"))


def test_a_lowered_quota_is_pressure(built):
    command = [TIERMEM, "run", "--pmem", "memfd:256M", "--conf", "", "--dram", "8M", "--policy", "static", "--", built / "linked", "lowered"]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == "ready\n"
        subprocess.run([TIERMEM, "quota", str(child.pid), "1M"], check=True, capture_output=True, timeout=60)
        out, _ = child.communicate("\n", timeout=60)
        assert (out, child.returncode) == ("ok\n", 0)


@pytest.mark.parametrize("dram", ["0", "8M"])
def test_children_are_copies_and_inert(built, dram):
    """Also of memory that is pinned on PMEM, which a fork must not share."""
    ok(api(built, "forks", "--dram", dram, "--policy", "static"))


def test_a_program_that_advises_all_the_time_can_be_asked(built):
    with subprocess.Popen([TIERMEM, "run", "--pmem", "memfd:256M", "--conf", "", "--dram", "4M", "--", built / "linked", "threads", "4", "8"],
                          text=True, stdout=subprocess.PIPE) as child:
        ask = [TIERMEM, "quota", str(child.pid)]
        end = time.monotonic() + 20
        while subprocess.run(ask, capture_output=True, timeout=60).returncode and time.monotonic() < end:
            time.sleep(0.1)
        done = subprocess.run([*ask, "5M"], text=True, capture_output=True, timeout=60)
        assert child.communicate(timeout=120)[0] == "ok\n" and child.returncode == 0
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("threads", [4, 3])
@pytest.mark.parametrize("granule", ["4K", "64K"])
def test_everything_at_once(built, granule, threads):
    """With three threads, the main one forks meanwhile."""
    ok(api(built, "threads", "--dram", "4M", "--granule", granule, env=RANDOM, args=["3", str(threads)]))


def test_the_example_of_the_manual(built):
    source = built / "example.c"
    source.write_text(re.search(r"```c\n(.*?)```", (ROOT / "docs/tiermem.md").read_text(), re.S).group(1))
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-o", built / "example", source,
                    *pkg_config("--cflags", "--libs"), f"-Wl,-rpath,{LIB}"], check=True)
    done = run(["--dram", "16M", "--pmem", "memfd:64M", "--conf", "", "--policy", "static"], [built / "example"])
    assert (done.returncode, done.stderr) == (0, "") and MB < int(done.stdout.split()[0]) <= 4 * MB, done


# --- what a packager and a compiler see

def exported(library):
    """Its symbols, with their versions."""
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True, capture_output=True).stdout
    return {line.split()[-1] for line in out.splitlines()}


def test_exported_symbols_are_the_listed_ones():
    assert exported(API) == {f"{f}@@TIERMEM_0" for f in FUNCTIONS} | {"TIERMEM_0"}
    listed = re.search(r"global:(.*)local:", (ROOT / "allocator/preload.map").read_text(), re.S).group(1)
    assert exported(PRELOAD) == set(re.findall(r"\w+", listed))
    assert "tiermem_preload_v1" in exported(PRELOAD)


def test_soname_and_what_it_needs():
    out = subprocess.run(["readelf", "-d", API], check=True, text=True, capture_output=True).stdout
    assert "soname: [libtiermem.so.0]" in out and set(re.findall(r"NEEDED.*\[(.*)\]", out)) <= {"libc.so.6", "ld-linux-x86-64.so.2"}
    assert os.readlink(LIB / "libtiermem.so") == "libtiermem.so.0"
    assert "STATIC_TLS" not in out


@pytest.mark.parametrize("compiler", [["cc", "-std=c99"], ["cc", "-std=c11"], ["c++", "-x", "c++", "-std=c++11"]])
def test_the_header_stands_alone(tmp_path, compiler):
    source = tmp_path / "only.c"
    source.write_text('#include <tiermem.h>\nint main(void) { struct tiermem_range r; return tiermem_query(&r, sizeof r, &r); }\n')
    if not shutil.which(compiler[0]):
        pytest.skip(f"no {compiler[0]}")
    subprocess.run([*compiler, "-pedantic", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "only", source, "-x", "none",
                    *pkg_config("--cflags", "--libs"), f"-Wl,-rpath,{LIB}"], check=True)
    assert subprocess.run([tmp_path / "only"], timeout=60).returncode == 0


def test_every_function_is_in_the_manual():
    page = (ROOT / "docs/man/tiermem.3").read_text()
    header = (ROOT / "allocator/api/tiermem.h").read_text()
    assert set(re.findall(r"^[a-z].*\b(tiermem_\w+)\(.*;", header, re.M)) - {"tiermem_pressure_fn"} == FUNCTIONS
    for name in FUNCTIONS | set(re.findall(r"^\t(TIERMEM_[A-Z]+) =", header, re.M)):
        assert name in page, name
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", ROOT / "docs/man/tiermem.3"], text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_install_and_uninstall(built, tmp_path):
    make = ["make", "-s", "-C", ROOT, f"DESTDIR={tmp_path}", "PREFIX=/opt/x"]
    subprocess.run([*make, "install"], check=True, timeout=600, stdout=subprocess.DEVNULL)
    top = tmp_path / "opt/x"
    for file in ("bin/tiermem", "lib/libtiermem-preload.so", "lib/libtiermem.so.0", "lib/libtiermem.so", "include/tiermem.h",
                 "lib/pkgconfig/tiermem.pc", "share/man/man1/tiermem.1", "share/man/man3/tiermem.3", "share/man/man5/tiermem.conf.5",
                 "share/doc/tiermem/tiermem.conf"):
        assert (top / file).is_file(), file
    for name in FUNCTIONS:  # one page, found by every name
        assert (top / f"share/man/man3/{name}.3").read_text() == ".so man3/tiermem.3\n"
    pc = (top / "lib/pkgconfig/tiermem.pc").read_text()
    assert "prefix=/opt/x\n" in pc and str(ROOT) not in pc and str(tmp_path) not in pc
    example = top / "share/doc/tiermem/tiermem.conf"
    done = subprocess.run([top / "bin/tiermem", "run", "--conf", example, "--", built / "loaded", "anywhere"], text=True, capture_output=True,
                          timeout=60, env={**os.environ, "TIERMEM_LIB": str(top / "lib/libtiermem.so.0")})
    ok(done)
    subprocess.run([*make, "uninstall"], check=True, timeout=600, stdout=subprocess.DEVNULL)
    assert [f for f in tmp_path.rglob("*") if not f.is_dir()] == []
