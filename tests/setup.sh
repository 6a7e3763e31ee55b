#!/bin/sh
# Installs what is missing of the packages that tests/packages lists for the given purposes.
#
#   tests/setup.sh build demo test
#
# Needs Debian 12 or newer (or a derivative), and root or sudo only when something is missing.
# It starts no service: installing nginx for a demo must not open anybody's port 80.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
list=$here/packages
libcurl_wanted=8.5

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing and must be installed as root; there is no sudo: run this once as root"
    fi
}

# Names of one purpose, as the list has them.
names_for() { awk -v purpose="$1" '$1 == purpose { print $2 }' "$list"; }

is_installed() {
    dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# Of a package marked /backports, a version that is too old counts as missing.
is_recent() {
    dpkg --compare-versions "$(dpkg-query -W -f='${Version}' "$1")" ge "$libcurl_wanted"
}

missing_of() {
    for entry in $(for purpose in "$@"; do names_for "$purpose"; done); do
        name=${entry%/backports}
        if ! is_installed "$name"; then
            echo "$entry"
        elif [ "$entry" != "$name" ] && ! is_recent "$name"; then
            echo "$entry"
        fi
    done
}

candidate_is_recent() {
    candidate=$(apt-cache policy "$1" | awk '/Candidate:/ { print $2 }')
    [ -n "$candidate" ] && [ "$candidate" != "(none)" ] &&
        dpkg --compare-versions "$candidate" ge "$libcurl_wanted"
}

# The machine's own apt entry for its release, with the backports suite in place of the release's.
add_backports() {
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ -n "$release" ] || die "/etc/os-release names no release: install libcurl >= $libcurl_wanted by hand"
    to=/etc/apt/sources.list.d/fetchpool-backports
    for from in /etc/apt/sources.list.d/*.sources; do
        [ -f "$from" ] || continue
        # The first stanza with the plain release among its suites.
        stanza=$(awk -v RS= -v suite="$release" '
            { n = split($0, line, "\n"); found = 0
              for (i = 1; i <= n; i++) if (line[i] ~ /^Suites:/ && line[i] ~ ("[ \t]" suite "([ \t]|$)")) found = 1
              if (found) { print; exit } }' "$from" | sed "s/^Suites:.*/Suites: $release-backports/; /^#/d")
        [ -n "$stanza" ] || continue
        say "adding $release-backports to apt's sources, copied from $from"
        printf '%s\n' "$stanza" | as_root tee "$to.sources" >/dev/null
        return
    done
    for from in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$from" ] || continue
        line=$(awk -v suite="$release" '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i == suite) { $i = suite "-backports"; print; exit } }' "$from")
        [ -n "$line" ] || continue
        say "adding $release-backports to apt's sources, copied from $from"
        printf '%s\n' "$line" | as_root tee "$to.list" >/dev/null
        return
    done
    die "no apt source for $release to copy: install libcurl >= $libcurl_wanted by hand"
}

# Runs apt-get install with service starts forbidden, and puts things back.
install_quietly() {
    guard=/usr/sbin/policy-rc.d
    guarded=no
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
        as_root chmod 755 "$guard"
        guarded=yes
    fi
    # An interrupt must not leave a machine on which no service starts any more.
    [ "$guarded" = no ] || trap 'as_root rm -f "$guard"; exit 1' HUP INT TERM
    status=0
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 || status=$?
    [ "$guarded" = no ] || as_root rm -f "$guard"
    trap - HUP INT TERM
    [ "$status" = 0 ] || cat "$log" >&2
    rm -f "$log"
    [ "$status" = 0 ] || die "apt-get could not install: $*"
}

[ $# -gt 0 ] || die "usage: tests/setup.sh PURPOSE... (purposes: $(awk '/^[a-z]/ { print $1 }' "$list" | sort -u | xargs))"
for purpose in "$@"; do
    [ -n "$(names_for "$purpose")" ] || die "tests/packages lists nothing for '$purpose'"
done
missing=$(missing_of "$@")
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || die "no apt-get here; install by hand: $(echo "$missing" | xargs)"

say "installing: $(echo "$missing" | xargs)"
as_root apt-get update -qq >&2
plain=
old=
for entry in $missing; do
    name=${entry%/backports}
    if [ "$entry" != "$name" ] && ! candidate_is_recent "$name"; then
        old="$old $name"
    else
        plain="$plain $name"
    fi
done
if [ -n "$old" ]; then
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    if ! apt-cache policy | grep -q "$release-backports"; then
        add_backports
        as_root apt-get update -qq >&2
    fi
    # shellcheck disable=SC2086
    install_quietly -t "$release-backports" $old
fi
# shellcheck disable=SC2086
[ -z "$plain" ] || install_quietly $plain
missing=$(missing_of "$@")
[ -z "$missing" ] || die "still missing after the installation: $(echo "$missing" | xargs)"
