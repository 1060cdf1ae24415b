"""tmsim: which QEMU command lines it takes, what it adds to them and says, and real guests on minimal command lines."""
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import time

import pytest

import simvm

TMSIM = simvm.BUILD / "bin/tmsim"
PROFILES = simvm.ROOT / "sim/profiles"

# Says its version, what it thinks of -plugin, and otherwise how it was called.
FAKE = """#!/bin/sh
case "$*" in
--version) echo "${FAKE_VERSION-QEMU emulator version 7.2.99 (fake)}"; exit "${FAKE_VERSION_STATUS-0}" ;;
*-plugin\\ /nonexistent*) echo "${FAKE_PLUGIN-qemu: Could not load plugin /nonexistent}" >&2; exit 1 ;;
esac
echo "LD_PRELOAD=$LD_PRELOAD TMSIM_WATCHDOG_S=$TMSIM_WATCHDOG_S"
for a; do echo "<$a>"; done
[ -z "$FAKE_SLEEP" ] || exec sleep "$FAKE_SLEEP"
exit "${FAKE_STATUS-0}"
"""
QEMU = "qemu-system-x86_64"
Q = ["-display", "none", "-nic", "none"]  # nothing to warn of
CPU = "max,-tsc,-erms,-fsrm"
WORDS = "clocksource=hpet tsc=unstable"


@pytest.fixture
def tmsim(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    fake = folder / QEMU
    fake.write_text(FAKE)
    fake.chmod(0o755)
    env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", TMSIM_PROFILES=str(PROFILES))
    env.pop("LD_PRELOAD", None)

    def call(*args, **more):
        return subprocess.run([str(TMSIM), *map(str, args)], env=env | more, capture_output=True, text=True, timeout=60)

    call.folder, call.env = folder, env
    return call


def dry(tmsim, args, *options, status=0, **env):
    """The command that tmsim would run, as words after LD_PRELOAD=..., and what it said."""
    r = tmsim("run", "--dry-run", *options, "--", QEMU, *args, **env)
    assert r.returncode == status, r.stderr
    assert len(r.stdout.splitlines()) == (status == 0)
    return shlex.split(r.stdout), r.stderr


def after(words, option):
    assert words.count(option) == 1, words
    return words[words.index(option) + 1]


def one_line(result, status, *parts):
    lines = result.stderr.strip().splitlines()
    assert result.returncode == status, result.stderr
    assert len(lines) == 1 and lines[0].startswith("tmsim: "), result.stderr
    for part in parts:
        assert part in lines[0]
    assert result.stdout == ""


# What is added.

def test_bare_command_line_gets_all_it_lacks(tmsim):
    words, said = dry(tmsim, Q)
    lib = str(simvm.SIM.resolve())
    assert words == [f"LD_PRELOAD={lib}", QEMU, *Q, "-accel", "tcg,thread=multi", "-rtc", "clock=vm", "-cpu", CPU,
                     "-plugin", f"{lib},profile={(PROFILES / 'optane-100.conf').resolve()}"]
    assert "QEMU 7.2.99 (fake)" in said
    for option in "-accel", "-rtc", "-cpu", "-plugin":
        assert sum(line.startswith(f"tmsim: added {option} ") for line in said.splitlines()) == 1
    assert f'no -kernel: the guest\'s own boot loader must pass "{WORDS}"' in said
    assert all(line.startswith("tmsim: ") for line in said.splitlines())


def test_complete_command_line_gets_only_the_plugin(tmsim):
    args = [*Q, "-accel", "tcg,thread=multi,tb-size=64", "-rtc", "clock=vm,base=2020-01-01", "-cpu", "max,tsc=off", "-kernel", "k",
            "-append", f"{WORDS} quiet"]
    words, said = dry(tmsim, args)
    assert words[1:-2] == [QEMU, *args] and words[-2] == "-plugin"
    assert said.count("\n") == 2, said


ADDED = [
    (["-accel", "tcg"], "-accel", "tcg,thread=multi"),
    (["-accel", "tcg,tb-size=64"], "-accel", "tcg,tb-size=64,thread=multi"),
    (["--accel", "accel=tcg"], "--accel", "accel=tcg,thread=multi"),
    (["-rtc", "base=2020-01-01"], "-rtc", "base=2020-01-01,clock=vm"),
    (["-cpu", "qemu64"], "-cpu", "qemu64,-tsc"),
    (["-cpu", "qemu64,+tsc,+avx2"], "-cpu", "qemu64,+tsc,+avx2,-tsc"),
    (["-cpu", "max,-tsc"], "-cpu", "max,-tsc"),
    (["-kernel", "k"], "-append", WORDS),
    (["-kernel", "k", "-append", "quiet"], "-append", f"{WORDS} quiet"),
    (["-kernel", "k", "-append", "clocksource=acpi_pm"], "-append", "tsc=unstable clocksource=acpi_pm"),
    (["-kernel", "k", "-append", "init=/x -- tsc=1"], "-append", f"{WORDS} init=/x -- tsc=1"),
    (["-kernel", "k", "-append", "notsc=1 xclocksource=2"], "-append", f"{WORDS} notsc=1 xclocksource=2"),
    (["-kernel", "k", "-machine", "q35,hpet=off"], "-append", "clocksource=acpi_pm tsc=unstable"),
    (["-kernel", "k", "-M", "q35", "-no-hpet"], "-append", "clocksource=acpi_pm tsc=unstable"),
    (["-append", ""], "-append", WORDS),
]


@pytest.mark.parametrize("args,option,value", ADDED, ids=[" ".join(a) for a, _, _ in ADDED])
def test_added(tmsim, args, option, value):
    words, said = dry(tmsim, [*args, *Q])
    assert after(words, option) == value
    if value not in args:
        assert f"{option.replace('--', '-')}" in said


def test_machine_accel_is_left_alone(tmsim):
    words, _ = dry(tmsim, ["-machine", "q35,accel=tcg", *Q])
    assert "-accel" not in words


def test_rtc_options_are_merged_as_qemu_does(tmsim):
    words, _ = dry(tmsim, ["-rtc", "clock=vm", "-rtc", "base=2020-01-01", *Q])
    assert [w for w in words if "clock=vm" in w] == ["clock=vm"]


def test_vcpus_side_by_side(tmsim):
    assert after(dry(tmsim, Q, "--parallel", "3")[0], "-plugin").endswith(",parallel=3")
    assert "parallel" not in after(dry(tmsim, Q)[0], "-plugin")
    one_line(tmsim("run", "--strict", "--parallel", "2", "--", QEMU), 2, "--parallel 2 with --strict")
    one_line(tmsim("run", "--parallel", "65", "--", QEMU), 2, "--parallel", "64")


def test_strict_adds_what_repeats(tmsim):
    words, said = dry(tmsim, ["-kernel", "k", "-append", "quiet", *Q], "--strict")
    assert after(words, "-rtc") == "base=2024-01-01T00:00:00,clock=vm"
    assert after(words, "-seed") == "1"
    assert after(words, "-append") == f"{WORDS} nokaslr random.trust_cpu=on quiet"
    assert after(words, "-plugin").endswith(",strict=on")
    assert "warning" not in said
    words, _ = dry(tmsim, ["-seed", "7", "-rtc", "base=2020-01-01", "-kernel", "k",
                           "-append", "nokaslr random.trust_cpu=off", *Q], "--strict")
    assert after(words, "-seed") == "7" and after(words, "-rtc") == "base=2020-01-01,clock=vm"
    assert after(words, "-append") == f"{WORDS} nokaslr random.trust_cpu=off"


def test_plugin_arguments(tmsim, tmp_path):
    ram = ["-object", "memory-backend-ram,id=p0,size=1G", "-object", '{"qom-type":"memory-backend-file","id":"p1"}']
    words, _ = dry(tmsim, [*Q, *ram], "--pmem", "p0", "--pmem=p1", "--set", "llc_kib=8192", "--set=pmem_random_ns=400",
                   "--stats", tmp_path / "a,b.json", "--progress=always", "--watchdog", 90)
    assert "TMSIM_WATCHDOG_S=90" in words
    tail = after(words, "-plugin").split(".conf", 1)[1]
    assert tail == f",stats={tmp_path}/a,,b.json,pmem=p0,pmem=p1,set=llc_kib:8192,set=pmem_random_ns:400,progress=on"


def test_samples(tmsim):
    words, _ = dry(tmsim, Q, "--samples", "s.bin", "--sample-period", "100")
    assert after(words, "-plugin").endswith(".conf,samples=s.bin,sample-period=100")
    one_line(tmsim("run", "--sample-period", "0", "--", QEMU), 2, "--sample-period 0", "from 1 to")


@pytest.mark.parametrize("options,args,shown", [
    ([], [], True), (["--progress=never"], [], False), (["--quiet"], [], False), ([], ["-nographic"], False),
    ([], ["-serial", "mon:stdio"], False), ([], ["-chardev", "stdio,id=c"], False),
    (["--progress=always", "--quiet"], ["-nographic"], True)])
def test_progress_is_for_a_terminal_of_its_own(tmsim, options, args, shown):
    terminal, side = pty.openpty()
    r = subprocess.run([str(TMSIM), "run", "--dry-run", *options, "--", QEMU, *Q, *args], env=tmsim.env, stdout=subprocess.PIPE,
                       stderr=side, text=True)
    os.close(side)
    os.close(terminal)
    assert r.stdout.rstrip().endswith(",progress=on") == shown
    assert "progress" not in dry(tmsim, Q)[0][-1]


def test_all_ram_can_be_pmem(tmsim):
    words, _ = dry(tmsim, Q, "--pmem", "pc.ram")
    assert after(words, "-plugin").endswith(",pmem=pc.ram")
    r = tmsim("run", "--pmem", "pc.ram", "--", QEMU, "-M", "q35,memory-backend=m", "-object", "memory-backend-ram,id=m,size=1G")
    one_line(r, 2, "--pmem pc.ram", "it has m")


def test_quiet_says_nothing(tmsim):
    _, said = dry(tmsim, ["-netdev", "user,id=n"], "--quiet", "--strict")
    assert said == ""


def test_stats_to_standard_output(tmsim):
    words, _ = dry(tmsim, Q, "--stats", "-")
    assert after(words, "-plugin").endswith(",stats=/dev/stdout")
    for console in ["-serial", "stdio"], ["-nographic"], ["-monitor", "mon:stdio"], ["-chardev", "stdio,id=c"]:
        one_line(tmsim("run", "--stats", "-", "--", QEMU, *Q, *console), 2, "standard output", "name a file")


def test_profile_by_file_and_place(tmsim, tmp_path):
    mine = tmp_path / "my, own.conf"
    shutil.copy(PROFILES / "optane-100.conf", mine)
    words, _ = dry(tmsim, Q, "--profile", mine)
    assert after(words, "-plugin").endswith(f",profile={str(mine).replace(',', ',,')}")
    places = tmp_path / "places"
    places.mkdir()
    shutil.copy(PROFILES / "optane-100.conf", places / "other.conf")
    words, _ = dry(tmsim, Q, "--profile", "other", TMSIM_PROFILES=str(places))
    assert after(words, "-plugin").endswith(f",profile={places}/other.conf")


def test_found_in_an_installation(tmsim, tmp_path):
    prefix = tmp_path / "usr"
    for part in "bin", "lib/tiermem", "share/tiermem/profiles":
        (prefix / part).mkdir(parents=True)
    shutil.copy(TMSIM, prefix / "bin/tmsim")
    shutil.copy(PROFILES / "optane-100.conf", prefix / "share/tiermem/profiles")
    command = [str(prefix / "bin/tmsim"), "run", "--dry-run", "--", QEMU, *Q]
    env = {k: v for k, v in tmsim.env.items() if k not in ("TMSIM_PROFILES", "TMSIM_LIB")}
    r = subprocess.run(command, env=env, capture_output=True, text=True)
    one_line(r, 1, "libtmsim.so not found", "lib/tiermem/libtmsim.so", "TMSIM_LIB")
    (prefix / "lib/tiermem/libtmsim.so").write_text("")
    r = subprocess.run(command, env=env, capture_output=True, text=True)
    assert f"{prefix}/lib/tiermem/libtmsim.so,profile={prefix}/share/tiermem/profiles/optane-100.conf" in r.stdout
    r = subprocess.run(command, env=env | {"TMSIM_LIB": "/nonexistent.so"}, capture_output=True, text=True)
    one_line(r, 1, "TMSIM_LIB=/nonexistent.so cannot be read")


def test_library_in_a_folder_with_a_space(tmsim, tmp_path):
    lib = tmp_path / "a folder" / "libtmsim.so"
    lib.write_text("")
    one_line(tmsim("run", "--", QEMU, *Q, TMSIM_LIB=str(lib)), 1, "LD_PRELOAD takes no path with a space", "TMSIM_LIB")


# What is refused.

REFUSED = [
    (["-enable-kvm"], "real CPU"),
    (["--enable-kvm"], "real CPU"),
    (["-accel", "kvm"], "only TCG"),
    (["-accel", "hvf"], "only TCG"),
    (["-accel", "whpx,kernel-irqchip=off"], "only TCG"),
    (["-accel", "kvm", "-accel", "tcg"], "only TCG"),
    (["-machine", "q35,accel=kvm"], "only TCG"),
    (["-M", "type=q35,accel=kvm:tcg"], "only TCG"),
    (["-accel", "tcg,thread=single"], "thread=multi"),
    (["-cpu", "host"], "needs KVM"),
    (["-icount", "shift=7"], "gives the guest its time"),
    (["-daemonize"], "background"),
    (["-rtc", "clock=host"], "clock=vm"),
    (["-rtc", "base=utc,clock=rt"], "clock=vm"),
    (["-plugin", "/x/libtmsim.so,profile=p"], "loads the library itself"),
    (["-smp", "65"], "65 vCPUs are too many; 64 at most"),
    (["-smp", "2,maxcpus=100"], "100 vCPUs"),
    (["-smp", "sockets=2,cores=40,threads=2"], "160 vCPUs"),
    (["-m", "1G", "-icount", "auto"], "-icount auto"),
]


@pytest.mark.parametrize("args,why", REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
def test_refused(tmsim, args, why):
    one_line(tmsim("run", "--", QEMU, *args), 1, why)


TAKEN = [["-S"], ["-smp", "64"], ["-plugin", "/x/libother.so"], ["-snapshot"], ["-accel", "help"], ["-m", "-icount"],
         ["-append", "-enable-kvm"], ["-drive", "file=a,,aio=native"], ["disk.img"], ["-machine", "pc-q35-7.2"],
         ["-machine", "pc"], ["-accel", "tb-size=3"], ["-cpu", ","], ["-device", "{"], ["-netdev", ",,,"], ["-append", "--"]]


@pytest.mark.parametrize("args", TAKEN, ids=[" ".join(a) for a in TAKEN])
def test_taken_without_a_warning(tmsim, args):
    assert "warning" not in dry(tmsim, args)[1]


STRICT_ONLY = [
    (["-drive", "file=a,aio=native"], "aio=threads"),
    (["-drive", "file=a,aio=io_uring"], "aio=threads"),
    (["-blockdev", "driver=raw,node-name=n,file.driver=file,file.aio=native"], "aio=threads"),
    (["-blockdev", '{"driver":"raw","file":{"driver":"file","aio":"native"}}'], "aio=threads"),
    (["-incoming", "tcp:0:4444"], "host's time"),
    (["-object", "iothread,id=t"], "host's time"),
    (["-drive", "file=nbd:localhost:10809,if=virtio"], "network"),
    (["-blockdev", '{"driver":"raw","node-name":"n","file":{"driver":"nbd","server":{"type":"unix","path":"p"}}}'], "network"),
]


@pytest.mark.parametrize("args,why", STRICT_ONLY, ids=[" ".join(a) for a, _ in STRICT_ONLY])
def test_warned_of_and_refused_when_strict(tmsim, args, why):
    said = dry(tmsim, [*args, *Q])[1]
    assert len([line for line in said.splitlines() if "warning: " in line and why in line]) == 1
    one_line(tmsim("run", "--strict", "--", QEMU, *args), 1, "--strict with", why)


def test_todays_date_is_refused_when_strict(tmsim):
    assert "warning" not in dry(tmsim, ["-rtc", "base=localtime", *Q])[1]
    one_line(tmsim("run", "--strict", "--", QEMU, "-rtc", "base=utc"), 1, "today's date")


STRICT_WARNINGS = [
    ["-netdev", "user,id=n"], ["-netdev", '{"type":"tap","id":"n"}'], ["-nic", "user"], ["-net", "user"],
    ["-display", "gtk"], ["-vnc", ":1"], ["-nographic"], ["-serial", "stdio"], ["-serial", "mon:stdio"], ["-serial", "pty"],
    ["-serial", "tcp::4444,server=on"], ["-monitor", "unix:m,server=on,wait=off"], ["-qmp", "stdio"], ["-s"],
    ["-chardev", "socket,id=c,path=p"], ["-audiodev", "pa,id=a"], ["-device", "usb-host,vendorid=1"], ["-device", "vfio-pci"],
    ["-object", "rng-random,id=r,filename=/dev/urandom"], ["-virtfs", "local,path=/,mount_tag=t,security_model=none"],
    ["-snapshot"],
]


@pytest.mark.parametrize("args", STRICT_WARNINGS, ids=map(" ".join, STRICT_WARNINGS))
def test_strict_warns_of_host_events(tmsim, args):
    rest = ["-nodefaults"] + (["-display", "none"] if args[0] not in ("-display", "-vnc", "-nographic") else [])
    said = dry(tmsim, [*args, *rest], "--strict")[1]
    assert said.count("warning: ") == 1 and f"warning: {' '.join(args)}" in said
    assert "warning" not in dry(tmsim, [*args, *rest])[1]


WARNED = [(["-loadvm", "x"], "untested"), (["-M", "microvm"], "nvdimm"), (["-machine", "isapc"], "untested"),
          (["-readconfig", "f"], "not checked")]


@pytest.mark.parametrize("args,why", WARNED, ids=[" ".join(a) for a, _ in WARNED])
def test_warned_of(tmsim, args, why):
    assert f"warning: {'-machine' if args[0] == '-M' else args[0]} {args[1]}: " in dry(tmsim, args)[1]
    assert why in dry(tmsim, args)[1]


def test_strict_warns_of_qemus_defaults(tmsim):
    said = dry(tmsim, [], "--strict")[1]
    assert "default network card" in said and "default display" in said and said.count("warning") == 2


USAGE = [
    ([], "no QEMU command line"),
    (["--"], "no QEMU command line"),
    ([QEMU, "-m", "1G"], "no QEMU command line after --"),
    (["extra", "--", QEMU], "'extra' before --"),
    (["--colour", "--", QEMU], "unknown option --colour"),
    (["--profile", "nosuch", "--", QEMU], "unknown profile 'nosuch'; known are"),
    (["--profile", "", "--", QEMU], "unknown profile ''"),
    (["--profile", "/no/such.conf", "--", QEMU], "profile file /no/such.conf cannot be read; shipped are"),
    (["--set", "clock_ghz=3", "--", QEMU], "unknown key; known are ns_per_instruction"),
    (["--set", "llc_kib", "--", QEMU], "--set llc_kib: want KEY=VALUE"),
    (["--set", "llc_kib=lots", "--", QEMU], "llc_kib = 'lots': not a number from"),
    (["--pmem", "p0", "--", QEMU], "--pmem p0: no memory backend"),
    (["--stats", "x" * 1024, "--", QEMU], "at most"),
    (["--watchdog", "0", "--", QEMU], "--watchdog 0"),
    (["--progress=often", "--", QEMU], "auto|always|never"),
    (["--", QEMU, "-m"], "-m at the end"),
]


@pytest.mark.parametrize("args,why", USAGE, ids=[" ".join(a)[:80] for a, _ in USAGE])
def test_usage_error(tmsim, args, why):
    one_line(tmsim("run", *args), 2, why)


def test_bad_profile_file_is_named_with_its_line(tmsim, tmp_path):
    bad = tmp_path / "bad.conf"
    bad.write_text("[profile]\nname = x\n[cpu]\nclock = 3\n")
    one_line(tmsim("run", "--profile", bad, "--", QEMU), 2, f"{bad}:4:", "clock")


# The program.

def test_program_that_is_missing_or_another(tmsim):
    one_line(tmsim("run", "--", "/nonexistent/qemu"), 1, "/nonexistent/qemu not found", "qemu-system-x86")
    one_line(tmsim("run", "--", "/etc/passwd"), 1, "Permission denied")
    one_line(tmsim("run", "--", "/bin/true"), 1, "no QEMU system emulator")
    for name in "qemu-x86_64", "qemu-system-aarch64", "qemu-system-i386", "/usr/bin/qemu-img", "kvm":
        one_line(tmsim("run", "--", name), 1, f"{name}: only qemu-system-x86_64")


@pytest.mark.parametrize("env,why", [
    (dict(FAKE_VERSION="QEMU emulator version 6.2.0 (Debian)"), "is QEMU 6.2.0 (Debian); tmsim needs 7.2 or later"),
    (dict(FAKE_VERSION="QEMU emulator version 7.1.0"), "7.2 or later"),
    (dict(FAKE_VERSION="qemu-x86_64 version 7.2.22"), "no QEMU system emulator"),
    (dict(FAKE_VERSION_STATUS="3"), "--version failed (status 3)"),
    (dict(FAKE_PLUGIN="qemu: -plugin: invalid option"), "takes no TCG plugins (it says: qemu: -plugin: invalid option)"),
])
def test_unfit_qemu(tmsim, env, why):
    one_line(tmsim("run", "--", QEMU, **env), 1, why)


def test_newer_qemu_is_left_to_the_library(tmsim):
    assert "QEMU 10.0.2" in dry(tmsim, Q, FAKE_VERSION="QEMU emulator version 10.0.2")[1]


def test_becomes_qemu(tmsim):
    r = tmsim("run", "--quiet", "--watchdog", "7", "--", tmsim.folder / QEMU, *Q, "-name", "it's", FAKE_STATUS="42",
              LD_PRELOAD="libdl.so.2")
    assert r.returncode == 42, r.stderr
    lines = r.stdout.splitlines()
    assert lines[0] == f"LD_PRELOAD={simvm.SIM.resolve()}:libdl.so.2 TMSIM_WATCHDOG_S=7"
    assert lines[1:8] == [f"<{w}>" for w in [*Q, "-name", "it's", "-accel"]]
    assert r.stderr == ""
    # The printed command does the same.
    printed = tmsim("run", "--quiet", "--dry-run", "--", tmsim.folder / QEMU, *Q, "-name", "it's").stdout
    again = subprocess.run(printed, shell=True, env=tmsim.env, capture_output=True, text=True)
    assert again.stdout.splitlines()[1:] == lines[1:]


def test_libtmsim_twice_is_refused(tmsim):
    one_line(tmsim("run", "--", QEMU, LD_PRELOAD=str(simvm.SIM)), 1, "LD_PRELOAD has libtmsim already")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_qemu_itself(tmsim, sig):
    p = subprocess.Popen([str(TMSIM), "run", "--quiet", "--", QEMU, *Q], env=tmsim.env | {"FAKE_SLEEP": "60"},
                         stdout=subprocess.PIPE, text=True,
                         preexec_fn=lambda: signal.signal(sig, signal.SIG_DFL))  # a test run in the background ignores SIGINT
    assert any(line.startswith("<-plugin") for line in p.stdout)
    time.sleep(0.5)
    p.send_signal(sig)
    assert p.wait(10) == -sig


# The other commands.

def test_profiles_and_profile(tmsim):
    r = tmsim("profiles")
    assert r.returncode == 0 and r.stderr == ""
    names = {line.split()[0]: line for line in r.stdout.splitlines()}
    assert set(names) == {p.stem for p in PROFILES.glob("*.conf")}
    assert "First-generation Optane DC PMM" in names["optane-100"]
    assert tmsim("profile", "optane-100").stdout == (PROFILES / "optane-100.conf").read_text()
    one_line(tmsim("profile", "nosuch"), 2, "unknown profile 'nosuch'; known are")
    one_line(tmsim("profile"), 2, "usage: tmsim profile NAME")
    one_line(tmsim("profiles", "x"), 2, "no argument")


def test_help_and_version(tmsim):
    for args in (["help"], ["--help"]):
        r = tmsim(*args)
        assert r.returncode == 0 and "tmsim COMMAND" in r.stdout and r.stderr == ""
    assert "--strict" in tmsim("run", "--help").stdout
    assert tmsim("--version").stdout.startswith("tmsim 0.")
    assert tmsim().returncode == 2
    one_line(tmsim("walk"), 2, "unknown command 'walk'")


def test_full_output_is_an_error(tmsim):
    with open("/dev/full", "w") as full:
        r = subprocess.run([str(TMSIM), "profiles"], env=tmsim.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 1 and "cannot write the output" in r.stderr


@pytest.mark.parametrize("program", ["qemu-system-x86_64", str(simvm.BUILD / "qemu10/qemu-system-x86_64")], ids=["installed", "debian13"])
def test_options_without_argument_are_those_of_qemu(tmsim, program):
    """An option that takes an argument hides an -icount behind it, one that takes none does not."""
    if not shutil.which(program):
        pytest.skip(f"no {program} (make qemu10)")
    text = subprocess.run([program, "-help"], capture_output=True, text=True).stdout
    names = {}
    for line in text.splitlines():
        m = re.match(r"--?([\w-]+)(?:  +| ?$| (\S))", line)
        if m and m[1] not in ("h", "dtb", "async-teardown"):  # their lines have other spaces
            names[m[1]] = names.get(m[1], False) or bool(m[2])
    assert len(names) > 80 and not names["snapshot"] and names["cpu"]
    for name, argument in names.items():
        if name in ("enable-kvm", "daemonize", "icount"):
            continue
        r = tmsim("run", "--dry-run", "--", QEMU, "-" + name, "-icount", "shift=7")
        assert ("tmsim: -icount" in r.stderr) == (not argument), name


# Real guests on real QEMU: command lines as a user would write them, with what they lack left to tmsim.

SLEEP = simvm.SLEEP + """
echo "cpus $(grep -c ^processor /proc/cpuinfo)" >/dev/ttyS1
"""


def boot(folder, *args, machine="q35", script=SLEEP, options=(), timeout=600):
    """Runs the guest image; returns what it left behind and what tmsim and QEMU printed."""
    stats = () if "--stats" in options else ("--stats", folder / "stats.json")
    root = simvm.BUILD / "guest/root.img"
    initrd = (simvm.BUILD / "guest/initrd.img").read_bytes()
    (folder / "initrd").write_bytes(initrd + b"\0" * (-len(initrd) % 4) + simvm.newc({
        "tm": (0o40755, b""), "tm/bin": (0o40755, b""), "tm/run": (0o100755, script.encode()),
        "tm/bin/tmmark": (0o100755, (simvm.BUILD / "bin/tmmark").read_bytes())}))
    command = [TMSIM, "run", *options, *stats, "--", os.environ.get("TEST_QEMU", QEMU), "-machine", f"{machine},nvdimm=on",
               "-m", "512M,slots=2,maxmem=4G", "-object",
               f"memory-backend-file,id=root,share=off,mem-path={root},size={root.stat().st_size}",
               "-device", "nvdimm,memdev=root", "-kernel", simvm.BUILD / "guest/vmlinuz", "-initrd", folder / "initrd",
               "-append", "console=ttyS0 panic=-1 quiet", "-display", "none", "-no-reboot",
               "-serial", f"file:{folder}/console.log", "-serial", f"file:{folder}/results.log", *args]
    done = subprocess.run([str(c) for c in command], env=dict(os.environ, TMSIM_PROFILES=str(PROFILES)), capture_output=True,
                          text=True, timeout=timeout)
    return simvm.Guest(folder, done.returncode, done.stderr), done


def slept_ten_seconds(guest, clock):
    assert guest.status == 0 and "@@exit 0" in guest.results, guest.stderr + guest.console
    phase = guest.phase("sleep")
    assert 10.0 <= (phase["end_ns"] - phase["begin_ns"]) / 1e9 < 10.05
    words = next(line for line in guest.results.splitlines() if line.startswith("uptimes")).split()
    assert 10.0 <= round(float(words[2]) - float(words[1]), 2) < 10.1
    assert f"clock {clock}" in guest.results


def test_real_guest_on_a_minimal_command_line(tmp_path):
    guest, done = boot(tmp_path, "-smp", "2")
    slept_ten_seconds(guest, "hpet")
    assert [e["event"] for e in guest.events] == ["start", "phase", "exit"]
    assert guest.events[0]["profile"] == "optane-100"
    assert done.stdout == "" and "tmsim: added -accel" in done.stderr


def test_real_guest_without_hpet_on_the_pc_machine(tmp_path):
    slept_ten_seconds(boot(tmp_path, machine="pc,hpet=off")[0], "acpi_pm")


def test_real_guest_with_statistics_on_standard_output(tmp_path):
    done = boot(tmp_path, "-nodefaults", script="tmmark begin x\ntmmark end", options=("--stats", "-", "--quiet"))[1]
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["start", "phase", "exit"]
    assert done.stderr == ""


def test_real_guest_twice_the_same(tmp_path):
    seen = []
    for name in "a", "b":
        (tmp_path / name).mkdir()
        guest, done = boot(tmp_path / name, "-smp", "2", "-nic", "none", options=["--strict"])
        slept_ten_seconds(guest, "hpet")
        assert "warning" not in done.stderr
        seen.append([(tmp_path / name / f).read_bytes() for f in ("stats.json", "console.log", "results.log")])
    assert seen[0] == seen[1]


def test_real_guest_with_32_vcpus(tmp_path):
    guest, _ = boot(tmp_path, "-nodefaults", "-smp", "32", timeout=900)
    slept_ten_seconds(guest, "hpet")
    assert "cpus 32" in guest.results
    assert len(guest.phase("sleep")["vcpus"]) == 32
