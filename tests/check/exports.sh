#!/bin/sh
#
# The shared library exports what the public headers declare, all of it and nothing else.
#
# usage: exports.sh BUILD-DIRECTORY

set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."

if [ ! -e "$build/lib/libgreen.so" ]; then
    echo "no libgreen.so in $build/lib"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm --dynamic --defined-only --extern-only "$build/lib/libgreen.so" |
    awk '$2 ~ /[TDBRVW]/ { sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"

# After the preprocessor a declaration is known by its attribute, and its name by the parenthesis.
printf '#include <green.h>\n' | gcc -std=c11 -E -P -Ilib/include '-DGREEN_CHECK' - |
    tr '\n' ' ' | tr ';' '\n' | grep 'visibility("default")' |
    sed -E 's/.*visibility\("default"\)+//' | grep -oE '\bgreen_[a-z0-9_]+ *[([]' |
    grep -oE 'green_[a-z0-9_]+' | sort -u >"$work/declared"

bad=0
comm -23 "$work/exported" "$work/declared" >"$work/only"
if [ -s "$work/only" ]; then
    echo "exported, but no public header declares it:"
    sed 's/^/    /' "$work/only"
    bad=1
fi
comm -13 "$work/exported" "$work/declared" >"$work/only"
if [ -s "$work/only" ]; then
    echo "declared in a public header, but not exported:"
    sed 's/^/    /' "$work/only"
    bad=1
fi
exit "$bad"
