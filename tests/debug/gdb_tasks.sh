#!/bin/sh
# usage: gdb_tasks.sh TARGET GREEN_GDB_PY
#
# The commands of lib/debug/green-gdb.py on a live process and on its core file: all workers are
# listed, the frames of parked tasks are shown, and the program goes on as if nothing had been. Exits
# with 77 (skipped) where gdb is missing, has no Python or may not trace, and where parked stacks
# cannot be read.
set -eu

target=$(realpath "$1")
script=$2
# LeakSanitizer does not work in a program that is traced.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"

skip()
{
    echo "gdb_tasks.sh: skipped, $1"
    exit 77
}

command -v gdb >/dev/null || skip 'no gdb'
gdb -batch -nx -ex 'python print("has python")' 2>/dev/null | grep -q 'has python' ||
    skip 'gdb has no Python'
[ "$(uname -m)" = x86_64 ] || skip 'parked stacks are read on x86_64 only'
nm "$target" | grep -q ' green__switch_parked$' || skip 'the switch is not in assembly'
if nm "$target" | grep -q '__tsan_init\|__asan_init'; then
    skip 'a core of a program with a sanitizer has its whole shadow memory'
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/looks.gdb" <<COMMANDS
echo == tasks\\n
green tasks
echo == all\\n
green bt all
echo == one\\n
green bt 3
echo == none\\n
COMMANDS
cat >"$out/live.gdb" <<COMMANDS
set pagination off
set width 0
set debuginfod enabled off
source $script
break stop_here
run
source $out/looks.gdb
echo == own\\n
backtrace
continue
COMMANDS
cat >"$out/dead.gdb" <<COMMANDS
set pagination off
set width 0
set debuginfod enabled off
source $script
source $out/looks.gdb
green bt 4711
COMMANDS

fail()
{
    echo "gdb_tasks.sh: $1"
    cat "$log"
    exit 1
}

# The lines of one section of the log.
section()
{
    sed -n "/^== $1\$/,/^== /p" "$log"
}

# The names of the frames that follow the line of one worker, in one line.
frames()
{
    section "$1" | sed -n "/\"$2\"/,/^ *[0-9][0-9]* [tp]/p" |
        sed -n 's/^    #[0-9]* *\([^ ]*\).*/\1/p' | tr '\n' ' '
}

check()
{
    section tasks | grep -q '^ *1 thread *"thread-1" ' || fail 'the main thread is not listed'
    for name in first second guest; do
        section tasks | grep -q "^ *[0-9]* task *\"$name\" waits for an event at 0x.*, spawned in spawn_task" ||
            fail "task $name is not listed with what it waits for"
        case "$(frames all "$name")" in
        *'green_event_wait wait_deep_inside wait_deep_inside wait_deep_inside sleeper task_main green__switch_start ') ;;
        *) fail "the frames of $name are '$(frames all "$name")'" ;;
        esac
    done
    section tasks | grep -q '^ *[0-9]* task *"dozer" waits for a descriptor to read, fd [0-9]*' ||
        fail 'who hibernates is not listed'
    section all | grep -A 1 '"dozer"' | grep -q '(its stack hibernates)' ||
        fail 'who hibernates is shown with frames'
    section tasks | grep -q '"stopper" runs' || fail 'who runs is not listed so'
    case "$(frames all stopper)" in
    *'stopper task_main green__switch_start ') ;;
    *) fail "the frames of who runs are '$(frames all stopper)'" ;;
    esac
    section one | grep -q '"first"' || fail 'the worker asked for is not shown'
    ! section one | grep -q '"second"' || fail 'another worker is shown'
    echo "ok - $1"
}

log=$out/live
gdb -batch -nx -x "$out/live.gdb" "$target" >"$log" 2>&1 || true
if grep -q -i 'operation not permitted\|could not trace' "$log"; then
    skip 'gdb may not trace'
fi
check 'a live process'
section own | grep -q '^#0 .*stop_here' || fail 'the own backtrace is not what it was'
grep -q 'exited normally' "$log" || fail 'the program did not go on'

# The kernel's core: gdb's own generate-core-file stops at the first guard page of each slab.
pattern=$(cat /proc/sys/kernel/core_pattern)
case $pattern in
'|'* | */* | *%*)
    echo "ok - a core file # skipped, they go to '$pattern'"
    exit 0
    ;;
esac
mkdir "$out/cores"
(
    cd "$out/cores"
    # shellcheck disable=SC3045 # dash has it, and bash
    ulimit -c unlimited
    "$target" core
) 2>/dev/null || true
core=$(find "$out/cores" -type f)
if [ -z "$core" ]; then
    echo 'ok - a core file # skipped, there is none'
    exit 0
fi
log=$out/dead
gdb -batch -nx -x "$out/dead.gdb" "$target" "$core" >"$log" 2>&1 || true
check 'a core file'
grep -q 'no worker has the id 4711' "$log" || fail 'an id that nobody has is not refused'
