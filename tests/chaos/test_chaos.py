"""A node of ours while things go wrong around it: killed processes, full disks, hostile neighbours.

  test_chaos.py --mutirao BINARY TEST...     runs those tests
  test_chaos.py --list                       names all, one a line
"""

import gzip
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import lab  # noqa: E402
from lab import Lab, Mutirao  # noqa: E402

KILLS = 20
SEED = int(os.environ.get("MUTIRAO_SEED", random.SystemRandom().randrange(1 << 32)))


def transfer(node, name):
    """What `swarm show --json` says, or nothing while the node is down."""
    shown = node.command("swarm", "show", name, "--json", check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


class Chaos(unittest.TestCase):
    def setUp(self):
        self.lab = Lab(self)
        self.source = self.lab.folder("source")
        self.target = self.lab.folder("target")

    def share(self, size, *arguments):
        """A node that shares a file of `size` bytes, and what `share` printed."""
        path = lab.one_file(self.source, size)
        seed = Mutirao(self.lab, "seed", arguments).up()
        return seed, seed.share(path)

    def arrives(self, timeout_s=lab.TIMEOUT_S):
        wanted = lab.tree(self.source)
        lab.wait_for(lambda: lab.tree(self.target) == wanted, "the copy is not complete and right", timeout_s)

    def moving(self, leech, name):
        """Waits until bytes arrive; when, and how many are verified."""
        first = lab.wait_for(lambda: transfer(leech, name), "the transfer is known")["bytes_verified"]
        lab.wait_for(lambda: transfer(leech, name)["bytes_verified"] > first, "bytes arrive")
        return time.monotonic(), transfer(leech, name)["bytes_verified"]

    @staticmethod
    def going_on(leech, name):
        """The transfer once it has looked at what is on disk."""
        def look():
            now = transfer(leech, name)
            return now if now and now["phase"] == "downloading" else None
        return look

    def test_kill_of_either_side_at_random_moments_loses_at_most_the_last_second(self):
        limit = 8 << 20
        draw = random.Random(SEED)
        print(f"MUTIRAO_SEED={SEED}")
        seed, shared = self.share(512 << 20, "--upload-limit", str(limit))
        leech = Mutirao(self.lab, "leech").up()
        leech.command("get", shared["magnet"], "-o", self.target, "--background")
        lost = []
        for number in range(2 * KILLS):
            victim = leech if number % 2 == 0 else seed
            began, before = self.moving(leech, shared["id"])
            time.sleep(draw.uniform(0.3, 1.6))
            now, after = time.monotonic(), transfer(leech, shared["id"])
            self.assertEqual(after["phase"], "downloading", "it ended before all kills were made")
            rate = (after["bytes_verified"] - before) / (now - began)
            victim.process.send_signal(signal.SIGKILL)
            # What was verified between the last look and the kill is lost too.
            at_kill = after["bytes_verified"] + rate * (time.monotonic() - now)
            victim.process.wait()
            victim.up()
            if victim is seed:
                continue
            kept = lab.wait_for(self.going_on(leech, shared["id"]), "the transfer goes on")["bytes_verified"]
            lost.append((at_kill - kept) / rate)
            # At most 1 s, and one flush that was under way.
            self.assertLessEqual(at_kill - kept, 1.5 * rate, f"kill {number}: {lost[-1]:.2f} s of work lost")
        self.assertEqual(len(lost), KILLS)
        seed.process.send_signal(signal.SIGKILL)
        seed.process.wait()
        seed.arguments = ("--allow-internal",)
        seed.up()
        self.arrives(120)
        self.assertEqual(transfer(leech, shared["id"])["phase"], "seeding")
        print(f"seconds of work lost by each kill of the leecher: {', '.join(f'{one:.2f}' for one in sorted(lost))}")

    def test_a_full_disk_pauses_with_its_reason_and_goes_on_when_there_is_room(self):
        seed, shared = self.share(48 << 20)
        del seed
        small = self.lab.folder("small")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], check=True)
        leech = Mutirao(self.lab, "leech").up()
        leech.command("get", shared["magnet"], "-o", small, "--background")
        said = lab.wait_for(
            lambda: (lambda one: one if one and "full" in one["why"] else None)(transfer(leech, shared["id"])),
            "it says that the disk is full")
        self.assertTrue(said["mend"])
        subprocess.run(["mount", "-o", "remount,size=96m", str(small)], check=True)
        wanted = lab.tree(self.source)
        lab.wait_for(lambda: lab.tree(small) == wanted, "it goes on when there is room")
        leech.command("stop")
        subprocess.run(["umount", str(small)], check=True)

    def test_a_read_only_folder_is_refused_with_a_mend(self):
        _, shared = self.share(1 << 20)
        frozen = self.lab.folder("frozen")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(frozen)], check=True)
        leech = Mutirao(self.lab, "leech").up()
        done = leech.command("get", shared["magnet"], "-o", frozen, check=False)
        subprocess.run(["umount", "-l", str(frozen)], check=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("read-only", (done.stderr + done.stdout).lower())
        self.assertIn("try:", done.stderr)

    def test_strangers_that_send_garbage_or_nothing_disturb_nobody(self):
        seed, shared = self.share(64 << 20, "--upload-limit", str(32 << 20))
        held = []
        draw = random.Random(SEED)
        for number in range(200):
            stranger = socket.create_connection((seed.address, 6881))
            held.append(stranger)
            if number % 4 == 0:
                stranger.send(draw.randbytes(draw.randrange(1, 400)))
            elif number % 4 == 1:
                stranger.send(b"\x13BitTorrent protocol" + draw.randbytes(60))
            elif number % 4 == 2:
                stranger.send(b"GET / HTTP/1.1\r\nHost: ")
        Mutirao(self.lab, "leech").up().run(shared["magnet"], self.target)
        self.arrives()
        self.assertIsNone(seed.process.poll())
        for stranger in held:
            stranger.close()

    def test_a_tracker_that_sends_a_bomb_is_named_and_the_transfer_goes_on(self):
        bomb = gzip.compress(b"0" * (256 << 20), 9)

        class Tracker(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                self.send_response(200)
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(bomb)))
                self.end_headers()
                self.wfile.write(bomb)

            def log_message(self, *_):
                pass
        address = self.lab.address()
        server = http.server.ThreadingHTTPServer((address, 8000), Tracker)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        _, shared = self.share(4 << 20)
        leech = Mutirao(self.lab, "leech").up()
        leech.run(shared["magnet"] + f"&tr=http://{address}:8000/announce", self.target)
        self.arrives()
        said = lab.wait_for(
            lambda: [one for one in transfer(leech, shared["id"])["trackers"]
                     if ":8000" in one["url"] and one["state"] == "failed"], "the tracker is named as failed")
        self.assertTrue(said[0]["why"])
        memory = pathlib.Path(f"/proc/{leech.process.pid}/status").read_text()
        peak_kib = int(memory.split("VmHWM:")[1].split()[0])
        self.assertLess(peak_kib, 256 << 10)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name in dir(Chaos) if name.startswith("test_")))
        sys.exit(0)
    lab.enter(mounts=True)
    Mutirao.binary = str(pathlib.Path(sys.argv[sys.argv.index("--mutirao") + 1]).resolve())
    tests = [argument for argument in sys.argv[3:] if argument.startswith("test_")]
    unittest.main(argv=[sys.argv[0], "-v", *[f"Chaos.{test}" for test in tests]])
