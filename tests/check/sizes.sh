#!/bin/sh
#
# No file over 500 lines, no function over 60: where one is, a second idea is hiding in it. A test of
# many cases, which stand beside each other and not on each other, may have 550.
#
# The layout puts the braces of a function's body, and of nothing else, into the first column.

set -eu
cd "$(dirname "$0")/../.."

# shellcheck disable=SC2016 # the dollars are awk's
{
    echo dev
    tests/check/files.sh '*.c' '*.cpp' '*.go' '*.h' '*.S' '*.sh' '*.py'
} | xargs -r awk -v file_limit=500 -v test_limit=550 -v function_limit=60 '
function finish_file()
{
    limit = name ~ /^tests\// ? test_limit : file_limit
    if (lines > limit) {
        printf "%s: %d lines, over %d\n", name, lines, limit
        bad = 1
    }
}

FNR == 1 {
    finish_file()
    name = FILENAME
    start = 0
}

{ lines = FNR }

name ~ /\.(c|cpp|h)$/ && /^{$/ {
    start = FNR
    title = previous
}

name ~ /\.(c|cpp|h)$/ && /^}$/ && start {
    if (FNR - start + 1 > function_limit) {
        printf "%s:%d: %d lines, over %d: %s\n", name, start, FNR - start + 1, function_limit, title
        bad = 1
    }
    start = 0
}

{ previous = $0 }

END {
    finish_file()
    exit bad
}'
