# SPDX-License-Identifier: Apache-2.0
"""The demo's network: one client, the appliance and its servers, joined by veth.

  cli eth0 ---- cli0 lb srv0 ---- bridge in sw ---- eth0 g1 .. g4

Everything carries the prefix sl<pid>-, so that two demos do not meet and cleaning up touches
nothing else.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib.d"))
from netns import Namespaces  # noqa: E402

PREFIX, PARTS = "sl", r"cli|lb|sw|g\d"
VIP4, VIP6 = "203.0.113.10", "2001:db8:ff::10"
PORT = 8000
SERVERS = ("g1", "g2", "g3", "g4")


def server_addresses(name):
    """IPv4 and IPv6 address of g1 .. g4."""
    n = int(name[1:])
    return f"10.20.0.{10 + n}", f"fd20::{10 + n}"


class Network(Namespaces):
    def __init__(self):
        super().__init__(PREFIX)

    def _address(self, part, interface, v4, v6):
        self.ip(part, "addr", "add", f"{v4}/24", "dev", interface)
        self.ip(part, "addr", "add", f"{v6}/64", "dev", interface, "nodad")

    def build(self):
        for part in ("cli", "lb", "sw", *SERVERS):
            self.add(part)
        self.link(("cli", "eth0"), ("lb", "cli0"))
        self._address("cli", "eth0", "10.10.0.2", "fd10::2")
        self.ip("cli", "route", "add", f"{VIP4}/32", "via", "10.10.0.1")
        self.ip("cli", "-6", "route", "add", f"{VIP6}/128", "via", "fd10::1")
        self.ip("sw", "link", "add", "br0", "type", "bridge")
        self.ip("sw", "link", "set", "br0", "up")
        self.link(("lb", "srv0"), ("sw", "lb"))
        self.ip("sw", "link", "set", "lb", "master", "br0")
        # The appliance's kernel keeps an address of its own: control probes from it.
        self._address("lb", "srv0", "10.20.0.2", "fd20::2")
        # With af_packet its kernel gets every packet too. It forwards nothing, but for an IPv6
        # destination without a route it would tell the sender so.
        self.ip("lb", "-6", "route", "add", "blackhole", "default")
        for server in SERVERS:
            self.link((server, "eth0"), ("sw", server))
            self.ip("sw", "link", "set", server, "master", "br0")
            self._address(server, "eth0", *server_addresses(server))
            self.ip(server, "route", "add", "default", "via", "10.20.0.1")
            self.ip(server, "-6", "route", "add", "default", "via", "fd20::1")
