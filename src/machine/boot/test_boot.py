#!/usr/bin/env python3
"""test_boot.py MACHINE_BOOT STORY | --list: boots Debian's unmodified kernel, and says what must happen.

The kernel and the initramfs come from packaging/guests/fetch; without them a story is skipped (exit
code 77).
"""
import hashlib
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROMPT = "~ # "


def guest():
    fetched = subprocess.run([ROOT / "packaging/guests/fetch"], capture_output=True, text=True)
    if fetched.returncode != 0:
        print(f"no guest to boot: {fetched.stderr.strip()}")
        sys.exit(77)
    return dict(line.split(" ", 1) for line in fetched.stdout.splitlines())


def boot(program, line, *options, console="ttyS0"):
    files = guest()
    command = [program, "--kernel", files["kernel"], "--initrd", files["initrd"], "--append", f"console={console} quiet",
               "--until", PROMPT, "--type", line, "--instructions", "4000", *options]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace")
    print(run.stdout[-3000:], run.stderr)
    assert run.returncode == 0, f"it ended with {run.returncode}"
    return run


def boots_to_a_shell_and_powers_off(program):
    run = boot(program, "uname -m; cat /proc/cpuinfo; poweroff -f")
    assert "userspace after" in run.stdout
    assert "\nriscv64" in run.stdout.replace("\r", "")
    assert "sv48" in run.stdout
    assert "Call trace" not in run.stdout


def boots_by_every_engine(program):
    for engine in ("interp", "jit", "audit"):
        run = boot(program, "uname -m; md5sum /bin/busybox; poweroff -f", "--engine", engine)
        assert "\nriscv64" in run.stdout.replace("\r", ""), engine


def boots_several_processors(program):
    run = boot(program, "grep -c ^processor /proc/cpuinfo; poweroff -f", "--cpus", "3")
    assert re.search(r"^3\r?$", run.stdout, re.MULTILINE), "not all of them are there"


def talks_over_virtio(program):
    run = boot(program, "ls /sys/bus/virtio/devices; poweroff -f", "--console", "virtio", console="hvc0")
    assert "virtio0" in run.stdout.split("/sys/bus/virtio/devices")[-1], "the kernel found no virtio device"


def is_the_same_to_the_last_byte_for_the_same_seed(program):
    line = "dd if=/dev/urandom bs=64 count=1 2>/dev/null | md5sum; poweroff -f"
    def once(seed):
        run = boot(program, line, "--deterministic", seed)
        instructions = re.search(r"(\d+) instructions", run.stderr).group(1)
        return instructions, hashlib.sha256(run.stdout.encode()).hexdigest()
    assert once("1") == once("1"), "two runs of one seed differ"
    assert once("1") != once("2"), "the seed changes nothing"


STORIES = {story.__name__: story for story in (boots_to_a_shell_and_powers_off, boots_by_every_engine, boots_several_processors, talks_over_virtio,
                                               is_the_same_to_the_last_byte_for_the_same_seed)}

if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(STORIES))
    else:
        STORIES[sys.argv[2]](sys.argv[1])
