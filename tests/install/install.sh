#!/bin/sh
#
# What `meson install` leaves is usable by a program that knows nothing of this tree: through
# pkg-config, shared and static, as C11 and as C++17.
#
# usage: install.sh BUILD_DIRECTORY

set -eu
build=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

for tool in pkg-config gcc; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIP: no $tool"
        exit 77
    fi
done
# A sanitizer's runtime would have to be linked by the program too.
if grep -q -- -fsanitize= "$build/build.ninja"; then
    echo "SKIP: a sanitizer build"
    exit 77
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >/dev/null

PKG_CONFIG_LIBDIR=$(dirname "$(find "$root" -name green.pc)")
PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_PATH=$(pkg-config --variable pc_path pkg-config)
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS
libraries=$(dirname "$PKG_CONFIG_LIBDIR")

# shellcheck disable=SC2046 # lists of words
gcc -std=c11 "$here/hello.c" -o "$root/shared" $(pkg-config --cflags --libs green)
LD_LIBRARY_PATH=$libraries "$root/shared" | grep -qx 'HELLO from task, thread, process'
readelf -d "$root/shared" | grep -q 'libgreen.so.0'

# shellcheck disable=SC2046
gcc -std=c11 "$here/hello.c" -o "$root/static" $(pkg-config --cflags green) \
    "$libraries/libgreen.a" $(pkg-config --static --libs green | tr ' ' '\n' | grep -vx -- -lgreen)
"$root/static" | grep -qx 'HELLO from task, thread, process'

if command -v g++ >/dev/null; then
    # shellcheck disable=SC2046
    g++ -std=c++17 -x c++ "$here/hello.c" -o "$root/cxx" $(pkg-config --cflags --libs green)
    LD_LIBRARY_PATH=$libraries "$root/cxx" | grep -qx 'HELLO from task, thread, process'
fi
echo "installed, and used by pkg-config: shared, static, C++"
