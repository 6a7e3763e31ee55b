"""A client that nobody here wrote: neovim speaks MessagePack-RPC."""

import json
import subprocess

from support.timing import scaled

SCRIPT = r"""
let s:answers = {}
let s:channel = sockconnect('pipe', $DAEMON, {'rpc': 1})
function! s:ask(name, ...) abort
    try
        let s:answers[a:name] = call('rpcrequest', [s:channel] + a:000)
    catch
        let s:answers[a:name] = 'caught: ' . v:exception
    endtry
endfunction
%s
call writefile([json_encode(s:answers)], $ANSWERS)
call chanclose(s:channel)
quitall!
"""


def nvim(daemon, lines):
    """Runs `call s:ask(name, method, …)` lines in neovim; the answers by name."""
    script, answers = daemon.directory / "ask.vim", daemon.directory / "answers.json"
    script.write_text(SCRIPT % "\n".join(lines))
    done = subprocess.run(["nvim", "--headless", "--clean", "-n", "-S", script], timeout=scaled(20),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(daemon.directory),
                               "DAEMON": str(daemon.path), "ANSWERS": str(answers)})
    assert answers.exists(), done.stderr
    return json.loads(answers.read_text())


def test_neovim_fetches(daemon, nginx):
    answers = nvim(daemon, [
        "call s:ask('ping', 'ping')",
        "call s:ask('hello', 'hello', {'client': 'nvim', 'version': '0'})",
        f"call s:ask('get', 'fetch', {{'url': '{nginx.url('/text')}'}})",
        f"call s:ask('post', 'fetch', {{'url': '{nginx.url('/echo')}', 'method': 'POST', "
        "'headers': [['X-Echo', 'vim']], 'body': 'abc', 'tls': [], 'decompress': v:false})",
        f"call s:ask('map', 'fetch', {{'url': '{nginx.url('/echo')}', 'headers': {{'X-Echo': 'map'}}}})",
    ])
    assert answers["ping"] == "pong"
    assert answers["hello"]["protocol"] == 1
    assert answers["get"]["status"] == 200 and answers["get"]["body"] == "hello\n"
    assert answers["get"]["http"] == "2"
    assert answers["post"]["body"] == "POST|vim|||3"
    assert answers["map"]["body"] == "GET|map|||"
    assert answers["map"]["connection"]["reused"] is True


def test_neovim_is_told_what_is_wrong(daemon):
    """(neovim 0.7 shows the sentence of an error only where its number is one of neovim's own.)"""
    answers = nvim(daemon, ["call s:ask('refused', 'fetch', {'url': 'http://127.0.0.1:9/'})",
                            "call s:ask('wrong', 'fetch', {'url': 'nonsense'})",
                            "call s:ask('unknown', 'frobnicate')",
                            "call s:ask('after', 'ping')"])
    assert answers["wrong"].startswith("caught: ") and "url" in answers["wrong"]
    assert answers["refused"].startswith("caught: ")
    assert answers["unknown"].startswith("caught: ")
    assert answers["after"] == "pong"


def test_neovim_asks_the_daemon_about_itself(daemon, nginx):
    answers = nvim(daemon, [f"call s:ask('get', 'fetch', {{'url': '{nginx.url('/text')}'}})",
                            "call s:ask('stats', 'stats')", "call s:ask('clients', 'clients')",
                            "call s:ask('connections', 'connections', [])"])
    assert "handshakes_saved" in answers["stats"]
    assert len(answers["clients"]) == 1 and len(answers["connections"]) == 1
