"""A simulated VM for tests: the real guest image, stock QEMU, libtmsim.so, and a shell script that the guest runs."""
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
SIM = BUILD / "lib/libtmsim.so"
QEMU = os.environ.get("TEST_QEMU", "qemu-system-x86_64")  # another QEMU, to run these tests on it
PROFILE = ROOT / "sim/profiles/optane-100.conf"


def newc(files):
    """A cpio archive (newc) of {path: (mode, content)}, the same bytes for the same input."""
    out = b""
    entries = list(files.items()) + [("TRAILER!!!", (0, b""))]
    for inode, (path, (mode, data)) in enumerate(entries, 1):
        name = path.encode() + b"\0"
        fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        out += head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
    return out


class Guest:
    """What a finished run left behind."""

    def __init__(self, folder, status, stderr):
        self.status, self.stderr = status, stderr
        self.console = (folder / "console.log").read_text(errors="replace") if (folder / "console.log").exists() else ""
        self.results = (folder / "results.log").read_text(errors="replace") if (folder / "results.log").exists() else ""
        stats = folder / "stats.json"
        self.stats = stats.read_text() if stats.exists() else ""
        self.events = [json.loads(line) for line in self.stats.splitlines()]

    def phase(self, name):
        return next(e for e in self.events if e["event"] == "phase" and e["name"] == name)


# A guest that sleeps for ten seconds between two marks, and tells its clocks.
SLEEP = """
tmmark model on
cat /proc/uptime >/tmp/u0
tmmark begin sleep
sleep 10
tmmark end
cat /proc/uptime >/tmp/u1
echo "uptimes $(cut -d' ' -f1 /tmp/u0) $(cut -d' ' -f1 /tmp/u1)" >/dev/ttyS1
echo "clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" >/dev/ttyS1
"""
CLOCK = "clocksource=hpet tsc=unstable"


def run(folder, script, *, programs=("tmmark",), libraries=(), extra=None, vcpus=2, pmem_mib=0, cpu="max,-tsc,-erms,-fsrm", append=CLOCK,
        seed=1, plugin="", preload=True, qemu=(), environment=None, timeout=240, program=QEMU, prefix=(), memory="512M",
        profile=PROFILE, kernel=None):
    """Boots a guest that runs script with /bin/sh; returns a Guest. extra: more programs, {name: path}; program: the QEMU; prefix: what
    starts it (tiermem run); plugin=None, preload=False: without the simulator; kernel: a folder with another kernel and its initrd."""
    kernel = kernel or BUILD / "guest"
    files = {"tm": (0o40755, b""), "tm/bin": (0o40755, b""), "tm/lib": (0o40755, b""), "tm/run": (0o100755, script.encode())}
    for p in programs:
        files[f"tm/bin/{p}"] = (0o100755, (BUILD / "bin" / p).read_bytes())
    for p, path in (extra or {}).items():
        files[f"tm/bin/{p}"] = (0o100755, path.read_bytes())
    for lib in libraries:
        files[f"tm/lib/{lib}"] = (0o100755, (BUILD / "lib" / lib).read_bytes())
    initrd = (kernel / "initrd.img").read_bytes()
    (folder / "initrd").write_bytes(initrd + b"\0" * (-len(initrd) % 4) + newc(files))
    root = BUILD / "guest/root.img"
    args = [*map(str, prefix), str(program), "-machine", "q35,nvdimm=on", "-accel", "tcg,thread=multi", "-cpu", cpu,
            "-smp", str(vcpus), "-m", f"{memory},slots=4,maxmem=16G", "-rtc", "base=2024-01-01T00:00:00,clock=vm", "-seed", str(seed),
            "-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(kernel / "vmlinuz"),
            "-initrd", str(folder / "initrd"), "-append",
            f"console=ttyS0 panic=-1 {append} nokaslr random.trust_cpu=on cryptomgr.notests quiet",
            "-serial", f"file:{folder}/console.log", "-serial", f"file:{folder}/results.log",
            "-object", f"memory-backend-file,id=rootmem,share=off,mem-path={root},size={root.stat().st_size}",
            "-device", "nvdimm,memdev=rootmem,id=nv0"]
    if pmem_mib:
        args += ["-object", f"memory-backend-ram,id=pmem0,size={pmem_mib}M", "-device", "nvdimm,memdev=pmem0,id=nv1"]
        plugin = None if plugin is None else ",pmem=pmem0" + plugin
    if plugin is not None:
        args += ["-plugin", f"{SIM},profile={profile},stats={folder}/stats.json{plugin}"]
    args += qemu
    env = dict(os.environ, **(environment or {}), **({"LD_PRELOAD": str(SIM)} if preload else {}))
    done = subprocess.run(args, env=env, capture_output=True, text=True, timeout=timeout)
    return Guest(folder, done.returncode, done.stderr)
