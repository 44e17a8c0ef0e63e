#!/bin/sh
#
# The units that are installed: systemd finds nothing wrong with them, and rates the sandbox of the
# services at 1.5 or better (0 is the tightest, 10 none).
#
# usage: units.sh BUILD_DIRECTORY

set -eu
build=$1

if ! command -v systemd-analyze >/dev/null; then
    echo "SKIP: no systemd-analyze"
    exit 77
fi
if ! systemd-analyze security --help | grep -q -- --offline; then
    echo "SKIP: a systemd-analyze that rates no files"
    exit 77
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root/install meson install -C "$build" --no-rebuild --quiet >/dev/null
units=$(dirname "$(find "$root/install" -name echod.socket)")
# What they start is under the temporary root here.
mkdir "$root/units"
for unit in echod.service echod@.service echod.socket; do
    sed "s|^ExecStart=|&$root/install|" "$units/$unit" >"$root/units/$unit"
done
program=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$root/units/echod.service")
test -x "$program"

cd "$root/units"
cp echod@.service echod@9001.service
systemd-analyze verify --man=no --recursive-errors=no ./echod.socket ./echod.service \
    ./echod@9001.service >"$root/said" 2>&1 || { cat "$root/said"; exit 1; }
# Warnings, such as of a name that it does not know, leave the exit code at 0.
if grep -E 'echod(@9001)?\.(service|socket)' "$root/said"; then
    exit 1
fi
for unit in echod.service echod@9001.service; do
    systemd-analyze security --offline=true --threshold=15 --no-pager "./$unit" >"$root/said" || {
        cat "$root/said"
        exit 1
    }
    tail -n 1 "$root/said"
done
