#!/bin/sh
# Boots Debian in a container and has checks.py try the packages of build/package there: installation,
# activation, restarts under load, crashes, removal. The container is this machine's own system with
# an overlay in memory above it, so nothing of it stays.
#
#   tests/booted/run.sh [DIRECTORY]    leaves the report, and the journal, in DIRECTORY
#
# Where a container cannot run, it says so loudly and does not fail.
set -eu

# shellcheck disable=SC2093 # what follows is for root
[ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || exec sudo -n "$0" "$@"

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
LONGEST_S=400 # of all checks; with processors to themselves they take a third of that

stage=$(mktemp -d "${TMPDIR:-/tmp}/fetchpool-booted.XXXXXX")
leave() {
    for mounted in root memory; do
        mountpoint -q "$stage/$mounted" && umount "$stage/$mounted"
    done
    rm -rf "$stage"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skip() {
    printf '\n!!!! SKIPPED: no system was booted, for %s\n!!!! Packages, units and restarts are NOT tested.\n\n' "$*"
    exit 0
}

die() {
    printf 'booted/run.sh: %s\n' "$*" >&2
    exit 1
}

# A second release, which differs by its number only.
make_new_release() {
    for package in "$stage"/packages/old/*.deb; do
        dpkg-deb --raw-extract "$package" "$stage/raw"
        sed -i 's/\([0-9]\)-1\b/\1-2/' "$stage/raw/DEBIAN/control"
        dpkg-deb --root-owner-group --build "$stage/raw" "$stage/packages/new" >/dev/null
        rm -r "$stage/raw"
    done
}

put_together() {
    mkdir -p "$stage/packages/old" "$stage/packages/new" "$stage/results" "$stage/memory" "$stage/root"
    cp "$root"/build/package/*.deb "$stage/packages/old/" || die "there are no packages: tests/booted/packages.sh makes them"
    make_new_release
    mkdir "$stage/library"
    dpkg-deb --extract "$stage"/packages/old/libfetchpool0_*.deb "$stage/library"
    cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I "$root/include" -o "$stage/steady" "$here/steady.c" \
        "$(find "$stage/library" -name 'libfetchpool.so.0')" -pthread
}

mount_root() {
    mount -t tmpfs -o mode=755 fetchpool-booted "$stage/memory" || return
    mkdir "$stage/memory/upper" "$stage/memory/work"
    mount -t overlay -o "lowerdir=/,upperdir=$stage/memory/upper,workdir=$stage/memory/work" \
        fetchpool-booted "$stage/root"
}

# The machine's own systemd units, network, policy and former installations are of no concern here.
prepare_root() {
    new=$stage/root
    rm -f "$new/etc/machine-id" "$new/usr/sbin/policy-rc.d" "$new/etc/resolv.conf"
    rm -rf "$new/var/log/journal" "$new/var/lib/man-db/auto-update" # which takes longer than all the rest
    : >"$new/etc/machine-id"
    : >"$new/etc/resolv.conf"
    chroot "$new" dpkg --purge fetchpoold fetchpool libfetchpool-dev libfetchpool0 >"$stage/purge.log" 2>&1 || :
    install -D -m 755 "$stage/steady" "$new/usr/local/bin/steady"
    cat >"$new/etc/systemd/system/booted-checks.service" <<END
[Unit]
Description=Checks of a booted system
Requires=basic.target
Wants=dbus.service systemd-logind.service systemd-user-sessions.service
After=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
AllowIsolate=yes

[Service]
Type=oneshot
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 /run/booted/tests/booted/checks.py /run/booted/packages /run/booted/results
ExecStopPost=-/bin/sh -c 'journalctl --no-pager -b >/run/booted/results/journal 2>&1'
ExecStopPost=systemctl --no-block poweroff
END
}

boot() {
    timeout --kill-after=20 "$1" systemd-nspawn --quiet --register=no --keep-unit --directory="$stage/root" \
        --boot --private-network --console=pipe --link-journal=no \
        --bind-ro="$root/tests:/run/booted/tests" --bind-ro="$stage/packages:/run/booted/packages" \
        --bind="$stage/results:/run/booted/results" systemd.unit="$2" </dev/null >"$stage/boot.log" 2>&1
}

[ "$(id -u)" = 0 ] || skip "it takes root to boot one"
put_together
mount_root 2>"$stage/mount.log" || skip "this machine does not mount an overlay of /: $(cat "$stage/mount.log")"
prepare_root
systemd-nspawn --quiet --register=no --keep-unit --directory="$stage/root" --private-network true \
    </dev/null >"$stage/boot.log" 2>&1 || skip "systemd-nspawn does not run here: $(cat "$stage/boot.log")"

boot $LONGEST_S booted-checks.service || echo "systemd-nspawn ended with $?"
[ $# = 0 ] || cp -r "$stage"/results/* "$stage/boot.log" "$1/"
[ -s "$stage/results/report" ] || {
    tail -n 50 "$stage/boot.log"
    die "the system did not come up"
}
cat "$stage/results/report"
if [ "$(tail -n 1 "$stage/results/report")" != 'done' ]; then
    tail -n 50 "$stage/results/journal"
    die "the checks did not end within $LONGEST_S s"
fi
! grep -q '^FAILED' "$stage/results/report"
