#!/bin/sh
#
# Every C file is laid out as .clang-format says.

set -eu
cd "$(dirname "$0")/../.."

tests/check/files.sh '*.c' '*.h' | xargs -r clang-format --dry-run -Werror
