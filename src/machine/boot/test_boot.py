#!/usr/bin/env python3
"""test_boot.py MACHINE_BOOT STORY | --list: boots Debian's unmodified kernel, and says what must happen.

The kernel and the initramfs come from packaging/guests/fetch, and a whole Debian from packaging/guests/rootfs if
that has made one; without them a story is skipped (exit code 77).
"""
import hashlib
import http.server
import importlib.machinery
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROMPT = "~ # "
# DAMON lives off the bits that say a page was looked at, which engines set at different times, as processors do: where
# engines are compared, the guest is without it.
SAME_BY_ALL_ENGINES = "console=ttyS0 damon_stat.enabled=0"


def told_by(*command):
    told = subprocess.run(command, capture_output=True, text=True)
    if told.returncode != 0:
        print(f"no guest to boot: {told.stderr.strip()}")
        sys.exit(77)
    return dict(line.split(" ", 1) for line in told.stdout.splitlines())


def guest():
    return told_by(ROOT / "packaging/guests/fetch")


def debian():
    return told_by(ROOT / "packaging/guests/rootfs", "--cached")


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


def firmwares():
    """Options for each: the machine's own, and OpenSBI where Debian's package qemu-system-data is."""
    opensbi = pathlib.Path("/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin")
    return [()] + ([("--firmware", opensbi)] if opensbi.exists() else [])


def boots_by_every_engine(program):
    for firmware in firmwares():
        for engine in ("interp", "jit", "audit"):
            run = boot(program, "uname -m; md5sum /bin/busybox; poweroff -f", *firmware, "--engine", engine,
                       append=SAME_BY_ALL_ENGINES)
            assert "\nriscv64" in run.stdout.replace("\r", ""), engine
            assert firmware == () or "OpenSBI" in run.stdout


def starts_a_disk_image_with_the_kernel_on_it_by_a_boot_loader(program):
    made = told_by(ROOT / "packaging/guests/image")
    for firmware in firmwares():
        # OpenSBI 1.1 lets a processor start and then says where: one that has not slept since the others came goes
        # elsewhere when the host takes its time in between.
        cpus = "1" if firmware else "2"
        run = subprocess.run([program, *firmware, "--loader", made["loader"], "--disk", made["image"], "--snapshot", "--cpus", cpus,
                              "--until", PROMPT, "--type", "cat /proc/cmdline; poweroff -f", "--instructions", "60000"],
                             capture_output=True, text=True, errors="replace")
        print(run.stdout[-3000:], run.stderr)
        assert run.returncode == 0, f"it ended with {run.returncode}"
        assert "Found /boot/extlinux/extlinux.conf" in run.stdout
        assert "\nconsole=ttyS0 quiet\n" in run.stdout.replace("\r", "")
        assert firmware == () or "OpenSBI" in run.stdout


def boots_several_processors(program):
    # Processors that wait for each other spin: how many instructions that takes, the load of the host says.
    run = boot(program, "grep -c ^processor /proc/cpuinfo; poweroff -f", "--cpus", "3", "--instructions", "60000")
    assert re.search(r"^3\r?$", run.stdout, re.MULTILINE), "not all of them are there"


def processor_seconds(program, line):
    before = os.times()
    run = boot(program, line, "--cpus", "2", "--memory", "512", "--instructions", "60000")
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system), run


def runs_two_processors_as_fast_as_two(program):
    """Two jobs, one after the other and at the same time: with both harts at work all along, the speed-up is twice
    the ratio of the processor time that they take, however busy the host is."""
    prepare = "dd if=/dev/urandom of=/f bs=1M count=16 2>/dev/null; job() { gzip -c /f | md5sum; sort /proc/kallsyms | md5sum; }; "
    busy = "head -1 /proc/stat; "
    boot_alone, _ = processor_seconds(program, prepare + "poweroff -f")
    one, _ = processor_seconds(program, prepare + "job; job; poweroff -f")
    both, run = processor_seconds(program, prepare + busy + "job & job & wait; " + busy + "poweroff -f")
    sums = re.findall(r"^([0-9a-f]{32})  -", run.stdout, re.MULTILINE)
    assert len(sums) == 4 and len(set(sums)) == 2, "the jobs did not do the same"
    first, last = ([int(n) for n in each.split()] for each in re.findall(r"^cpu  ([0-9 ]+)", run.stdout, re.MULTILINE))
    ticks = [b - a for a, b in zip(first, last)]
    idle = ticks[3] / sum(ticks)
    speed_up = 2 * (one - boot_alone) / (both - boot_alone) * (1 - idle)
    print(f"boot {boot_alone:.2f} s, two jobs in turn {one:.2f} s, at once {both:.2f} s of processor time, "
          f"{100 * idle:.0f} % idle: {speed_up:.2f} times as fast")
    assert speed_up >= 1.5


def runs_more_processors_than_the_host_has(program):
    line = "dd if=/dev/zero of=/f bs=1M count=4 2>/dev/null; for i in 1 2 3 4; do (md5sum /f; gzip -c /f | md5sum) & done; wait; poweroff -f"
    run = boot(program, line, "--cpus", "4", "--memory", "256", "--instructions", "60000")
    sums = re.findall(r"^([0-9a-f]{32})  ", run.stdout, re.MULTILINE)
    assert len(sums) == 8 and len(set(sums)) == 2, "the jobs did not do the same"


def talks_over_virtio(program):
    run = boot(program, "ls /sys/bus/virtio/devices; poweroff -f", "--console", "virtio", append="console=hvc0")
    assert "virtio0" in run.stdout.split("/sys/bus/virtio/devices")[-1], "the kernel found no virtio device"


def make_disk(folder):
    image = pathlib.Path(folder) / "disk.ext4"
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", image, "16M"], check=True)
    return image


def keeps_what_was_written_to_a_disk(program):
    with tempfile.TemporaryDirectory() as folder:
        image = make_disk(folder)
        run = boot(program, "mount /dev/vda /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=40 2>/dev/null && "
                   "md5sum /mnt/file && umount /mnt; poweroff -f", "--disk", image, append="console=ttyS0 guest_modules")
        told = re.search(r"^([0-9a-f]{32})  /mnt/file", run.stdout, re.MULTILINE)
        assert told, "the file could not be written"
        subprocess.run(["e2fsck", "-fn", image], check=True)
        content = subprocess.run(["debugfs", "-R", "cat file", image], capture_output=True, check=True).stdout
        assert len(content) == 40 << 16 and hashlib.md5(content).hexdigest() == told.group(1)


def leaves_a_disk_as_it_is_under_an_overlay(program):
    with tempfile.TemporaryDirectory() as folder:
        image = make_disk(folder)
        before = hashlib.sha256(image.read_bytes()).digest()
        overlay, profile = pathlib.Path(folder) / "overlay", pathlib.Path(folder) / "profile"
        write = "mount /dev/vda /mnt && echo kept > /mnt/file && umount /mnt; poweroff -f"
        look = "mount /dev/vda /mnt && ls -a /mnt; cat /mnt/file; poweroff -f"
        def run(line, *options):
            return boot(program, line, "--disk", image, *options, append="console=ttyS0 guest_modules").stdout.replace("\r", "")
        run(write, "--snapshot")
        assert "\nkept\n" not in run(look, "--snapshot"), "what was written lasted"
        run(write, "--overlay", overlay, "--profile", profile)
        assert "\nkept\n" in run(look, "--overlay", overlay), "what was written is lost"
        assert hashlib.sha256(image.read_bytes()).digest() == before, "the disk was written to"
        assert overlay.stat().st_blocks * 512 < 2 << 20, "the overlay is not sparse"
        parts = profile.read_text().split()
        assert "0" in parts and len(parts) == len(set(parts)) < 1024


def tells_the_guest_when_the_disk_of_the_host_is_full(program):
    with tempfile.TemporaryDirectory() as folder:
        image, small = pathlib.Path(folder) / "image", pathlib.Path(folder) / "small"
        image.touch()
        os.truncate(image, 64 << 20)
        small.mkdir()
        own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        in_little = [*own, "sh", "-c", 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"', small, program]
        files = guest()
        line = ("dd if=/dev/zero of=/dev/vda bs=1M count=32 conv=fsync; echo wrote $?;"
                "dd if=/dev/vda of=/dev/null bs=1M && echo re''ad; poweroff -f")
        run = run_program(*in_little, "--kernel", files["kernel"], "--initrd", files["initrd"], "--append",
                          "console=ttyS0 guest_modules", "--disk", image, "--overlay", small / "overlay",
                          "--until", PROMPT, "--type", line, "--instructions", "8000")
        said = run.stdout.replace("\r", "")
        assert "\nwrote 1\n" in said and "I/O error" in said, "the guest takes for written what is not"
        assert "\nread\n" in said, "what was written before can't be read"


def log_in(program, append, *options):
    """Boots Debian with systemd, logs in, and powers off; gives what it said to a few questions."""
    files = guest()
    # The other console of the machine would say "login:" too.
    append = f"console=ttyS0 quiet panic=-1 systemd.mask=serial-getty@hvc0.service {append}"
    ask = "echo; cat /proc/mounts; echo state: $(systemctl is-system-running --wait); poweroff"
    command = [program, "--kernel", files["kernel"], "--append", append, "--memory", "1024", "--instructions", "60000",
               "--until", "login: ", "--type", "root", "--until", ":~# ", "--type", ask, "--json", *options]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace")
    print(run.stdout[-5000:], run.stderr)
    assert run.returncode == 0, f"it ended with {run.returncode}"
    said = run.stdout.replace("\r", "")
    assert "\nstate: running\n" in said, "some unit failed"
    assert "Call trace" not in said
    keeps_to_its_memory(run)
    return said


def boots_debian_to_its_login(program):
    said = log_in(program, "root=/dev/vda", "--initrd", guest()["initrd"], "--disk", debian()["image"], "--snapshot")
    assert "\n/dev/vda / ext4 rw" in said
    # And without a disk, an initramfs or a module.
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "root"
        subprocess.run(["cp", "-a", debian()["folder"], root], check=True)
        said = log_in(program, "root=debian rootfstype=virtiofs rw", "--share", f"{root}:debian")
        assert "\ndebian / virtiofs rw" in said
        assert any((root / "var/log/journal").glob("*/system.journal")), "its journal is not in the folder"


def shares_folders_with_the_host(program):
    with tempfile.TemporaryDirectory() as folder:
        shared, given = pathlib.Path(folder) / "shared", pathlib.Path(folder) / "given"
        for each in (shared, given):
            each.mkdir()
        (given / "file").write_text("from the host\n")
        (given / "out").symlink_to("/")
        run = boot(program, "mkdir /mnt/a /mnt/b; mount -t virtiofs one /mnt/a; mount -t virtiofs two /mnt/b; cat /mnt/b/file;"
                   "echo no > /mnt/b/file; ls /mnt/b/out/init; dd if=/dev/urandom of=/mnt/a/data bs=64k count=40 2>/dev/null;"
                   "mkdir /mnt/a/deep; md5sum /mnt/a/data; poweroff -f",
                   "--share", f"{shared}:one", "--share", f"{given}:two:ro")
        said = run.stdout.replace("\r", "")
        assert "\nfrom the host\n" in said
        assert "Read-only file system" in said and (given / "file").read_text() == "from the host\n"
        assert "\n/mnt/b/out/init\n" in said, "a link of the folder leads the guest through its own files"
        told = re.search(r"^([0-9a-f]{32})  /mnt/a/data", said, re.MULTILINE)
        content = (shared / "data").read_bytes()
        assert len(content) == 40 << 16 and hashlib.md5(content).hexdigest() == told.group(1)
        assert (shared / "deep").is_dir()


def reads_images_in_qcow2(program):
    with tempfile.TemporaryDirectory() as folder:
        image = make_disk(folder)
        content = random.Random(1).randbytes(1 << 20) + b"text " * 100000
        (pathlib.Path(folder) / "content").write_bytes(content)
        subprocess.run(["debugfs", "-w", "-R", f"write {folder}/content file", image], check=True, capture_output=True)
        for options in ([], ["-c"], ["-c", "-o", "compression_type=zstd,cluster_size=4k"]):
            converted = pathlib.Path(folder) / "disk.qcow2"
            subprocess.run(["qemu-img", "convert", "-O", "qcow2", *options, image, converted], check=True)
            before = hashlib.sha256(converted.read_bytes()).digest()
            run = boot(program, "mount /dev/vda /mnt && md5sum /mnt/file && echo more > /mnt/other && umount /mnt; poweroff -f",
                       "--disk", converted, "--snapshot", append="console=ttyS0 guest_modules")
            assert f"{hashlib.md5(content).hexdigest()}  /mnt/file" in run.stdout, options
            assert hashlib.sha256(converted.read_bytes()).digest() == before


def merged(image, overlay, output):
    """What a guest sees, as one image; the layout is in src/machine/src/block/overlay_layout.h."""
    block = 4096
    disk, over = bytearray(image.read_bytes()), overlay.read_bytes()
    assert over[:8] == b"MUTIOVER" and int.from_bytes(over[16:24], "little") == len(disk)
    bitmap_bytes = (len(disk) // block + 7) // 8
    data = block + -(-bitmap_bytes // block) * block
    for number in range(len(disk) // block):
        if over[block + number // 8] >> number % 8 & 1:
            begin = number * block
            disk[begin:begin + block] = over[data + begin:data + begin + block]
    output.write_bytes(disk)


def keeps_what_was_synced_when_it_is_killed(program):
    rounds = int(os.environ.get("MUTIRAO_KILLS", "12"))
    seed = int(os.environ.get("MUTIRAO_SEED", "1"))
    chance = random.Random(seed)
    files = guest()
    with tempfile.TemporaryDirectory() as folder:
        image = make_disk(folder)
        overlay, whole = pathlib.Path(folder) / "overlay", pathlib.Path(folder) / "whole"
        kept = 0
        for number in range(rounds):
            line = ("mount /dev/vda /mnt; rm -f /mnt/*; i=0; while :; do dd if=/dev/urandom of=/mnt/f$i bs=4k "
                    "count=$((1+i%20)) 2>/dev/null; sync; md5sum /mnt/f$i; rm -f /mnt/f$((i-30)); i=$((i+1)); done")
            run = subprocess.Popen([program, "--kernel", files["kernel"], "--initrd", files["initrd"], "--append",
                                    "console=ttyS0 guest_modules quiet", "--until", PROMPT, "--type", line,
                                    "--disk", image, "--overlay", overlay], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
            told, wanted = {}, chance.randrange(1, 60)
            for text in run.stdout:
                found = re.match(rb"([0-9a-f]{32})  /mnt/f(\d+)\s*$", text)
                if found:
                    told[int(found.group(2))] = found.group(1).decode()
                if len(told) == wanted:
                    break
            time.sleep(chance.uniform(0, 0.1))
            run.kill()
            # Lines that were on their way are not waited for: what they tell was synced all the same.
            run.communicate()
            assert len(told) == wanted, f"the guest stopped after {len(told)} files"
            merged(image, overlay, whole)
            subprocess.run(["e2fsck", "-E", "journal_only", "-y", whole], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            check = subprocess.run(["e2fsck", "-fn", whole], capture_output=True, text=True)
            assert check.returncode == 0, f"seed {seed}, kill {number}: {check.stdout}"
            # The last of them may be going already: the guest went on until it was killed.
            for name in range(max(0, wanted - 5), wanted):
                content = subprocess.run(["debugfs", "-R", f"cat f{name}", whole], capture_output=True, check=True).stdout
                assert hashlib.md5(content).hexdigest() == told[name], f"seed {seed}, kill {number}: f{name}"
                kept += 1
        print(f"{rounds} times killed: fsck is clean each time, and {kept} files are as they were synced")


class FileServer(http.server.ThreadingHTTPServer):
    """Gives everybody who asks the same bytes, on the loopback of this host."""
    def __init__(self, content):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


GET_ADDRESS = "udhcpc -i eth0 -n -q >/dev/null 2>&1"


def reaches_over_its_network_what_was_allowed_and_nothing_else(program):
    content = random.Random(1).randbytes(50_000_000)
    with FileServer(content) as allowed, FileServer(b"secret") as other:
        line = (f"{GET_ADDRESS}; ip -4 addr show eth0; wget -q -O /tmp/f http://10.0.2.2:{allowed.server_port}/; "
                f"sha256sum /tmp/f; wget -O - http://10.0.2.2:{other.server_port}/; wget -O - http://127.0.0.1/; poweroff -f")
        run = boot(program, line, "--allow", f"127.0.0.1:{allowed.server_port}", "--instructions", "20000",
                   append="console=ttyS0 guest_modules")
    assert "inet 10.0.2.15/24" in run.stdout, "DHCP gave it no address"
    assert hashlib.sha256(content).hexdigest() in run.stdout, "the file is not the one that the host has"
    assert "No route to host" in run.stdout, "it was not told that it may not"
    assert "secret" not in run.stdout, "it reached what was not allowed"


def is_reached_through_a_published_port(program):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = guest()
    content = random.Random(2).randbytes(20_000_000)
    line = (f"{GET_ADDRESS}; nc -l -p 22 >/tmp/f </dev/null & sleep 2; echo ready'.'; wait; sha256sum /tmp/f; "
            "nc -l -p 22 </tmp/f; poweroff -f")
    run = subprocess.Popen([program, "--kernel", files["kernel"], "--initrd", files["initrd"], "--append",
                            "console=ttyS0 guest_modules quiet", "--until", PROMPT, "--type", line,
                            "--publish", f"{port}:22"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    told = b""
    def wait_for(text):
        nonlocal told
        while text not in told:
            more = run.stdout.readline()
            assert more, f"it ended without saying {text}: {told[-2000:]}"
            told += more
    try:
        wait_for(b"ready.\r\n")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        wait_for(hashlib.sha256(content).hexdigest().encode())
        came = b""
        while not came:  # perhaps nobody listens yet
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    came = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            except ConnectionError:
                pass
        assert came == content, f"{len(came)} bytes came back, and not those that were sent"
        told += run.communicate(timeout=60)[0]
        assert run.returncode == 0
    finally:
        run.kill()


def is_the_same_to_the_last_byte_for_the_same_seed(program):
    line = "dd if=/dev/urandom bs=64 count=1 2>/dev/null | md5sum; poweroff -f"
    def once(seed):
        run = boot(program, line, "--deterministic", seed)
        instructions = re.search(r"(\d+) instructions", run.stderr).group(1)
        return instructions, hashlib.sha256(run.stdout.encode()).hexdigest()
    first = once("1")
    assert once("1") == first, "two runs of one seed differ"
    assert once("2") != first, "the seed changes nothing"


def with_program(folder, initrd, source):
    """An initramfs that has a C program besides, in /bin."""
    program = pathlib.Path(folder) / source.stem
    try:
        subprocess.run(["riscv64-linux-gnu-gcc", "-O2", "-static", "-o", program, source], check=True)
    except FileNotFoundError:
        print("no compiler for the guest's programs: apt-get install gcc-riscv64-linux-gnu")
        sys.exit(77)
    maker = importlib.machinery.SourceFileLoader("initramfs", str(ROOT / "packaging/guests/initramfs")).load_module()
    more = maker.entry(1, f"bin/{source.stem}", maker.FILE | 0o755, program.read_bytes()) + maker.entry(0, "TRAILER!!!", 0)
    both = pathlib.Path(folder) / "initrd"
    both.write_bytes(pathlib.Path(initrd).read_bytes() + more)
    return both


def talks_with_programs_of_the_host_over_virtio_sockets(program):
    content = random.Random(3).randbytes(5_000_000)
    files = guest()
    def send_and_get_back(connection):
        sender = threading.Thread(target=lambda: (connection.sendall(content), connection.shutdown(socket.SHUT_WR)))
        sender.start()
        came = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        sender.join()
        assert came == content, f"{len(came)} bytes came back, and not those that were sent"
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/vsock"
        listener.bind(f"{path}_52")
        listener.listen()
        listener.settimeout(120)
        initrd = with_program(folder, files["initrd"], ROOT / "src/machine/boot/vsock_echo.c")
        line = "vsock_echo call 53; vsock_echo call 52 && vsock_echo answer 22 && echo both went'.'; poweroff -f"
        run = subprocess.Popen([program, "--kernel", files["kernel"], "--initrd", initrd, "--append",
                                "console=ttyS0 guest_modules quiet", "--until", PROMPT, "--type", line, "--vsock", path],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                send_and_get_back(connection)
            while True:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(60)
                    connection.connect(path)
                    connection.sendall(b"CONNECT 22\n")
                    if not connection.recv(32).startswith(b"OK "):
                        continue  # nobody listens yet
                    send_and_get_back(connection)
                    break
            told = run.communicate(timeout=60)[0].decode(errors="replace")
        finally:
            run.kill()
        print(told[-2000:])
        assert "connect: Connection reset by peer" in told, "it reached a port for which nobody listens"
        assert "both went." in told and run.returncode == 0


def summary(run):
    return json.loads(run.stderr.strip().splitlines()[-1])


def keeps_to_its_memory(run):
    told = summary(run)
    print(f"{told['monitor_mib']:.0f} MiB beside {told['guest_mib']:.0f} MiB of the guest")
    assert told["monitor_mib"] <= 128, "the monitor takes too much memory"


def run_program(program, *arguments):
    run = subprocess.run([program, *arguments], capture_output=True, text=True, errors="replace")
    print(run.stdout[-2000:], run.stderr)
    assert run.returncode == 0, f"it ended with {run.returncode}"
    return run


def goes_on_from_a_snapshot_to_the_last_byte(program):
    files = guest()
    machine = ["--kernel", files["kernel"], "--initrd", files["initrd"], "--append", f"{SAME_BY_ALL_ENGINES} quiet",
               "--deterministic", "5"]
    type_it = ["--until", PROMPT, "--type", "md5sum /bin/busybox; poweroff -f"]
    with tempfile.TemporaryDirectory() as folder:
        snapshot = pathlib.Path(folder) / "snapshot"
        count = lambda run: re.search(r"(\d+) instructions", run.stderr).group(1)
        whole = run_program(program, *machine, *type_it)
        first = run_program(program, *machine, "--instructions", "400", "--save", snapshot)
        assert snapshot.stat().st_blocks * 512 < 150 << 20, "pages of zeros take space"
        for engine in ("jit", "interp"):
            rest = run_program(program, "--restore", snapshot, *type_it, "--engine", engine, "--check-memory")
            assert first.stdout + rest.stdout == whole.stdout, f"{engine}: the console says something else"
            assert count(rest) == count(whole), engine


def restores_a_gigabyte_at_once(program):
    files = guest()
    with tempfile.TemporaryDirectory() as folder:
        image, overlay, snapshot = make_disk(folder), pathlib.Path(folder) / "overlay", pathlib.Path(folder) / "snapshot"
        disk = ["--disk", image, "--overlay", overlay]
        run_program(program, "--kernel", files["kernel"], "--initrd", files["initrd"], "--append", "console=ttyS0 quiet guest_modules",
                    "--memory", "1024", "--cpus", "2", *disk, "--until", PROMPT,
                    "--type", "mount /dev/vda /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=20 2>/dev/null; md5sum /mnt/file; echo re''ady",
                    "--until", "ready", "--save", snapshot)
        run = run_program(program, "--restore", snapshot, *disk, "--json", "--type",
                          "md5sum /mnt/file; echo 3 >/proc/sys/vm/drop_caches; md5sum /mnt/file; grep -c ^processor /proc/cpuinfo; umount /mnt; poweroff -f")
        sums = re.findall(r"([0-9a-f]{32})  /mnt/file", run.stdout)
        assert len(sums) == 2 and len(set(sums)) == 1, "the disk is another"
        assert re.search(r"^2\r?$", run.stdout, re.MULTILINE)
        told = summary(run)
        print(f"{told['first_instruction_ms']:.0f} ms to the first instruction of a guest with 1 GiB")
        assert told["first_instruction_ms"] < 200
        other = subprocess.run([program, "--restore", snapshot, "--disk", image, "--snapshot"], capture_output=True, text=True)
        assert other.returncode == 2 and "disk 0 is not the one" in other.stderr, other.stderr


class SlowServer(FileServer):
    """Gives some of what it has, and the rest when it is told to."""
    def __init__(self, content, at_once):
        super().__init__(content)
        go_on = self.go_on = threading.Event()
        def do_GET(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[:at_once])
            go_on.wait(120)
            try:
                handler.wfile.write(content[at_once:])
            except OSError:
                pass  # whoever asked is gone
        self.RequestHandlerClass.do_GET = do_GET


def goes_on_in_another_process_in_the_middle_of_its_work(program):
    """Its network, a folder with files that are open, and a socket to the host."""
    files = guest()
    content = random.Random(4).randbytes(3_000_000)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener, \
         SlowServer(content, 500_000) as server:
        place = pathlib.Path(folder)
        shared, snapshot, path = place / "shared", place / "snapshot", f"{folder}/vsock"
        (shared / "deep").mkdir(parents=True)
        (shared / "deep/lines").write_text("first line\nsecond line\n")
        (shared / "doomed").write_text("doomed\n")
        listener.bind(f"{path}_52")
        listener.listen()
        initrd = with_program(folder, files["initrd"], ROOT / "src/machine/boot/vsock_echo.c")
        outside = ["--share", f"{shared}:here", "--allow", f"127.0.0.1:{server.server_port}", "--vsock", path]
        work = (f"{GET_ADDRESS}; mount -t virtiofs here /mnt; cd /mnt/deep; exec 3<lines 4>>log 5<../doomed; read a <&3; echo $a >&4; "
                f"url=http://10.0.2.2:{server.server_port}/; (wget -q -O /tmp/f $url 2>/tmp/wget; echo $? >/tmp/wget_code) & "
                "(vsock_echo call 52 2>/tmp/vsock; echo $? >/tmp/vsock_code) & ping 10.0.2.2 >/tmp/pings & sleep 3; echo re''ady")
        run_program(program, "--kernel", files["kernel"], "--initrd", initrd, "--append", "console=ttyS0 guest_modules quiet",
                    *outside, "--until", PROMPT, "--type", work, "--until", "ready", "--save", snapshot)
        (shared / "doomed").unlink()
        server.go_on.set()
        on = ("before=$(grep -c seq= /tmp/pings); cat <&3; echo restored >&4; echo new >made; cat <&5; "
              "while [ ! -e /tmp/wget_code -o ! -e /tmp/vsock_code ]; do sleep 0.2; done; cat /tmp/wget /tmp/vsock; sleep 2; "
              "[ $(grep -c seq= /tmp/pings) -gt $before ] && echo still pin''ging; wget -q -O /tmp/g $url; sha256sum /tmp/g; ls /mnt/deep; poweroff -f")
        run = run_program(program, "--restore", snapshot, *outside, "--type", on)
        said = run.stdout.replace("\r", "")
        assert "\nsecond line\n" in said, "a file that was open is not where it was"
        assert (shared / "deep/log").read_text() == "first line\nrestored\n" and (shared / "deep/made").read_text() == "new\n"
        assert "Stale file handle" in said, "it reads a file that is gone"
        assert "reset by peer" in said, "it waits for a download that cannot come"
        assert "still pinging" in said
        assert hashlib.sha256(content).hexdigest() in said, "what it fetches anew is not what the host has"
        without = subprocess.run([program, "--restore", snapshot], capture_output=True, text=True)
        assert without.returncode == 2 and "the machine had a network card" in without.stderr, without.stderr


def goes_on_with_its_root_in_a_folder(program):
    files = guest()
    busybox = sorted((pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "mutirao/guests")
                     .glob("busybox-static_*/root/usr/bin/busybox"))[0]
    with tempfile.TemporaryDirectory() as folder:
        root, snapshot = pathlib.Path(folder) / "root", pathlib.Path(folder) / "snapshot"
        for name in ("bin", "dev", "proc", "tmp"):
            (root / name).mkdir(parents=True)
        subprocess.run(["cp", busybox, root / "bin/busybox"], check=True)
        for name in ("sh", "cat", "ls", "md5sum", "mount", "poweroff", "mkdir", "mv"):
            (root / "bin" / name).symlink_to("busybox")
        share = ["--share", f"{root}:root"]
        run_program(program, "--kernel", files["kernel"], "--append", "console=ttyS0 quiet root=root rootfstype=virtiofs rw init=/bin/sh",
                    *share, "--until", PROMPT, "--type", "mount -t proc none /proc; mkdir /tmp/d; cd /tmp/d; md5sum /bin/busybox; echo re''ady",
                    "--until", "ready", "--save", snapshot)
        run = run_program(program, "--restore", snapshot, *share, "--type",
                          "md5sum /bin/busybox; cat /proc/mounts; echo made >file; mv file /tmp/d/moved; ls /; poweroff -f")
        said = run.stdout.replace("\r", "")
        assert hashlib.md5(busybox.read_bytes()).hexdigest() in said, "its programs are not what they were"
        assert "\nnone /proc proc" in said, "what it had mounted is gone"
        assert (root / "tmp/d/moved").read_text() == "made\n"


def takes_little_memory_beside_that_of_the_guest(program):
    for cpus in ("1", "2"):
        run = boot(program, "find / -xdev -type f | xargs md5sum >/dev/null 2>&1; poweroff -f", "--cpus", cpus, "--json",
                   "--instructions", "60000")
        keeps_to_its_memory(run)


def takes_back_memory_that_the_guest_does_not_need(program):
    def guest_mib(line):
        run = boot(program, line, "--json", append="console=ttyS0 guest_modules")
        assert "virtio_balloon" in run.stdout, "the guest has no driver for its balloon"
        return summary(run)["guest_mib"]
    fill = "ls /sys/bus/virtio/drivers; dd if=/dev/zero of=/file bs=1M count=150 2>/dev/null; "
    # Free pages are reported two seconds after they became so, and then some at a time.
    held, freed = guest_mib(fill + "poweroff -f"), guest_mib(fill + "rm /file; sleep 10; poweroff -f")
    print(f"{held:.0f} MiB of the host with a file in memory, {freed:.0f} MiB after it is gone")
    assert freed < held - 100


def reaches_a_simulated_network_the_same_way_for_the_same_seed(program):
    content = bytes((31 * i + i // 251) & 255 for i in range(2_000_000))
    line = f"{GET_ADDRESS}; wget -q -O /tmp/f http://server/; sha256sum /tmp/f; cat /proc/interrupts; poweroff -f"
    def once(seed):
        run = boot(program, line, "--network", "internet", "--deterministic", "1", "--simulated-network", seed,
                   "--instructions", "20000", append="console=ttyS0 guest_modules")
        assert hashlib.sha256(content).hexdigest() in run.stdout, "the file is not the one that the server has"
        instructions = re.search(r"(\d+) instructions", run.stderr).group(1)
        return instructions, hashlib.sha256(run.stdout.encode()).hexdigest()
    first = once("1")
    assert once("1") == first, "two runs of one seed differ"
    assert once("2") != first, "the seed changes nothing"


STORIES = {story.__name__: story for story in (boots_to_a_shell_and_powers_off, boots_by_every_engine,
                                               starts_a_disk_image_with_the_kernel_on_it_by_a_boot_loader, boots_several_processors,
                                               runs_two_processors_as_fast_as_two, runs_more_processors_than_the_host_has,
                                               goes_on_from_a_snapshot_to_the_last_byte, restores_a_gigabyte_at_once,
                                               goes_on_in_another_process_in_the_middle_of_its_work,
                                               goes_on_with_its_root_in_a_folder,
                                               takes_little_memory_beside_that_of_the_guest,
                                               takes_back_memory_that_the_guest_does_not_need,
                                               talks_over_virtio, keeps_what_was_written_to_a_disk,
                                               leaves_a_disk_as_it_is_under_an_overlay,
                                               tells_the_guest_when_the_disk_of_the_host_is_full, keeps_what_was_synced_when_it_is_killed,
                                               reaches_over_its_network_what_was_allowed_and_nothing_else,
                                               is_reached_through_a_published_port,
                                               talks_with_programs_of_the_host_over_virtio_sockets,
                                               reaches_a_simulated_network_the_same_way_for_the_same_seed,
                                               boots_debian_to_its_login, shares_folders_with_the_host, reads_images_in_qcow2,
                                               is_the_same_to_the_last_byte_for_the_same_seed)}

if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(STORIES))
    else:
        STORIES[sys.argv[2]](sys.argv[1])
