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
PUBLIC = "192.88.99.1"  # given back to the registry (RFC 7526): nobody's, and no internal address
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

    # --- where strangers' URLs lead ----------------------------------------------------------------

    def public_server(self, handle, port=80):
        """An HTTP server at an address that is nobody's own network; `handle(path)` gives status, headers and body."""
        return self.server(PUBLIC, port, handle)

    def server(self, address, port, handle):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                status, headers, body = handle(self)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = Server((address, port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def strangers_torrent(self, size, trackers, web_seeds):
        """A .torrent whose trackers and web seeds somebody else has chosen."""
        import libtorrent as lt
        path = lab.one_file(self.source, size)
        entry = lt.bdecode(lab.make_torrent(path, "hybrid", web_seeds=web_seeds))
        entry[b"announce-list"] = [[url] for url in trackers]
        file = self.lab.root / "strangers.torrent"
        file.write_bytes(lt.bencode(entry))
        return file, path

    def test_redirects_to_internal_addresses_are_refused_and_named(self):
        for address in (f"{PUBLIC}/32", "10.9.9.9/32", "169.254.169.254/32"):
            subprocess.run(["ip", "address", "replace", address, "dev", "lo"], check=True)
        secrets = ["127.0.0.1", "10.9.9.9", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
        visits = []
        inner = socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(inner.close)
        self.addCleanup(inner.shutdown, socket.SHUT_RDWR)

        def watch():
            while True:
                try:
                    visits.append(inner.accept())
                except OSError:
                    return
        threading.Thread(target=watch, daemon=True).start()
        asked = set()

        def redirect(request):
            number = int(request.path.split("/")[2].split("?")[0])
            asked.add(request.path.split("?")[0])
            return 302, {"Location": f"http://{secrets[number]}:9000{request.path}"}, b""
        self.public_server(redirect)
        trackers = [f"http://{PUBLIC}/tracker/{number}" for number in range(len(secrets))]
        web_seeds = [f"http://{PUBLIC}/web/{number}" for number in range(len(secrets))]
        torrent, path = self.strangers_torrent(24 << 20, trackers, web_seeds)
        seed = Mutirao(self.lab, "seed", ("--upload-limit", str(4 << 20)), allow_internal=False).up()
        seed.command("get", torrent, "-o", self.source)
        leech = Mutirao(self.lab, "leech", allow_internal=False).up()
        leech.command("get", torrent, "-o", self.target, "--background")
        # Nobody introduces them, so the seed goes to the leecher: it is told of it by a link.
        name = json.loads(leech.command("status", "--json").stdout)["transfers"][0]["id"]

        def refused():
            shown = transfer(leech, name)
            told = [one for one in [*shown["trackers"], *shown["web_seed_states"]] if one["state"] == "failed"]
            return told if len(told) == 2 * len(secrets) else None
        for one in lab.wait_for(refused, "every redirect is named as refused"):
            self.assertIn("internal address", one["why"], one["url"])
        self.assertEqual(len(asked), 2 * len(secrets))
        text = leech.command("swarm", "show", name).stdout
        self.assertIn("internal address", text)
        self.assertIn("internal address", transfer(leech, name)["why"])
        magnet = transfer(seed, name)["magnet"].split("&tr=")[0]
        leech.command("get", f"{magnet}&x.pe={seed.address}:6881", "-o", self.target, "--background")
        self.arrives()
        self.assertEqual(visits, [], "an internal service was reached")

    def test_redirects_to_internal_addresses_are_followed_by_those_who_allow_it(self):
        subprocess.run(["ip", "address", "replace", f"{PUBLIC}/32", "dev", "lo"], check=True)
        self.public_server(lambda request: (302, {"Location": f"http://127.0.0.1:9000{request.path}"}, b""))
        torrent, path = self.strangers_torrent(4 << 20, [f"http://{PUBLIC}/announce"], [f"http://{PUBLIC}/file"])
        content = path.read_bytes()

        def inner(request):
            if request.path.startswith("/announce"):
                return 200, {}, b"d8:intervali60e5:peers0:e"
            first, last = (int(one) for one in request.headers["Range"].removeprefix("bytes=").split("-"))
            return 206, {"Content-Range": f"bytes {first}-{last}/{len(content)}"}, content[first:last + 1]
        self.server("127.0.0.1", 9000, inner)
        leech = Mutirao(self.lab, "leech").up()
        leech.command("get", torrent, "-o", self.target)
        self.arrives()
        name = json.loads(leech.command("status", "--json").stdout)["transfers"][0]["id"]
        shown = transfer(leech, name)
        self.assertEqual([one["state"] for one in shown["trackers"] if PUBLIC in one["url"]], ["working"], shown["trackers"])
        self.assertEqual(shown["web_seed_states"][0]["downloaded"], 4 << 20)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name in dir(Chaos) if name.startswith("test_")))
        sys.exit(0)
    lab.enter(mounts=True)
    Mutirao.binary = str(pathlib.Path(sys.argv[sys.argv.index("--mutirao") + 1]).resolve())
    tests = [argument for argument in sys.argv[3:] if argument.startswith("test_")]
    unittest.main(argv=[sys.argv[0], "-v", *[f"Chaos.{test}" for test in tests]])
