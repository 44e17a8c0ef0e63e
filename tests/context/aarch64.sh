#!/bin/sh
# Build the check of the switch for aarch64, statically, and run it under qemu: the assembly and
# ucontext. Exits with 77 (skipped) where the cross compiler or the emulator is missing.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${AARCH64_CC:-aarch64-linux-gnu-gcc}
qemu=${AARCH64_QEMU:-}
if [ -z "$qemu" ]; then
    qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
fi
if [ -z "$qemu" ] || ! command -v "$cc" >/dev/null; then
    echo "aarch64.sh: skipped, needs $cc and qemu-aarch64-static"
    exit 77
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for backend in aarch64.S ucontext.c; do
    echo "switch_$backend:"
    leaves=
    if [ "$backend" != ucontext.c ]; then
        leaves=-DGREEN__SWITCH_LEAVES=1
    fi
    "$cc" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -static \
        ${leaves:+"$leaves"} -I "$root/lib" -I "$root/lib/include" -o "$out/switch_check" \
        "$root/tests/context/switch_check.c" "$root/lib/context/context.c" \
        "$root/lib/context/switch_$backend"
    "$qemu" "$out/switch_check"
done
