"""A private network namespace full of real BitTorrent programs.

`enter()` re-executes the calling test in a fresh user and network namespace, in which every address
of 203.0.113.0/24 is this machine: each program gets an address of its own, nothing leaves, and the
namespace is gone when the test ends.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

NETWORK = "203.0.113"
TIMEOUT_S = float(os.environ.get("MUTIRAO_LAB_TIMEOUT_S", 150))


def enter(mounts=False):
    """Continues in namespaces of our own; returns only inside them. `mounts`: also one for mounts."""
    if os.environ.get("MUTIRAO_LAB") == "inside":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "address", "add", f"{NETWORK}.1/24", "dev", "lo"], check=True)
        return
    flags = ["--net"] if os.geteuid() == 0 else ["--net", "--user", "--map-root-user"]
    if mounts:
        flags.append("--mount")
    environment = dict(os.environ, MUTIRAO_LAB="inside")
    os.execvpe("unshare", ["unshare", *flags, sys.executable, *sys.argv], environment)


def wait_for(condition, what, timeout_s=TIMEOUT_S):
    """Polls until `condition()` is true; its last value."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"gave up after {timeout_s} s: {what}")
        time.sleep(0.05)


# Transmission writes these as '_', on every system.
UNPORTABLE = str.maketrans('<>|?*":', "_______")


def tree(folder):
    """Every file below `folder` with its SHA-256, leaving out what clients keep for themselves.

    Names are compared as the least portable client writes them.
    """
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.suffix not in (".aria2", ".part") and ".pad" not in path.parts:
            relative = str(path.relative_to(folder)).translate(UNPORTABLE)
            if path.stat().st_size == 0:
                continue  # some clients do not make empty files
            found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Lab:
    """Folders, addresses and processes of one test; everything ends with it."""

    def __init__(self, test):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mutirao-lab-"))
        self.processes = []
        self._next_address = 10
        test.addCleanup(self.close)

    def close(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def address(self):
        self._next_address += 1
        return f"{NETWORK}.{self._next_address}"

    def folder(self, name):
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start(self, name, *command, **options):
        with open(self.root / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options)
        self.processes.append(process)
        return process

    def log(self, name):
        path = self.root / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


def wait_listening(address, port):
    def answers():
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return True
        return False
    wait_for(answers, f"nobody listens on {address}:{port}")


# --- content -------------------------------------------------------------------------------------

def one_file(folder, size=8 << 20, seed=1):
    path = pathlib.Path(folder) / "one file.bin"
    draw = random.Random(seed)
    with open(path, "wb") as out:
        for at in range(0, size, 1 << 20):
            out.write(draw.randbytes(min(1 << 20, size - at)))
    return path


ODD = ["plain", "with space", "dot.dot..dot", ".hidden", "percent%20", "hash#mark", "amp&ersand",
       "quote'single", 'quote"double', "semi;colon", "question?", "star*", "bracket[1]", "curly{2}",
       "tilde~", "plus+plus", "equals=", "comma,", "at@", "dollar$", "ação", "日本語", "Ελλάδα",
       "кириллица", "emoji😀", "e\u0301 combining", "-dash-first", "n" * 180, "pipe|", "less<more>"]


def odd_folder(folder, files=1000, seed=2, portable=False):
    """Many small files; `portable`: under names that Transmission too finds again on its disk."""
    draw = random.Random(seed)
    root = pathlib.Path(folder) / "odd names"
    for number in range(files):
        name = ODD[number % len(ODD)]
        if portable:
            name = name.translate(UNPORTABLE)
        where = root / f"{name[:60]} {number // 100}" if number % 3 else root
        where.mkdir(parents=True, exist_ok=True)
        (where / f"{name}-{number}").write_bytes(draw.randbytes(draw.choice([1, 7, 300, 5000, 17000])))
    return root


def make_torrent(path, kind, tracker=None, web_seeds=(), piece_length=64 << 10):
    """A .torrent made by libtorrent: kind is v1, v2 or hybrid."""
    import libtorrent as lt
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[kind]
    storage = lt.file_storage()
    lt.add_files(storage, str(path))
    torrent = lt.create_torrent(storage, piece_length, flags)
    if tracker:
        torrent.add_tracker(tracker)
    for url in web_seeds:
        torrent.add_url_seed(url)
    lt.set_piece_hashes(torrent, str(path.parent))
    return lt.bencode(torrent.generate())


# --- programs ------------------------------------------------------------------------------------

class Libtorrent:
    """python3-libtorrent in a process of its own: libtorrent_peer.py."""
    name = "libtorrent"

    def __init__(self, lab, label="libtorrent"):
        self.lab, self.label, self.address = lab, label, lab.address()

    def run(self, what, folder, peers=()):
        script = pathlib.Path(__file__).parent / "libtorrent_peer.py"
        self.lab.start(self.label, sys.executable, script, "--what", what, "--folder", folder,
                       "--listen", f"{self.address}:6881", *[f"--peer={peer}" for peer in peers])


class Aria2:
    name = "aria2"

    def __init__(self, lab, label="aria2"):
        self.lab, self.label, self.address = lab, label, lab.address()

    def run(self, what, folder, peers=()):
        del peers  # it learns of peers from trackers only
        # Without content the check would end a magnet as a checksum error.
        check = ["--check-integrity=true"] if any(pathlib.Path(folder).iterdir()) else []
        self.lab.start(
            self.label, "aria2c", f"--dir={folder}", "--no-conf", "--enable-dht=false",
            "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
            "--seed-ratio=0", *check, "--allow-overwrite=true", "--disable-ipv6",
            f"--interface={self.address}", "--listen-port=6881", "--file-allocation=none",
            "--bt-tracker-interval=1", "--follow-torrent=mem", what)


class Transmission:
    name = "transmission"

    def __init__(self, lab, label="transmission"):
        self.lab, self.label, self.address = lab, label, lab.address()

    def run(self, what, folder, peers=()):
        del peers
        home = self.lab.folder(f"{self.label}-home")
        (home / "settings.json").write_text(json.dumps({
            "bind-address-ipv4": self.address, "peer-port": 6881, "dht-enabled": False,
            "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False, "encryption": 0,
            "rpc-bind-address": self.address, "rpc-port": 9091, "rpc-whitelist-enabled": False,
            "rpc-host-whitelist-enabled": False, "download-dir": str(folder), "preallocation": 0,
            "port-forwarding-enabled": False, "rename-partial-files": False}))
        self.lab.start(self.label, "transmission-daemon", "-f", "-g", home)
        wait_listening(self.address, 9091)
        remote = ["transmission-remote", f"{self.address}:9091"]
        # 3.00 waits a long time before it asks a tracker again: ask it to, until the test is over.
        subprocess.run([*remote, "-w", str(folder), "-a", what], check=True, capture_output=True)
        self.lab.start(f"{self.label}-nudge", "sh", "-c",
                       f"while sleep 2; do transmission-remote {self.address}:9091 -t all --reannounce; done")


class Mutirao:
    """A node of ours, driven by its command line."""
    name = "mutirao"
    binary = None  # set by the test's command line

    def __init__(self, lab, label="mutirao", arguments=(), allow_internal=True):
        self.lab, self.label, self.address = lab, label, lab.address()
        self.state = lab.folder(f"{label}-state")
        # The lab's addresses are internal ones.
        self.arguments = (*(["--allow-internal"] if allow_internal else []), *arguments)

    @property
    def environment(self):
        return dict(os.environ, MUTIRAO_STATE_DIR=str(self.state), HOME=str(self.state))

    def up(self):
        self.process = self.lab.start(
            self.label, self.binary, "up", "--listen", f"{self.address}:6881",
            *self.arguments, env=self.environment)
        wait_listening(self.address, 6881)
        return self

    def command(self, *arguments, check=True, timeout=TIMEOUT_S):
        done = subprocess.run([self.binary, *[str(part) for part in arguments]],
                              env=self.environment, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"mutirao {arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}\n{self.lab.log(self.label)}")
        return done

    def run(self, what, folder, peers=()):
        del peers
        self.lab.start(f"{self.label}-get", self.binary, "get", what, "-o", folder, env=self.environment)

    def share(self, path, *options):
        """Shares and returns what `share --json` says."""
        return json.loads(self.command("share", "--json", *options, path).stdout.strip().splitlines()[-1])

    @property
    def tracker(self):
        return f"http://{self.address}:6881/announce"


class Opentracker:
    """Debian's build tracks only what its whitelist names, and reads that list inside a chroot."""

    def __init__(self, lab, info_hashes):
        self.address = lab.address()
        folder = lab.folder("opentracker")
        lab.root.chmod(0o755)  # it reads its list as nobody
        (folder / "whitelist").write_text("".join(f"{one}\n" for one in info_hashes))
        (folder / "config").write_text(
            f"listen.tcp_udp {self.address}:6969\naccess.whitelist /whitelist\n"
            f"tracker.rootdir {folder}\ntracker.user nobody\n")
        lab.start("opentracker", "opentracker", "-f", folder / "config")
        wait_listening(self.address, 6969)
        self.http = f"http://{self.address}:6969/announce"
        self.udp = f"udp://{self.address}:6969/announce"


class Nginx:
    def __init__(self, lab, folder, label="nginx"):
        self.address = lab.address()
        home = lab.folder(label)
        os.chmod(lab.root, 0o755)
        (home / "nginx.conf").write_text(
            f"daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1; user root;\n"
            "events {}\nhttp { access_log off; client_body_temp_path " + f"{home}/body;\n"
            f"  proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n"
            f"  server {{ listen {self.address}:80; root {folder}; }} }}\n")
        lab.start(label, "nginx", "-c", home / "nginx.conf", "-e", home / "error.log")
        wait_listening(self.address, 80)
        self.url = f"http://{self.address}/"
