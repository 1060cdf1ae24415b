"""The configuration file: what `tiermem run` makes of it, and the library that is loaded into every process."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from test_allocator import MB, ROOT, TIERMEM

LIBRARY = ROOT / "build/lib/libtiermem-preload.so"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("TIERMEM_")}


def write(tmp_path, text, name="tiermem.conf"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def run(conf, *args, env=None):
    return subprocess.run([TIERMEM, "run", "--conf", conf, *args], text=True, capture_output=True, timeout=60,
                          env={**CLEAN, **(env or {})})


def preload(conf, *command, env=None):
    """As with the library in /etc/ld.so.preload."""
    return subprocess.run([*command], text=True, capture_output=True, timeout=60,
                          env={**CLEAN, "LD_PRELOAD": str(LIBRARY), "TIERMEM_CONF": str(conf), **(env or {})})


def stats(tmp_path):
    """What the last managed program left behind; None: there was none."""
    file = tmp_path / "stats.json"
    if not file.exists():
        return None
    text = file.read_text()
    file.unlink()
    return json.loads(text)


def test_precedence(programs, tmp_path):
    conf = write(tmp_path, f"[program fill_memory]\ndram = 6M\n[default]\ndram = 8M\ngranule=4K\npmem = memfd:512M\n"
                 f"stats = {tmp_path}/stats.json\n[program {programs}/malloc_rules]\ndram=5M\n[program malloc_rules]\ndram=9M\n")
    fill = [programs / "fill_memory", "1000"]
    for options, env, expected in (([], {}, 6), ([], {"TIERMEM_DRAM": "4M"}, 4),
                                   (["--dram", "2M"], {"TIERMEM_DRAM": "4M"}, 2)):
        assert run(conf, *options, "--", *fill, env=env).returncode == 0
        got = stats(tmp_path)
        assert (got["dram_quota_bytes"], got["granule_bytes"]) == (expected * MB, 4096)
        if not options:
            assert preload(conf, *fill, env=env).stdout == "1000\n"
            assert stats(tmp_path)["dram_quota_bytes"] == expected * MB
    for how in (lambda: run(conf, "--", programs / "malloc_rules"), lambda: preload(conf, programs / "malloc_rules")):
        assert how().stdout == "ok\n"
        assert stats(tmp_path)["dram_quota_bytes"] == 5 * MB  # the whole path counts more than the name
    assert run(conf, "--", "/bin/true").returncode == 0
    assert stats(tmp_path)["dram_quota_bytes"] == 8 * MB  # the command manages what it is told to


def test_only_listed_programs_are_managed(programs, tmp_path):
    conf = write(tmp_path, f"[default]\nstats = {tmp_path}/stats.json\npmem = memfd:64M\n"
                 "[program fill_memory]\n[program mmap_rules]\nmanaged = no\n[program cat]\nmanaged = yes\n")
    assert preload(conf, programs / "fill_memory", "1000").stdout == "1000\n"
    assert stats(tmp_path)["program"] == "fill_memory"
    for command in ([programs / "mmap_rules"], [programs / "malloc_rules"], ["/bin/echo", "ok"]):
        done = preload(conf, *command)
        assert (done.returncode, done.stdout, done.stderr, stats(tmp_path)) == (0, "ok\n", "", None)
    # Each program of a script decides for itself; the shell is not listed.
    done = preload(conf, "/bin/sh", "-c", f"echo a | cat; {programs}/malloc_rules")
    assert (done.stdout, done.stderr) == ("a\nok\n", "") and stats(tmp_path)["program"] == "cat"
    # What `tiermem run` started has the say over its children.
    done = run(conf, "--", "/bin/sh", "-c", f"echo a | cat; wc -c <{tmp_path}/stats.json; exec /bin/echo b")
    assert done.stdout == "a\n0\nb\n" and stats(tmp_path)["program"] == "echo"
    done = run(conf, "--", programs / "mmap_rules")
    assert done.returncode == 1 and "is not to be managed" in done.stderr and done.stdout == ""
    assert run("", "--", programs / "mmap_rules").returncode == 0


def test_a_script_goes_by_its_own_name(tmp_path):
    script = write(tmp_path, "#!/usr/bin/python3\nprint(len(bytes(1 << 20)))\n", "server.py")
    script.chmod(0o755)
    conf = write(tmp_path, f"[default]\nstats={tmp_path}/stats.json\npmem=memfd:64M\n[program server.py]\ndram=2M\n")
    assert preload(conf, script).stdout == "1048576\n"
    assert stats(tmp_path)["dram_quota_bytes"] == 2 * MB


ODD = [
    b"",
    b"# nothing\n\n",
    b"\r\n ; nothing \r\n[ default ]\r\ndram = 1M\r\n[program\tx]\r\n managed=yes\r\n",
    b"[default]\ndram=1M # one\npmem = memfd:512M\t; two\n[program a b]",
    "[program schöner]\nmanaged = no".encode(),
    b"[default]\nstats =\n[program x]\nstats = a#b;c=d\n",
]
BAD = [
    (b"dram = 1M\n", 1, "begins without a section"),
    (b"[default]\n\ndramm = 1M\n", 3, "unknown key 'dramm'; there are managed, dram, pool-dram, pmem, "),
    (b"[default]\nconf = x\n", 2, "unknown key 'conf'"),
    (b"[default]\nreserve = 1G\n", 2, "unknown key 'reserve'"),
    (b"[default]\ndram = much\n", 2, "dram: 'much' is not a size"),
    (b"[default]\ndram =\n", 2, "dram: '' is not a size"),
    (b"[default]\ngranule = 3K\n", 2, "is not a power of two"),
    (b"[default]\ndram\n", 2, "neither a section nor KEY = VALUE"),
    (b"[default]\n= 1M\n", 2, "unknown key ''"),
    (b"[default]\nmanaged = yes\n", 2, "managed cannot be a default"),
    (b"[program x]\nmanaged = maybe\n", 2, "managed is 'maybe'; write yes or no"),
    (b"[program x]\ndram = 1M\ndram = 2M\n", 3, "a second 'dram'"),
    (b"[program x]\n[program y]\n[program x]\n", 3, "a second section 'x'"),
    (b"[default]\n[default]\n", 2, "a second section 'default'"),
    (b"[default\n", 1, "no ]"),
    (b"[]\n", 1, "unknown section ''"),
    (b"[program]\n", 1, "unknown section 'program'"),
    (b"[program ]\n", 1, "unknown section 'program'"),
    (b"[programs x]\n", 1, "unknown section 'programs x'"),
    (b"[default]\n\x1b[2J\n", 2, "not text"),
    (b"[" + b"x" * 1000 + b"]\n", 1, "unknown section 'xxx"),
    (b"".join(b"[program p%d]\n" % i for i in range(300)), 257, "too many sections"),
    (b"[default]\ndram\0 = 1M\n", None, "is not text"),
    (b"\xff\xfe[\0d\0", None, "is not text"),
    (b"#" * 70000, None, "is too long"),
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_but_fine(programs, tmp_path, text):
    conf = write(tmp_path, text)
    for done in (run(conf, "--", programs / "malloc_rules"), preload(conf, programs / "malloc_rules")):
        assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("text,line,says", BAD, ids=range(len(BAD)))
def test_bad_files(tmp_path, text, line, says):
    conf = write(tmp_path, text)
    done = run(conf, "--", "/bin/echo", "ran")
    where = f"{conf}:{line}: " if line else str(conf)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"tiermem: {where}") and says in done.stderr and done.stderr.count("\n") == 1
    done = preload(conf, "/bin/echo", "ran")  # no program is broken by it
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith(f"tiermem: {where}") and done.stderr.count("\n") == 1
    assert done.stderr.endswith("; this process is not managed\n")


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for conf, says in ((tmp_path / "pipe", "not a plain file"), (tmp_path / "directory", "not a plain file"),
                       (tmp_path / "nowhere", "No such file"), ("/dev/zero", "not a plain file")):
        done = run(conf, "--", "/bin/echo", "ran")
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1
        done = preload(conf, "/bin/echo", "ran")
        assert (done.returncode, done.stdout) == (0, "ran\n") and says in done.stderr and done.stderr.count("\n") == 1
    assert preload("", "/bin/echo", "ran").stderr == ""  # no file is wanted


@pytest.mark.parametrize("settings,says", [
    ("pmem = /no/such/device", "cannot open /no/such/device"),
    ("pmem = /dev/null", "not a devdax device"),
])
def test_a_listed_program_runs_whatever_is_wrong(tmp_path, settings, says):
    conf = write(tmp_path, f"[program echo]\n{settings}\n")
    done = preload(conf, "/bin/echo", "ran")
    assert (done.returncode, done.stdout) == (0, "ran\n") and says in done.stderr and done.stderr.count("\n") == 1
    done = preload(write(tmp_path, "[program echo]\n"), "/bin/echo", "ran", env={"TIERMEM_DRAM": "x"})
    assert (done.returncode, done.stdout) == (0, "ran\n") and "TIERMEM_DRAM: 'x' is not a size" in done.stderr


def test_two_listed_programs_and_one_device(programs, tmp_path):
    """They share it; one that wants other granules runs without tiermem."""
    pool = tmp_path / "pool"
    pool.write_bytes(b"")
    os.truncate(pool, 64 * MB)
    conf = write(tmp_path, f"[default]\npmem = {pool}\n[program cat]\n[program fill_memory]\n")
    with subprocess.Popen(["/bin/cat"], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**CLEAN, "LD_PRELOAD": str(LIBRARY), "TIERMEM_CONF": str(conf)}) as first:
        first.stdin.write("x\n")
        first.stdin.flush()
        assert first.stdout.readline() == "x\n"
        second = preload(conf, programs / "fill_memory", "1000")
        assert (second.returncode, second.stdout, second.stderr) == (0, "1000\n", "")
        third = preload(conf, programs / "fill_memory", "1000", env={"TIERMEM_GRANULE": "4K"})
        assert (third.returncode, third.stdout) == (0, "1000\n") and "this process is not managed" in third.stderr
        first.stdin.close()


def test_the_real_ld_so_preload(programs, tmp_path, request):
    """In a mount namespace of its own: every process of the shell below has the library, as the files in /etc say."""
    alone = subprocess.run(["unshare", "-m", "true"], text=True, capture_output=True)
    if alone.returncode:  # not root, or in a chroot
        pytest.skip("no mount namespace here: " + alone.stderr.strip())
    place = tempfile.mkdtemp(prefix="tm-test-")  # where everybody can read it: this tree may be somebody's own
    request.addfinalizer(lambda: shutil.rmtree(place))
    os.chmod(place, 0o755)
    library = shutil.copy(LIBRARY, place)
    shutil.copy(programs / "fill_memory", tmp_path / "privileged")
    os.chown(tmp_path / "privileged", 65534, 65534)
    os.chmod(tmp_path / "privileged", 0o4755)
    write(tmp_path, f"[default]\nstats={tmp_path}/stats.json\npmem=memfd:64M\ndram=2M\n"
          "[program fill_memory]\n[program privileged]\n[program redis-cli]\n")
    mount = f"mount -t tmpfs none {tmp_path / 'o'} && cd {tmp_path / 'o'} && mkdir u w && " \
            "mount -t overlay -o lowerdir=/etc,upperdir=$PWD/u,workdir=$PWD/w overlay /etc"
    script = f"mkdir {tmp_path / 'o'} && {mount} || exit 77; cp {tmp_path}/tiermem.conf /etc/ && " \
             f"echo {library} >/etc/ld.so.preload && cd / || exit 77; " \
             f"{tmp_path}/privileged 1000; test ! -e {tmp_path}/stats.json || echo managed; " \
             f"redis-cli --version; ls -l {tmp_path}/stats.json | wc -l; {programs}/fill_memory 20000"
    done = subprocess.run(["unshare", "-m", "/bin/sh", "-c", script], text=True, capture_output=True, env=CLEAN)
    if done.returncode == 77:
        pytest.skip("no overlay mounts here: " + done.stderr)
    assert re.fullmatch(r"1000\nredis-cli .*\n1\n20000\n", done.stdout), done
    got = stats(tmp_path)
    assert got["program"] == "fill_memory" and got["tiers"]["pmem"]["bytes"] > 10 * MB
    assert done.stderr == ""
