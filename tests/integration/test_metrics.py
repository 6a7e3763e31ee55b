"""GET /metrics: over HTTP by a real curl, as a line by a real socat, and what promtool says of it."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections import namedtuple

import pytest

from support.calm import MAX_LOOP_BUSY_US, stretch
from support.daemon import BUILD, ROOT
from support.many import Many
from support.origin import RawOrigin, serve
from support.ports import free_port
from support.timing import eventually, scaled
from support.witness import Witness

Sample = namedtuple("Sample", "name labels value")

SAMPLE = re.compile(r'^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>[0-9.]+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def curl(daemon, *arguments, url="http://localhost/metrics"):
    done = subprocess.run(["curl", "-sS", "--unix-socket", daemon.path, *arguments, url],
                          stdout=subprocess.PIPE, timeout=scaled(10), check=True)
    return done.stdout.decode()


def parse(text):
    """The samples of a text in which each line is one, or one of # HELP and # TYPE."""
    samples = []
    for line in text.splitlines():
        if line.startswith("# "):
            continue
        match = SAMPLE.match(line)
        assert match, line
        labels = dict(LABEL.findall(match["labels"] or ""))
        samples.append(Sample(match["name"], labels, float(match["value"])))
    return samples


def scrape(daemon):
    return parse(curl(daemon))


def value(samples, name, **labels):
    found = [each.value for each in samples if each.name == name and each.labels == labels]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def promtool(*arguments, text=None):
    return subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=scaled(20))


def talk(daemon, data, shut=True):
    """What comes back for these bytes, up to the end; the daemon may close before it has read all."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(scaled(10))
        connection.connect(str(daemon.path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
    return answer


def status_of(answer):
    return int(re.match(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)[1])


# ---- How it is asked for -------------------------------------------------------------------------

def test_curl_gets_the_metrics_and_the_connection_closes(daemon):
    head, body = curl(daemon, "-i").split("\r\n\r\n", 1)
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in lines
    assert f"Content-Length: {len(body.encode())}" in lines
    assert "Connection: close" in lines
    assert "\nfetchpool_requests_total 0\n" in body


def test_head_has_the_same_head_and_no_body(daemon):
    answer = curl(daemon, "-I")
    assert answer.startswith("HTTP/1.1 200 OK\r\n") and answer.endswith("\r\n\r\n")
    assert int(re.search(r"Content-Length: (\d+)", answer)[1]) > 1000


def test_http_1_0_and_a_query_are_answered_too(daemon):
    assert "fetchpool_clients 1\n" in curl(daemon, "-0")
    assert "fetchpool_clients 1\n" in curl(daemon, url="http://localhost/metrics?module=x")


def test_without_a_version_the_text_comes_bare_and_the_next_line_is_read(daemon):
    done = subprocess.run(["socat", "-t", "30", "-", f"UNIX-CONNECT:{daemon.path}"],
                          input=b"GET /metrics\nping\n", stdout=subprocess.PIPE,
                          timeout=scaled(10), check=True)
    text = done.stdout.decode()
    assert text.startswith("# HELP ") and text.endswith("\npong\n")
    assert value(parse(text[:-len("pong\n")]), "fetchpool_clients") == 1


@contextlib.contextmanager
def running(*command):
    process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(scaled(10))


@pytest.mark.deadline(60)
def test_a_real_prometheus_scrapes_through_socat_and_takes_the_alerts(daemon, tmp_path):
    port, web = free_port(), free_port()
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "rule_files": [str(ROOT / "systemd" / "fetchpool-alerts.yml")],
        "scrape_configs": [{"job_name": "fetchpool",
                            "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}
    path = tmp_path / "prometheus.yml"
    path.write_text(json.dumps(config))

    def asked(query):
        done = subprocess.run(["curl", "-sS", f"http://127.0.0.1:{web}/api/v1/{query}"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=scaled(10))
        return json.loads(done.stdout)["data"] if done.returncode == 0 and done.stdout[:1] == b"{" \
            else None

    def is_up():
        data = asked("query?query=fetchpool_clients_accepted_total")
        return data and data["result"] and int(data["result"][0]["value"][1]) >= 3

    with running("socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork",
                 f"UNIX-CONNECT:{daemon.path}"), \
         running("prometheus", f"--config.file={path}", f"--storage.tsdb.path={tmp_path / 'data'}",
                 f"--web.listen-address=127.0.0.1:{web}", "--log.level=error"):
        eventually(is_up, 30, "Prometheus has scraped it three times")
        groups = asked("rules")["groups"]
        assert [rule["name"] for rule in groups[0]["rules"]] == [
            "FetchpoolDown", "FetchpoolErrors", "FetchpoolSaturated"]
        assert all(rule["health"] in ("ok", "unknown") for rule in groups[0]["rules"])
        assert asked("query?query=up")["result"][0]["value"][1] == "1"


# ---- What is not answered with it ----------------------------------------------------------------

@pytest.mark.parametrize("first, status", [
    (b"GET / HTTP/1.1", 404), (b"GET /metrics/x HTTP/1.1", 404), (b"HEAD / HTTP/1.0", 404),
    (b"GET %s HTTP/1.1", 404), (b"POST / HTTP/1.1", 405), (b"DELETE %s HTTP/1.1", 405),
    (b"GET %s HTTP/1.1 HTTP/1.1", 400), (b"GET %s HTTP/2.0", 505), (b"check %s HTTP/1.1", 405)])
def test_no_http_request_fetches_anything_nor_do_its_lines(daemon, first, status):
    """What a browser can be made to send to any socket: a first line of its own, and lines of others'."""
    with RawOrigin(serve(lambda _: b"")) as origin:
        url = origin.url().encode()
        first = first.replace(b"%s", url)
        for end in (b"\r\n", b"\n"):
            lines = [first, b"Host: x", b"GET " + url, b"ping", b"X: GET " + url, b"", b"GET " + url,
                     b"ping", b""]
            answer = talk(daemon, end.join(lines))
            assert status_of(answer) == status
            assert b"pong" not in answer and answer.count(b"\r\n\r\n") == 1
            assert status != 404 or first.startswith(b"HEAD") or b"/metrics" in answer
        assert origin.requests == []
    assert daemon.stats()["requests"] == 0


def test_405_says_which_methods_there_are(daemon):
    answer = curl(daemon, "-i", "-d", "a=b")
    assert answer.startswith("HTTP/1.1 405 ") and "\r\nAllow: GET, HEAD\r\n" in answer


def test_an_url_without_a_version_is_fetched_as_ever(daemon, nginx):
    answer = talk(daemon, f"GET {nginx.url('/text', nginx.PLAIN)}\n".encode())
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello\n")


def test_what_is_pipelined_behind_a_head_is_not_read(daemon):
    head = b"GET /metrics HTTP/1.1\r\n\r\n"
    for more in (b"GET /metrics HTTP/1.1\r\n\r\n", b"\x94\x00\x01\xa4ping\x90", b"ping\n" * 1000,
                 bytes(range(256)) * 1000):
        answer = talk(daemon, head + more)
        assert status_of(answer) == 200
        assert answer.count(b"HTTP/1.1 ") == 1 and b"pong" not in answer


def test_a_request_behind_commands_is_answered_in_its_turn_and_is_the_last(daemon, nginx):
    url = nginx.url("/text", nginx.PLAIN).encode()
    answer = talk(daemon, b"GET " + url + b"\nping\nGET /metrics HTTP/1.1\r\n\r\nping\n")
    assert answer.index(b"hello\n") < answer.index(b"pong\n") < answer.index(b"# HELP")
    assert b"pong" not in answer[answer.index(b"# HELP"):]


@pytest.mark.parametrize("data", [b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/1.1\r\nHost: a",
                                  b"GET /metrics HTTP/1.1"])
def test_a_half_closed_client_gets_its_answer(daemon, data):
    assert status_of(talk(daemon, data)) == 200


def test_a_head_that_comes_byte_by_byte_is_answered_once(daemon):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(scaled(10))
        connection.connect(str(daemon.path))
        for byte in b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":
            connection.sendall(bytes([byte]))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert status_of(answer) == 200 and answer.count(b"HTTP/1.1 ") == 1


def test_a_head_that_never_ends_is_cut_at_the_frame_deadline(start_daemon):
    """Lines come and come: each is whole in time, the head is not."""
    daemon = start_daemon({"timeouts": {"frame": "500ms"}})
    begun = time.monotonic()
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(scaled(10))
        connection.connect(str(daemon.path))
        connection.sendall(b"GET /metrics HTTP/1.1\r\n")
        stop = threading.Event()

        def go_on():
            with contextlib.suppress(OSError):
                while not stop.wait(0.05):
                    connection.sendall(b"X: y\r\n")

        writer = threading.Thread(target=go_on)
        writer.start()
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
        took = time.monotonic() - begun
        stop.set()
        writer.join()
    assert status_of(answer) == 408 and b"[timeouts] frame" in answer
    assert 0.4 <= took <= scaled(2)
    daemon.assert_one_complaint()


@pytest.mark.parametrize("rest", [b"X: y\r\n" * 101, b"X: " + b"y" * 17000 + b"\r\n",
                                  (b"X: " + b"y" * 15000 + b"\r\n") * 5],
                         ids=["lines", "line", "bytes"])
def test_a_head_that_is_too_large_is_refused_and_closed(daemon, rest):
    answer = talk(daemon, b"GET /metrics HTTP/1.1\r\n" + rest, shut=False)
    assert status_of(answer) == 431
    daemon.assert_one_complaint()


def test_a_surplus_client_is_told_so_over_http(start_daemon):
    daemon = start_daemon({"limits": {"clients_per_user": 3}})
    with daemon.client() as one, daemon.client() as two, daemon.client() as three:
        assert [each.call("ping") for each in (one, two, three)] == ["pong"] * 3
        answer = talk(daemon, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert status_of(answer) == 503 and b"clients_per_user" in answer
    eventually(lambda: status_of(talk(daemon, b"GET /metrics HTTP/1.1\r\n\r\n")) == 200, 5,
               "a place for another client")


# ---- What it says --------------------------------------------------------------------------------

def test_promtool_finds_nothing_to_say(daemon, nginx, client):
    client.fetch(nginx.url("/text"))
    done = promtool("check", "metrics", text=curl(daemon))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_family_has_its_help_and_type_once_and_no_series_is_there_twice(daemon, nginx, client):
    client.fetch(nginx.url("/text"))
    text = curl(daemon)
    helps = re.findall(r"^# HELP (\S+) \S.*\.$", text, re.M)
    types = re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.M)
    assert helps == types and len(set(helps)) == len(helps)
    names = {re.sub("_(bucket|sum|count)$", "", each.name) if each.name not in types else each.name
             for each in parse(text)}
    assert names == set(types)
    series = [(each.name, tuple(each.labels.items())) for each in parse(text)]
    assert len(set(series)) == len(series)


def test_every_number_of_stats_is_among_the_metrics(daemon, nginx, client):
    client.fetch(nginx.url("/text"))
    client.fetch(nginx.url("/text"))
    stats = daemon.stats()
    helps = curl(daemon)
    numbers = {name for name, each in stats.items() if isinstance(each, int)}
    assert {"requests", "handshakes_saved", "loop_busy_max_us", "queued"} <= numbers
    families = re.findall(r"^# TYPE fetchpool_(\S+) ", helps, re.M)
    # As many of them at the head of the text as there are numbers; ms_saved is further down.
    assert families.index("build_info") == len(numbers) - 1
    assert "handshakes_saved_seconds_total" in families


def test_values_move_as_requests_do(daemon, nginx, client):
    """Three that go well, two of them over a connection that was open, and one that is refused."""
    before = scrape(daemon)
    url = nginx.url("/text", nginx.PLAIN)
    for _ in range(3):
        client.fetch(url)
    refused = f"http://127.0.0.1:{free_port()}"
    client.refused(refused + "/")
    client.refused("ftp://a/")
    samples = scrape(daemon)

    def grown(name, **labels):
        return value(samples, name, **labels) - value(before, name, **labels)

    assert grown("fetchpool_requests_total") == 5
    assert grown("fetchpool_requests_failed_total") == 2
    assert grown("fetchpool_requests_refused_total") == 1
    assert grown("fetchpool_errors_total", code="CONNECT", **{"class": "not_sent"}) == 1
    assert sum(each.value for each in samples if each.name == "fetchpool_errors_total") == 2
    assert grown("fetchpool_connections_opened_total") == 1
    assert grown("fetchpool_handshakes_saved_total") == 2
    assert grown("fetchpool_lookups_total") == 1  # of localhost
    assert grown("fetchpool_received_bytes_total") == 3 * len("hello\n")
    assert grown("fetchpool_connections", state="idle", http="1.1") == 1
    assert value(samples, "fetchpool_origin_requests_total", origin=nginx.origin(nginx.PLAIN)) == 3
    assert value(samples, "fetchpool_origin_errors_total", origin=nginx.origin(nginx.PLAIN)) == 0
    assert value(samples, "fetchpool_origin_connections", origin=nginx.origin(nginx.PLAIN)) == 1
    assert value(samples, "fetchpool_origin_errors_total", origin=refused) == 1
    assert value(samples, "fetchpool_origin_requests_total", origin="other") == 0
    assert value(samples, "fetchpool_request_duration_seconds_count") == 4
    assert value(samples, "fetchpool_request_phase_duration_seconds_count", phase="queue") == 4
    assert value(samples, "fetchpool_request_phase_duration_seconds_count", phase="first_byte") == 3


def test_histograms_are_cumulative_and_hold_what_requests_took(daemon, client):
    def script(connection):
        while True:
            connection.read_request()
            time.sleep(0.3)  # what is measured
            connection.answer(body=b"slow")

    with RawOrigin(script) as origin:
        client.fetch(origin.url())
        samples = scrape(daemon)
    for name, labels in [("fetchpool_request_duration_seconds", {})] + [
            ("fetchpool_request_phase_duration_seconds", {"phase": phase})
            for phase in ("queue", "resolve", "connect", "tls", "first_byte")]:
        buckets = [each for each in samples if each.name == name + "_bucket" and
                   {k: v for k, v in each.labels.items() if k != "le"} == labels]
        counts = [each.value for each in buckets]
        bounds = [float(each.labels["le"].replace("+Inf", "inf")) for each in buckets]
        assert bounds == sorted(bounds) and bounds[-1] == float("inf") and bounds[0] == 0.0005
        assert counts == sorted(counts)
        assert counts[-1] == value(samples, name + "_count", **labels)
        if labels.get("phase") in (None, "first_byte"):
            assert counts[bounds.index(0.25)] == 0
            assert 0.3 <= value(samples, name + "_sum", **labels) <= scaled(2)


def test_connections_are_shown_by_state_and_version(daemon, nginx, client):
    gone = threading.Event()

    def script(connection):
        connection.read_request()
        gone.wait(scaled(10))
        connection.answer()

    client.fetch(nginx.url("/text"))
    client.fetch(nginx.url("/text", nginx.H1))
    with RawOrigin(script) as origin:
        pending = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        samples = scrape(daemon)
        gone.set()
        client.receive(pending)
    assert value(samples, "fetchpool_connections", state="idle", http="2") == 1
    assert value(samples, "fetchpool_connections", state="idle", http="1.1") == 1
    assert value(samples, "fetchpool_connections", state="active", http="unknown") == 1
    shown = sum(each.value for each in samples if each.name == "fetchpool_connections")
    assert shown == 3 == value(samples, "fetchpool_connections_open")
    assert value(samples, "fetchpool_requests_in_flight") == 1
    assert value(samples, "fetchpool_origin_requests_running", origin=origin.url("")) == 1


def test_the_process_is_what_the_system_says(daemon):
    samples = scrape(daemon)
    assert value(samples, "process_open_fds") == daemon.descriptors() + 1  # the scrape's own
    resident = value(samples, "process_resident_memory_bytes")
    assert abs(resident - daemon.resident_kib() * 1024) < 8 << 20
    assert value(samples, "process_max_fds") >= value(samples, "process_open_fds")
    assert 0 < value(samples, "process_cpu_seconds_total") < 60
    assert time.time() - scaled(60) < value(samples, "process_start_time_seconds") <= time.time()
    version = subprocess.run([BUILD / "fetchpoold", "--version"], capture_output=True, text=True)
    info = [each.labels for each in samples if each.name == "fetchpool_build_info"]
    assert info[0]["version"] == version.stdout.split()[1]
    assert "libcurl/" + info[0]["libcurl"] in version.stdout


@pytest.mark.parametrize("most", [0, 2])
def test_origins_beyond_the_limit_are_summed_and_counters_only_grow(start_daemon, most):
    daemon = start_daemon({"metrics": {"origins": most}})
    client = daemon.client()
    ports = [free_port() for _ in range(4)]
    before = {}
    for turn in range(1, 4):
        for port in ports:
            client.refused(f"http://127.0.0.1:{port}/")
            now = {each.labels["origin"]: each.value for each in scrape(daemon)
                   if each.name == "fetchpool_origin_requests_total"}
            assert all(now[name] >= count for name, count in before.items())
            before = now
        named = {f"http://127.0.0.1:{port}": turn for port in ports[:most]}
        assert now == {**named, "other": turn * (4 - most)}


def counters(daemon):
    text = curl(daemon)
    names = re.findall(r"^# TYPE (\S+) (?:counter|histogram)$", text, re.M)
    return {(each.name, *each.labels.items()): each.value for each in parse(text)
            if re.sub("_(bucket|sum|count)$", "", each.name) in names}


def reload(daemon, change):
    daemon.config.write_text(change(daemon.config.read_text()))
    daemon.signal(signal.SIGHUP)
    daemon.await_line("reload: ")


def test_a_reload_resets_nothing_and_takes_no_label_away(start_daemon):
    daemon = start_daemon({"metrics": {"origins": 1}})
    client = daemon.client()
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]

    def ask():
        for url in urls:
            client.refused(url + "/")
        return {each.labels["origin"]: each.value for each in scrape(daemon)
                if each.name == "fetchpool_origin_requests_total"}

    assert ask() == {urls[0]: 1, "other": 1}
    before = counters(daemon)
    reload(daemon, lambda text: text.replace("origins = 1", "origins = 2"))
    after = counters(daemon)
    assert before.keys() == after.keys() and ("fetchpool_requests_total",) in before
    assert all(after[series] >= count for series, count in before.items())
    assert ask() == {urls[0]: 2, urls[1]: 1, "other": 1}
    daemon.lines.clear()
    reload(daemon, lambda text: text.replace("origins = 2", "origins = 0"))
    assert ask() == {urls[0]: 3, urls[1]: 2, "other": 1}


def test_a_check_takes_no_label(daemon, client):
    client.call("check", {"url": "http://127.0.0.1:9/"})
    origins = [each.labels["origin"] for each in scrape(daemon)
               if each.name == "fetchpool_origin_requests_total"]
    assert origins == ["other"]


def test_an_origin_of_an_address_in_brackets_is_a_label_as_it_is(daemon, client):
    client.refused(f"http://[::1]:{free_port()}/")
    origins = [each.labels["origin"] for each in scrape(daemon)
               if each.name == "fetchpool_origin_requests_total"]
    assert re.fullmatch(r"http://\[::1\]:\d+", origins[0])


@pytest.mark.deadline(120)
def test_a_hundred_scrapes_a_second_hold_up_nobody(start_daemon, nginx):
    """With a thousand origins known, and labels for as many."""
    daemon = start_daemon({"metrics": {"origins": 1000}, "pool": {"failing_most": "0s"}})
    client = daemon.client()
    ports = [{"url": f"http://127.0.0.1:{port}/"} for port in range(20000, 21000)]
    Many([client]).run(ports, at_once=50)
    assert len(client.call("origins")) >= 1000
    body = nginx.file("small")
    scheduled = daemon.waited_for_cpu()
    with Witness(daemon, nginx.url("/files/small", nginx.H1), body):
        begun = due = time.monotonic()
        for _ in range(300):
            answer = talk(daemon, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert status_of(answer) == 200 and answer.endswith(b"\n")
            due += 0.01
            time.sleep(max(0, due - time.monotonic()))  # the rate is what is tested
        took = time.monotonic() - begun
    assert answer.count(b"fetchpool_origin_requests_total{") == 1001  # and the others
    assert took < scaled(15), f"300 scrapes took {took:.1f} s"
    held = daemon.stats()["loop_busy_max_us"]
    most = scaled(MAX_LOOP_BUSY_US) * stretch(scheduled, daemon.waited_for_cpu())
    assert held < most, f"the loop was held for {held} us"


# ---- What is installed beside it -----------------------------------------------------------------

def test_the_manual_lists_every_family(daemon):
    page = (BUILD / "man" / "fetchpoold.8.scd").read_text().replace("\\_", "_")
    listed = re.findall(r"^\*((?:fetchpool|process)_\w+)\* \((\w+)\)$", page, re.M)
    assert listed == re.findall(r"^# TYPE (\S+) (\w+)$", curl(daemon), re.M)


def test_the_alert_rules_are_three_and_fire_when_they_should():
    done = promtool("check", "rules", ROOT / "systemd" / "fetchpool-alerts.yml")
    assert done.returncode == 0 and "3 rules found" in done.stdout, done.stdout + done.stderr
    done = promtool("test", "rules", ROOT / "tests" / "integration" / "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


DASHBOARD = ROOT / "systemd" / "fetchpool-dashboard.json"


def expressions():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_can_be_imported():
    board = json.loads(DASHBOARD.read_text())
    assert board["schemaVersion"] >= 36 and board["title"] and board["uid"]
    variables = {each["name"]: each["type"] for each in board["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            used = set(re.findall(r"\$(\w+)", " ".join(each["expr"] for each in panel["targets"])))
            assert used <= {*variables, "__rate_interval"}


def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
             for number, expr in enumerate(expressions())]
    assert len(rules) > 20
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_and_alerts_ask_for_what_the_daemon_says(daemon, nginx, client):
    client.fetch(nginx.url("/text"))
    samples = scrape(daemon)
    names = {each.name for each in samples}
    alerts = (ROOT / "systemd" / "fetchpool-alerts.yml").read_text()
    rules = re.findall(r"expr: \|\n(.*?)\n        for:", alerts, re.S)
    assert len(rules) == 3
    for text in [*rules, *expressions()]:
        asked = set(re.findall(r"\b(?:fetchpool|process)_\w+", text))
        assert asked and asked <= names, asked - names
        for label in re.findall(r'(\w+)(?:=|!=|=~|!~)"', text):
            assert label in {"job", "instance"} or any(label in each.labels for each in samples)
        for labels in re.findall(r"by \(([^)]*)\)", text):
            assert {each.strip() for each in labels.split(",")} <= {
                "job", "instance", *(label for each in samples for label in each.labels)}
