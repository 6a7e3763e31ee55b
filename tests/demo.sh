#!/bin/sh
# Separate processes, one connection: eight `fetchpool` processes, one after another, and beside them
# the same URLs through plain `curl`, each a fresh process too.
#
#   tests/demo.sh              with an HTTPS origin that it starts on this machine
#   tests/demo.sh URL...       with these
#
# It installs what is missing (tests/setup.sh), builds, starts a private daemon in a temporary
# directory and leaves nothing behind. It exits with 1 if any request failed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/stage.sh
. "$here/support/stage.sh"

case ${1:-} in
-*)
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    [ "$1" = -h ] || [ "$1" = --help ] || exit 2
    exit 0
    ;;
esac

processes=8
failed=0
broken= # URLs that failed: asked for once, not eight times

# A URL is asked for by two processes at least, so that the second shows what reuse does.
if [ $(($# * 2)) -gt $processes ]; then
    processes=$(($# * 2))
fi

now() { date +%s%N; }

# Nanoseconds as milliseconds with one decimal.
ms() { awk -v ns="$1" 'BEGIN { printf "%.1f", ns / 1e6 }'; }

# The middle of the numbers in a file, one a line; "-" if there are none.
median() {
    sort -n "$1" | awk '{ n[NR] = $1 }
        END { if (NR) printf "%.1f", (n[int((NR + 1) / 2)] + n[int((NR + 2) / 2)]) / 2; else printf "-" }'
}

# Runs a command to its end: $pid, $result (its exit code), $spent (nanoseconds, from outside).
timed() {
    begun=$(now)
    "$@" >"$stage/out" 2>"$stage/err" </dev/null &
    pid=$!
    result=0
    wait "$pid" || result=$?
    spent=$(($(now) - begun))
}

ask_fetchpool() {
    timed "$build/fetchpool" -sS -m 15 -o "$stage/body" \
        -w '%{http_code} %{http_version} %{connection_id} %{reused}' -- "$1"
}

# With our own origin: our authority, and no proxy of the environment. (-q: no ~/.curlrc.)
ask_curl() {
    if [ -n "${authority:-}" ]; then
        timed curl -q -sS -m 15 -o "$stage/body" --cacert "$authority" --noproxy '*' -- "$1"
    else
        timed curl -q -sS -m 15 -o "$stage/body" -- "$1"
    fi
}

# One line of the table: fetchpool's part, then curl's time for the same URL.
show() {
    url=$1
    case $broken in *" $url "*) return ;; esac
    ask_fetchpool "$url"
    our_pid=$pid our_result=$result our_ms=$(ms "$spent")
    why=$(head -n 1 "$stage/err")
    status=- version=- connection=- kind=-
    if [ "$our_result" = 0 ]; then
        read -r status version connection reused <"$stage/out" || :
        kind=new
        [ "$reused" = 0 ] || kind=reused
        echo "$our_ms" >>"$stage/ours"
        [ $kind = new ] || echo "$our_ms" >>"$stage/reused"
    else
        failed=1
        status=error
    fi
    ask_curl "$url"
    curl_ms=$(ms "$spent")
    if [ "$result" = 0 ]; then
        echo "$curl_ms" >>"$stage/curls"
    else
        failed=1
        curl_ms="exit $result"
    fi
    printf "%-8s  %-${width}s  %6s  %4s  %10s  %-6s  %8s  %8s\n" \
        "$our_pid" "$url" "$status" "$version" "$connection" "$kind" "$our_ms" "$curl_ms"
    [ "$our_result" = 0 ] || printf '          %s\n' "${why:-fetchpool: exit code $our_result}"
    [ "$our_result" = 0 ] && [ "$result" = 0 ] || broken="$broken $url "
}

"$here/setup.sh" build demo || stage_die "installing what is needed failed"
stage_open
echo "building..." >&2
stage_build
if [ $# = 0 ]; then
    stage_origin
    set -- "$origin/"
    stage_daemon "$authority"
else
    stage_daemon
fi
: >"$stage/ours"
: >"$stage/reused"
: >"$stage/curls"

width=3
for url in "$@"; do
    [ ${#url} -le "$width" ] || width=${#url}
done
printf "%-8s  %-${width}s  %6s  %4s  %10s  %-6s  %8s  %8s\n" \
    process URL status HTTP connection '' ms 'curl ms'
number=0
while [ $number -lt $processes ]; do
    # The URLs in turn: the one whose place is number modulo their count.
    place=$((number % $#))
    for url in "$@"; do
        [ $place = 0 ] && break
        place=$((place - 1))
    done
    show "$url"
    number=$((number + 1))
done

[ -s "$stage/ours" ] || exit 1
[ -s "$stage/reused" ] || echo "(no connection was kept: the origin closes each after its answer)"
timed true
echo
printf 'median: fetchpool %s ms (over a reused connection %s ms), curl %s ms;' \
    "$(median "$stage/ours")" "$(median "$stage/reused")" "$(median "$stage/curls")"
printf ' a process that does nothing %s ms\n' "$(ms "$spent")"
"$build/fetchpool" stats >"$stage/stats" || stage_die "fetchpool stats failed"
grep '^handshakes_saved' "$stage/stats" || stage_die "fetchpool stats does not say handshakes_saved"
exit $failed
