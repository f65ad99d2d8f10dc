"""test_gdb.py PROGRAM: the gdb commands on a program that has stopped."""

import pathlib
import re
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).with_name("mutirao_threads.py")


def gdb(*arguments):
    done = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-x", SCRIPT, *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def check(output, number):
    listed = re.search(r"runtime 1: 4 threads\n(( +\d+ .*\n)+)", output)
    assert listed, output
    lines = listed.group(1)
    assert re.search(r" 1  main: running, on thread \d+ of gdb", lines), lines
    assert re.search(rf" {number}    receiver: parked, waits for channel 0x", lines), lines
    assert re.search(r" \d+    parent: parked, waits for the threads of its scope", lines), lines
    assert re.search(r" \d+      child: parked, waits for semaphore 0x", lines), lines
    # Down to the first function of the thread, and no further.
    stack = output[output.rindex("receiver: parked"):]
    assert stack.count("waits_for_a_number") == 3, stack
    assert "channel<int>::receive" in stack, stack
    assert "run_thread" in stack and "Backtrace stopped" not in stack, stack


def main(program):
    output = gdb("-ex", "run", "-ex", "mutirao threads", "-ex", "mutirao bt 2", "-ex", "continue", "--args", program)
    check(output, 2)
    # Nothing was changed by looking: the program ends as it would have.
    assert "exited normally" in output, output
    assert "no user threads of Mutirão" in gdb("-ex", "mutirao threads", "/bin/true")


main(sys.argv[1])
print("ok")
