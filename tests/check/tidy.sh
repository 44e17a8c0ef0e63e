#!/bin/sh
#
# clang-tidy, as .clang-tidy says, over every C file that the build compiles.
#
# usage: tidy.sh BUILD-DIRECTORY [FILE-PATTERN]...

set -eu
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
if [ $# -eq 0 ]; then
    set -- '*.c'
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A file that is compiled twice (for the shared and the static library) is looked at once. GCC's
# options are not all known to clang.
status=0
tests/check/files.sh "$@" | while IFS= read -r file; do
    if grep -qE "\"file\": \"([^\"]*/)?$file\"" "$build/compile_commands.json"; then
        echo "$file"
    fi
done | xargs -r -n 1 -P "$(nproc)" clang-tidy -p "$build" --quiet \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
    >"$log" 2>&1 || status=1

# Clean files are counted too; that is not news.
grep -vE '^[0-9]+ (warning|error)s?( and [0-9]+ errors?)? (generated|treated)' "$log" || true
exit "$status"
