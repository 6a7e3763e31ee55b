#!/bin/sh
# Runs every fuzz target for some seconds each, over its seeds in tests/fuzz/corpus.
#
#   tests/fuzz/run.sh SECONDS
set -eu

cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS}
tests/setup.sh build test
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "$(nproc)" --target fuzz_targets >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for target in message reply stream text; do
    mkdir -p "$work/$target"
    if ! build/fuzz/tests/fuzz_$target -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -artifact_prefix="$work/" -print_final_stats=1 "$work/$target" "tests/fuzz/corpus/$target" \
        >"$work/log" 2>&1; then
        grep -A30 'ERROR' "$work/log" | head -40
        tail -5 "$work/log"
        failed=1
    fi
    grep -h 'stat::number_of_executed_units\|stat::new_units' "$work/log" | sed "s/^/$target /"
done
exit $failed
