"""What a machine has of the outside, as a user gives it: images that bring their kernel, disks, sockets.

  test_machines.py --mutirao BINARY STORY...     runs those stories
  test_machines.py --list                        names all, one a line

The guests come from packaging/guests; without them a story is skipped.
"""

import hashlib
import importlib.machinery
import os
import pathlib
import shutil
import socket
import subprocess

import test_e2e
from test_e2e import ROOT, TIMEOUT_S, wait_for

PROMPT = "~ # "
OF_A_GUEST = ("--memory", "512", "--isolation", "required")


class Story(test_e2e.Story):
    def guest(self, script):
        made = subprocess.run([ROOT / "packaging/guests" / script], capture_output=True, text=True)
        if made.returncode != 0:
            self.skipTest(f"no guest to boot: {made.stderr.strip()}")
        return dict(line.split(" ", 1) for line in made.stdout.splitlines())

    def kernel(self, append="console=ttyS0 quiet guest_modules"):
        files = self.guest("fetch")
        return ("--kernel", files["kernel"], "--initrd", files["initrd"], "--append", append)

    def say(self, home, line, *words):
        """Boots to the shell, types the line and a power off, and gives what came then."""
        booted = home.start("boot", *words, *OF_A_GUEST, stdin=subprocess.PIPE)
        self.until_output(booted.stdout, PROMPT)
        said, errors = booted.communicate(f"{line}; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertEqual(booted.returncode, 0, errors)
        return said.replace("\r", "")

    def disk(self, home, name):
        path = home.work / name
        subprocess.run(["mke2fs", "-q", "-t", "ext4", path, "16M"], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin"))
        return path

    def sum(self, path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    # --- stories ---------------------------------------------------------------------------------

    def test_an_image_that_brings_its_kernel_is_booted_by_name_alone_and_stays_as_it_is_where_it_shall(self):
        ana = self.home("ana")
        for words, mend in {("x.img", "--append", "quiet"): "leave out --initrd and --append",
                            ("x.img", "--loader", "x", "--kernel", "y"): "leave out --kernel or --loader",
                            ("--vsock", "x.img"): "mutirao boot --vsock --name NAME",
                            ("x.img,overlay=", "--kernel", "y"): "IMAGE,overlay=FILE"}.items():
            self.assertIn(mend, ana.run("boot", *words, code=None).stderr)
        self.assertIn("x.img: No such file", ana.run("boot", "x.img", code=3).stderr)
        if not pathlib.Path("/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin").exists():
            self.disk(ana, "empty.img")
            self.assertIn("try: apt install u-boot-qemu", ana.run("boot", "empty.img", code=3).stderr)
        made = self.guest("image")
        image = ana.work / "system.img"
        subprocess.run(["cp", "--sparse=always", made["image"], image], check=True)
        before = self.sum(image)
        modules = "for m in /modules/*; do insmod $m; done; mount /dev/vda1 /mnt; "
        booted = ("--loader", made["loader"], "--name", "web")
        said = self.say(ana, modules + "ls /mnt; echo kept >/mnt/file", "system.img,overlay=changes", *booted)
        self.assertIn("\nboot", said)
        disk = ana.json("machine", "show", "web")["machine"]["disks"]
        self.assertEqual(disk, [{"image": str(image), "written_to": str(ana.work / "changes"), "kept": True}])
        self.assertEqual(self.sum(image), before)
        # What is written there now is not kept; what was, is read.
        changes = self.sum(ana.work / "changes")
        said = self.say(ana, modules + "cat /mnt/file; echo gone >/mnt/file; sync", "system.img,overlay=changes", "--snapshot", *booted)
        self.assertIn("\nkept\n", said)
        self.assertEqual((self.sum(image), self.sum(ana.work / "changes")), (before, changes))
        self.assertIn("what is written is not kept", ana.run("machine", "show", "web").stdout)
        self.assertEqual(list((ana.state / "machines/web").glob("*.overlay")), [])
        # The image is not what it was: what was written over it fits nothing any more.
        os.utime(image)
        changed = ana.run("boot", "system.img,overlay=changes", *booted, code=None)
        self.assertNotEqual(changed.returncode, 0)
        self.assertIn("changed since the overlay was made", changed.stderr)
        self.assertIn("or remove the overlay", changed.stderr)

    def test_disks_are_written_where_the_user_said_and_over_a_reset(self):
        ana = self.home("ana")
        kernel = self.kernel()
        plain, below = self.disk(ana, "plain"), self.disk(ana, "below")
        qcow2 = shutil.which("qemu-img") is not None
        if qcow2:
            subprocess.run(["qemu-img", "convert", "-O", "qcow2", below, ana.work / "packed"], check=True)
        before = self.sum(below)
        disks = ("--disk", "plain", "--disk", "below,overlay=over") + (("--disk", "packed") if qcow2 else ())
        write = "for d in a b c; do [ ! -b /dev/vd$d ] || { mount /dev/vd$d /mnt; echo $d >/mnt/$d; umount /mnt; }; done"
        read = "for d in a b c; do [ ! -b /dev/vd$d ] || { mount /dev/vd$d /mnt; cat /mnt/$d; umount /mnt; }; done"
        self.say(ana, write, *kernel, *disks)
        said = self.say(ana, read, *kernel, *disks)
        self.assertIn("\na\nb\nc\n" if qcow2 else "\na\nb\n", said)
        self.assertEqual(self.sum(below), before)
        self.assertEqual(qcow2, (ana.work / "packed.overlay").exists())
        # A reset is no end: what is not kept is there until that.
        before = self.sum(plain)
        booted = ana.start("boot", *kernel, "--disk", "plain", "--snapshot", *OF_A_GUEST, stdin=subprocess.PIPE)
        self.until_output(booted.stdout, PROMPT)
        booted.stdin.write("mount /dev/vda /mnt; echo again >/mnt/more; umount /mnt; reboot -f\n")
        booted.stdin.flush()
        self.until_output(booted.stdout, "reboot: Restarting system")
        self.until_output(booted.stdout, PROMPT)
        said, errors = booted.communicate("mount /dev/vda /mnt; cat /mnt/more; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertIn("\nagain\n", said.replace("\r", ""), errors)
        self.assertEqual(self.sum(plain), before)

    def test_programs_of_the_host_and_of_a_guest_talk_over_virtio_sockets_through_the_walls(self):
        ana = self.home("ana")
        stories = importlib.machinery.SourceFileLoader("boot_stories", str(ROOT / "src/machine/boot/test_boot.py")).load_module()
        if shutil.which("riscv64-linux-gnu-gcc") is None:
            self.skipTest("no compiler for the guest's programs: apt-get install gcc-riscv64-linux-gnu")
        files = self.guest("fetch")
        initrd = stories.with_program(ana.work, files["initrd"], ROOT / "src/machine/boot/vsock_echo.c")
        place = ana.state / "machines/web/vsock"
        place.mkdir(parents=True)
        content = bytes(range(256)) * 1000

        def send_and_get_back(connection):
            connection.settimeout(TIMEOUT_S)
            came = b""
            for at in range(0, len(content), 16000):
                connection.sendall(content[at:at + 16000])
                while len(came) < min(at + 16000, len(content)):
                    came += connection.recv(65536)
            self.assertEqual(came, content)

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place / "socket_52"))
            listener.listen()
            listener.settimeout(TIMEOUT_S)
            booted = ana.start("boot", "--kernel", files["kernel"], "--initrd", initrd, "--append", "console=ttyS0 quiet guest_modules",
                               "--vsock", "--name", "web", *OF_A_GUEST, stdin=subprocess.PIPE)
            self.until_output(booted.stdout, PROMPT)
            shown = ana.json("machine", "show", "web")["machine"]
            self.assertEqual(shown["vsock"], str(place / "socket"))
            self.assertIn("no network", shown["isolation"])
            booted.stdin.write("vsock_echo call 53; vsock_echo call 52 && vsock_echo answer 22 && echo both went'.'; poweroff -f\n")
            booted.stdin.flush()
            connection, _ = listener.accept()
            with connection:
                send_and_get_back(connection)

        def answered():
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(place / "socket"))
            connection.sendall(b"CONNECT 22\n")
            if connection.recv(32).startswith(b"OK "):
                return connection
            connection.close()
            return None

        with wait_for(answered, "the guest listens") as connection:
            send_and_get_back(connection)
        said, errors = booted.communicate(timeout=TIMEOUT_S)
        self.assertIn("both went.", said, errors)
        self.assertEqual(booted.returncode, 0, errors)
        self.assertFalse((place / "socket").exists(), "it is gone with the machine")


if __name__ == "__main__":
    test_e2e.run_stories(Story)
