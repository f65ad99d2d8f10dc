"""The program as a user runs it: commands, two nodes of one machine, interruptions, the demo.

  test_e2e.py --mutirao BINARY STORY...     runs those stories
  test_e2e.py --list                        names all, one a line
"""

import fcntl
import hashlib
import json
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BINARY = "mutirao"
ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = float(os.environ.get("MUTIRAO_E2E_TIMEOUT_S", 90))


def wait_for(condition, what, timeout_s=TIMEOUT_S):
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"gave up after {timeout_s} s: {what}")
        time.sleep(0.05)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Home:
    """A user of this machine: a state folder and a working folder of their own."""

    def __init__(self, root, name):
        self.work = root / name
        self.work.mkdir()
        self.state = root / (name + ".state")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "MUTIRAO_"))}
        self.environment.update(HOME=str(self.work), MUTIRAO_STATE_DIR=str(self.state))

    def start(self, *arguments, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen([BINARY, *map(str, arguments)], cwd=self.work, env=self.environment, **options)

    def run(self, *arguments, code=0, stdin=subprocess.DEVNULL):
        done = subprocess.run([BINARY, *map(str, arguments)], cwd=self.work, env=self.environment, stdin=stdin,
                              capture_output=True, text=True, timeout=TIMEOUT_S)
        if code is not None and done.returncode != code:
            raise AssertionError(f"mutirao {arguments}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}\n{self.log()}")
        return done

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout.strip().splitlines()[-1])

    def node_id(self):
        return self.json("status")["process_id"]

    def log(self):
        path = self.state / "node.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


class Story(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mutirao-e2e-"))
        self.homes = []
        self.addCleanup(self.clean)

    def clean(self):
        for home in self.homes:
            try:
                os.kill(int((home.state / "node.pid").read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                pass
        shutil.rmtree(self.root, ignore_errors=True)

    def home(self, name):
        home = Home(self.root, name)
        self.homes.append(home)
        return home

    def file(self, home, size=20 << 20, name="some file.bin"):
        path = home.work / name
        path.write_bytes(random.Random(size).randbytes(size))
        return path

    def slow_share(self, home, size, rate):
        """A file on a node that sends at most `rate` bytes a second, so that there is time to interrupt."""
        path = self.file(home, size)
        home.run("up", "--detach", "--upload-limit", rate)
        return path, home.json("share", path)

    def verified(self, home, name):
        shown = home.run("swarm", "show", name, "--json", code=None)
        return json.loads(shown.stdout)["bytes_verified"] if shown.returncode == 0 else 0

    # --- stories ---------------------------------------------------------------------------------

    def test_share_on_one_node_and_get_on_another_with_no_other_word(self):
        ana, rui = self.home("ana"), self.home("rui")
        path = self.file(ana)
        shared = ana.run("share", path.name)
        self.assertIn("started a node in the background", shared.stderr)
        magnet = re.search(r"magnet:\S+", shared.stdout).group(0)
        self.assertIn("next, on another machine: mutirao get", shared.stdout)
        got = rui.run("get", magnet)
        self.assertIn("got some file.bin", got.stdout)
        self.assertEqual(digest(path), digest(rui.work / path.name))
        self.assertIn("seeding", rui.run("swarm", "list").stdout)

    def test_share_a_folder_and_get_its_torrent_by_url_and_by_file(self):
        ana, rui, eva = self.home("ana"), self.home("rui"), self.home("eva")
        folder = ana.work / "photos"
        (folder / "2026").mkdir(parents=True)
        for number in range(30):
            (folder / "2026" / f"ação {number}.jpg").write_bytes(random.Random(number).randbytes(number * 1000))
        shared = ana.json("share", "photos")
        self.assertEqual(shared["files_total"], 30)
        rui.run("get", shared["torrent_url"], "-o", "here")
        subprocess.run(["curl", "-sf", "-o", eva.work / "photos.torrent", shared["torrent_url"]], check=True)
        eva.run("get", "photos.torrent", "--allow-internal")
        for copy in (rui.work / "here" / "photos", eva.work / "photos"):
            for file in sorted((folder / "2026").iterdir()):
                self.assertEqual(digest(file), digest(copy / "2026" / file.name))

    def test_share_takes_what_is_piped_into_it_and_keeps_nothing_of_half_of_it(self):
        ana, rui = self.home("ana"), self.home("rui")
        path = self.file(ana, 30 << 20)
        with open(path, "rb") as content:
            shared = json.loads(ana.run("share", "-", "--name", "piped.bin", "--json", stdin=content).stdout.strip().splitlines()[-1])
        self.assertEqual(digest(path), digest(pathlib.Path(shared["folder"]) / "piped.bin"))
        rui.run("get", shared["magnet"])
        self.assertEqual(digest(path), digest(rui.work / "piped.bin"))
        # A name that is taken is refused before anything is read.
        taken = ana.run("share", "-", "--name", "piped.bin", stdin=subprocess.DEVNULL, code=5)
        self.assertIn("try: choose another name", taken.stderr)
        # Whoever pipes goes away in the middle: nothing is left.
        half = ana.start("share", "-", "--name", "half.bin", stdin=subprocess.PIPE, text=False)
        half.stdin.write(bytes(8 << 20))
        half.stdin.flush()
        part = pathlib.Path(shared["folder"]) / "half.bin.part"
        wait_for(lambda: part.exists() and part.stat().st_size > 1 << 20, "a part of half.bin")
        half.kill()
        half.wait()
        half.stdin.close()
        wait_for(lambda: not part.exists(), "the part to be gone")
        self.assertFalse((pathlib.Path(shared["folder"]) / "half.bin").exists())
        done = subprocess.run(["curl", "-s", "--unix-socket", ana.state / "mutirao.sock", "-H", "Content-Type: application/octet-stream",
                               "--data-binary", "three words here", 'http://node/o/library/put?arguments=%5B%22note.txt%22%5D'],
                              capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(done.stdout)[-1]["shared"]["transfer"]["status"]["name"], "note.txt")

    def test_ctrl_c_pauses_a_get_and_a_second_get_resumes(self):
        ana, rui = self.home("ana"), self.home("rui")
        path, shared = self.slow_share(ana, 48 << 20, 8 << 20)
        first = rui.start("get", shared["magnet"])
        wait_for(lambda: self.verified(rui, shared["id"]) > 4 << 20, "no first bytes")
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=TIMEOUT_S)
        self.assertEqual(first.returncode, 130, said)
        self.assertIn("paused some file.bin at", said)
        self.assertIn("resume with: mutirao get", said)
        shown = rui.json("swarm", "show", shared["id"])
        self.assertEqual(shown["phase"], "paused")
        self.assertLess(shown["bytes_verified"], 48 << 20)
        rui.run("get", shared["magnet"])
        self.assertEqual(digest(path), digest(rui.work / path.name))
        after = rui.json("swarm", "show", shared["id"])
        self.assertLess(after["downloaded"], (48 << 20) + (8 << 20))

    def test_kill_of_the_node_in_the_middle_loses_little_and_get_goes_on(self):
        ana, rui = self.home("ana"), self.home("rui")
        path, shared = self.slow_share(ana, 64 << 20, 12 << 20)
        first = rui.start("get", shared["magnet"])
        wait_for(lambda: self.verified(rui, shared["id"]) > 24 << 20, "no first bytes")
        before = self.verified(rui, shared["id"])
        os.kill(rui.node_id(), signal.SIGKILL)
        _, said = first.communicate(timeout=TIMEOUT_S)
        self.assertNotEqual(first.returncode, 0)
        self.assertIn("some file.bin is not complete: the node went away", said)
        self.assertIn("mutirao up --detach; the node goes on where it was", said)
        rui.run("up", "--detach")
        # It first looks at what is on disk.
        wait_for(lambda: rui.json("swarm", "show", shared["id"])["phase"] == "downloading", "it goes on")
        self.assertGreaterEqual(self.verified(rui, shared["id"]) + (24 << 20), before)
        rui.run("get", shared["magnet"])
        self.assertEqual(digest(path), digest(rui.work / path.name))

    def test_a_node_continues_what_it_shared_and_keeps_its_port(self):
        ana, rui = self.home("ana"), self.home("rui")
        path = self.file(ana, 1 << 20)
        shared = ana.json("share", path)
        listen = ana.json("status")["listen"]
        ana.run("stop")
        ana.run("up", "--detach")
        self.assertEqual(ana.json("status")["listen"], listen)
        rui.run("get", shared["magnet"])
        self.assertEqual(digest(path), digest(rui.work / path.name))

    def test_two_nodes_never_share_a_state_folder(self):
        ana = self.home("ana")
        ana.run("up", "--detach")
        number = ana.node_id()
        second = ana.run("up", code=5)
        self.assertIn(f"in use by process {number}", second.stderr)
        self.assertIn("try: ", second.stderr)
        ana.run("stop")
        self.assertEqual(ana.run("status", code=4).stdout, "")
        ana.run("up", "--detach")

    def test_errors_have_a_mend_and_their_exit_code(self):
        ana = self.home("ana")
        wrong = ana.run("shrae", "x", code=2)
        self.assertIn('error: mutirao has no verb "shrae"', wrong.stderr)
        self.assertIn("try: mutirao share", wrong.stderr)
        self.assertIn("try: mutirao up", ana.run("status", code=4).stderr)
        self.assertEqual(json.loads(ana.run("status", "--json", code=4).stdout)["error"]["fault"], "unreachable")
        ana.run("up", "--detach")
        (ana.work / "bad.torrent").write_bytes(b"d4:info" + b"i1e" * 9)
        (ana.work / "empty").mkdir()
        (ana.work / "nowhere").symlink_to("absent")
        os.mkfifo(ana.work / "pipe")
        for words, code, said in [
                (["share", "absent"], 3, "there is no file or folder"), (["share", "nowhere"], 3, "nowhere"),
                (["share", "empty"], 2, "holds no bytes"), (["share", "pipe"], 1, "neither a file nor a folder"),
                (["get", "absent.torrent"], 3, "absent.torrent"), (["get", "magnet:?dn=nothing"], 2, "magnet"),
                (["get", "gopher://host/x"], 2, "gopher URLs are not fetched"), (["get", "bad.torrent"], 6, "bad.torrent"),
                (["get", "http://127.0.0.1:1/x.torrent"], 5, "Connection refused"), (["swarm", "show", "absent"], 3, "no torrent absent"),
                (["swarm"], 2, "needs a verb: list"), (["help", "stauts"], 2, "no verb"), (["up", "--listen", "x"], 2, "address"),
                (["status", "more"], 2, "more")]:
            told = ana.run(*words, code=code).stderr
            self.assertRegex(told, r"^error: [^\n]+\ntry: [^\n]+\n$", words)
            self.assertIn(said, told)
        good = self.file(ana, 1000)
        self.assertEqual(ana.run("share", good, "absent", code=7).stdout.count("shared some file.bin"), 1)

    def test_swarm_verbs_tell_and_change_what_is_there(self):
        ana = self.home("ana")
        path = self.file(ana, 3 << 20)
        shared = ana.json("share", path)
        name = shared["id"][:8]
        self.assertEqual([one["id"] for one in ana.json("swarm", "list")["transfers"]], [shared["id"]])
        wait_for(lambda: ana.json("swarm", "show", name)["phase"] == "seeding", "its files are open")
        self.assertEqual(ana.json("swarm", "pause", name)["phase"], "paused")
        ana.run("swarm", "resume", name)
        ana.run("swarm", "verify", name)
        wait_for(lambda: ana.json("swarm", "show", name)["phase"] == "seeding", "checked again")
        shown = ana.json("swarm", "show", path.name)
        self.assertEqual(shown["bytes_verified"], 3 << 20)
        self.assertEqual(shown["files"], [{"path": path.name, "bytes": 3 << 20}])
        ana.run("swarm", "remove", name, code=130)
        self.assertEqual(ana.json("swarm", "remove", name, "--dry-run")["id"], shared["id"])
        ana.run("swarm", "remove", name, "--yes")
        self.assertTrue(path.exists())
        self.assertEqual(ana.json("swarm", "list")["transfers"], [])
        ana.json("share", path)
        ana.run("swarm", "remove", name, "--yes", "--content")
        self.assertFalse(path.exists())

    def test_a_terminal_gets_one_line_that_is_redrawn(self):
        ana, rui = self.home("ana"), self.home("rui")
        _, shared = self.slow_share(ana, 16 << 20, 6 << 20)
        ours, theirs = pty.openpty()
        get = subprocess.Popen([BINARY, "get", shared["magnet"]], cwd=rui.work, env=dict(rui.environment, TERM="xterm"),
                               stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
        os.close(theirs)
        screen = b""
        while select.select([ours], [], [], TIMEOUT_S)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            screen += part
        self.assertEqual(get.wait(), 0, screen)
        text = screen.decode(errors="replace")
        self.assertRegex(text, r"some file\.bin \d+% \d+/\d+ pieces")
        self.assertIn("\x1b[1A", text)
        self.assertIn("got some file.bin", text)

    def test_json_of_get_is_lines_with_an_end(self):
        ana, rui = self.home("ana"), self.home("rui")
        shared = ana.json("share", self.file(ana, 1 << 20))
        lines = [json.loads(line) for line in rui.run("get", shared["magnet"], "--json").stdout.splitlines()]
        self.assertIn("started", lines[0])
        self.assertEqual(lines[-1]["done"]["phase"], "seeding")

    def test_thread_list_top_and_sigquit_tell_what_a_node_does(self):
        ana = self.home("ana")
        ana.run("up", "--detach")
        report = ana.json("thread", "list")
        threads = {one["name"]: one for one in report["threads"]}
        self.assertEqual(threads["accept"]["state"], "parked")
        self.assertEqual(threads["accept"]["waits_for"], "readable")
        self.assertEqual(threads["accept"]["scope"], "main")
        self.assertGreaterEqual(len(report["processors"]), 1)
        self.assertGreaterEqual(report["lwps"], 1)
        self.assertRegex(ana.run("thread", "list").stdout, r"accept +parked +.* reading descriptor \d+")
        top = ana.start("thread", "top", "--json")
        for _ in range(2):
            self.assertIn("threads", json.loads(top.stdout.readline()))
        top.send_signal(signal.SIGINT)
        self.assertEqual(top.wait(TIMEOUT_S), 0)
        top.communicate()
        plain = ana.start("thread", "top")
        self.assertRegex(plain.stdout.readline(), r"^\d+ threads: \d+ running")
        plain.send_signal(signal.SIGTERM)
        self.assertEqual(plain.wait(TIMEOUT_S), 0)
        plain.communicate()
        os.kill(ana.node_id(), signal.SIGQUIT)
        wait_for(lambda: "accept (thread" in ana.log(), "the report in the node's log")
        ana.run("status")
        ana.run("stop")
        self.assertIn("no node runs here", ana.run("thread", "top", code=4).stderr)

    def test_every_interceptor_can_be_taken_out_of_a_running_node_that_goes_on_with_its_work(self):
        ana, bea = self.home("ana"), self.home("bea")
        path = self.file(ana, 3 << 20)
        ana.run("up", "--detach")
        told = ana.json("interceptor", "list")
        chains = [(each["side"], each["name"]) for each in told["interceptors"]]
        self.assertGreaterEqual(len(chains), 11)
        for side, name in chains:
            done = ana.json("interceptor", "remove", side, name, "--reason", "does it work without?")
            left = ana.json("interceptor", "list")
            self.assertNotIn((side, name), [(each["side"], each["name"]) for each in left["interceptors"]])
            self.assertEqual(left["revision"], done["revision"])
            ana.run("status")
            ana.run("swarm", "list")
            ana.json("interceptor", "rollback", told["revision"], "--reason", "back to all of them")
        # Those that no node begins with: in, and out again.
        needed = {"chacha20-poly1305": ("--set", "key=" + 64 * "7")}
        tried = set()
        for kind in ana.json("interceptor", "kinds")["kinds"]:
            for side in ("server", "client") if kind["side"] == "both" else (kind["side"],):
                if (side, kind["name"]) not in chains:
                    tried.add(kind["name"])
                    settings = needed.get(kind["name"], ())
                    ana.run("interceptor", "add", side, kind["name"], *settings, "--reason", "does it fit?")
                    ana.run("status")
                    ana.run("interceptor", "remove", side, kind["name"], "--reason", "and out again")
        self.assertLessEqual({"zstd", "chacha20-poly1305", "pace", "count", "rate-limit"}, tried)
        for side, name in chains:
            ana.run("interceptor", "remove", side, name, "--reason", "now without any")
        self.assertEqual(ana.json("interceptor", "list")["interceptors"], [])
        magnet = re.search(r"magnet:\S+", ana.run("share", path.name).stdout).group(0)
        bea.run("get", magnet)
        self.assertEqual(digest(bea.work / path.name), digest(path))
        history = ana.json("interceptor", "history")["history"]
        self.assertEqual(history[-1]["reason"], "now without any")

    def test_messages_of_a_running_node_are_compressed_counted_and_sealed_and_no_key_is_told(self):
        ana = self.home("ana")
        ana.run("up", "--detach", "--listen", "127.0.0.1:0")
        key = ana.work / "key"
        key.write_text(64 * "5" + "\n")
        for name, *settings in (("count",), ("zstd", "--set", "level=3"), ("chacha20-poly1305", "--set", f"key-file={key}")):
            ana.run("interceptor", "add", "message", name, *settings, "--reason", "to see it")
        ana.run("interceptor", "remove", "message", "chacha20-poly1305", "--reason", "another key")
        ana.run("interceptor", "add", "message", "seal", "--kind", "chacha20-poly1305", "--set", "key=" + 64 * "5",
                "--reason", "the same key in another way")
        told = {each["name"]: each for each in ana.json("interceptor", "list")["interceptors"] if each["side"] == "message"}
        self.assertEqual(list(told), ["zstd", "seal", "count"])
        self.assertGreater(told["count"]["figures"]["bytes"], 0)
        self.assertEqual(list(told["seal"]["settings"]), ["fingerprint"])
        ana.run("status")
        for place in (ana.run("interceptor", "list").stdout, ana.run("interceptor", "history").stdout,
                      (ana.state / "audit.log").read_text(), ana.log()):
            self.assertNotIn("5555", place)
        self.assertEqual(ana.run("interceptor", "history").stdout.count(told["seal"]["settings"]["fingerprint"]), 4)
        trial = ana.run("interceptor", "add", "message", "pace", "--trial", "1", "--reason", "x", code=2)
        self.assertIn("--confirm-within", trial.stderr)

    def test_changes_of_a_node_are_planned_reasoned_confirmed_and_taken_back(self):
        ana = self.home("ana")
        ana.run("up", "--detach", "--listen", "127.0.0.1:0")
        plan = ana.json("interceptor", "add", "server", "rate-limit", "--set", "per-second=50", "--dry-run")["plan"]
        self.assertIn("rate-limit", plan["server"])
        impossible = ana.run("interceptor", "add", "server", "trace", "--dry-run", code=2)
        self.assertIn("conflict: the server side has an interceptor trace already", impossible.stdout)
        self.assertIn("error: ", impossible.stderr)
        self.assertEqual(ana.json("interceptor", "list")["revision"], 1)
        unreasoned = ana.run("interceptor", "add", "server", "cache", code=2)
        self.assertIn("--reason", unreasoned.stderr)
        wrong = ana.run("interceptor", "add", "server", "rate-limit", "--set", "per-second=often", "--reason", "x", code=2)
        self.assertIn("a number from", wrong.stderr)
        near = ana.run("interceptor", "remove", "server", "admision", "--reason", "x", code=2)
        self.assertIn("do you mean admission?", near.stderr)
        ana.run("interceptor", "add", "server", "rate-limit", "--set", "per-second=50", "--reason", "a try",
                "--confirm-within", "1")
        wait_for(lambda: ana.json("interceptor", "list")["revision"] == 3, "the change to be taken back")
        ana.run("interceptor", "add", "server", "cache", "--reason", "a good one", "--trial", "1", "--confirm-within", "30")
        ana.run("interceptor", "confirm", "4")
        ana.run("component", "swap", "library", "--reason", "a new one")
        again = ana.run("component", "swap", "library", "--reason", "another", code=5)
        self.assertIn("on probation", again.stderr)
        components = {each["name"]: each for each in ana.json("component", "list")["components"]}
        self.assertEqual(components["library"]["swaps"], 1)
        self.assertEqual(components["library"]["needs"], ["swarm"])
        ana.run("status")
        ana.run("stop")
        # What was done is still known after a restart, and an altered word is noticed.
        ana.run("up", "--detach")
        self.assertIn("a good one", ana.run("interceptor", "history").stdout)
        ana.run("stop")
        log = ana.state / "audit.log"
        log.write_text(log.read_text().replace("a good one", "a bad one!"))
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)
        altered = ana.run("up", "--detach", code=6)
        self.assertIn("audit.log", altered.stderr)

    def test_config_list_tells_what_a_node_was_told_and_by_what(self):
        ana = self.home("ana")
        ana.environment["MUTIRAO_LOG"] = "debug"
        ana.run("up", "--detach", "--listen", "127.0.0.1:0", "--upload-limit", "5MB", "--url", "http://ana:secret@example.org")
        told = {each["key"]: each for each in ana.json("config", "list")["config"]}
        for key, value, came in (("state", str(ana.state), "$MUTIRAO_STATE_DIR"), ("upload-limit", "5000000", "--upload-limit"),
                                 ("listen", ana.json("status")["listen"], "--listen"), ("download-limit", "none", "default"),
                                 ("log", "debug", "$MUTIRAO_LOG"), ("url", "http://***@example.org", "--url"),
                                 ("control-port", "none", "default")):
            self.assertEqual((told[key]["value"], told[key]["from"]), (value, came))
        self.assertIn("most bytes a second that the node sends", ana.run("config", "list").stdout)
        self.assertEqual(ana.json("object", "call", "node.config")["value"], list(told.values()))

    def controlled(self, name):
        """A node that other machines may reach, and where."""
        home = self.home(name)
        home.run("up", "--detach", "--listen", "127.0.0.1:0", "--control-port", "0")
        status = home.json("status")
        self.assertEqual(status["key"], home.run("key", "show").stdout.strip())
        self.assertEqual((home.state / "identity.pem").stat().st_mode & 0o777, 0o600)
        return home, status["control"], status["key"]

    def test_a_node_is_controlled_from_another_machine_by_those_whose_keys_it_knows(self):
        ana, at, its_key = self.controlled("ana")
        rui, eva = self.home("rui"), self.home("eva")
        key = rui.json("key", "show")["key"]
        self.assertNotEqual(key, its_key)
        # Nobody is trusted blindly, on either side.
        first = rui.run("--at", at, "status", code=5)
        self.assertIn(f"is not known here; it shows the key {its_key}", first.stderr)
        self.assertIn(f"mutirao key trust {at} {its_key}", first.stderr)
        rui.run("key", "trust", at, key)
        other = rui.run("--at", at, "status", code=4).stderr
        self.assertIn(f"has the key {its_key}, and not {key}", other)
        self.assertIn("somebody is in its place", other)
        rui.run("key", "trust", at, its_key)
        stranger = rui.run("--at", at, "status", code=5)
        self.assertIn(f"mutirao key allow {key} --role viewer", stranger.stderr)
        # Who may look, looks.
        ana.run("key", "allow", key, "--name", "rui")
        self.assertEqual(rui.json("--at", at, "status")["key"], its_key)
        rui.environment["MUTIRAO_AT"] = at
        for looks in (("status",), ("swarm", "list"), ("thread", "list"), ("object", "list"), ("object", "show", "library"),
                      ("object", "call", "library.list"), ("object", "trace"), ("interceptor", "list"), ("interceptor", "kinds"),
                      ("interceptor", "history"), ("component", "list"), ("key", "list"), ("config", "list")):
            self.assertNotEqual(rui.run(*looks).stdout, "", looks)
        changes = (("interceptor", "add", "server", "cache", "--reason", "x"), ("interceptor", "rollback", "1", "--reason", "x"),
                   ("component", "swap", "library", "--reason", "x"), ("key", "allow", key, "--role", "owner"),
                   ("key", "revoke", key), ("object", "call", "adaptation.confirm", "1", "rui"),
                   ("object", "call", "keys.revoke", key), ("object", "call", "node.stop"), ("stop",))
        for change in changes:
            refused = rui.run(*change, code=5).stderr
            self.assertIn("may only look", refused, change)
            self.assertIn(f"mutirao key allow {key} --role owner", refused, change)
        # Without the interceptor strangers stay out, and nobody becomes more than he was.
        ana.run("interceptor", "remove", "server", "auth", "--reason", "what then?")
        for change in changes[:-2]:
            self.assertIn("may only look", rui.run(*change, code=5).stderr, change)
        eva.run("key", "trust", at, its_key)
        self.assertIn("does not know this key", eva.run("--at", at, "status", code=5).stderr)
        ana.run("interceptor", "add", "server", "auth", "--reason", "as it was")
        # Who may do everything is written down by the key.
        ana.run("key", "allow", key, "--role", "owner", "--name", "rui")
        rui.run("interceptor", "add", "message", "zstd", "--reason", "it is far away")
        rui.run("swarm", "list")
        last = ana.json("interceptor", "history")["history"][-1]
        self.assertEqual((last["who"], last["reason"]), (key, "it is far away"))
        self.assertEqual(rui.json("key", "list")["keys"], [{"key": key, "role": "owner", "name": "rui"}])
        # Nothing but TLS gets a word out of that port, and files stay with their machine.
        plain = subprocess.run(["curl", "-s", f"http://{at}/o"], capture_output=True, text=True)
        self.assertIn("nothing but TLS", plain.stdout)
        rui.environment.pop("MUTIRAO_AT")
        self.assertIn("works with this machine alone", rui.run("--at", at, "get", "magnet:?x", code=2).stderr)
        # What is revoked is out at once, and after a restart.
        watching = rui.start("--at", at, "thread", "top", "--json")
        watching.stdout.readline()
        ana.run("key", "revoke", "rui")
        self.assertNotEqual(watching.wait(TIMEOUT_S), 0)
        watching.communicate()
        rui.run("--at", at, "status", code=5)
        ana.run("key", "allow", key)
        ana.run("stop")
        ana.run("up", "--detach", "--listen", "127.0.0.1:0", "--control-port", at.rsplit(":", 1)[1])
        rui.run("--at", at, "status")
        self.assertIn("may only look", rui.run("--at", at, "stop", code=5).stderr)
        ana.run("stop")
        self.assertIn("--control-port", rui.run("--at", at, "status", code=4).stderr)

    def test_objects_are_listed_shown_and_called_by_name(self):
        ana = self.home("ana")
        schema = json.loads(ana.run("object", "schema").stdout)  # no node runs yet
        self.assertIn("no node runs here", ana.run("object", "list", code=4).stderr)
        ana.run("up", "--detach")
        shared = ana.json("share", self.file(ana, 1000))
        objects = {one["name"]: one for one in ana.json("object", "list")["objects"]}
        self.assertLessEqual({"library", "meta", "node", "swarm", "threads"}, set(objects))
        self.assertGreater(objects["library"]["calls"], 0)
        self.assertRegex(ana.run("object", "list").stdout, r"library +Library +\d+ +0 +what this node shares and fetches")
        shown = ana.run("object", "show", "library").stdout
        self.assertIn("library is a Library: what this node shares and fetches", shown)
        self.assertRegex(shown, r"remove\(string, bool\) +Transfer")
        self.assertRegex(shown, r"share\(ShareRequest\) +a stream of ShareStep")
        self.assertRegex(shown, r"GetRequest +what +string")
        methods = [one["name"] for one in ana.json("object", "show", "library")["methods"]]
        self.assertEqual(methods[:3], ["share", "put", "get"])
        transfers = json.loads(ana.run("object", "call", "library.list").stdout)
        self.assertEqual([one["status"]["name"] for one in transfers], ["some file.bin"])
        for name in ("some file.bin", shared["id"], json.dumps(shared["id"][:12])):
            self.assertEqual(ana.json("object", "call", "library.show", name)["value"]["status"]["id"], shared["id"])
        steps = json.loads(ana.run("object", "call", "library.share", json.dumps({"path": str(ana.work / "some file.bin")})).stdout)
        self.assertEqual(steps[-1]["shared"]["transfer"]["status"]["id"], shared["id"])
        looks = json.loads(ana.run("object", "call", "library.watch", "", "50000000", "--items", "2").stdout)
        self.assertEqual(len(looks), 2)
        # What a program tells without a node is what its node has.
        self.assertEqual(json.loads(ana.json("object", "call", "meta.schema")["value"]), schema)
        self.assertEqual(ana.json("object", "schema"), schema)

    def test_a_wrong_call_of_an_object_says_where_it_is_wrong(self):
        ana = self.home("ana")
        ana.run("up", "--detach")
        for words, code, said, mend in [
                (["show", "libary"], 3, "no object called libary", "do you mean library?"),
                (["call", "libary.list"], 3, "no object called libary", "do you mean library?"),
                (["call", "library.lst"], 3, "has no method lst", "do you mean library.list?"),
                (["call", "library.lst", "text"], 3, "has no method lst", "do you mean library.list?"),
                (["call", "library"], 2, "names no method", "mutirao object show library"),
                (["call", "library.remove", "x", "1"], 2, "arguments[1]: an integer where a boolean is wanted", None),
                (["call", "library.remove", "x", "maybe"], 2, "arguments[1]: maybe is no JSON, and bool is wanted", "such as"),
                (["call", "library.get", '{"wat": "x"}'], 2, "arguments[0].wat: GetRequest has no such field", "do you mean what?"),
                (["call", "library.get", '{"what": [1]}'], 2, "arguments[0].what: an array where a string is wanted", None),
                (["call", "library.list", "1"], 2, "arguments[0]: there are only 0", None),
                (["call", "library.show", "absent"], 3, "no torrent absent", ""),
                (["call", "meta.call", "library", "list", "[]"], 2, "meta.call does not call itself", "call what you mean"),
                (["call", "library.watch", "", "60000000000", "--timeout", "1"], 75, "", None)]:
            told = ana.run("object", *words, code=code)
            self.assertRegex(told.stderr, r"^error: [^\n]+\n", words)
            self.assertIn(said, told.stderr)
            if mend is not None:
                self.assertRegex(told.stderr, r"\ntry: [^\n]+\n$", words)
                self.assertIn(mend, told.stderr)
        error = json.loads(ana.run("object", "call", "library.lst", "--json", code=3).stdout)["error"]
        self.assertEqual(error["mend"], "do you mean library.list?")

    def test_object_trace_shows_calls_below_their_callers(self):
        ana = self.home("ana")
        ana.run("up", "--detach")
        ana.run("object", "call", "library.list")
        ana.run("object", "call", "library.show", "absent", code=3)
        trees = ana.run("object", "trace").stdout
        self.assertRegex(trees, r"trace [0-9a-f]{32}, [^\n]+ ago\n  meta\.call +[^\n]+ well\n    library\.list +[^\n]+ well\n")
        self.assertRegex(trees, r"    library\.show +[^\n]+ no torrent absent")
        self.assertNotIn("meta.spans", trees)
        spans = ana.json("object", "trace")["spans"]
        self.assertIn("library.list", [f"{one['object']}.{one['method']}" for one in spans])
        follow = ana.start("object", "trace", "--follow", "--json")
        before = {one["span"] for one in json.loads(follow.stdout.readline())["spans"]}
        ana.run("status")
        fresh = json.loads(follow.stdout.readline())["spans"]
        self.assertEqual([f"{one['object']}.{one['method']}" for one in fresh], ["node.status"])
        self.assertFalse(before & {one["span"] for one in fresh})
        follow.send_signal(signal.SIGINT)
        self.assertEqual(follow.wait(TIMEOUT_S), 0)
        follow.communicate()

    def test_objects_are_called_by_curl_over_the_socket(self):
        ana = self.home("ana")
        ana.run("up", "--detach")
        shared = ana.json("share", self.file(ana, 1000))

        def curl(*words):
            done = subprocess.run(["curl", "-s", "--unix-socket", ana.state / "mutirao.sock", *words], capture_output=True, text=True, check=True)
            return json.loads(done.stdout)

        transfers = curl("-X", "POST", "http://node/o/library/list")
        self.assertEqual(transfers[0]["status"]["id"], shared["id"])
        self.assertEqual(curl("-d", '["some file.bin"]', "http://node/o/library/show")["status"]["id"], shared["id"])
        self.assertIn("meta", [one["name"] for one in curl("http://node/o")["objects"]])
        self.assertEqual(curl("-d", '["library", "list", "[]"]', "http://node/o/meta/call")[:1], "[")
        self.assertEqual(curl("-d", "[]", "http://node/o/library/lst")["error"]["mend"], "do you mean library.list?")

    def test_boot_runs_a_system_on_the_terminal_and_ends_as_it_does_or_at_its_key(self):
        ana = self.home("ana")
        nothing = ana.run("boot", code=2)
        self.assertIn("mutirao boot --kernel FILE", nothing.stderr)
        wrong = ana.run("boot", "--kernel", self.file(ana, 10_000), code=None)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("try: give the vmlinuz or Image", wrong.stderr)
        fetched = subprocess.run([ROOT / "packaging/guests/fetch"], capture_output=True, text=True)
        if fetched.returncode != 0:
            self.skipTest(f"no guest to boot: {fetched.stderr.strip()}")
        files = dict(line.split(" ", 1) for line in fetched.stdout.splitlines())
        words = ("boot", "--kernel", files["kernel"], "--initrd", files["initrd"], "--append", "console=ttyS0 quiet", "--memory", "256")
        # Piped: what comes on standard input is typed. The guest reads a folder of ana's.
        (ana.work / "given").mkdir()
        (ana.work / "given/file").write_text("from ana\n")
        self.assertIn("try: give FOLDER:TAG", ana.run(*words, "--share", "given", code=None).stderr)
        piped = ana.start(*words, "--json", "--share", "given:stuff:ro", stdin=subprocess.PIPE)
        self.until_output(piped.stdout, "~ # ")
        rest, _ = piped.communicate("uname -m; mount -t virtiofs stuff /mnt; cat /mnt/file; poweroff -f\n", timeout=TIMEOUT_S)
        self.assertIn("riscv64", rest)
        self.assertIn("\nfrom ana", rest.replace("\r", ""))
        end = json.loads(rest.strip().splitlines()[-1])["machine"]
        self.assertEqual((end["ended"], end["code"], piped.returncode), ("powered_off", 0, 0))
        # On a terminal: Ctrl-C is for the guest, Ctrl-] leaves.
        outer, inner = pty.openpty()
        booted = ana.start(*words, stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)
        terminal = os.fdopen(outer, "rb", buffering=0)
        self.until_output(terminal, "~ # ")
        os.write(outer, b"sleep 1000\n")
        time.sleep(0.5)
        os.write(outer, b"\x03")
        os.write(outer, b"echo still $((40 + 2)) here\n")
        self.until_output(terminal, "still 42 here")
        os.write(outer, b"\x1d")
        self.assertEqual(booted.wait(timeout=TIMEOUT_S), 130)
        terminal.close()

    def test_machines_have_names_and_live_behind_walls_in_the_background(self):
        ana = self.home("ana")
        self.assertIn("mutirao boot --detach --name NAME", ana.run("boot", "--detach", "--kernel", "x", code=2).stderr)
        self.assertIn("is no name for a machine", ana.run("boot", "--name", "../x", "--kernel", "x", code=2).stderr)
        self.assertIn("try: mutirao machine list", ana.run("machine", "show", "web", code=3).stderr)
        self.assertEqual(ana.json("machine", "list"), {"machines": []})
        fetched = subprocess.run([ROOT / "packaging/guests/fetch"], capture_output=True, text=True)
        if fetched.returncode != 0:
            self.skipTest(f"no guest to boot: {fetched.stderr.strip()}")
        files = dict(line.split(" ", 1) for line in fetched.stdout.splitlines())
        words = ("boot", "--kernel", files["kernel"], "--initrd", files["initrd"], "--append", "console=ttyS0 quiet", "--memory", "256")
        ana.run(*words, "--name", "web", "--detach")
        shown = ana.json("machine", "show", "web")["machine"]
        self.assertEqual((shown["name"], shown["state"], shown["memory_bytes"]), ("web", "running", 256 << 20))
        # Its monitor, looked at from outside.
        monitor = pathlib.Path("/proc") / str(shown["process_id"])
        status = dict(line.split(":\t", 1) for line in (monitor / "status").read_text().splitlines() if ":\t" in line)
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
        for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[which], 16), 0, which)
        if "no files" in shown["isolation"] and os.access(monitor / "root", os.R_OK):
            self.assertEqual(os.listdir(monitor / "root"), [])
        # One types, the others look; who leaves leaves it running.
        typist = ana.start("machine", "console", "web", stdin=subprocess.PIPE)
        self.until_output(typist.stdout, "~ # ")
        second = ana.run("machine", "console", "web", code=5)
        self.assertIn("try: look only: mutirao machine console NAME --watch", second.stderr)
        watcher = ana.start("machine", "console", "web", "--watch", stdin=subprocess.DEVNULL)
        typist.stdin.write("echo seen by $((1 + 1))\n")
        typist.stdin.flush()
        self.until_output(typist.stdout, "seen by 2")
        self.until_output(watcher.stdout, "seen by 2")
        typist.kill()
        typist.communicate(timeout=TIMEOUT_S)
        self.assertIn("mutirao machine stop web", ana.run(*words, "--name", "web", code=5).stderr)
        self.assertIn("try: mutirao machine stop web", ana.run("machine", "remove", "web", code=5).stderr)
        ana.run("machine", "stop", "web")
        watcher.communicate(timeout=TIMEOUT_S)
        ended = ana.json("machine", "show", "web")["machine"]
        self.assertEqual((ended["state"], ended["end"]), ("ended", "powered off with 0"))
        # Who is asked to end takes its machine along, and writes that down.
        keeper = json.loads(ana.run(*words, "--name", "web", "--detach", "--json").stdout)["booted"]["process_id"]
        os.kill(keeper, signal.SIGTERM)
        wait_for(lambda: ana.json("machine", "show", "web")["machine"]["end"] == "left", "it was left")
        # A guest that asks for a reset begins anew, in another process.
        ana.run(*words, "--name", "web", "--detach")
        first = ana.json("machine", "show", "web")["machine"]["process_id"]
        typist = ana.start("machine", "console", "web", stdin=subprocess.PIPE)
        self.until_output(typist.stdout, "~ # ")
        typist.communicate("reboot -f\n", timeout=TIMEOUT_S)
        wait_for(lambda: ana.json("machine", "show", "web")["machine"]["process_id"] not in (first, 0), "it began anew")
        ana.run("machine", "stop", "web", "--patience", "0")
        # A monitor that was killed leaves a socket on which nobody answers.
        ana.run(*words, "--name", "web", "--detach")
        victim = ana.json("machine", "show", "web")["machine"]["process_id"]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: "signal 9" in ana.json("machine", "show", "web")["machine"]["end"], "it is known how it ended")
        ana.run("machine", "remove", "web")
        self.assertEqual(ana.json("machine", "list"), {"machines": []})

    def test_machine_exec_runs_programs_of_another_architecture_as_qemu_does(self):
        ana = self.home("ana")
        self.assertIn("not an ELF file", ana.run("machine", "exec", self.file(ana, 100), code=None).stderr)
        compiler, qemu = shutil.which("riscv64-linux-gnu-gcc"), shutil.which("qemu-riscv64-static")
        if not compiler or not qemu:
            self.skipTest("no riscv64-linux-gnu-gcc, or no qemu-riscv64-static")
        sources = pathlib.Path(__file__).parent / "programs"
        for name, words in (("files", ()), ("processes", ()), ("threads", ()), ("signals", ()), ("arguments", ("-l", "--json", "a b", ""))):
            program = ana.work / name
            subprocess.run([compiler, "-w", "-O1", "-static", "-pthread", "-o", program, sources / f"{name}.c"], check=True)
            outcomes = []
            for runner in ([qemu], [BINARY, "machine", "exec"]):
                with tempfile.TemporaryDirectory() as folder:
                    done = subprocess.run([*runner, program, *words], cwd=folder, input="a line\n", capture_output=True, text=True, timeout=TIMEOUT_S)
                    # A shell tells 128 and the signal, as we do; qemu dies of the signal itself.
                    code = 128 - done.returncode if done.returncode < 0 else done.returncode
                    outcomes.append((code, done.stdout))
            self.assertEqual(outcomes[0], outcomes[1], name)
        # qemu would start programs by the kernel's help, which it may not have.
        program = ana.work / "exec"
        subprocess.run([compiler, "-w", "-O1", "-static", "-o", program, sources / "exec.c"], check=True)
        self.assertEqual(ana.run("machine", "exec", program).stdout,
                         "started anew as itself with word, closed\nexited with 11\nPermission denied, No such file or directory\n")
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "mutirao/guests"
        for busybox in list(cache.glob("busybox-static_*/root/usr/bin/busybox"))[:1]:
            script = "for i in 1 2 3; do echo $i; done | sort -r | tr '\\n' ' '; ls /nowhere 2>/dev/null || echo none; echo $(uname -m); cd /; pwd; exit 9"
            done = ana.run("machine", "exec", busybox, "sh", "-c", script, code=9)
            self.assertEqual(done.stdout, "3 2 1 none\nriscv64\n/\n")

    def until_output(self, stream, text):
        """Reads until `text` came."""
        seen = ""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in seen:
            self.assertLess(time.monotonic(), deadline, f"no {text!r} in {seen!r}")
            piece = stream.read(1)
            self.assertTrue(piece, f"it ended without {text!r}: {seen!r}")
            seen += piece if isinstance(piece, str) else piece.decode(errors="replace")
        return seen

    def test_doctor_version_completions_and_manual(self):
        ana = self.home("ana")
        checks = {one["name"]: one for one in ana.json("doctor")["checks"]}
        self.assertTrue({"port", "state folder", "free space", "open files", "file engine", "stack guard", "hash engine", "clock", "IPv6"} <= set(checks))
        self.assertEqual(checks["state folder"]["verdict"], "ok")
        project = (pathlib.Path(__file__).parents[2] / "CMakeLists.txt").read_text()
        version = re.search(r"project\(mutirao VERSION (\S+)", project).group(1)
        for words in (["version"], ["--version"]):
            self.assertEqual(ana.run(*words).stdout, f"mutirao {version}\n")
        script = ana.run("completion", "bash").stdout
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        reply = subprocess.run(["bash", "-c", script + '\nCOMP_WORDS=(mutirao swarm sh); COMP_CWORD=2; _mutirao; echo "${COMPREPLY[@]}"'],
                               capture_output=True, text=True, check=True)
        self.assertEqual(reply.stdout.strip(), "show")
        page = ana.run("manpage").stdout
        self.assertIn(".TH MUTIRAO 1", page)

    def test_demo_delivers_verified_copies(self):
        ana = self.home("ana")
        told = json.loads(ana.run("demo", "--check", "--json", "--size", "60", "--nodes", "5").stdout)
        self.assertTrue(told["ok"], told)
        self.assertEqual(told["copies_verified"], 4)
        self.assertEqual(told["delivered_bytes"], 4 * 60_000_000)

    def test_a_machine_behind_walls_reaches_what_it_was_allowed_by_name(self):
        ana = self.home("ana")
        fetched = subprocess.run([ROOT / "packaging/guests/fetch"], capture_output=True, text=True)
        if fetched.returncode != 0:
            self.skipTest(f"no guest to boot: {fetched.stderr.strip()}")
        files = dict(line.split(" ", 1) for line in fetched.stdout.splitlines())
        (ana.work / "told").write_text("what the host has\n")
        (ana.work / "shared").mkdir()
        (ana.work / "shared/note").write_text("what is shared\n")
        server = subprocess.Popen([sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], cwd=ana.work, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = int(re.search(r"port (\d+)", server.stdout.readline()).group(1))
            booted = ana.start("boot", "--isolation", "required", "--kernel", files["kernel"], "--initrd", files["initrd"],
                               "--append", "console=ttyS0 quiet guest_modules", "--memory", "256", "--allow", f"localhost:{port}", "--share", "shared:here", stdin=subprocess.PIPE)
            self.until_output(booted.stdout, "~ # ")
            rest, errors = booted.communicate(f"udhcpc -i eth0 -n -q >/dev/null 2>&1; wget -q -O - http://10.0.2.2:{port}/told; nslookup nowhere.invalid 10.0.2.3; mount -t virtiofs here /mnt; cat /mnt/note; mkdir /mnt/new; echo said >/mnt/new/answer; ls -R /mnt; rm /mnt/note; umount /mnt; poweroff -f\n", timeout=TIMEOUT_S)
        finally:
            server.kill()
            server.communicate()
        self.assertIn("what the host has", rest)
        self.assertIn("what is shared", rest)
        self.assertEqual((ana.work / "shared/new/answer").read_text(), "said\n")
        self.assertFalse((ana.work / "shared/note").exists())
        self.assertEqual(booted.returncode, 0, errors)

    def test_demo_boots_a_machine_or_says_why_not(self):
        ana = self.home("ana")
        few = ("demo", "--size", "5", "--nodes", "2", "--json")
        without = json.loads(ana.run(*few).stdout)
        self.assertEqual((without["machine"]["booted"], without["ok"]), (False, True))
        self.assertIn("./run fetches one", without["machine"]["mend"])
        fetched = subprocess.run([ROOT / "packaging/guests/fetch"], capture_output=True, text=True)
        if fetched.returncode != 0:
            self.skipTest(f"no guest to boot: {fetched.stderr.strip()}")
        files = dict(line.split(" ", 1) for line in fetched.stdout.splitlines())
        told = json.loads(ana.run(*few, "--kernel", files["kernel"], "--initrd", files["initrd"]).stdout)
        self.assertTrue(told["machine"]["booted"])
        self.assertGreater(told["machine"]["seconds"], 0)
        self.assertTrue(any("riscv64" in line for line in told["machine"]["lines"]), told["machine"]["lines"])
        wrong = json.loads(ana.run(*few, "--kernel", self.file(ana, 10_000), code=1).stdout)
        self.assertEqual((wrong["machine"]["booted"], wrong["ok"]), (False, False))

    def test_demo_takes_a_file_and_cleans_up_after_ctrl_c(self):
        ana = self.home("ana")
        path = self.file(ana, 5 << 20)
        told = json.loads(ana.run("demo", "--file", path, "--json", "--nodes", "3").stdout)
        self.assertEqual(told["file"]["sha256"], digest(path))
        temporary = self.root / "tmp"
        temporary.mkdir()
        ana.environment["TMPDIR"] = str(temporary)
        demo = ana.start("demo", "--size", "2000", "--nodes", "3")
        wait_for(lambda: list(temporary.glob("mutirao-demo-*/node3/mutirao.sock")), "the nodes run")
        numbers = [int(path.read_text()) for path in temporary.glob("mutirao-demo-*/node*/node.pid")]
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=TIMEOUT_S)
        self.assertEqual(demo.returncode, 130)
        self.assertEqual(list(temporary.iterdir()), [])
        for number in numbers:
            with self.assertRaises(ProcessLookupError):
                os.kill(number, 0)

    def test_demo_removes_what_a_killed_one_left_and_nothing_else(self):
        ana = self.home("ana")
        temporary = self.root / "tmp"
        temporary.mkdir()
        ana.environment["TMPDIR"] = str(temporary)
        few = ("demo", "--size", "1", "--nodes", "2")
        ana.run(*few, "--keep")
        running = temporary / "mutirao-demo-of-another"
        running.mkdir()
        with (running / ".held").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            others = set(temporary.iterdir())
            killed = ana.start("demo", "--size", "2000", "--nodes", "2")
            wait_for(lambda: list(temporary.glob("mutirao-demo-*/node2/mutirao.sock")), "the nodes run")
            killed.kill()
            killed.communicate(timeout=TIMEOUT_S)
            self.assertEqual(len(set(temporary.iterdir()) - others), 1)
            ana.run(*few)
            self.assertEqual(set(temporary.iterdir()), others)

    IMPOSSIBLE = """
title = "too much for the line"
peers = 6
arrival = "5 s"
content.size = "512 KiB"
network.uplink = "10 kB/s"
safety.duration = "10 s"
liveness.limit = "5 s"
faults.kill.per_minute = 1
"""

    def test_sim_runs_a_scenario_and_replays_it_to_the_same_trace(self):
        ana = self.home("ana")
        self.assertIn("swarm", ana.run("sim", "list").stdout)
        small = ["swarm", "--peers", "12", "--set", "safety.duration=20 s", "--set", "arrival=5 s"]
        told = json.loads(ana.run("sim", "run", *small, "--seed", "5", "--twice", "--json").stdout)
        self.assertEqual((told["complete"], told["ok"], told["failures"]), (12, True, []))
        again = ana.run("sim", "replay", *small, "--seed", "5", "--trace", told["trace_hash"])
        self.assertIn("the same as the first run", again.stdout)
        self.assertIn("info swarm: file.bin: complete", again.stderr)
        other = ana.run("sim", "replay", *small, "--seed", "6", "--trace", told["trace_hash"], "-q", code=6)
        self.assertIn("another way", other.stderr)
        short = ana.run("sim", "replay", *small, "--until", "3 s", "-q")
        self.assertIn("when it was ended", ana.run("sim", "replay", *small, "--until", "3 s", "--no-progress").stdout)
        self.assertIn("trace", short.stdout)
        events = ana.run("sim", "replay", *small, "--seed", "5", "--events", "100..102")
        self.assertRegex(events.stdout, r"\A( +10[0-2]  at \d+\.\d{9} s, \w+ \w+ \(0x\w+\)\n){3}\Z")
        self.assertEqual(events.stderr, "")
        told = ana.json("sim", "replay", *small, "--seed", "5", "--events", "101..101")["events"]
        self.assertIn(f"101  {told[0]['what']}", events.stdout)
        beyond = ana.run("sim", "replay", *small, "--until", "3 s", "--events", "9000000..9000001", code=3)
        self.assertRegex(beyond.stderr, r"this run has \d+ events")
        self.assertIn("try: --events 1000..1100", ana.run("sim", "replay", *small, "--events", "9..3", code=2).stderr)
        many = ana.run("sim", "run", *small, "--seeds", "3", "--jobs", "2")
        self.assertIn("3 held, 0 failed", many.stdout)

    def test_sim_tells_who_waits_for_what_and_makes_a_failure_small(self):
        ana = self.home("ana")
        (ana.work / "lab.toml").write_text(self.IMPOSSIBLE)
        failed = ana.run("sim", "run", "./lab.toml", "--seed", "2", code=1)
        self.assertRegex(failed.stdout, r"failed      incomplete at .*: peer\d: \d+ of 524288 bytes; downloading: ")
        self.assertIn("mutirao sim replay ./lab.toml --seed 2 --trace ", failed.stdout)
        several = ana.run("sim", "run", "./lab.toml", "--seeds", "2", code=1)
        self.assertIn("again: mutirao sim replay ./lab.toml --seed 2", several.stdout)
        self.assertIn("0 held, 2 failed: 1 2", several.stdout)
        found = ana.json("sim", "minimise", "./lab.toml", "--seed", "2")["minimised"]
        self.assertEqual(found["kind"], "incomplete")
        self.assertIn("peers = 1\n", found["scenario"])
        self.assertNotIn("faults", found["scenario"])
        (ana.work / "small.toml").write_text(found["scenario"])
        ana.run("sim", "run", "./small.toml", "--seed", found["seed"], code=1)
        (ana.work / "lab.toml").write_text("peers = 3\n[network]\nlos = 1\n")
        wrong = ana.run("sim", "run", "./lab.toml", code=2)
        self.assertEqual(wrong.stderr, "error: ./lab.toml:3: network.los is no key of a scenario\ntry: network.loss\n")
        self.assertIn("try: mutirao sim run swarm", ana.run("sim", "run", "swarn", code=3).stderr)

    def test_sim_ends_cleanly_at_ctrl_c_with_what_it_reached(self):
        ana = self.home("ana")
        run = ana.start("sim", "run", "swarm", "--peers", "200", "--set", "safety.duration=24 h", "--no-progress")
        wait_for(lambda: "SigCgt" in pathlib.Path(f"/proc/{run.pid}/status").read_text()
                 and int(re.search(r"SigCgt:\t(\w+)", pathlib.Path(f"/proc/{run.pid}/status").read_text()).group(1), 16) & 2,
                 "it listens to signals")
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=TIMEOUT_S)
        self.assertEqual(run.returncode, 130)
        self.assertIn("when it was ended", out)


def run_stories(story):
    """What a file of stories is as a program: --list, or --mutirao BINARY and those to run."""
    global BINARY
    stories = [name.removeprefix("test_") for name in vars(story) if name.startswith("test_")]
    if sys.argv[1:] == ["--list"]:
        print("\n".join(stories))
        sys.exit()
    if "--mutirao" in sys.argv:
        at = sys.argv.index("--mutirao")
        BINARY = str(pathlib.Path(sys.argv[at + 1]).resolve())
        del sys.argv[at:at + 2]
    suite = unittest.TestSuite(story(f"test_{name}") for name in sys.argv[1:] or stories)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    run_stories(Story)
