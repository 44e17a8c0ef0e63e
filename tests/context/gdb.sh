#!/bin/sh
# usage: gdb.sh GDB_TARGET
#
# gdb shows the frames of a context down to its entry function, and ends there: for the context that
# runs, for one that is parked, and for one that never ran. A parked context is looked at by giving
# gdb its stack pointer, which is the first word of struct green__context, and
# green__switch_parked as the program counter; the saved registers follow from the call frame
# information there. Exits with 77 (skipped) where gdb is missing or may not trace.
set -eu

target=$1
# LeakSanitizer does not work in a program that is traced.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
command -v gdb >/dev/null || {
    echo "gdb.sh: skipped, no gdb"
    exit 77
}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

cat >"$out/running.gdb" <<'COMMANDS'
set pagination off
set width 0
set debuginfod enabled off
break stop_here
run
echo == running\n
backtrace
COMMANDS
cat >"$out/parked.gdb" <<'COMMANDS'
set $its_sp = $sp
set $its_pc = $pc
set $sp = parked.sp
set $pc = &green__switch_parked
echo == parked\n
backtrace
set $sp = fresh.sp
set $pc = &green__switch_parked
echo == fresh\n
backtrace
set $sp = $its_sp
set $pc = $its_pc
echo == resumed\n
continue
COMMANDS

fail()
{
    echo "gdb.sh: $1"
    cat "$out/log"
    exit 1
}

# The function names of one section's frames, in one line; the inline one shows or not.
frames()
{
    sed -n "/^== $1\$/,/^== /p" "$out/log" |
        sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([^ ]*\) .*/\2/p' |
        grep -v -e '^green__context_switch\(_told\)\{0,1\}$' -e '^[at]san_entry$' | tr '\n' ' '
}

expect()
{
    [ "$(frames "$1")" = "$2" ] || fail "the frames of the $1 context are '$(frames "$1")'"
    echo "ok - $1: $2"
}

# ucontext keeps its registers elsewhere: there is no such label, and only what runs is shown.
if gdb -batch -ex 'info address green__switch_parked' "$target" 2>&1 | grep -q '^Symbol'; then
    assembly=yes
    cat "$out/parked.gdb" >>"$out/running.gdb"
    start='green__switch_start '
else
    assembly=no
    start=
fi
gdb -batch -nx -x "$out/running.gdb" "$target" >"$out/log" 2>&1 || true
if grep -q -i 'operation not permitted\|could not trace' "$out/log"; then
    echo "gdb.sh: skipped, gdb may not trace"
    exit 77
fi
if grep -q -i 'corrupt\|identical to this frame\|Cannot access memory' "$out/log"; then
    fail 'gdb lost its way'
fi
if [ "$assembly" = no ]; then
    case $(frames running) in
    'stop_here descend descend descend task_entry '*) echo 'ok - running' ;;
    *) fail "the frames of the running context are '$(frames running)'" ;;
    esac
    exit 0
fi
expect running "stop_here descend descend descend task_entry $start"
expect parked "green__switch descend descend descend task_entry $start"
expect fresh "green__switch $start"
grep -q 'exited normally' "$out/log" || fail 'the program did not go on'
