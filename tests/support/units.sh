#!/bin/sh
# The units as they are installed: systemd finds no fault with them, and the system's is exposed to no
# more than it has to be. What they do is tried in a booted system: see boot.sh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/stage.sh
. "$here/stage.sh"

# What "systemd-analyze security" may say at most: 1.3. Its option takes ten times that.
MOST_EXPOSED=13

stage_open
stage_build
prefix=$stage/prefix
cmake --install "$build" --prefix "$prefix" >"$stage/install.log" ||
    { cat "$stage/install.log" >&2; stage_die "cmake --install failed"; }
units=$prefix/lib/systemd

# finds_no_fault WHAT COMMAND...: which must also say nothing.
finds_no_fault() {
    what=$1
    shift
    said=$("$@" 2>&1) || stage_die "$what: $said"
    [ -z "$said" ] || stage_die "$what: $said"
    echo "ok: $what"
}

finds_no_fault "the system's units" \
    systemd-analyze verify --man=no "$units"/system/fetchpoold.service "$units"/system/fetchpoold.socket
export XDG_RUNTIME_DIR="$stage"
finds_no_fault "the user's units" \
    systemd-analyze --user verify --man=no "$units"/user/fetchpoold.service "$units"/user/fetchpoold.socket

exposure=$(systemd-analyze security --offline=true --no-pager --threshold=$MOST_EXPOSED \
    "$units/system/fetchpoold.service") || stage_die "exposed too much: $exposure"
echo "ok: $(printf '%s' "$exposure" | sed -n 's/^[^O]*\(Overall exposure level.*: [0-9.]*\).*/\1/p')"

for unit in "$units"/system/fetchpoold.service "$units"/user/fetchpoold.service; do
    ! grep -q '^PrivateUsers=' "$unit" || stage_die "$unit: with PrivateUsers= all clients have the same user"
    ! grep -q '@[A-Z_]*@' "$unit" || stage_die "$unit: a path is missing"
    grep -q "^ExecStart=$prefix/bin/fetchpoold" "$unit" || stage_die "$unit does not start the installed daemon"
done
[ -f "$prefix/etc/fetchpool/fetchpool.conf" ] || stage_die "no configuration was installed"
echo '[limits]' >"$prefix/etc/fetchpool/fetchpool.conf"
cmake --install "$build" --prefix "$prefix" >"$stage/install.log"
grep -qx '\[limits\]' "$prefix/etc/fetchpool/fetchpool.conf" || stage_die "a configuration was overwritten"
echo 'ok: the units name what is installed; a configuration that is there stays'

/usr/bin/python3 "$here/check_kubernetes.py" "$root/systemd/kubernetes.yaml" "$build"
