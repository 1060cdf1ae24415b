"""tmload against a real redis-server, and against servers that misbehave."""
import collections
import json
import math
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TMLOAD = ROOT / os.environ.get("BUILD", "build") / "bin" / "tmload"


def tmload(*args, timeout=30):
    return subprocess.run([TMLOAD, *map(str, args)], capture_output=True, text=True, timeout=timeout)


class Redis:
    """A redis-server of our own on a unix socket."""

    def __init__(self, folder):
        self.socket = str(folder / "s")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no",
             "--dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cli(self, *args):
        out = subprocess.run(["redis-cli", "-s", self.socket, *map(str, args)], capture_output=True, text=True,
                             timeout=30, check=True)
        return out.stdout.strip()

    def load(self, *args, **kw):
        return tmload("-S", self.socket, "--wait-for-server", 10, *args, **kw)

    def results(self, folder, *args):
        """Run, expect success, return the JSON document."""
        path = folder / "out.json"
        run = self.load("--json-out-file", path, *args)
        assert run.returncode == 0, run.stderr
        assert run.stderr == ""
        return strict_json(path.read_text())

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def strict_json(text):
    def refuse(name):
        raise ValueError(name)
    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("redis"))
    yield redis
    redis.stop()


@pytest.fixture
def redis(server):
    server.load("-n", 1, "-t", 1, "-c", 1)
    server.cli("flushall")
    return server


@pytest.fixture
def fake():
    """Start a TCP server that runs a function per connection; gives its port."""
    sockets = []

    def start(serve):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def accept():
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                sockets.append(conn)
                threading.Thread(target=guarded, args=(conn,), daemon=True).start()

        def guarded(conn):
            try:
                serve(conn)
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for s in sockets:
        s.close()


# What a run does to the server.

@pytest.mark.parametrize("pattern", ["S:S", "P:P"])
@pytest.mark.parametrize("keys", [3000, 7919])
def test_allkeys_sets_each_key_once(redis, tmp_path, pattern, keys):
    doc = redis.results(tmp_path, "-t", 3, "-c", 5, "--ratio", "1:0", "--key-pattern", pattern, "-n", "allkeys",
                        "--key-minimum", 1, "--key-maximum", keys, "-d", 100)
    assert doc["ALL STATS"]["Sets"]["Count"] == keys
    assert int(redis.cli("dbsize")) == keys
    assert redis.cli("exists", "memtier-1", f"memtier-{keys}") == "2"
    assert redis.cli("strlen", "memtier-7") == "100"


def test_allkeys_with_fewer_keys_than_connections(redis, tmp_path):
    doc = redis.results(tmp_path, "-t", 2, "-c", 8, "--ratio", "1:0", "--key-pattern", "S:S", "-n", "allkeys",
                        "--key-maximum", 2)
    assert doc["ALL STATS"]["Sets"]["Count"] == 3
    assert redis.cli("dbsize") == "3"


@pytest.mark.parametrize("size", [["-d", 1], ["-d", 20], ["-d", 1024], ["-d", 300000],
                                  ["--data-size-range", "1-9000"]])
@pytest.mark.parametrize("pipeline", [1, 7])
def test_values_verify(redis, tmp_path, size, pipeline):
    keys = 40 if 300000 in size else 1000
    common = [*size, "-t", 2, "-c", 4, "--key-maximum", keys - 1, "--pipeline", pipeline, "--distinct-client-seed"]
    redis.results(tmp_path, *common, "--ratio", "1:0", "--key-pattern", "P:P", "-n", "allkeys")
    doc = redis.results(tmp_path, *common, "--ratio", "1:3", "--key-pattern", "R:R", "-n", keys)
    stats = doc["ALL STATS"]
    assert stats["Totals"]["Count"] == 8 * keys
    assert stats["Sets"]["Count"] == 2 * keys
    assert stats["Gets"]["Hits"] == stats["Gets"]["Count"] == 6 * keys
    assert stats["Errors"] == {"wrong": 0, "missing": 0, "protocol": 0, "connection": 0}


def test_missing_keys_are_misses_not_errors(redis, tmp_path):
    redis.results(tmp_path, "-t", 1, "-c", 1, "--ratio", "1:0", "--key-pattern", "S:S", "-n", "allkeys",
                  "--key-maximum", 49)
    doc = redis.results(tmp_path, "-t", 1, "-c", 1, "--ratio", "0:1", "--key-pattern", "S:S", "-n", "allkeys",
                        "--key-maximum", 99)
    gets = doc["ALL STATS"]["Gets"]
    assert (gets["Hits"], gets["Misses"]) == (50, 50)


@pytest.mark.parametrize("change", ["setrange memtier-5 700 x", "append memtier-5 x", "set memtier-5 short",
                                    "setrange memtier-5 1023 !", "rename memtier-6 memtier-5"])
def test_wrong_values_are_found(redis, tmp_path, change):
    common = ["-t", 1, "-c", 2, "-d", 1024, "--key-maximum", 9, "--key-pattern", "S:S", "-n", "allkeys"]
    redis.results(tmp_path, *common, "--ratio", "1:0")
    redis.cli(*change.split())
    run = redis.load(*common, "--ratio", "0:1", "--json-out-file", tmp_path / "bad.json")
    assert run.returncode == 1
    assert "GET memtier-5: wrong value of" in run.stderr
    assert run.stderr.count("\n") == 1
    assert strict_json((tmp_path / "bad.json").read_text())["ALL STATS"]["Errors"]["wrong"] == 1
    assert redis.load(*common, "--ratio", "0:1", "--no-verify").returncode == 0


def test_error_replies_are_printed_and_counted(redis, tmp_path):
    redis.cli("lpush", "memtier-3", "x")
    run = redis.load("-t", 1, "-c", 1, "--ratio", "0:1", "-n", 20, "--key-minimum", 3, "--key-maximum", 3,
                     "--json-out-file", tmp_path / "e.json")
    assert run.returncode == 1
    assert "GET memtier-3: the server says: WRONGTYPE" in run.stderr
    assert run.stderr.count("\n") == 5
    assert strict_json((tmp_path / "e.json").read_text())["ALL STATS"]["Errors"]["wrong"] == 20


# Which keys are asked for.

def keys_asked(redis, *args):
    """The requests in the order in which the server sees them, as (command, key number)."""
    monitor = subprocess.Popen(["redis-cli", "-s", redis.socket, "monitor"], stdout=subprocess.PIPE, text=True)
    assert monitor.stdout.readline() == "OK\n"
    run = redis.load("-d", 1, *args)
    assert run.returncode == 0, run.stderr
    redis.cli("echo", "the-end")
    asked = []
    for line in monitor.stdout:
        words = line.split('"')
        if "the-end" in line:
            break
        if words[1] in ("SET", "GET"):
            asked.append((words[1], int(words[3].rpartition("-")[2])))
    monitor.kill()
    monitor.wait()
    return asked


def test_gaussian_keys(redis):
    asked = keys_asked(redis, "-t", 1, "-c", 4, "-n", 5000, "--ratio", "0:1", "--key-pattern", "R:G", "--pipeline", 20,
                       "--key-maximum", 6000, "--key-median", 2000, "--key-stddev", 300, "--distinct-client-seed")
    keys = [k for _, k in asked]
    mean = sum(keys) / len(keys)
    stddev = math.sqrt(sum((k - mean) ** 2 for k in keys) / len(keys))
    assert abs(mean - 2000) < 5 * 300 / math.sqrt(len(keys))
    assert abs(stddev - 300) < 10
    within = sum(abs(k - 2000) <= 300 for k in keys) / len(keys)
    assert abs(within - 0.683) < 0.02


def test_zipf_keys(redis):
    asked = keys_asked(redis, "-t", 1, "-c", 4, "-n", 5000, "--ratio", "0:1", "--key-pattern", "R:Z", "--pipeline", 20,
                       "--key-minimum", 100, "--key-maximum", 1099, "--key-zipf-exp", 1.2, "--distinct-client-seed")
    seen = collections.Counter(k for _, k in asked)
    total = sum(r ** -1.2 for r in range(1, 1001))
    for rank in (1, 2, 10):
        assert abs(seen[99 + rank] / len(asked) - rank ** -1.2 / total) < 0.012
    assert seen.most_common(1)[0][0] == 100 and min(seen) == 100 and max(seen) <= 1099


def test_ratio_and_prefix(redis):
    asked = keys_asked(redis, "-t", 1, "-c", 1, "-n", 12, "--ratio", "1:3", "--key-pattern", "S:S", "--key-prefix", "my-")
    assert [c for c, _ in asked] == ["SET", "GET", "GET", "GET"] * 3
    assert [k for c, k in asked if c == "GET"] == list(range(9))
    assert sorted(redis.cli("keys", "*").split()) == ["my-0", "my-1", "my-2"]


def test_same_seed_same_requests(redis):
    common = ["-t", 1, "-c", 1, "-n", 200, "--ratio", "1:1", "--data-size-range", "1-50", "--key-pattern", "G:R"]
    first = keys_asked(redis, *common, "--seed", 5)
    assert keys_asked(redis, *common, "--seed", 5) == first
    assert keys_asked(redis, *common, "--seed", 6) != first
    assert keys_asked(redis, *common, "--randomize") != first


def test_client_seeds(redis):
    common = ["-t", 2, "-c", 5, "-n", 50, "--ratio", "0:1"]
    same = collections.Counter(keys_asked(redis, *common))
    assert set(same.values()) == {10}
    distinct = collections.Counter(keys_asked(redis, *common, "--distinct-client-seed"))
    assert len(distinct) > 490


# Rate, time and output.

def test_rate_limit(redis, tmp_path):
    doc = redis.results(tmp_path, "-t", 2, "-c", 2, "--rate-limiting", 200, "--test-time", 1, "--key-maximum", 100)
    assert 600 <= doc["ALL STATS"]["Totals"]["Count"] <= 810


def test_time_limit(redis, tmp_path):
    doc = redis.results(tmp_path, "-t", 2, "-c", 2, "--test-time", 1, "--key-maximum", 100, "--pin-threads")
    assert 900 <= doc["ALL STATS"]["Runtime"]["Total duration"] <= 1500
    assert doc["run information"]["Complete"] is True


def test_json_and_table_agree(redis, tmp_path):
    path = tmp_path / "j.json"
    run = redis.load("-t", 2, "-c", 3, "-n", 500, "--key-maximum", 200, "--json-out-file", path)
    doc = strict_json(path.read_text())
    stats, table = doc["ALL STATS"], {}
    for line in run.stdout.splitlines():
        words = line.split()
        if words and words[0] in ("Sets", "Gets", "Totals"):
            table[words[0]] = words[1:]
    assert "Request Latency Distribution" in run.stdout
    for name, row in table.items():
        part = stats[name]
        assert float(row[0]) == pytest.approx(part["Ops/sec"], abs=0.01)
        assert float(row[3]) == pytest.approx(part["Average Latency"], abs=1e-4)
        assert float(row[4]) == pytest.approx(part["Percentile Latencies"]["p50.00"], abs=1e-4)
        low, mid, high = (part["Percentile Latencies"][p] for p in ("p50.00", "p99.00", "p99.90"))
        assert part["Min Latency"] <= low <= mid <= high <= part["Max Latency"]
    assert stats["Totals"]["Count"] == 3000
    seconds = stats["Runtime"]["Total duration"] / 1e3
    assert stats["Totals"]["Ops/sec"] == pytest.approx(3000 / seconds, rel=1e-3)
    assert doc["configuration"]["key_maximum"] == 200


def test_json_without_any_get(redis, tmp_path):
    text = json.dumps(redis.results(tmp_path, "-t", 1, "-c", 1, "-n", 1, "--ratio", "1:0"))
    assert "nan" not in text.lower() and "inf" not in text.lower().replace("information", "")


def test_hidden_histogram(redis):
    assert "Distribution" not in redis.load("-t", 1, "-c", 1, "-n", 10, "--hide-histogram").stdout


def test_progress_line(redis):
    run = redis.load("-t", 1, "-c", 1, "--test-time", 2, "--rate-limiting", 50, "--progress", "always")
    assert "ops/sec" in run.stderr and run.returncode == 0


# Trouble.

def test_full_disk(redis):
    run = redis.load("-t", 1, "-c", 1, "-n", 1, "--json-out-file", "/dev/full")
    assert run.returncode == 1
    assert "cannot write /dev/full: No space left" in run.stderr


def test_interrupted(redis, tmp_path):
    process = subprocess.Popen([TMLOAD, "-S", redis.socket, "-t", "2", "-c", "2", "--test-time", "60", "--json-out-file",
                                tmp_path / "i.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "interrupted" in err and "Totals" in out
    info = strict_json((tmp_path / "i.json").read_text())["run information"]
    assert info["Interrupted"] is True and info["Complete"] is False


def test_server_killed(tmp_path):
    redis = Redis(tmp_path)
    try:
        redis.load("-n", 1)
        process = subprocess.Popen([TMLOAD, "-S", redis.socket, "-t", "2", "-c", "5", "--test-time", "60"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        redis.process.kill()
        _, err = process.communicate(timeout=5)
    finally:
        redis.stop()
    assert process.returncode == 1
    assert "closed by the server" in err and err.count("\n") == 1


def test_server_stopped_answering(tmp_path):
    redis = Redis(tmp_path)
    try:
        redis.load("-n", 1)
        process = subprocess.Popen([TMLOAD, "-S", redis.socket, "-t", "2", "-c", "5", "--test-time", "60",
                                    "--reply-timeout", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        redis.process.send_signal(signal.SIGSTOP)
        _, err = process.communicate(timeout=10)
    finally:
        redis.stop()
    assert process.returncode == 1
    assert "no reply for 1 s" in err and err.count("\n") == 1


def test_one_connection_dropped(redis):
    process = subprocess.Popen([TMLOAD, "-S", redis.socket, "-t", "1", "-c", "5", "--test-time", "60"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)
    client = [line for line in redis.cli("client", "list").splitlines() if "cmd=get" in line or "cmd=set" in line][0]
    redis.cli("client", "kill", "id", client.split()[0].partition("=")[2])
    _, err = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "closed by the server" in err and err.count("\n") == 1


def test_too_many_connections_for_the_server(redis):
    redis.cli("config", "set", "maxclients", 10)
    try:
        run = redis.load("-t", 2, "-c", 20, "-n", 100)
    finally:
        redis.cli("config", "set", "maxclients", 10000)
    assert run.returncode == 1
    assert "max number of clients" in run.stderr or "closed by the server" in run.stderr


def test_connection_refused():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    run = tmload("-p", port)
    assert run.returncode == 1
    assert run.stderr == f"tmload: cannot connect to 127.0.0.1:{port}: Connection refused\n"
    run = tmload("-p", port, "--wait-for-server", 1)
    assert run.returncode == 1
    assert "is not ready after 1 s" in run.stderr and run.stderr.count("\n") == 1


def test_server_that_never_answers(fake):
    port = fake(lambda conn: time.sleep(20))
    start = time.monotonic()
    run = tmload("-p", port, "-t", 2, "-c", 3, "--reply-timeout", 1)
    assert run.returncode == 1
    assert "no reply for 1 s" in run.stderr and run.stderr.count("\n") == 1
    assert time.monotonic() - start < 5


def test_server_that_does_not_read(fake):
    port = fake(lambda conn: time.sleep(20))
    run = tmload("-p", port, "-t", 1, "-c", 1, "--ratio", "1:0", "-d", 30000000, "--reply-timeout", 1)
    assert run.returncode == 1
    assert "no reply for 1 s" in run.stderr


def test_reply_that_stops_in_the_middle(fake):
    def serve(conn):
        conn.recv(1000)
        conn.sendall(b"$1024\r\nabc")
        time.sleep(20)
    run = tmload("-p", fake(serve), "-t", 1, "-c", 1, "--ratio", "0:1", "--reply-timeout", 1)
    assert run.returncode == 1
    assert "no reply for 1 s" in run.stderr


@pytest.mark.parametrize("reply, text", [
    (b"HTTP/1.1 400 Bad Request\r\n", "is not RESP2"),
    (b"$3\r\nabcdef\r\n", "is not RESP2"),
    (b"$-1\r\n$-1\r\n", "a reply without a request"),
    (b"", "closed by the server"),
])
def test_nonsense(fake, reply, text):
    def serve(conn):
        conn.recv(1000)
        conn.sendall(reply)
        time.sleep(0.2)
        conn.close()
    run = tmload("-p", fake(serve), "-t", 1, "-c", 1, "--ratio", "0:1", "--no-verify")
    assert run.returncode == 1
    assert text in run.stderr and run.stderr.count("\n") == 1


def test_slow_bytes_are_put_together(fake):
    """Replies cut at every byte are understood."""
    def serve(conn):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while conn.recv(1000):
            for byte in b"$-1\r\n":
                conn.sendall(bytes([byte]))
                time.sleep(0.002)
    run = tmload("-p", fake(serve), "-t", 1, "-c", 1, "--ratio", "0:1", "-n", 10)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("args", [
    ["--nonsense"], ["-t"], ["-t", 0], ["-t", "x"], ["-c", -1], ["-n", 0], ["-n", "some"], ["--ratio", "1"],
    ["--ratio", "0:0"], ["--ratio", "1:-1"], ["--key-pattern", "X:R"], ["--key-pattern", "R"],
    ["--key-zipf-exp", 1], ["--key-zipf-exp", 5, "--key-pattern", "Z:Z"],
    ["--key-zipf-exp", 0, "--key-pattern", "Z:Z"], ["--key-zipf-exp", "nan", "--key-pattern", "Z:Z"],
    ["--key-stddev", 10], ["--key-stddev", 0, "--key-pattern", "G:G"],
    ["--key-median", 11, "--key-maximum", 10, "--key-pattern", "G:G"], ["--key-minimum", 5, "--key-maximum", 4],
    ["-d", 0], ["-d", 999999999999], ["--data-size-range", "5-1"], ["--data-size-range", "5"],
    ["--data-size-range", "0-5"], ["--pipeline", 0], ["--rate-limiting", 0], ["--test-time", 1, "-n", 1],
    ["-p", 70000], ["--protocol", "memcache_text"], ["--progress", "maybe"], ["--seed", -1], ["extra"],
    ["--key-pattern", "P:P", "--key-maximum", 5], ["--key-prefix", "x" * 201],
])
def test_bad_options(args):
    run = tmload(*args)
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith("tmload: ") and run.stderr.count("\n") == 1
    assert run.stdout == ""


def test_help_and_version():
    text = tmload("--help").stdout
    for name in ("--ratio", "--key-zipf-exp", "--json-out-file", "(default: memtier-)", "--wait-for-server"):
        assert name in text
    assert all(len(line) <= 102 for line in text.splitlines())
    assert tmload("--version").stdout.startswith("tmload ")
