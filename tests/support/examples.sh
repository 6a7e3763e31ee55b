#!/bin/sh
# Compiles the library's examples as their own comments say, and runs each against a private daemon.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/stage.sh
. "$here/stage.sh"

examples=$root/client-lib/examples

# run NAME EXPECTED ARGUMENT...: runs the example; its output must hold the expected words.
run() {
    name=$1 expected=$2
    shift 2
    LD_LIBRARY_PATH=$build "$stage/$name" "$@" >"$stage/out" 2>&1 ||
        { cat "$stage/out" >&2; stage_die "the example $name failed"; }
    grep -q "$expected" "$stage/out" ||
        { cat "$stage/out" >&2; stage_die "the example $name did not say '$expected'"; }
    echo "ok: $name"
}

stage_open
stage_build
stage_origin
stage_daemon "$authority"
flags="-Wall -Wextra -Werror -I$root/include -L$build"
for source in "$examples"/*.c; do
    name=$(basename "$source" .c)
    # shellcheck disable=SC2086
    cc -std=c11 $flags -o "$stage/$name" "$source" -lfetchpool || stage_die "$source does not compile"
done
for source in "$examples"/*.cc; do
    name=$(basename "$source" .cc)
    # shellcheck disable=SC2086
    c++ -std=c++17 $flags -o "$stage/$name" "$source" -lfetchpool || stage_die "$source does not compile"
done
run get hello "$origin/"
run cplusplus 200 "$origin/"
run post '200 over connection' "$origin/" '{"order": 1}'
