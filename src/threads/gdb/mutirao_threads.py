"""User threads in gdb, in a running program or a core file of the kernel's, with or without debug information.

  (gdb) source src/threads/gdb/mutirao_threads.py
  (gdb) mutirao threads        lists them: number, state, what each waits for, indented by scope
  (gdb) mutirao bt NUMBER      the stack of one that is not running

A parked thread is a stack that no kernel thread is on: gdb doesn't know it. The program says where
things lie (mutirao_threads_layout, debugger.cc), and a parked stack is shown by an unwinder that
lets it appear to call the innermost frame; so nothing in the program is changed.

A core file that gdb itself writes (gcore) lacks the stacks beside guards, which it can't read over; the kernel's has them.
"""

import struct

import gdb
import gdb.unwinder

LAYOUT = ("version runtime_next runtime_main thread_id thread_name thread_phase thread_wait_for thread_wait_object"
          " thread_wait_detail thread_scopes thread_next_sibling thread_stack_low thread_stack_size scope_first"
          " scope_next_made saved_stack phases waits").split()


UNKNOWN = (1 << 64) - 1


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return struct.unpack("<Q", read(address, 8))[0]


def text(address):
    size = word(address + 8)
    return read(word(address), min(size, 200)).decode(errors="replace")


def words_at(address):
    line = b""
    while not line.endswith(b"\0"):
        line += read(address + len(line), 1)
    return line[:-1].decode().split(",")


def symbol(name):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long) &{name}"))
    except gdb.error as error:
        raise gdb.GdbError(f"this program has no user threads of Mutirão, or does not run yet ({error})")


class Layout:
    def __init__(self):
        at = symbol("mutirao_threads_layout")
        for index, name in enumerate(LAYOUT):
            setattr(self, name, word(at + 8 * index))
        if self.version != 1:
            raise gdb.GdbError(f"the program has layout {self.version}, this script knows 1: use the script of its sources")
        self.phases = words_at(self.phases)
        self.waits = words_at(self.waits)


class Thread:
    def __init__(self, layout, at, depth):
        self.at, self.depth = at, depth
        self.id = word(at + layout.thread_id)
        self.name = text(at + layout.thread_name)
        self.state = layout.phases[read(at + layout.thread_phase, 1)[0]]
        self.low = word(at + layout.thread_stack_low)
        self.end = self.low + word(at + layout.thread_stack_size)
        self.wait = ""
        if self.state in ("parked", "blocked"):
            self.wait = layout.waits[read(at + layout.thread_wait_for, 1)[0]]
            subject = word(at + layout.thread_wait_object)
            if self.wait.endswith("descriptor"):
                self.wait += f" {word(at + layout.thread_wait_detail)}"
            elif subject and "scope" not in self.wait:
                self.wait += f" {subject:#x}"

    def line(self, lwps):
        waits = f", waits for {self.wait}" if self.wait else ""
        lwp = next((f", on thread {number} of gdb" for number, pointer in lwps if self.low <= pointer < self.end), "")
        return f"{self.id:>6}  {'  ' * self.depth}{self.name}: {self.state}{waits}{lwp}"


def threads_below(layout, at, depth):
    """A thread and those in the scopes made on it; no recursion, for programs that nest deeply."""
    open_ends = [(at, depth)]
    while open_ends:
        at, depth = open_ends.pop()
        yield Thread(layout, at, depth)
        children = []
        scope = word(at + layout.thread_scopes)
        while scope:
            child = word(scope + layout.scope_first)
            while child:
                children.append((child, depth + 1))
                child = word(child + layout.thread_next_sibling)
            scope = word(scope + layout.scope_next_made)
        open_ends += children


def runtimes(layout):
    runtime = word(symbol("mutirao_threads_first_runtime"))
    while runtime:
        main = word(runtime + layout.runtime_main)
        if main:
            yield list(threads_below(layout, main, 0))
        runtime = word(runtime + layout.runtime_next)


def stack_pointers():
    """(number of gdb's thread, its stack pointer) for each kernel thread."""
    chosen = gdb.selected_thread()
    pointers = []
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        pointers.append((thread.num, int(gdb.newest_frame().read_register("rsp"))))
    if chosen is not None:
        chosen.switch()
    return pointers


class ParkedStack(gdb.unwinder.Unwinder):
    """Lets a parked stack appear to have called the innermost frame, while one is asked for."""

    def __init__(self):
        super().__init__("mutirao parked stack")
        self.registers = None

    def __call__(self, pending):
        if self.registers is None or int(pending.read_register("rsp")) != self.innermost:
            return None
        pointer, frame, counter = self.registers
        unwind = pending.create_unwind_info(FrameId(gdb.Value(pointer), gdb.Value(counter)))
        for name, value in (("rsp", pointer), ("rbp", frame), ("rip", counter)):
            unwind.add_saved_register(name, gdb.Value(value).cast(pending.read_register(name).type))
        return unwind

    def backtrace(self, registers):
        self.innermost = int(gdb.newest_frame().read_register("rsp"))
        self.registers = registers
        gdb.invalidate_cached_frames()
        try:
            lines = gdb.execute("backtrace", to_string=True).splitlines()
        finally:
            self.registers = None
            gdb.invalidate_cached_frames()
        # The frame that stands in front is not of this stack.
        return [line for line in lines if not line.startswith("#0 ")]


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


PARKED = ParkedStack()
gdb.unwinder.register_unwinder(None, PARKED, replace=True)


class Mutirao(gdb.Command):
    """User threads of Mutirão: mutirao threads, mutirao bt NUMBER."""

    def __init__(self):
        super().__init__("mutirao", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Threads(gdb.Command):
    """List the user threads: number, name, state, what each waits for; indented by scope."""

    def __init__(self):
        super().__init__("mutirao threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        lwps = stack_pointers()
        for number, threads in enumerate(runtimes(Layout())):
            gdb.write(f"runtime {number + 1}: {len(threads)} threads\n")
            for thread in threads:
                gdb.write(thread.line(lwps) + "\n")


class Backtrace(gdb.Command):
    """The stack of a user thread that is not running: mutirao bt NUMBER."""

    def __init__(self):
        super().__init__("mutirao bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        layout = Layout()
        try:
            number = int(argument)
        except ValueError:
            raise gdb.GdbError("mutirao bt NUMBER: the number that mutirao threads prints")
        found = [thread for threads in runtimes(layout) for thread in threads if thread.id == number]
        if not found:
            raise gdb.GdbError(f"no user thread has the number {number}")
        if layout.saved_stack == UNKNOWN:
            raise gdb.GdbError("this program switches stacks by Boost.Context, whose layout is not known here")
        for thread in found:
            gdb.write(thread.line(stack_pointers()) + "\n")
            if thread.state in ("running", "blocked"):
                gdb.write("it is on an LWP: use bt on that thread of gdb\n")
                continue
            at = thread.at + layout.saved_stack
            gdb.write("\n".join(PARKED.backtrace((word(at), word(at + 8), word(at + 16)))) + "\n")


Mutirao()
Threads()
Backtrace()
