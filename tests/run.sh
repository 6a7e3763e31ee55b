#!/bin/sh
# Everything that is checked: builds a release and a sanitized build and runs the unit tests, the
# integration tests, the dependency check, the examples and the demo. All of it runs, whatever fails;
# the exit code says whether anything did.
#
#   tests/run.sh [PYTEST-ARGUMENT...]      such as -k life, -x
# shellcheck disable=SC2317 # functions are called by check()
set -u

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.." || exit 1
jobs=$(nproc)
report=$(mktemp) || exit 1
trap 'rm -f "$report"' EXIT
failed=0

# check WHAT COMMAND...: runs it, notes how it ended and how long it took.
check() {
    what=$1
    shift
    printf '\n==== %s\n' "$what"
    begun=$(date +%s)
    if "$@"; then
        outcome=ok
    else
        outcome=FAILED
        failed=1
    fi
    printf '%-8s %4d s  %s\n' $outcome $(($(date +%s) - begun)) "$what" >>"$report"
    [ $outcome = ok ]
}

build() {
    cmake --preset "$1" -Wno-dev >/dev/null && cmake --build --preset "$1" --parallel "$jobs"
}

unit_tests() {
    ctest --test-dir "build/$1" --output-on-failure --timeout 60
}

# integration BUILD SANITIZED [PYTEST-ARGUMENT...]
integration() {
    build=$1 sanitized=$2
    shift 2
    FETCHPOOL_BUILD=build/$build FETCHPOOL_SANITIZED=$sanitized PYTHONDONTWRITEBYTECODE=1 \
        /usr/bin/python3 -m pytest tests/integration "$@"
}

# Many tests bound a time, on machines that others use, too: a few that fail are run once more, and
# what passes then is named in the summary. What fails twice has failed.
MOST_AGAIN=5

# integration_twice BUILD SANITIZED [PYTEST-ARGUMENT...]
integration_twice() {
    integration "$@" --cache-clear && return
    unsteady=$(/usr/bin/python3 -m pytest tests/integration --cache-show 'cache/lastfailed' |
        sed -n "s/^ *[{]*'\(.*\)': True[,}]*$/\1/p")
    count=$(printf '%s\n' "$unsteady" | grep -c .)
    [ "$count" -ge 1 ] && [ "$count" -le $MOST_AGAIN ] || return 1
    printf '\n==== once more, %d of them\n' "$count"
    integration "$@" --last-failed --last-failed-no-failures none || return
    printf '%s\n' "$unsteady" | sed 's/^/         passed the second time only: /' >>"$report"
}

# Every daemon whose test does not say otherwise has [pool] threads = 2.
two_threads() {
    FETCHPOOL_THREADS=2 "$@"
}

layout() {
    find daemon client-lib include tests -name '*.[ch]' -o -name '*.cc' |
        xargs clang-format --dry-run -Werror
}

tidy() {
    find daemon client-lib -name '*.c' |
        xargs -P "$jobs" -n 8 clang-tidy -p build/asan --quiet 2>/dev/null
}

# Counted, not timed: the same on a machine that is busy.
instructions() {
    FETCHPOOL_BUILD=build/release PYTHONDONTWRITEBYTECODE=1 tests/bench/instructions --check
}

# The tree beside what it was committed on; and that measuring two revisions works at all.
compare() {
    git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || { echo 'not compared: no git repository' && return; }
    PYTHONDONTWRITEBYTECODE=1 tests/bench/compare.sh --instructions HEAD
}

examples() {
    tests/support/examples.sh
}

check 'needed packages' tests/setup.sh build demo test || exit 1
if check 'build: release' build release; then
    check 'unit tests: release' unit_tests release
    check 'examples' examples
    check 'instructions of a request' instructions
    check 'instructions of a request beside HEAD' compare
    check 'integration tests: release' integration_twice release 0 "$@"
    check "httpx's own tests" tests/support/httpx_suite.sh build/release
fi
if check 'build: asan' build asan; then
    check 'unit tests: asan' unit_tests asan
    check 'integration tests: asan, two threads' two_threads integration_twice asan 1 -m 'not long' "$@"
fi
check 'installation' tests/support/install.sh
check 'units' tests/support/units.sh
if check 'packages' tests/booted/packages.sh; then
    check 'booted system' tests/booted/run.sh
fi
check 'no include points upward' tests/check-includes.sh
check 'results in README' tests/bench/to_readme --check
check 'layout' layout
check 'clang-tidy' tidy
check 'fuzz targets, 30 s each' tests/fuzz/run.sh 30
check 'demo' tests/demo.sh

printf '\n==== summary\n'
cat "$report"
exit $failed
