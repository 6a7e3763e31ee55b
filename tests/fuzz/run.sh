#!/bin/sh
# Runs fuzz targets for some seconds each, as many at a time as there are processors, over their
# seeds in tests/fuzz/corpus. Prints what each did; fails if any of them found something.
#
#   tests/fuzz/run.sh SECONDS [TARGET...]      such as 60 url text; without names, all of them
set -eu

cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET...]}
shift
if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        set -- "$@" "${name%.c}"
    done
fi
tests/setup.sh build test
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "$(nproc)" --target fuzz_targets >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fuzz SECONDS WORK TARGET: a target that finds something leaves the input, in base64, in its output.
# shellcheck disable=SC2016 # is a script of its own
fuzz='
target=$3 log=$2/$3.log
mkdir -p "$2/$target"
failed=0
"build/fuzz/tests/fuzz_$target" -max_total_time="$1" -max_len=4096 -timeout=10 \
    -artifact_prefix="$2/$target-" -print_final_stats=1 "$2/$target" \
    "tests/fuzz/corpus/$target" >"$log" 2>&1 || failed=1
count() { sed -n "s/^stat::$1: *//p" "$log"; }
printf "%-8s %10s executions, %5s new units\n" "$target" "$(count number_of_executed_units)" \
    "$(count new_units_added)"
if [ $failed = 1 ]; then
    grep -A30 -m1 ERROR "$log"
    tail -5 "$log"
fi
exit $failed'
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" sh -c "$fuzz" fuzz "$seconds" "$work"
