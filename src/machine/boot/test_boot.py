#!/usr/bin/env python3
"""test_boot.py MACHINE_BOOT STORY | --list: boots Debian's unmodified kernel, and says what must happen.

The kernel and the initramfs come from packaging/guests/fetch; without them a story is skipped (exit
code 77).
"""
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROMPT = "~ # "


def guest():
    fetched = subprocess.run([ROOT / "packaging/guests/fetch"], capture_output=True, text=True)
    if fetched.returncode != 0:
        print(f"no guest to boot: {fetched.stderr.strip()}")
        sys.exit(77)
    return dict(line.split(" ", 1) for line in fetched.stdout.splitlines())


def boot(program, line, *options, append="console=ttyS0"):
    files = guest()
    command = [program, "--kernel", files["kernel"], "--initrd", files["initrd"], "--append", f"{append} quiet",
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
    run = boot(program, "ls /sys/bus/virtio/devices; poweroff -f", "--console", "virtio", append="console=hvc0")
    assert "virtio0" in run.stdout.split("/sys/bus/virtio/devices")[-1], "the kernel found no virtio device"


def keeps_what_was_written_to_a_disk(program):
    with tempfile.TemporaryDirectory() as folder:
        image = pathlib.Path(folder) / "disk.ext4"
        os.environ["PATH"] += ":/sbin:/usr/sbin"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", image, "16M"], check=True)
        run = boot(program, "mount /dev/vda /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=40 2>/dev/null && "
                   "md5sum /mnt/file && umount /mnt; poweroff -f", "--disk", image, append="console=ttyS0 guest_modules")
        told = re.search(r"^([0-9a-f]{32})  /mnt/file", run.stdout, re.MULTILINE)
        assert told, "the file could not be written"
        subprocess.run(["e2fsck", "-fn", image], check=True)
        content = subprocess.run(["debugfs", "-R", "cat file", image], capture_output=True, check=True).stdout
        assert len(content) == 40 << 16 and hashlib.md5(content).hexdigest() == told.group(1)


def is_the_same_to_the_last_byte_for_the_same_seed(program):
    line = "dd if=/dev/urandom bs=64 count=1 2>/dev/null | md5sum; poweroff -f"
    def once(seed):
        run = boot(program, line, "--deterministic", seed)
        instructions = re.search(r"(\d+) instructions", run.stderr).group(1)
        return instructions, hashlib.sha256(run.stdout.encode()).hexdigest()
    first = once("1")
    assert once("1") == first, "two runs of one seed differ"
    assert once("2") != first, "the seed changes nothing"


STORIES = {story.__name__: story for story in (boots_to_a_shell_and_powers_off, boots_by_every_engine, boots_several_processors,
                                               talks_over_virtio, keeps_what_was_written_to_a_disk,
                                               is_the_same_to_the_last_byte_for_the_same_seed)}

if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(STORIES))
    else:
        STORIES[sys.argv[2]](sys.argv[1])
