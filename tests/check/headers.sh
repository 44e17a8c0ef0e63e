#!/bin/sh
#
# Each public header compiles alone and twice, as C11 and as C++17, without warnings or libuv.

set -eu
cd "$(dirname "$0")/../.."

bad=0
for header in lib/include/green.h lib/include/green/*.h; do
    name=${header#lib/include/}
    for compiler in "gcc -std=c11 -x c" "g++ -std=c++17 -x c++"; do
        # shellcheck disable=SC2086 # a list of words
        if ! printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
            $compiler -Wall -Wextra -Werror -pedantic -fsyntax-only -Ilib/include -; then
            echo "$header: does not compile alone: $compiler"
            bad=1
        fi
    done
    if printf '#include <%s>\n' "$name" | gcc -x c -M -Ilib/include - | grep -w 'uv\.h'; then
        echo "$header: includes uv.h"
        bad=1
    fi
done
exit "$bad"
