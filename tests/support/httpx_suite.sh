#!/bin/sh
# httpx's own test-suite with fetchpool's transport underneath: httpx_suite.py says what has to hold.
# It is run with the httpx that is installed and with the newer one that the tests belong to. Nothing of
# httpx's is in this repository: tests and newer release are the source of the package in Debian's next
# release (what is installed here may be too old to have its source still served by a mirror), fetched
# once and kept in the build directory. Where that fails, this fails.
#
#   tests/support/httpx_suite.sh [BUILD]     default: $FETCHPOOL_BUILD or build/release
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
FETCHPOOL_BUILD=${1:-${FETCHPOOL_BUILD:-build/release}}
export FETCHPOOL_BUILD
suite=build/httpx-suite
SUITE=trixie

say() { printf 'httpx_suite: %s\n' "$*" >&2; }

# The tests must not lie beside the library, or they would always find that one.
fetch() {
    rm -rf "$suite"
    "$here/debian_fetch.sh" $SUITE $suite/fetched source:httpx package:python3-httpcore
    mkdir -p $suite/source $suite/packages $suite/library $suite/suite
    tar -xf $suite/fetched/httpx_*.orig.tar.* -C $suite/source --strip-components=1
    dpkg-deb -x $suite/fetched/python3-httpcore_*.deb $suite/packages
    mv $suite/source/httpx $suite/packages/usr/lib/python3/dist-packages/httpcore* $suite/library
    mv $suite/source/tests $suite/source/pyproject.toml $suite/suite
    rm -rf $suite/source $suite/packages
    touch $suite/complete
}

[ -x "$FETCHPOOL_BUILD/fetchpoold" ] || { say "build first: there is no $FETCHPOOL_BUILD/fetchpoold"; exit 1; }
trap 'say "NOT RUN: httpx and its tests cannot be had from $SUITE"' EXIT
[ -f $suite/complete ] || fetch # which ends all of it where one of its commands fails
trap - EXIT

# A network of its own: the tests' server has a port that is always the same, and some of them talk to
# addresses outside. Here these lead to somebody who never answers.
if [ "$(id -u)" = 0 ]; then map=; else map=--map-root-user; fi
# shellcheck disable=SC2016,SC2086 # the inner shell expands these
exec unshare $map --net sh -euc '
    ip link set lo up
    ip link add near type veth peer name far
    ip link set far up
    ip link set near up
    ip address add 10.255.255.2/24 dev near
    ip neighbour add 10.255.255.1 lladdr 02:00:00:00:00:01 dev near
    exec /usr/bin/python3 "$1" "$2"' sh "$here/httpx_suite.py" $suite
