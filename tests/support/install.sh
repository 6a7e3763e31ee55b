#!/bin/sh
# Installs the build into a directory and uses it from there as others would: by pkg-config, shared
# and static, and by CMake's find_package(). Each program is the README's example, compiled anew.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/stage.sh
. "$here/stage.sh"

stage_open
stage_build
stage_origin
stage_daemon "$authority"
prefix=$stage/prefix
cmake --install "$build" --prefix "$prefix" >"$stage/install.log" ||
    { cat "$stage/install.log" >&2; stage_die "cmake --install failed"; }
pc=$(find "$prefix" -name fetchpool.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
libraries=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH

# fetches WHAT PROGRAM: the program must fetch the origin's page.
fetches() {
    [ "$(LD_LIBRARY_PATH=$libraries "$2" "$origin/")" = hello ] || stage_die "$1: the program does not fetch"
    echo "ok: $1"
}

example=$root/client-lib/examples/get.c
[ "$(pkg-config --modversion fetchpool)" = "$("$build/fetchpool" --version | awk 'NR == 1 { print $2 }')" ] ||
    stage_die "pkg-config has another version than the command"
# shellcheck disable=SC2046
cc -o "$stage/by-pkg-config" "$example" $(pkg-config --cflags --libs fetchpool)
fetches pkg-config "$stage/by-pkg-config"
# shellcheck disable=SC2046
cc -o "$stage/by-static" "$example" $(pkg-config --cflags fetchpool) -L"$libraries" \
    -l:libfetchpool.a -lmsgpackc -lpthread
fetches 'static library' "$stage/by-static"
if ldd "$stage/by-static" | grep -q libfetchpool; then stage_die "the static program loads the shared library"; fi

mkdir "$stage/consumer"
cat >"$stage/consumer/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(fetchpool 0.1 REQUIRED)
add_executable(shared $example)
target_link_libraries(shared PRIVATE fetchpool::fetchpool)
add_executable(static $example)
target_link_libraries(static PRIVATE fetchpool::fetchpool-static)
END
cmake -S "$stage/consumer" -B "$stage/consumer/build" -DCMAKE_PREFIX_PATH="$prefix" >"$stage/cmake.log" 2>&1 &&
    cmake --build "$stage/consumer/build" >>"$stage/cmake.log" 2>&1 ||
    { cat "$stage/cmake.log" >&2; stage_die "find_package(fetchpool) failed"; }
fetches 'find_package, shared' "$stage/consumer/build/shared"
fetches 'find_package, static' "$stage/consumer/build/static"

exported=$(nm -D --defined-only "$libraries/libfetchpool.so" | awk '$2 != "A" { print $3 }' | grep -v '^fetchpool_' || :)
[ -z "$exported" ] || stage_die "the shared library exports $exported"
global=$(nm --defined-only --extern-only "$libraries/libfetchpool.a" | awk 'NF == 3 { print $3 }' | grep -v '^fetchpool_' || :)
[ -z "$global" ] || stage_die "the static library exports $global"
if ldd "$prefix/bin/fetchpool" | grep -q libcurl; then stage_die "the command loads libcurl"; fi
echo "ok: only fetchpool_* is exported, the command does not load libcurl"

for page in man1/fetchpool.1 man3/libfetchpool.3 man5/fetchpool.conf.5 man7/fetchpool-protocol.7 man8/fetchpoold.8; do
    [ -s "$prefix/share/man/$page" ] || stage_die "$page is missing"
done
for page in "$prefix"/share/man/man*/*; do
    warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ] || stage_die "$page: $warnings"
    command -v mandoc >/dev/null || continue
    warnings=$(mandoc -Tlint -Wwarning "$page" 2>&1) || stage_die "$page: $warnings"
done
echo "ok: manual pages"
for program in fetchpool fetchpoold; do
    # shellcheck disable=SC2016 # is bash's
    bash -c '. "$1" && complete -p "$2"' bash "$prefix/share/bash-completion/completions/$program" $program >/dev/null ||
        stage_die "bash does not complete $program"
done
echo "ok: completion"
for file in fetchpool-dashboard.json fetchpool-alerts.yml; do
    [ -s "$prefix/share/fetchpool/$file" ] || stage_die "$file is missing"
done
echo "ok: dashboard and alerts"
