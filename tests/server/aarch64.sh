#!/bin/sh
# Compare what the vectors of aarch64, under qemu, make of texts with what those of this machine
# do. Exits with 77 (skipped) where that is no x86_64, or a compiler or the emulator is missing.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${AARCH64_CC:-aarch64-linux-gnu-gcc}
qemu=${AARCH64_QEMU:-}
if [ -z "$qemu" ]; then
    qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
fi
if [ "$(uname -m)" != x86_64 ] || [ -z "$qemu" ] || ! command -v "$cc" >/dev/null; then
    echo "aarch64.sh: skipped, needs x86_64, $cc and qemu-aarch64-static"
    exit 77
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -I $root/server"
# shellcheck disable=SC2086 # a list of words
gcc $flags -o "$out/here" "$root/tests/server/upper_vectors.c" "$root/server/upper_vector.c" \
    "$root/server/upper_table.c" -lunistring
# shellcheck disable=SC2086
"$cc" $flags -static -DTABLES_FROM_FILE -o "$out/there" "$root/tests/server/upper_vectors.c" \
    "$root/server/upper_vector.c"
"$out/here" fill "$out/tables"
"$out/here" run ssse3 "$out/tables" >"$out/wanted"
"$qemu" "$out/there" run neon "$out/tables" >"$out/got"
cmp "$out/wanted" "$out/got"
echo "neon: $(wc -l <"$out/got") texts as on this machine"
