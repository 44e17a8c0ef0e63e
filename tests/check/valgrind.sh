#!/bin/sh
#
# Run one test under valgrind: what ./dev valgrind puts before each.
#
# Programs of the build, and all of the build that they start, run under valgrind. An interpreter does
# not, nor the contract's client, which is slow there and not what is looked at: they find in
# GREEN_WRAP and ECHOD_WRAPPER what to put before the programs they start.

set -eu

GREEN_WRAP="valgrind --quiet --error-exitcode=99 --num-callers=30 \
--leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
--trace-children=yes --trace-children-skip=/bin/*,/usr/*,/sbin/*,*/python3*"

# Valgrind 3.19 knows no pidfd_open(), without which there are no worker processes and no admin pages,
# so that every mode but two is out of its reach, and the tests that go through them all; and it keeps
# descriptors for itself, so that echod never runs out of them as the test of that wants. Its own system
# calls are none that a filter for echod lets through.
case " $* " in
*" green2 "* | *" prefork "* | *" faults "* | *" processes "* | *seed_clients.py* | *services.py* | \
    *admin*.py* | *fleet.py* | *reasons.py* | \
    *test_filter*)
    echo "skipped: not to be seen under valgrind"
    exit 77
    ;;
esac

case $(head -c 4 "$1" | tr -d '\177\000') in
ELF)
    case $1 in
    /usr/* | /bin/* | */contract) ;;
    *)
        # shellcheck disable=SC2086 # a list of words
        exec $GREEN_WRAP "$@"
        ;;
    esac
    ;;
esac
ECHOD_WRAPPER=$GREEN_WRAP
export GREEN_WRAP ECHOD_WRAPPER
exec "$@"
