"""
A measurement's table: printed as it is, and kept as Markdown and JSON beside its plot.

    report = Report("cpu", options)
    report.table(["clients", "ours", "theirs"], [["1", "12", "30"]], title="HTTP/1.1")
    report.say("what the table means")
    report.data = rounds.as_data()
    report.save()                           cpu.md, cpu.json
"""

import json
import os
import pathlib
import re
import subprocess

# What prints a version, and where in it the version stands.
VERSIONS = {
    "fetchpoold": (["{build}/fetchpoold", "--version"], r"fetchpoold (\S+)"),
    "libcurl": (["{build}/fetchpoold", "--version"], r"libcurl[ /]([\w.]+)"),
    "libuv": (["pkg-config", "--modversion", "libuv"], r"(.+)"),
    "curl": (["curl", "--version"], r"curl (\S+)"),
    "nginx": (["/usr/sbin/nginx", "-v"], r"nginx/(\S+)"),
    "HAProxy": (["/usr/sbin/haproxy", "-v"], r"HAProxy version ([\w.]+)"),
    "squid": (["/usr/sbin/squid", "-v"], r"Version (\S+)"),
    "zurl": (["dpkg-query", "-W", "-f", "${{Version}}", "zurl"], r"(.+)"),
    "wrk": (["wrk", "-v"], r"wrk (?:debian/)?([\w.-]+)"),
    "h2load": (["h2load", "--version"], r"nghttp2/(\S+)"),
    "httpx": (["/usr/bin/python3", "-c", "import httpx; print(httpx.__version__)"], r"(.+)"),
    "FastAPI": (["/usr/bin/python3", "-c", "import fastapi; print(fastapi.__version__)"], r"(.+)"),
    "uvicorn": (["/usr/bin/python3", "-c", "import uvicorn; print(uvicorn.__version__)"], r"(.+)"),
}


def version(name):
    from support.daemon import BUILD

    command, pattern = VERSIONS[name]
    try:
        done = subprocess.run([part.format(build=BUILD) for part in command], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found and found[1]


def machine():
    """What stands under every table."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M)
    release = pathlib.Path("/etc/os-release").read_text()
    system = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.M)
    return (f"{os.cpu_count()} CPUs, {model[1] if model else os.uname().machine}, "
            f"{system[1] if system else os.uname().sysname}, "
            f"kernel {os.uname().release.split('-')[0]}")


def versions(names):
    return ", ".join(f"{name} {found}" for name in names if (found := version(name)))


def aligned(header, rows):
    """A Markdown table whose columns line up: the first to the left, the others to the right."""
    cells = [list(map(str, header)), *[list(map(str, row)) for row in rows]]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]

    def line(row):
        padded = [cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":"
            for column, width in enumerate(widths)]
    return "\n".join([line(cells[0]), "| " + " | ".join(rule) + " |", *map(line, cells[1:])])


class Report:
    def __init__(self, name, options, title, programs):
        """`programs`: names in VERSIONS that took part."""
        self.name, self.options = name, options
        self.data = []
        self.parts = [f"## {title}"]
        self.foot = (f"{options.rounds} rounds{', quick' if options.quick else ''}. {machine()}; "
                     f"{versions(programs)}.")

    def say(self, text):
        self.parts.append(text)

    def table(self, header, rows, title=None):
        if title:
            self.parts.append(f"**{title}**")
        self.parts.append(aligned(header, rows))

    def plot(self, title):
        """NAME.svg stands beside it."""
        self.parts.append(f"![{title}]({self.name}.svg)")

    def save(self):
        """Prints it, and writes what is kept."""
        text = "\n\n".join([*self.parts, self.foot]) + "\n"
        print(text, flush=True)
        (self.options.results / f"{self.name}.md").write_text(text)
        data = json.dumps({"machine": self.foot, "rounds": self.data}, indent=1)
        (self.options.results / f"{self.name}.json").write_text(data + "\n")
