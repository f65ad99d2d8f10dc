"""Machines that are taken to disk as their users have them, and go on.

  test_snapshots.py --mutirao BINARY STORY...     runs those stories
  test_snapshots.py --list                        names all, one a line

The guests come from packaging/guests; without them a story is skipped.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import test_e2e
import test_machines
from test_e2e import TIMEOUT_S, wait_for
from test_machines import PROMPT


class Story(test_machines.Story):
    def typist(self, home, line):
        """Types at the console of the machine web, until that said that it is ready."""
        typist = home.start("machine", "console", "web", stdin=subprocess.PIPE)
        self.until_output(typist.stdout, PROMPT)
        typist.stdin.write(line + "\n")
        typist.stdin.flush()
        self.until_output(typist.stdout, "ready")
        return typist

    def state_of(self, path):
        status = path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    # --- stories ---------------------------------------------------------------------------------

    def test_a_machine_is_saved_and_goes_on_with_all_that_it_had(self):
        ana = self.home("ana")
        (ana.work / "told").write_text("what the host has\n")
        (ana.work / "shared").mkdir()
        (ana.work / "shared/note").write_text("first\nsecond\n")
        server = subprocess.Popen([sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], cwd=ana.work, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(lambda: (server.kill(), server.communicate()))
        port = int(re.search(r"port (\d+)", server.stdout.readline()).group(1))
        ana.run("boot", *self.kernel(), "--memory", "1024",
                "--allow", f"127.0.0.1:{port}", "--share", "shared:here", "--name", "web", "--detach")
        typist = self.typist(ana, "udhcpc -i eth0 -n -q >/dev/null 2>&1; mount -t virtiofs here /mnt; cd /mnt; exec 3<note; read first <&3; x=42; echo re''ady")
        # It is saved and goes on.
        saved = ana.json("machine", "snapshot", "web", "web.snapshot")["saved"]
        self.assertEqual((saved["name"], saved["file"], saved["ended"]), ("web", str(ana.work / "web.snapshot"), False))
        self.assertLess((ana.work / "web.snapshot").stat().st_blocks * 512, 400 << 20)
        self.assertEqual((ana.work / "web.snapshot").stat().st_mode & 0o777, 0o600)
        typist.stdin.write("echo still $((40 + 2)) here\n")
        typist.stdin.flush()
        self.until_output(typist.stdout, "still 42 here")
        # Who is killed while he saves leaves the former snapshot, and the machine runs.
        former = self.state_of(ana.work / "web.snapshot")
        for after in (0.02, 0.1, 0.3):
            saver = ana.start("machine", "snapshot", "web", "web.snapshot", "--stop")
            wait_for(lambda: (ana.work / "web.snapshot.unfinished").exists() or saver.poll() is not None, "it has begun")
            time.sleep(after)
            if saver.poll() is not None:
                break
            saver.kill()
            saver.communicate(timeout=TIMEOUT_S)
            if ana.json("machine", "show", "web")["machine"]["state"] != "running":
                break  # it was done in that moment
            self.assertEqual(self.state_of(ana.work / "web.snapshot"), former)
        if ana.json("machine", "show", "web")["machine"]["state"] == "running":
            typist.stdin.write("echo on and $((40 + 3))\n")
            typist.stdin.flush()
            self.until_output(typist.stdout, "on and 43")
            # With --stop it ends, and says where it is.
            ana.run("machine", "snapshot", "web", "web.snapshot", "--stop")
        typist.communicate(timeout=TIMEOUT_S)
        shown = ana.json("machine", "show", "web")["machine"]
        self.assertEqual((shown["state"], shown["end"]), ("ended", f"saved to {ana.work / 'web.snapshot'}"))
        self.assertIn("does not run", ana.run("machine", "snapshot", "web", "other", code=4).stderr)
        # In the background and under another name, at once.
        seconds = []
        for number in range(3):
            began = time.monotonic()
            booted = json.loads(ana.run("machine", "restore", "web.snapshot", "--name", f"copy{number}", "--detach", "--json").stdout)
            seconds.append(time.monotonic() - began)
            self.assertEqual(booted["restored"]["name"], f"copy{number}")
        print(f"{min(seconds) * 1000:.0f} ms until a machine with 1 GiB runs, restored by the command")
        self.assertLess(min(seconds), 0.2)
        shown = ana.json("machine", "show", "copy0")["machine"]
        self.assertEqual((shown["state"], shown["memory_bytes"], shown["restored_from"]), ("running", 1 << 30, str(ana.work / "web.snapshot")))
        status = (pathlib.Path("/proc") / str(shown["process_id"]) / "status").read_text()
        self.assertIn("Seccomp:\t2", status)
        self.assertIn("web.snapshot", ana.run("machine", "list").stdout)
        for number in range(3):
            ana.run("machine", "stop", f"copy{number}", "--patience", "0")
        # On the terminal, with what it had; a reboot begins from its kernel.
        restored = ana.start("machine", "restore", "web.snapshot", stdin=subprocess.PIPE)
        restored.stdin.write(f"echo x is $x; read second <&3; echo $second line; pwd; wget -q -O - http://10.0.2.2:{port}/told; echo said >answer; reboot -f\n")
        restored.stdin.flush()
        said = self.until_output(restored.stdout, "~ # ")
        for text in ("x is 42", "second line", "\n/mnt", "what the host has"):
            self.assertIn(text, said)
        self.assertEqual((ana.work / "shared/answer").read_text(), "said\n")
        restored.communicate("poweroff -f\n", timeout=TIMEOUT_S)
        self.assertEqual(restored.returncode, 0)
        # Files that are no snapshots, or not whole.
        self.assertIn("no snapshot", ana.run("machine", "restore", "told", code=6).stderr)
        with open(ana.work / "web.snapshot", "r+b") as file:
            file.truncate((ana.work / "web.snapshot").stat().st_size - 1)
        self.assertIn("bytes where", ana.run("machine", "restore", "web.snapshot", code=6).stderr)
        self.assertIn("No such file", ana.run("machine", "restore", "nowhere", code=3).stderr)

    def test_a_snapshot_counts_for_the_disks_of_its_moment(self):
        ana = self.home("ana")
        (ana.work / "disk").write_bytes(bytes(1 << 20))
        ana.run("boot", *self.kernel(), "--memory", "256",
                "--disk", "disk", "--name", "web", "--detach")
        typist = self.typist(ana, "echo first | dd of=/dev/vda conv=fsync 2>/dev/null; echo re''ady")
        self.assertIn("try: let it end with it: mutirao machine snapshot --stop web FILE", ana.run("machine", "snapshot", "web", "saved", code=5).stderr)
        self.assertFalse((ana.work / "saved").exists())
        ana.run("machine", "snapshot", "web", "saved", "--stop")
        typist.communicate(timeout=TIMEOUT_S)
        subprocess.run(["cp", "--preserve=timestamps", ana.work / "disk", ana.work / "kept"], check=True)
        restored = ana.start("machine", "restore", "saved", stdin=subprocess.PIPE)
        said, _ = restored.communicate("head -c 5 /dev/vda; echo; echo other | dd of=/dev/vda conv=fsync 2>/dev/null; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertIn("\nfirst", said.replace("\r", ""))
        refused = ana.run("machine", "restore", "saved", code=5).stderr
        self.assertIn("disk was written since the snapshot was made", refused)
        self.assertIn("try: put back the disk of that time", refused)
        restored = ana.start("machine", "restore", "saved", "--disk", "kept", stdin=subprocess.PIPE)
        said, _ = restored.communicate("head -c 5 /dev/vda; echo; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertIn("\nfirst", said.replace("\r", ""))

    def test_disks_with_overlays_and_sockets_are_there_again(self):
        ana = self.home("ana")
        shutil.copy(self.disk(ana, "below"), ana.work / "image")
        words = ("boot", *self.kernel(), "--memory", "256", "--name", "web", "--detach")
        ana.run(*words, "--disk", "image", "--snapshot")
        self.assertIn("what the machine writes to its disks is not kept", ana.run("machine", "snapshot", "web", "saved", "--stop", code=5).stderr)
        ana.run("machine", "stop", "web", "--patience", "0")
        ana.run(*words, "--disk", "image,overlay=changes", "--vsock")
        typist = self.typist(ana, "mount /dev/vda /mnt; echo kept >/mnt/file; exec 3</mnt/file; echo re''ady")
        ana.run("machine", "snapshot", "web", "saved", "--stop")
        typist.communicate(timeout=TIMEOUT_S)
        for name in ("image", "changes"):
            subprocess.run(["cp", "--preserve=timestamps", ana.work / name, ana.work / f"moved-{name}"], check=True)
        restored = ana.start("machine", "restore", "saved", "--name", "copy", stdin=subprocess.PIPE)
        wait_for(lambda: ana.run("machine", "show", "copy", "--json", code=None).returncode == 0 and ana.json("machine", "show", "copy")["machine"]["state"] == "running", "it runs")
        shown = ana.json("machine", "show", "copy")["machine"]
        self.assertEqual(shown["vsock"], str(ana.state / "machines/copy/vsock/socket"))
        self.assertEqual(shown["disks"], [{"image": str(ana.work / "image"), "written_to": str(ana.work / "changes"), "kept": True}])
        said, errors = restored.communicate("cat <&3; echo more >>/mnt/file; umount /mnt; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertIn("\nkept", said.replace("\r", ""), errors)
        self.assertIn("changes was written since", ana.run("machine", "restore", "saved", code=5).stderr)
        restored = ana.start("machine", "restore", "saved", "--disk", "moved-image,overlay=moved-changes", stdin=subprocess.PIPE)
        said, errors = restored.communicate("cat /mnt/file; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertIn("\nkept\n", said.replace("\r", ""), errors)


if __name__ == "__main__":
    test_e2e.run_stories(Story)
