#!/bin/sh
# Fetches what another release of Debian has: the upstream source of a package, or a package for all
# architectures. It is not installed, and the machine's apt is left as it is: the machine's own entry
# for its release, with the other suite in it, stands in a temporary directory, and so do the lists.
# What comes is verified as ever: apt checks the archive's signature, and by it each file.
#
#   tests/support/debian_fetch.sh SUITE DIRECTORY source:NAME|package:NAME...
set -eu

say() { printf 'debian_fetch: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ $# -ge 3 ] || die "usage: debian_fetch.sh SUITE DIRECTORY source:NAME|package:NAME..."
suite=$1 to=$2
shift 2
command -v apt-get >/dev/null || die "no apt-get here"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$release" ] || die "/etc/os-release names no release"

work=$(mktemp -d "${TMPDIR:-/tmp}/fetchpool.XXXXXX") || die "no temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$work/entries" "$work/state" "$work/cache" "$work/files"
chmod 755 "$work"
# As root, apt fetches as a user of its own, if that one may write here.
[ "$(id -u)" != 0 ] || chown _apt "$work/files" 2>/dev/null || :

# The first of the machine's entries that has the plain release among its suites, as tests/setup.sh
# looks for it; here for source, too.
copy_entry() {
    for from in /etc/apt/sources.list.d/*.sources; do
        [ -f "$from" ] || continue
        awk -v RS= -v release="$release" '
            { n = split($0, line, "\n"); found = 0
              for (i = 1; i <= n; i++) if (line[i] ~ /^Suites:/ && line[i] ~ ("[ \t]" release "([ \t]|$)")) found = 1
              if (found) { print; exit } }' "$from" |
            sed "s/^Suites:.*/Suites: $suite/; s/^Types:.*/Types: deb deb-src/; /^#/d" >"$work/entries/it.sources"
        [ ! -s "$work/entries/it.sources" ] || return 0
        rm "$work/entries/it.sources"
    done
    for from in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$from" ] || continue
        awk -v release="$release" -v suite="$suite" '
            $1 == "deb" { for (i = 2; i <= NF; i++) if ($i == release) {
                $i = suite; print; $1 = "deb-src"; print; exit } }' "$from" >"$work/entries/it.list"
        [ ! -s "$work/entries/it.list" ] || return 0
        rm "$work/entries/it.list"
    done
    return 1
}

# apt COMMAND...: in the directory of the files, with the entry alone.
apt() {
    (cd "$work/files" && apt-get -qq -o Acquire::Retries=3 \
        -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/entries" \
        -o Dir::State="$work/state" -o Dir::State::status=/var/lib/dpkg/status \
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Update::Error-Mode=any \
        "$@") </dev/null >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        return 1
    }
}

copy_entry || die "no apt entry for $release to copy"
apt update || die "apt cannot read $suite"
for item; do
    case $item in
    source:*) apt source --tar-only --download-only "${item#*:}" ;;
    package:*) apt download "${item#*:}" ;;
    *) die "neither source: nor package: $item" ;;
    esac || die "$suite does not give $item"
done
mkdir -p "$to"
cp "$work/files"/* "$to"
