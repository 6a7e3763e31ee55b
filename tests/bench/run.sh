#!/bin/sh
# Every measurement, one after the other: installs what they need, builds a release, measures.
# Tables, data and plots go to tests/bench/results and README, or with --quick, which only shows that all of it
# works, to bench in the build directory.
#
#   tests/bench/run.sh [--quick] [NAME...]      such as cpu latency
#
# Takes some 30 minutes, quick 5, on a machine that should have nothing else to do meanwhile. As
# root with a network between, too: see README.md.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

usage() {
    sed -n '6s/^# *//p' "$0" >&2
    exit 2
}

quick=
[ "${1:-}" != --quick ] || { quick=--quick && shift; }
[ $# -gt 0 ] || set -- cpu latency oneshot httpx bulk scale threads restart
for name in "$@"; do
    case $name in
    cpu | latency | oneshot | httpx | bulk | scale | threads | restart) ;;
    *) usage ;;
    esac
done

"$here/../setup.sh" build demo bench
failed=
for name in "$@"; do
    printf '\n==== %s\n\n' "$name"
    "$here/$name" $quick || failed="$failed $name"
done
[ -n "$quick" ] || "$here/to_readme"
[ -z "$failed" ] || {
    echo "failed:$failed" >&2
    exit 1
}
