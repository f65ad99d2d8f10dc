"""The classifier and the hole puncher of the simulator, through NATs of the Linux kernel.

  test_nat.py --probe BINARY TEST...     runs those tests
  test_nat.py --list                     names all, one a line

What a program sees of the simulated kinds (src/sim/src/nat_test.cc) must be what it sees of these.
A server S with two addresses and two routers, NA and NB, stand on one bridge; behind each a host.
All of it is in network namespaces of this test alone, which end with it.
"""

import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import lab  # noqa: E402

PROBE = None
SERVER = ("203.0.113.10", "203.0.113.11")

# Without it the router takes an early packet of a peer for its own: the leaky kind.
GUARD = """
table ip f {
  chain input { type filter hook input priority 0; policy drop;
    iifname "lo" accept; ct state established,related accept; iifname "lan" accept; }
  chain forward { type filter hook forward priority 0; policy drop;
    iifname "lan" accept; ct state established,related accept; ct status dnat accept; }
}
"""
MASQUERADE = """
table ip n {
  chain post { type nat hook postrouting priority 100; oifname "wan" masquerade %s; }
}
"""
CONE = MASQUERADE % "" + """
table ip n {
  map eim { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s; }
  set seen { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s; }
  chain learn { type filter hook postrouting priority 101;
    oifname "wan" meta l4proto udp ct direction original update @eim { udp sport : ct original ip saddr . ct original proto-src };
    oifname "wan" meta l4proto udp ct direction original update @seen { ip daddr . udp sport }; }
  chain pre { type nat hook prerouting priority -100;
    iifname "wan" meta l4proto udp %s dnat ip to udp dport map @eim; }
}
"""
KINDS = {
    "full": GUARD + CONE % "",
    "addr-restr": GUARD + CONE % "ip saddr . udp dport @seen",
    "port-restr": GUARD + MASQUERADE % "",
    "leaky": MASQUERADE % "",
    "symmetric": GUARD + MASQUERADE % "fully-random",
    "no-udp": GUARD + MASQUERADE % "" + """
table ip f {
  chain wall { type filter hook forward priority -10; meta l4proto udp drop; }
}
""",
}
INDEPENDENT, ADDRESS, PORT = "endpoint-independent", "address-dependent", "address-and-port-dependent"
VERDICTS = {
    "full": f"mapping={INDEPENDENT} filtering={INDEPENDENT} preserves-port",
    "addr-restr": f"mapping={INDEPENDENT} filtering={ADDRESS} preserves-port",
    "port-restr": f"mapping={INDEPENDENT} filtering={PORT} preserves-port",
    "leaky": f"mapping={INDEPENDENT} filtering={PORT} preserves-port",
    "symmetric": f"mapping={PORT} filtering={PORT} other-port",
    "no-udp": "udp-blocked",
}
NO_WAY = {("port-restr", "symmetric"), ("leaky", "leaky"), ("leaky", "symmetric"), ("symmetric", "symmetric")}


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Nat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("net", "s", "na", "nb", "a", "b"):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", "net", "link", "add", "br0", "type", "bridge")
        ip("-n", "net", "link", "set", "br0", "up")
        for filtered in pathlib.Path("/proc/sys/net/bridge").glob("bridge-nf-call-iptables"):
            filtered.write_text("0")
        # Who is sent to an address that is not here must hear nothing, instead of an error.
        ip("-n", "net", "address", "add", "203.0.113.254/24", "dev", "br0")
        for number, name in enumerate(("s", "na", "nb")):
            ip("-n", "net", "link", "add", f"port{number}", "type", "veth", "peer", "name", "wan", "netns", name)
            ip("-n", "net", "link", "set", f"port{number}", "master", "br0", "up")
            ip("-n", name, "link", "set", "wan", "up")
        for address in SERVER:
            ip("-n", "s", "address", "add", f"{address}/24", "dev", "wan")
        ip("-n", "s", "route", "add", "default", "via", "203.0.113.254")
        for number, (router, host) in enumerate((("na", "a"), ("nb", "b")), 1):
            lan = f"192.168.{number}"
            ip("-n", router, "address", "add", f"203.0.113.{number}/24", "dev", "wan")
            ip("-n", router, "route", "add", "default", "via", "203.0.113.254")
            ip("-n", router, "link", "add", "lan", "type", "veth", "peer", "name", "eth", "netns", host)
            ip("-n", router, "address", "add", f"{lan}.1/24", "dev", "lan")
            ip("-n", router, "link", "set", "lan", "up")
            ip("-n", host, "address", "add", f"{lan}.2/24", "dev", "eth")
            ip("-n", host, "link", "set", "eth", "up")
            ip("-n", host, "route", "add", "default", "via", f"{lan}.1")
            cls.inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        cls.server = subprocess.Popen(["ip", "netns", "exec", "s", PROBE, "serve", *SERVER, "100"],
                                      stdout=subprocess.PIPE, text=True)
        assert cls.server.stdout.readline() == "ready\n"

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()
        cls.server.wait()
        cls.server.stdout.close()

    @staticmethod
    def inside(name, *command, **options):
        return subprocess.run(["ip", "netns", "exec", name, *command], check=True, text=True, **options)

    def become(self, router, kind):
        self.inside(router, "nft", "-f", "-", input="flush ruleset\n" + KINDS[kind])
        self.inside(router, "conntrack", "-F", stderr=subprocess.DEVNULL)

    def probe(self, host, *arguments):
        return subprocess.Popen(["ip", "netns", "exec", host, PROBE, *arguments], stdout=subprocess.PIPE, text=True)

    def said(self, *probes):
        return [probe.communicate(timeout=60)[0].strip() for probe in probes]

    def test_kinds_are_seen_as_the_simulated_ones(self):
        for kind, verdict in VERDICTS.items():
            with self.subTest(kind=kind):
                self.become("na", kind)
                self.assertEqual(self.said(self.probe("a", "classify", *SERVER)), [verdict])

    def test_no_hairpin_where_none_is_made(self):
        self.become("na", "port-restr")
        self.assertEqual(self.said(self.probe("a", "hairpins", SERVER[0])), ["no"])

    def test_what_can_be_direct(self):
        kinds = [kind for kind in KINDS if kind != "no-udp"]
        for row, one in enumerate(kinds):
            for other in kinds[row:]:
                with self.subTest(pair=(one, other)):
                    self.become("na", one)
                    self.become("nb", other)
                    # Behind a leaky one the inner side must be first, see src/sim/README.md.
                    turns = ("second", "first") if other == "leaky" else ("first", "second")
                    a, b = (self.probe(host, "punch", SERVER[0], turn, f"{one} and {other}")
                            for host, turn in zip("ab", turns))
                    expected = "no way" if (one, other) in NO_WAY else "direct"
                    self.assertEqual(self.said(a, b), [expected, expected])

    def test_two_behind_port_restricted_ones_connect_by_simultaneous_open(self):
        for router in ("na", "nb"):
            self.become(router, "port-restr")
        a = self.probe("a", "connect", "5000", "203.0.113.2:6000")
        b = self.probe("b", "connect", "6000", "203.0.113.1:5000")
        self.assertEqual(self.said(a, b), ["connected", "connected"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name in dir(Nat) if name.startswith("test_")))
        sys.exit(0)
    if os.geteuid() != 0:
        print("skipped: network namespaces within a network namespace need root")
        sys.exit(77)
    lab.enter(mounts=True)
    # Names of namespaces are files there: of this test alone.
    pathlib.Path("/run/netns").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "netns", "/run/netns"], check=True)
    PROBE = str(pathlib.Path(sys.argv[sys.argv.index("--probe") + 1]).resolve())
    tests = [argument for argument in sys.argv[3:] if argument.startswith("test_")]
    unittest.main(argv=[sys.argv[0], "-v", *[f"Nat.{test}" for test in tests]])
