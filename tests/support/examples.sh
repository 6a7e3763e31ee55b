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

# fails NAME ARGUMENT...: the same for one whose last request fails: it exits with 1, and says why.
fails() {
    name=$1 code=0
    shift
    LD_LIBRARY_PATH=$build "$stage/$name" "$@" >"$stage/out" 2>"$stage/complaint" || code=$?
    [ "$code" = 1 ] || stage_die "the example $name ended with $code after a failure"
    grep -q '^ftp://example.com/ .*scheme' "$stage/complaint" ||
        { cat "$stage/complaint" >&2; stage_die "the example $name did not say what failed"; }
    echo "ok: $name, which fails"
}

stage_open
stage_build
stage_origin
stage_daemon "$authority"
flags="-Wall -Wextra -Werror -I$root/include -L$build"
for source in "$examples"/*.c; do
    name=$(basename "$source" .c)
    libraries=-lfetchpool
    [ "$name" != uv ] || libraries="$libraries $(pkg-config --cflags --libs libuv)"
    # shellcheck disable=SC2086
    cc -std=c11 -D_GNU_SOURCE $flags -o "$stage/$name" "$source" $libraries || stage_die "$source does not compile"
done
for source in "$examples"/*.cc; do
    name=$(basename "$source" .cc)
    # shellcheck disable=SC2086
    c++ -std=c++17 $flags -o "$stage/$name" "$source" -lfetchpool || stage_die "$source does not compile"
done
run get hello "$origin/"
run cplusplus 200 "$origin/"
run post '200 over connection' "$origin/" '{"order": 1}'
run poll "^$origin/ 200, 6 bytes" "$origin/" "$plain_origin/" "$origin/files/none"
run uv "^$origin/ 200, 6 bytes" "$origin/" "$plain_origin/" "$origin/files/none"
fails poll "$origin/" ftp://example.com/
fails uv "$origin/" ftp://example.com/
head -c 20000000 /dev/urandom >"$stage/files/large"
run stream '^200, 20000000 bytes$' get "$origin/files/large" "$stage/copy"
cmp "$stage/files/large" "$stage/copy" || stage_die 'the example stream did not get what was sent'
run stream '^201$' put "$origin/put/large" "$stage/files/large"
cmp "$stage/files/large" "$stage/put/large" || stage_die 'the example stream did not send all'
