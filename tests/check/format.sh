#!/bin/sh
#
# Every file in C, and in C++, is laid out as .clang-format says.

set -eu
cd "$(dirname "$0")/../.."

tests/check/files.sh '*.c' '*.cpp' '*.h' | xargs -r clang-format --dry-run -Werror
