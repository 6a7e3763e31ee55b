#!/bin/sh
# Builds the four packages in build/package; lintian finds no error in them, and no warning either.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

rm -f build/package/*.deb
cmake --workflow --preset package >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
for name in fetchpoold fetchpool libfetchpool0 libfetchpool-dev; do
    [ "$(find build/package -maxdepth 1 -name "${name}_*.deb" | wc -l)" = 1 ] || {
        echo "packages.sh: no package $name" >&2
        exit 1
    }
done
depends=$(dpkg-deb --field build/package/fetchpoold_*.deb Depends)
case $depends in
*'libcurl4 (>= 8.5)'*) ;;
*)
    echo "packages.sh: fetchpoold does not ask for a libcurl that is new enough: $depends" >&2
    exit 1
    ;;
esac
lintian --allow-root --fail-on error,warning --tag-display-limit 0 build/package/*.deb
ls -s build/package/*.deb
