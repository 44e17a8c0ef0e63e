"""What the workers of a program that uses green do, for gdb.

    (gdb) source green-gdb.py
    (gdb) green tasks           every worker: id, kind, name, state, what it waits for, and where
    (gdb) green bt ID           the backtrace of one
    (gdb) green bt all          those of all tasks

It reads a live process and a core file alike, and changes neither. The program needs the library's
debug information. Parked stacks are read on x86_64, with the switch in assembly.

Invariant: nothing is called in the program, and no register is set. A parked stack is shown by an
unwinder that, while a backtrace is made, says that the newest frame was called from there.
"""

import gdb
import gdb.unwinder

KINDS = ["task", "thread", "process"]
STATES = ["new", "ready", "runs", "parked", "ended"]

# What lib/context/switch_x86_64.S has left at a parked stack pointer, from there upwards.
PARKED = ["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"]


def container(link, kind, member):
    """The structure that holds a link of a list."""
    struct = gdb.lookup_type(kind)
    offset = next(f.bitpos // 8 for f in struct.fields() if f.name == member)
    return (int(link) - offset, struct.pointer())


def walk(head, kind, member):
    """The members of a circular list."""
    link = head["next"]
    while int(link) != int(head.address):
        address, pointer = container(link, kind, member)
        yield gdb.Value(address).cast(pointer).dereference()
        link = link["next"]


def static(name, file):
    symbol = gdb.lookup_static_symbol(name)
    candidates = [symbol] if symbol else []
    candidates += gdb.lookup_static_symbols(name)
    for one in candidates:
        if one.symtab.filename.endswith(file):
            return one.value()
    raise gdb.GdbError("no debug information of libgreen: '%s' of %s is not known" % (name, file))


def scheds():
    return walk(static("all", "sched/loop.c"), "struct green__sched", "registered")


def others():
    """Threads and processes."""
    return walk(static("all", "sched/registry.c"), "struct green__host", "registered")


def workers():
    """Every worker that the program has, with the loop that a task belongs to."""
    for host in others():
        yield host["job"], None
    for sched in scheds():
        tasks = sched["tasks"]
        first, last = tasks.type.range()
        for sort in range(first, last + 1):
            for job in walk(tasks[sort], "struct green_job", "member"):
                yield job, sched


def thread_of(job):
    """The kernel's number of the thread that a thread or process is; 0 in a parent."""
    host = gdb.lookup_type("struct green__host").pointer()
    return int(job.address.cast(host)["thread_id"])


def text(value):
    return value.string(errors="replace") if int(value) else None


def name_of(job):
    return text(job["name"]) or "%s-%d" % (KINDS[int(job["kind"])], int(job["id"]))


def place_of(address):
    if not address:
        return ""
    block = gdb.block_for_pc(address - 1)
    while block and not block.function:
        block = block.superblock
    line = gdb.find_pc_line(address - 1)
    where = "%s:%d" % (line.symtab.filename, line.line) if line.symtab else "0x%x" % address
    return "%s (%s)" % (block.function, where) if block else where


def running_on(job):
    """Whether the worker is what its thread runs, so that its registers are the thread's."""
    return STATES[int(job["state"])] == "runs"


def describe(job):
    kind = KINDS[int(job["kind"])]
    state = STATES[int(job["state"])]
    wait = text(job["waits_for"])
    which = int(job["waits_on"])
    if kind == "process" and thread_of(job) == 0:
        state = "child"
    elif wait:
        state = ("waits for " if state != "ready" else "ready, waited for ") + wait
        if which & 1:
            state += ", fd %d" % (which >> 1)
        elif which:
            state += " at 0x%x" % which
    line = '%5d %-7s "%s" %s' % (int(job["id"]), kind, name_of(job), state)
    place = place_of(int(job["spawned_at"]))
    return line + (", spawned in " + place if place else "")


class ParkedFrame:
    def __init__(self, sp, pc):
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class Parked(gdb.unwinder.Unwinder):
    """While `stack` is set, the newest frame's caller is what is parked there."""

    def __init__(self):
        super().__init__("green-parked")
        self.stack = None
        self.innermost = None

    def __call__(self, pending):
        if self.stack is None:
            return None
        sp = int(pending.read_register("rsp"))
        pc = int(pending.read_register("rip"))
        if (sp, pc) != self.innermost:
            return None
        word = gdb.lookup_type("unsigned long")
        info = pending.create_unwind_info(ParkedFrame(sp, pc))
        for i, register in enumerate(PARKED):
            at = gdb.Value(self.stack + 8 * i).cast(word.pointer())
            info.add_saved_register(register, at.dereference())
        info.add_saved_register("rsp", gdb.Value(self.stack + 8 * len(PARKED)).cast(word))
        return info

    def frames(self, stack):
        """The frames of a parked stack, the innermost first."""
        newest = gdb.newest_frame()
        self.innermost = (int(newest.read_register("rsp")), int(newest.read_register("rip")))
        self.stack = stack
        gdb.invalidate_cached_frames()
        try:
            frame = gdb.newest_frame().older()
            while frame is not None and frame.is_valid():
                yield frame
                frame = frame.older()
        finally:
            self.stack = None
            gdb.invalidate_cached_frames()


parked = Parked()
gdb.unwinder.register_unwinder(None, parked, replace=True)


def check_machine():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("no program runs, and no core file is read")
    if not gdb.selected_frame().architecture().name().startswith("i386:x86-64"):
        raise gdb.GdbError("parked stacks are read on x86_64 only")
    if gdb.lookup_minimal_symbol("green__switch_parked") is None if hasattr(
        gdb, "lookup_minimal_symbol"
    ) else "green__switch_parked" not in gdb.execute(
        "info address green__switch_parked", to_string=True
    ):
        raise gdb.GdbError("the program switches by ucontext: its parked stacks cannot be read")


def show_frame(number, frame):
    line = "#%-2d %s" % (number, frame.name() or "??")
    place = frame.find_sal()
    if place.symtab:
        line += " at %s:%d" % (place.symtab.filename, place.line)
    elif not frame.name():
        line += " at 0x%x" % frame.pc()
    gdb.write("    " + line + "\n")


def show_thread(job):
    """Of a worker that runs, or whose thread sleeps in the kernel: the thread's own frames."""
    thread = thread_of(job)
    before = gdb.selected_thread()
    for one in gdb.selected_inferior().threads():
        if one.ptid[1] == thread:
            one.switch()
            frame = gdb.newest_frame()
            number = 0
            while frame is not None:
                show_frame(number, frame)
                number += 1
                frame = frame.older()
            before.switch()
            return
    gdb.write("    (its thread is not there)\n")


def backtrace(job, sched):
    gdb.write(describe(job) + "\n")
    if KINDS[int(job["kind"])] == "process" and thread_of(job) == 0:
        return
    if int(job["asleep"]):
        gdb.write("    (its stack hibernates)\n")
    elif not running_on(job) and sched is not None:
        for number, frame in enumerate(parked.frames(int(job["context"]["sp"]))):
            show_frame(number, frame)
    else:
        show_thread(sched["host"].dereference() if sched is not None else job)


class Green(gdb.Command):
    """Commands on the workers of a program that uses green: green tasks, green bt."""

    def __init__(self):
        super().__init__("green", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class GreenTasks(gdb.Command):
    """List every worker: id, kind, name, state, what it waits for, and where it was spawned."""

    def __init__(self):
        super().__init__("green tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for job, _ in workers():
            gdb.write(describe(job) + "\n")


class GreenBt(gdb.Command):
    """Show the backtrace of the worker with an id, or of all tasks: green bt ID|all."""

    def __init__(self):
        super().__init__("green bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        if wanted != "all" and not wanted.isdigit():
            raise gdb.GdbError("usage: green bt ID|all")
        check_machine()
        found = False
        for job, sched in list(workers()):
            if wanted == "all" and sched is not None or wanted == str(int(job["id"])):
                backtrace(job, sched)
                found = True
        if not found and wanted != "all":
            raise gdb.GdbError("no worker has the id " + wanted)


Green()
GreenTasks()
GreenBt()
