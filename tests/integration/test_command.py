"""The fetchpool command against a scripted daemon, and beside curl where both should do the same."""

import http.server
import json
import os
import shutil
import subprocess
import threading

import pytest

from support.daemon import FETCHPOOL, environment, temporary_directory
from support.fakedaemon import (ANSWER, FakeDaemon, leaves, refuses_with, says, serves,
                                serves_with)
from support.timing import scaled

URL = "http://origin.test/"


@pytest.fixture
def here():
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def start_fake(here):
    """start_fake(script, ...): a scripted daemon at here/"s", which the command is told of."""
    started = []

    def start(*scripts):
        started.append(FakeDaemon(here / "s", *scripts))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def fake(start_fake):
    return start_fake(serves)


@pytest.fixture
def run(here):
    def run(*arguments, program=FETCHPOOL, stdin=b"", **options):
        options.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([program, *map(str, arguments)], input=stdin, stderr=subprocess.PIPE,
                              cwd=here, timeout=scaled(20),
                              env=environment(here, FETCHPOOL_SOCKET=str(here / "s")), **options)
    return run


@pytest.fixture
def get(run):
    """get(...): what it prints, when all is well."""
    def get(*arguments, **options):
        done = run(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(errors="replace")
    return get


# ---- What is sent --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def mirror():
    """An HTTP server that notes what it is asked."""
    noted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def read_chunks(self):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def handle_any(self):
            is_chunked = self.headers.get("Transfer-Encoding") == "chunked"
            length = int(self.headers.get("Content-Length", 0))
            body = b"".join(self.read_chunks()) if is_chunked else self.rfile.read(length)
            noted.append((self.command, [list(field) for field in self.headers.items()], body,
                          self.path))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_HEAD = do_PUT = handle_any

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.noted = noted
    server.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


FRAMING = {"host", "content-length", "accept-encoding", "transfer-encoding", "expect"}


def comparable(method, fields, body):
    """Without what libcurl adds in the daemon, and curl's own name."""
    return method, [[name, value.replace("curl/8.14.1", "fetchpool/0.1.0")]
                    for name, value in fields if name.lower() not in FRAMING], body


@pytest.mark.parametrize("options", [
    [], ["-X", "PUT"], ["-d", "a=1"], ["-d", "a", "-d", "b", "-d", ""], ["-d", ""],
    ["-d", "@file"], ["--data-binary", "@file"], ["--data-raw", "@file"], ["-d", "@-"],
    ["--data-ascii", "x", "--data-binary", "@file", "-X", "PUT"],
    ["-H", "X-One: 1", "-H", "x-one:2", "-H", "X-Three:   a b "], ["-H", "Accept:"],
    ["-H", "Empty;"], ["-H", "accept: text/html"], ["-H", "no colon"], ["-H", "@fields"],
    ["-H", "Content-Type: text/plain", "-d", "x"], ["-H", "Content-Type:", "-d", "x"],
    ["-A", "me"], ["-A", ""], ["-e", "http://from/"], ["-e", "http://from/;auto"],
    ["-u", "me:secret"], ["-u", "me:"], ["-u", "a:b:c"], ["-u", "x:yz", "-H", "Authorization: mine"],
    ["-T", "file"], ["-T", "-"], ["-T", "empty"], ["-T", "file", "-X", "POST"], ["-T", "a b+%.txt"],
    ["--upload-file", "./file", "-H", "Content-Type: text/plain"],
    ["-I"], ["-I", "-X", "GET"], ["-A", "me", "-H", "User-Agent: other"],
    ["--request", "PUT", "--header", "A: b", "--data", "c", "--user-agent", "d", "--referer", "e",
     "--user", "f:g"],
], ids=" ".join)
def test_it_asks_for_what_curl_asks_for(run, get, here, fake, mirror, options):
    (here / "file").write_bytes(b"line\r\nand\0another\n@\n")
    (here / "empty").write_bytes(b"")
    (here / "a b+%.txt").write_bytes(b"x")
    (here / "fields").write_bytes(b"X-File: 1\n\n# nothing\nX-Next: 2\nAccept:\n")
    stdin = b"from\nstdin\n"
    mirror.noted.clear()
    assert run("-s", *options, mirror.url, program="curl", stdin=stdin).returncode == 0
    get(*options, URL, stdin=stdin)
    (sent,) = fake.requests
    method, fields, body, path = mirror.noted[0]
    assert comparable(sent["method"], sent["headers"], sent.get("body", b"")) == \
        comparable(method, fields, body)
    assert sent["url"] == URL + path[1:]


@pytest.mark.parametrize("path", [
    "", "/", "/a", "/a/", "/a/b", "/?q", "/a/?q=/", "/a?q", "?q", "/#f", "/a/#f/", "/a#f", "/a//"])
def test_an_upload_without_a_name_takes_its_files_as_curls_does(run, get, here, fake, mirror, path):
    (here / "file").write_bytes(b"x")
    mirror.noted.clear()
    assert run("-s", "-T", "file", mirror.url[:-1] + path, program="curl").returncode == 0
    get("-T", "file", URL[:-1] + path)
    (sent,) = fake.requests
    wanted = mirror.noted[0][3]
    assert sent["url"].split("#")[0].removeprefix("http://origin.test") in (wanted, wanted[1:])


def test_uploads_and_urls_are_paired_in_order(get, here, fake):
    (here / "one").write_bytes(b"first")
    (here / "two").write_bytes(b"second")
    get("-T", "one", URL, "-T", "two", URL, URL)
    assert [(sent["url"], sent.get("body"), sent.get("upload_size")) for sent in fake.requests] == \
        [(URL + "one", b"first", 5), (URL + "two", b"second", 6), (URL, None, None)]


@pytest.mark.long
def test_only_a_body_that_fits_no_message_is_streamed(get, here, fake):
    (here / "fits").write_bytes(bytes(15 << 20))
    (here / "large").write_bytes(bytes((15 << 20) + 1))
    for name in "fits", "large", "large":
        get("--data-binary", f"@{name}", URL)
    get("--data-binary", "@large", "-d", "more", URL, "-w", "%{size_upload}", URL)
    assert [sent.get("upload_size") for sent in fake.requests] == \
        [None, (15 << 20) + 1, (15 << 20) + 1, (15 << 20) + 6, (15 << 20) + 6]
    assert [len(sent["body"]) for sent in fake.requests] == \
        [15 << 20, (15 << 20) + 1, (15 << 20) + 1, (15 << 20) + 6, (15 << 20) + 6]
    assert fake.requests[-1]["body"].endswith(b"\0&more")


def test_options_become_keys_of_the_request(get, here, fake):
    for name in "ca", "cert", "key":
        (here / name).write_text(f"{name} as PEM")
    get("-m", "1.5", "--connect-timeout", "0.25", "-L", "--compressed", "--http2-prior-knowledge", "-k",
        "--max-filesize", "3k", "--cacert", "ca", "--cert", "cert", "--key", "key", "origin.test/path")
    (sent,) = fake.requests
    del sent["headers"]
    assert sent == {
        "url": "http://origin.test/path", "method": "GET", "timeout": 1500,
        "connect_timeout": 250, "redirects": 50, "decompress": True, "http": "2",
        "stream": True, "window": 1 << 20, "max_body": 3072,
        "tls": {"ca": b"ca as PEM", "cert": b"cert as PEM", "key": b"key as PEM", "verify": False}}


def test_a_certificates_file_may_hold_its_key(get, here, fake):
    (here / "both").write_text("both")
    get("-E", "both", URL)
    assert fake.requests[0]["tls"] == {"cert": b"both", "key": b"both"}


@pytest.mark.parametrize("options, redirects", [
    ([], None), (["--max-redirs", "3"], None), (["-L", "--max-redirs", "3"], 3),
    (["-L"], 50), (["-L", "--max-redirs", "0"], None)])
def test_redirects_are_followed_when_asked(get, fake, options, redirects):
    get(*options, URL)
    assert fake.requests[0].get("redirects") == redirects


def test_any_number_of_redirects_is_what_the_daemon_allows(get, start_fake):
    fake = start_fake(serves)
    fake.hello["limits"]["max_redirects"] = 321
    get("-L", "--max-redirs", "-1", URL)
    assert fake.requests[-1]["redirects"] == 321


# ---- What is shown -------------------------------------------------------------------------------

def test_the_body_is_shown(get, fake):
    assert get(URL) == "hello\n"


def test_the_head_is_shown_when_asked(get, fake):
    head = "HTTP/1.1 200 \r\nContent-Type: text/plain\r\nX-Empty: \r\nx-empty: 2\r\n\r\n"
    assert get("-i", URL) == head + "hello\n"


def test_urls_and_outputs_are_paired_in_order(get, here, fake):
    assert get("-o", "one", URL, "http://h/a/b.txt?q#f", "-O", "-o", "three", "http://h/") == ""
    assert sorted(path.name for path in here.iterdir() if path.name != "s") == \
        ["b.txt", "one", "three"]
    assert (here / "one").read_bytes() == b"hello\n"
    assert get(URL, URL, "-o", "x") == "hello\n"


@pytest.mark.parametrize("url, name", [
    ("http://h", "fetchpool_response"), ("http://h/?a/b", "fetchpool_response"),
    ("http://h/dir/", "dir"), ("h/x", "x")])
def test_a_file_is_named_by_the_end_of_the_url(get, here, fake, url, name):
    get("-O", url)
    assert (here / name).read_bytes() == b"hello\n"


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(get, here, fake):
    (here / "file").write_bytes(b"longer than the answer")
    (here / "file").chmod(0o640)
    (here / "link").symlink_to("file")
    get("-o", "link", URL)
    assert (here / "link").is_symlink() and (here / "file").read_bytes() == b"hello\n"
    assert (here / "file").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file(run, here, fake):
    script = f"ulimit -f 0; trap '' XFSZ; exec {FETCHPOOL} -o file {URL}"
    (here / "file").write_bytes(b"old")
    done = run("-c", script, program="sh")
    assert done.returncode == 23 and b"file" in done.stderr
    assert (here / "file").read_bytes() == b"old"
    assert sorted(os.listdir(here)) == ["file", "s"]


def test_what_is_no_regular_file_is_written_directly(get, run, fake):
    assert get("-o", "/dev/stdout", URL) == "hello\n"
    assert run("-o", "/dev/full", URL).returncode == 23
    assert run("-o", "/nowhere/file", URL).returncode == 23


def test_a_closed_pipe_is_a_write_error(run, fake):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(URL, stdout=writer)
    os.close(writer)
    assert done.returncode == 23 and b"(23) cannot write to standard output" in done.stderr


# ---- Errors --------------------------------------------------------------------------------------

@pytest.mark.parametrize("code, sentence, exit_code", [
    (1, "url is wrong", 2), (2, "denied", 121), (3, "too large", 2), (4, "method", 122),
    (100, "busy", 122), (101, "queue", 28), (102, "resolve", 6), (103, "connect", 7),
    (104, "handshake", 35), (104, "certificate of h is not trusted", 60), (105, "timeout", 28),
    (107, "proxy", 5), (108, "cancelled", 122), (109, "refused stream", 55), (200, "timeout", 28),
    (201, "closed", 56), (201, "empty answer from h", 52), (202, "truncated", 18),
    (203, "protocol", 8), (204, "too large", 63), (205, "decode", 61), (206, "slow", 122),
    (207, "redirects", 47), (208, "cancelled", 122), (299, "internal", 122), (150, "new", 122)])
def test_exit_codes_are_curls_where_the_case_is_the_same(run, start_fake, code, sentence, exit_code):
    start_fake(refuses_with(code, sentence))
    done = run(URL, "-o", "file", "-w", "%{exitcode} %{http_code} %{errormsg}")
    assert done.returncode == exit_code
    shown = sentence
    if exit_code == 60:
        shown += ("; trust its authority with --cacert, or for all with [tls] ca_file in the "
                  "daemon's configuration")
    assert done.stderr.decode() == f"fetchpool: ({exit_code}) {shown}\n"
    assert done.stdout.decode() == f"{exit_code} 000 {shown}"


@pytest.mark.parametrize("code, name", [
    (1, "refused"), (5, "refused"), (100, "not sent"), (101, "not sent"), (105, "not sent"), (150, "not sent"),
    (200, "maybe processed"), (208, "maybe processed"), (299, "maybe processed")])
def test_the_class_of_an_error_says_whether_to_send_again(run, start_fake, code, name):
    start_fake(refuses_with(code, "sentence"))
    assert run("-s", URL, "-w", "%{error_code} %{error_class}").stdout.decode() == f"{code} {name}"


def test_errors_of_the_library_have_a_class_too(run, start_fake):
    show = ("-s", "-o", "/dev/null", "-w", "%{exitcode} %{error_code} %{error_class}", URL)
    assert run(*show).stdout == b"120 900 not sent"
    start_fake(leaves)
    assert run("-d", "x", *show).stdout == b"122 901 maybe processed"


@pytest.mark.parametrize("options, shown", [
    (["-f"], b"22 0 none"), (["-T", "nosuch"], b"26 0 refused"), (["-o", "/dev/full"], b"23 906 maybe processed"),
    (["-L", "--max-redirs", "0"], b"47 0 maybe processed")])
def test_what_only_the_command_calls_an_error_has_a_class(run, here, start_fake, options, shown):
    status = 404 if options == ["-f"] else 302
    start_fake(serves_with(status=status, headers=[["Location", "/x"]]))
    arguments = [*options, URL, "-w", "%{stderr}%{exitcode} %{error_code} %{error_class}"]
    assert run("-s", *arguments).stderr == shown


@pytest.mark.parametrize("path", ["/etc/passwd", "/tmp", ""])
def test_nobody_is_told_to_start_a_daemon_where_none_can_be(run, path):
    done = run("--socket", path, URL)
    assert done.returncode in (2, 120)
    assert b"start it with" not in done.stderr


def test_no_daemon_is_said_with_what_to_do(run, here):
    done = run(URL)
    assert done.returncode == 120
    assert done.stderr.decode() == (
        f"fetchpool: (120) connect to fetchpoold at {here}/s failed: No such file or directory; "
        f"start it with: fetchpoold --socket {here}/s\n")


@pytest.mark.parametrize("script, exit_code", [(leaves, 122), (says(b"HTTP/1.1 "), 122)])
def test_a_daemon_that_does_not_serve_is_one_exit_code(run, start_fake, script, exit_code):
    start_fake(script)
    assert run(URL).returncode == exit_code


def test_silence_is_kept_unless_errors_are_asked_for(run, start_fake):
    start_fake(refuses_with(103, "connect"))
    assert run("-s", URL).stderr == b""
    assert run("-sS", URL).stderr == b"fetchpool: (7) connect\n"


def test_fail_turns_an_error_status_into_an_exit_code(run, here, start_fake):
    start_fake(serves_with(status=404))
    assert run(URL).returncode == 0
    done = run("-f", URL, "-o", "file", "-w", "%{size_download} %{http_code}")
    assert (done.returncode, done.stdout) == (22, b"0 404")
    assert done.stderr == b"fetchpool: (22) The requested URL returned error: 404\n"
    assert not (here / "file").exists()
    done = run("-sfi", URL)
    assert done.stdout.startswith(b"HTTP/1.1 404 \r\n") and done.stdout.endswith(b"\r\n\r\n")


def test_the_last_url_decides_the_exit_code(run, start_fake):
    def fails_once(peer):
        for number, (request_id, _, params) in enumerate(peer.messages()):
            if number == 0:
                peer.refuse(request_id, 103, "connect")
            else:
                peer.answer_fetch(request_id, params, ANSWER)
    start_fake(fails_once)
    done = run(URL, URL)
    assert (done.returncode, done.stdout) == (0, b"hello\n")


def test_no_redirects_at_all_is_an_error_with_location(run, start_fake):
    start_fake(serves_with(status=302, headers=[["Location", "/x"]]))
    assert run("-L", "--max-redirs", "0", URL).returncode == 47
    assert run(URL).returncode == 0


@pytest.mark.parametrize("arguments, exit_code, words", [
    ([], 2, "no URL"), (["--nosuch", URL], 2, "--nosuch"), (["-o"], 2, "requires an argument"),
    (["-m", "soon", URL], 2, "seconds"), (["-m", "-1", URL], 2, "seconds"),
    (["--max-redirs", "x", URL], 2, "number"), (["-I", "-d", "x", URL], 2, "HEAD"),
    (["-I", "-T", "/dev/null", URL], 2, "HEAD"), (["-d", "x", "-T", "/dev/null", URL], 2, "one body"),
    (["-T", "nosuch", URL], 26, "nosuch"), (["--max-filesize", "1q", URL], 2, "bytes"),
    (["--max-filesize", "-1", URL], 2, "bytes"), ([""], 2, "URL"),
    (["--json", URL], 2, "--json"), (["stats", "more"], 2, "no argument"),
    (["top", "more"], 2, "no argument"), (["top", "--json"], 2, "--json"),
    (["top", "--interval", "0"], 2, "0.1 seconds"), (["top", "--interval", "x"], 2, "seconds"),
    (["top", "--count", "0"], 2, "1 or more"), (["top", "--count", "x"], 2, "number"),
    (["--count", "1", URL], 2, "for top"), (["origins", "--interval", "1"], 2, "for top"),
    (["-d", "@nosuch", URL], 26, "nosuch"), (["-H", "@nosuch", URL], 26, "nosuch"),
    (["-w", "@nosuch", URL], 26, "nosuch"), (["--cert", "nosuch", URL], 58, "nosuch"),
    (["--cacert", "nosuch", URL], 77, "nosuch")])
def test_a_wrong_command_line_is_a_sentence_and_sends_nothing(run, fake, arguments, exit_code, words):
    done = run(*arguments)
    assert done.returncode == exit_code and words in done.stderr.decode()
    assert fake.accepted == 0


@pytest.mark.parametrize("options, words", [
    (["-o", "a", "-O", URL], "more -o and -O than URLs: the last 1 not used"),
    (["-T", "/dev/null", "-T", "nosuch", "-T", "nosuch", URL], "more -T than URLs: the last 2 not used")])
def test_a_file_that_no_url_is_left_for_is_said(run, fake, options, words):
    done = run(*options)
    assert (done.returncode, done.stderr.decode()) == (0, f"fetchpool: warning: {words}\n")
    assert len(fake.requests) == 1
    assert run("-s", *options).stderr == b""
    assert run("-sS", *options).stderr != b""


# ---- -w ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("format, text", [
    ("%{http_code} %{response_code}", "200 200"), ("%{http_version} %{scheme}", "1.1 http"),
    ("%{size_download} %{size_upload}", "6 0"), ("%{num_headers} %{size_header}", "3 66"),
    ("%{num_connects} %{num_redirects}", "0 0"), ("%{content_type}", "text/plain"),
    ("%{method} %{url} %{urlnum}", "GET origin.test 0"), ("%{url_effective}", URL),
    ("%{exitcode} [%{errormsg}]", "0 []"), ("%{error_code} %{error_class}", "0 none"),
    ("%{remote_ip} %{remote_port}", "::1 443"),
    ("[%{redirect_url}][%{filename_effective}]", "[][file]"),
    ("%{connection_id} %{reused} %{connection_requests} %{connection_age}", "7 1 3 1.500000"),
    ("%{time_queue} %{time_namelookup} %{time_connect}", "0.000001 0.000021 0.000321"),
    ("%{time_appconnect} %{time_pretransfer}", "0.004321 0.004321"),
    ("%{time_starttransfer} %{time_total} %{time_redirect}", "0.054321 0.600000 0.000000"),
    ("%header{X-EMPTY}|%header{content-type}|%header{none}|", "|text/plain||"),
    (r"\n\r\t\q\\", "\n\r\t\\q\\\\"), ("100%% %x %{ %", "100% %x %{ %"), ("@format", "from a file 200"),
])
def test_variables_are_curls(get, here, fake, format, text):
    (here / "format").write_text("from a file %{http_code}")
    assert get("-o", "file", "-w", format, "origin.test") == text


def test_an_unknown_variable_is_said_and_left_out(run, fake):
    done = run("-o", "file", "-w", "a%{nosuch}b%{stderr}c%{stdout}d", URL)
    assert done.stdout == b"abd"
    assert done.stderr == b"fetchpool: unknown --write-out variable: 'nosuch'\nc"


@pytest.mark.parametrize("location, url", [
    ("/a/b", "http://h:1/a/b"), ("c", "http://h:1/x/c"), ("../c?q#f", "http://h:1/c?q#f"),
    ("?q", "http://h:1/x/y?q"), ("//other/p", "http://other/p"), ("https://o/", "https://o/"),
    ("./", "http://h:1/x/"), ("/a/./b/../c", "http://h:1/a/c"), ("/../../a", "http://h:1/a"),
    ("..", "http://h:1/")])
def test_the_redirect_not_followed_is_a_whole_url(get, start_fake, location, url):
    start_fake(serves_with(status=301, url="http://h:1/x/y?old#f", body=b"",
                           headers=[["Location", location]]))
    assert get("-w", "%{redirect_url}", URL) == url


# ---- Reports, help -------------------------------------------------------------------------------

ROWS = [{"id": 1, "origin": "https://h", "idle": True, "share": 0.5, "none": None},
        {"id": 2, "origin": b"\xff\x1b[31m", "idle": False, "share": 1.0, "none": None}]


@pytest.fixture
def reporting(start_fake):
    def reports(peer):
        for request_id, method, _ in peer.messages():
            peer.answer(request_id, {"ping": "pong", "stats": {"requests": 3}}.get(method, ROWS))
    return start_fake(reports)


def test_reports_are_text_for_people(get, reporting):
    assert get("ping") == "pong\n"
    assert get("stats").split() == ["requests", "3"]
    table = get("connections")
    assert "https://h" in table and "\x1b" not in table
    assert reporting.requests == ["ping", "stats", "connections"]


@pytest.mark.parametrize("value, cell", [
    ({"CLOSED": 3, "TIMEOUT": 1}, "CLOSED=3 TIMEOUT=1"), ({}, "-"), (None, "-"),
    ({"queue": {"p50": 0, "p90": 12, "p99": 40}, "total": {"p50": 800, "p90": 1200, "p99": 9000}},
     "queue=0/12/40 total=800/1200/9000"),
    ({"a": {}, "b": {"c": {"d": 1}}, "e": [1, 2]}, "a= b=(1) e=(2)"), ([1, 2], "(2)"), ([], "(0)"),
    ({"x": 0.5, "y": None, "z": True}, "x=0.5 y=- z=yes"), ({"a\x1b": "b\x1b[m"}, "a?=b?[m"),
    (0.9987, "0.999"), (0.25, "0.25"), (2.0, "2"), (-0.5, "-0.5"), (1e300, "1e+300"),
    (123456789.125, "123456789.125"), (float("nan"), "nan"), (0.0001, "0"),
    (b"\xc2\x9b31m", "??31m"), (b"\x9b31m", "?31m"), ("h\u00e9llo \u20ac \U0001f600",) * 2,
    (b"\xe0\x80\x9b \xf0\x80\x80\x9b \xed\xa0\x80 \xf4\x90\x80\x80 \xc1\x9b \xe2\x82",
     "??? ???? ??? ???? ?? ??"),
])
def test_a_cell_of_a_table_is_one_line_of_what_is_in_it(get, start_fake, value, cell):
    def reports(peer):
        for request_id, _, _ in peer.messages():
            peer.answer(request_id, [{"id": 1, "what": value}])
    start_fake(reports)
    titles, row = get("origins").splitlines()
    assert titles.split() == ["id", "what"] and row.strip().split("  ", 1)[1].strip() == cell


def test_columns_are_aligned_beside_cells_that_are_maps(get, start_fake):
    rows = [{"limit": None, "errors": {}, "n": 1}, {"limit": 5000, "errors": {"CLOSED": 1}, "n": 22}]

    def reports(peer):
        for request_id, _, _ in peer.messages():
            peer.answer(request_id, rows)
    start_fake(reports)
    assert get("origins") == ("limit  errors     n\n"
                              "    -  -          1\n"
                              " 5000  CLOSED=1  22\n")
    assert json.loads(get("origins", "--json")) == rows


def test_reports_are_json_when_asked(get, reporting):
    assert json.loads(get("ping", "--json")) == "pong"
    assert json.loads(get("--json", "stats")) == {"requests": 3}
    assert '"share": 0.5' in get("origins", "--json")
    assert json.loads(get("clients", "--json")) == [ROWS[0], {**ROWS[1], "origin": "?\x1b[31m"}]


def test_a_subject_is_one_only_as_the_first_word(get, reporting, start_fake):
    reporting.scripts = (serves,)
    assert get(URL, "stats") == "hello\n" * 2
    assert [sent["url"] for sent in reporting.requests] == [URL, "http://stats"]


def test_a_report_without_a_daemon_ends_as_a_fetch_does(run):
    done = run("stats")
    assert done.returncode == 120 and b"start it with" in done.stderr


def test_the_socket_may_be_named(get, here, fake):
    assert get("--socket", here / "s", "ping") == "ping\n"


def test_help_and_version_need_no_daemon(get):
    assert "--max-redirs" in get("--help")
    assert get("-V") == "fetchpool 0.1.0\n"


def test_libcurl_is_not_loaded():
    needed = subprocess.run(["ldd", FETCHPOOL], capture_output=True, text=True).stdout
    assert "libc.so" in needed and "curl" not in needed and "libuv" not in needed
