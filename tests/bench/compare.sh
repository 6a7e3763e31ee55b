#!/bin/sh
# Two revisions of the daemon, built and measured beside each other, so that a regression is seen
# before it lands.
#
#   tests/bench/compare.sh [--instructions] OLD [NEW] [ROUNDS]
#
# OLD and NEW are revisions such as main, HEAD~3, a tag; without NEW, the working tree. Says for each:
# instructions of a request (tests/bench/instructions, the same in each run, also on a busy machine),
# and, without --instructions, processor time of a request (tests/bench/pair, interleaved rounds). Exit
# code 1: the instructions grew by more than 5 %.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
only_instructions=
[ "${1:-}" != --instructions ] || { only_instructions=yes && shift; }
[ $# -ge 1 ] && [ $# -le 3 ] || {
    sed -n "2,10s/^# \{0,1\}//p" "$0" >&2
    exit 2
}
old=$1 new=${2:-} rounds=${3:-9}

cd "$root"
git rev-parse --verify --quiet "$old^{commit}" >/dev/null || { echo "no revision $old" >&2; exit 2; }
[ -z "$new" ] || git rev-parse --verify --quiet "$new^{commit}" >/dev/null ||
    { echo "no revision $new" >&2; exit 2; }
tests/setup.sh build demo test

work=$(mktemp -d)
trap 'for tree in "$work"/*/source; do git worktree remove --force "$tree" 2>/dev/null; done; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# build WHICH REVISION: into $work/WHICH/build; without a revision, what lies here.
build() {
    source=$root
    mkdir "$work/$1"
    if [ -n "$2" ]; then
        source=$work/$1/source
        git worktree add --quiet --detach "$source" "$2"
    fi
    if ! cmake -S "$source" -B "$work/$1/build" -DCMAKE_BUILD_TYPE=Release -DFETCHPOOL_TESTS=OFF \
        -Wno-dev >"$work/log" 2>&1 ||
        ! cmake --build "$work/$1/build" --target fetchpoold --parallel 2 >>"$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "the build of ${2:-the working tree} failed" >&2
        exit 1
    fi
}

build old "$old"
build new "$new"

for which in old new; do
    "$here/instructions" --daemon "$work/$which/build/fetchpoold" --json >"$work/$which.json"
done
failed=0
/usr/bin/python3 - "$work/old.json" "$work/new.json" <<'END' || failed=1
import json, sys

old, new = (json.load(open(path)) for path in sys.argv[1:])
ratios = {version: new[version] / old[version] for version in old}
for version, ratio in ratios.items():
    print(f"{version:10} {old[version]:9,} -> {new[version]:9,} instructions a request, {ratio:.3f}")
sys.exit(any(ratio > 1.05 for ratio in ratios.values()))
END
[ -n "$only_instructions" ] ||
    "$here/pair" "$work/old/build/fetchpoold" "$work/new/build/fetchpoold" --rounds "$rounds"
exit $failed
