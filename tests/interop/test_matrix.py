"""The interop matrix: our node and real BitTorrent clients, both ways.

  test_matrix.py --mutirao BINARY ROW...     runs those rows
  test_matrix.py --list                      names all rows, one a line

A row passes when every file has arrived with the right hash.
"""

import pathlib
import sys
import unittest

import lab
from lab import Aria2, Lab, Libtorrent, Mutirao, Nginx, Opentracker, Transmission

CLIENTS = {"aria2": Aria2, "transmission": Transmission, "libtorrent": Libtorrent}
CONTENT = {"file": lab.one_file, "folder": lab.odd_folder}
# What Debian 12's clients can read. Transmission 3.00 refused the hybrids of libtorrent and ours, and
# aria2 1.36 computes a v1 hash of its own for one, also for libtorrent's, so that no tracker and no
# peer knows what it asks for.
KINDS = {"aria2": ["v1"], "transmission": ["v1"], "libtorrent": ["v1", "hybrid", "v2"]}
PIECE_BYTES = {"file": 256 << 10, "folder": 16 << 10}


class Row(unittest.TestCase):
    def setUp(self):
        self.lab = Lab(self)
        self.source = self.lab.folder("source")
        self.target = self.lab.folder("target")

    def arrives(self):
        """Waits until the target holds what the source holds."""
        wanted = lab.tree(self.source)
        self.assertTrue(wanted)
        try:
            lab.wait_for(lambda: lab.tree(self.target) == wanted, "the copy is not complete")
        except TimeoutError as late:
            found = lab.tree(self.target)
            missing = [path for path in wanted if found.get(path) != wanted[path]]
            logs = "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2500:]}"
                             for log in sorted(self.lab.root.glob("*.log")))
            self.fail(f"{late}: {len(missing)} of {len(wanted)} files missing or wrong, first {missing[:3]}\n{logs}")

    def torrent(self, path, kind, content, udp=False, web_seeds=()):
        """A .torrent of libtorrent that names an opentracker which knows it."""
        import libtorrent as lt

        def encode(tracker):
            return lab.make_torrent(path, kind, tracker, web_seeds, PIECE_BYTES[content])
        hashes = lt.torrent_info(lt.bdecode(encode(None))).info_hashes()
        known = [str(hashes.v1)] if hashes.has_v1() else []
        if hashes.has_v2():
            known.append(str(hashes.v2)[:40])
        tracker = Opentracker(self.lab, known)
        file = self.lab.root / "made.torrent"
        file.write_bytes(encode(tracker.udp if udp else tracker.http))
        return file

    def shared_torrent(self, node, path, kind):
        """What a visitor of our page downloads."""
        shared = node.share(path, "--format", kind)
        file = self.lab.root / "ours.torrent"
        import urllib.request
        with urllib.request.urlopen(shared["torrent_url"], timeout=10) as answer:
            file.write_bytes(answer.read())
        return file, shared


def they_seed(client, kind, content):
    def run(self):
        portable = {"portable": True} if client == "transmission" and content == "folder" else {}
        path = CONTENT[content](self.source, **portable)
        torrent = self.torrent(path, kind, content)
        CLIENTS[client](self.lab, "seed").run(str(torrent), self.source)
        Mutirao(self.lab, "leech").up().run(str(torrent), self.target)
        self.arrives()
    return run


def we_seed(client, kind, content):
    def run(self):
        path = CONTENT[content](self.source)
        node = Mutirao(self.lab, "seed").up()
        torrent, _ = self.shared_torrent(node, path, kind)
        CLIENTS[client](self.lab, "leech").run(str(torrent), self.target)
        self.arrives()
    return run


def they_seed_by_magnet(client):
    def run(self):
        import libtorrent as lt
        path = lab.one_file(self.source)
        torrent = self.torrent(path, "hybrid" if "hybrid" in KINDS[client] else "v1", "file")
        CLIENTS[client](self.lab, "seed").run(str(torrent), self.source)
        magnet = lt.make_magnet_uri(lt.torrent_info(str(torrent)))
        Mutirao(self.lab, "leech").up().run(magnet, self.target)
        self.arrives()
    return run


def we_seed_by_magnet(client):
    def run(self):
        path = lab.one_file(self.source)
        node = Mutirao(self.lab, "seed").up()
        kind = "hybrid" if "hybrid" in KINDS[client] else "v1"
        magnet = node.share(path, "--format", kind)["magnet"]
        CLIENTS[client](self.lab, "leech").run(magnet, self.target)
        self.arrives()
    return run


def tracker_of_others(udp):
    def run(self):
        path = lab.one_file(self.source)
        torrent = self.torrent(path, "hybrid", "file", udp=udp)
        Mutirao(self.lab, "seed").up().command("get", torrent, "-o", self.source)
        Mutirao(self.lab, "leech").up().run(str(torrent), self.target)
        self.arrives()
    return run


def our_tracker_serves_others(self):
    path = lab.one_file(self.source)
    elsewhere = self.lab.folder("elsewhere")
    node = Mutirao(self.lab, "tracker").up()
    torrent, shared = self.shared_torrent(node, path, "hybrid")
    Libtorrent(self.lab, "seed").run(str(torrent), self.source)
    lab.wait_for(lambda: node.command("swarm", "show", shared["id"], "--json").stdout.count("203.0.113.") > 0, "seed seen")
    # Our node keeps tracking but no longer uploads: what arrives comes from the other client.
    node.command("swarm", "pause", shared["id"])
    del elsewhere
    Aria2(self.lab, "leech").run(str(torrent), self.target)
    self.arrives()


def web_seed_of_nginx(content):
    def run(self):
        path = CONTENT[content](self.source)
        server = Nginx(self.lab, self.source)
        url = server.url if content == "folder" else server.url + "one%20file.bin"
        torrent = self.torrent(path, "hybrid", content, web_seeds=[url])
        Mutirao(self.lab, "leech").up().run(str(torrent), self.target)
        self.arrives()
    return run


def aria2_takes_our_web_seed(self):
    import libtorrent as lt
    path = lab.one_file(self.source)
    node = Mutirao(self.lab, "seed").up()
    torrent, _ = self.shared_torrent(node, path, "v1")
    # Without the tracker it knows no peer: every byte comes by the web seed in the .torrent.
    entry = lt.bdecode(torrent.read_bytes())
    for key in (b"announce", b"announce-list"):
        entry.pop(key, None)
    torrent.write_bytes(lt.bencode(entry))
    Aria2(self.lab, "leech").run(str(torrent), self.target)
    self.arrives()


def add_rows():
    for client in CLIENTS:
        for kind in KINDS[client]:
            for content in CONTENT:
                setattr(Row, f"test_{client}_seeds_{kind}_{content}_to_us", they_seed(client, kind, content))
                setattr(Row, f"test_we_seed_{kind}_{content}_to_{client}", we_seed(client, kind, content))
        setattr(Row, f"test_{client}_seeds_to_us_by_magnet", they_seed_by_magnet(client))
        setattr(Row, f"test_we_seed_to_{client}_by_magnet", we_seed_by_magnet(client))
    for content in CONTENT:
        # Its peers are out of aria2's reach (see KINDS), the web seed in our .torrent is not.
        setattr(Row, f"test_aria2_takes_a_hybrid_{content}_by_web_seed", we_seed("aria2", "hybrid", content))
        setattr(Row, f"test_nginx_is_web_seed_of_a_{content}", web_seed_of_nginx(content))
    Row.test_opentracker_serves_us_over_http = tracker_of_others(udp=False)
    Row.test_opentracker_serves_us_over_udp = tracker_of_others(udp=True)
    Row.test_our_tracker_serves_libtorrent_and_aria2 = our_tracker_serves_others
    Row.test_aria2_takes_our_web_seed = aria2_takes_our_web_seed


add_rows()

if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name in dir(Row) if name.startswith("test_")))
        sys.exit(0)
    lab.enter()
    Mutirao.binary = str(pathlib.Path(sys.argv[sys.argv.index("--mutirao") + 1]).resolve())
    rows = [argument for argument in sys.argv[3:] if argument.startswith("test_")]
    unittest.main(argv=[sys.argv[0], "-v", *[f"Row.{row}" for row in rows]])
