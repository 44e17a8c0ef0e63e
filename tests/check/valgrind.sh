#!/bin/sh
#
# Run one test under valgrind: what ./dev valgrind puts before each.
#
# Programs of the build, and all of the build that they start, run under valgrind. An interpreter
# does not: a test that is a script finds in GREEN_WRAP what to put before the programs it starts.

set -eu

GREEN_WRAP="valgrind --quiet --error-exitcode=99 --num-callers=30 \
--leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
--trace-children=yes --trace-children-skip=/bin/*,/usr/*,/sbin/*,*/python3*"

case $(head -c 4 "$1" | tr -d '\177\000') in
ELF)
    case $1 in
    /usr/* | /bin/*) ;;
    *)
        # shellcheck disable=SC2086 # a list of words
        exec $GREEN_WRAP "$@"
        ;;
    esac
    ;;
esac
export GREEN_WRAP
exec "$@"
