# SPDX-License-Identifier: Apache-2.0
"""The demo's network: one client, the appliance and its servers, joined by veth.

  cli eth0 ---- cli0 lb srv0 ---- bridge in sw ---- eth0 g1 .. g4

Everything carries the prefix sl<pid>-, so that two demos do not meet and cleaning up touches
nothing else.
"""
import os
import re
import subprocess

VIP4, VIP6 = "203.0.113.10", "2001:db8:ff::10"
PORT = 8000
SERVERS = ("g1", "g2", "g3", "g4")
SYSCTL = (
    "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0",
    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
)


def server_addresses(name):
    """IPv4 and IPv6 address of g1 .. g4."""
    n = int(name[1:])
    return f"10.20.0.{10 + n}", f"fd20::{10 + n}"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def delete_namespace(name):
    """Ends what runs in it, then deletes it; only ever called with names of a demo."""
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
    for pid in pids.split():
        try:
            os.kill(int(pid), 9)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


def sweep_dead_namespaces():
    """Those of a demo that was killed with SIGKILL: its pid is in their name and is gone."""
    for line in run("ip", "netns", "list").splitlines():
        m = re.match(r"(sl(\d+)-(?:cli|lb|sw|g\d))\b", line)
        if m and not os.path.exists(f"/proc/{m[2]}"):
            delete_namespace(m[1])


class Network:
    def __init__(self):
        self.prefix = f"sl{os.getpid()}"
        self.made = []

    def name(self, part):
        return f"{self.prefix}-{part}"

    def inside(self, part, *command):
        return ["ip", "netns", "exec", self.name(part), *command]

    def _ip(self, part, *args):
        run("ip", "-n", self.name(part), *args)

    def _add(self, part):
        run("ip", "netns", "add", self.name(part))
        self.made.append(part)
        run(*self.inside(part, "sysctl", "-qw", *SYSCTL))
        self._ip(part, "link", "set", "lo", "up")

    def _link(self, *ends):
        (part_a, if_a), (part_b, if_b) = ends
        run("ip", "link", "add", if_a, "netns", self.name(part_a), "type", "veth",
            "peer", "name", if_b, "netns", self.name(part_b))
        for part, interface in ends:
            # Senders compute checksums: AF_XDP and af_packet would see unfinished ones.
            run(*self.inside(part, "ethtool", "-K", interface, "tx", "off"))
            self._ip(part, "link", "set", interface, "up")

    def _address(self, part, interface, v4, v6):
        self._ip(part, "addr", "add", f"{v4}/24", "dev", interface)
        self._ip(part, "addr", "add", f"{v6}/64", "dev", interface, "nodad")

    def build(self):
        for part in ("cli", "lb", "sw", *SERVERS):
            self._add(part)
        self._link(("cli", "eth0"), ("lb", "cli0"))
        self._address("cli", "eth0", "10.10.0.2", "fd10::2")
        self._ip("cli", "route", "add", f"{VIP4}/32", "via", "10.10.0.1")
        self._ip("cli", "-6", "route", "add", f"{VIP6}/128", "via", "fd10::1")
        self._ip("sw", "link", "add", "br0", "type", "bridge")
        self._ip("sw", "link", "set", "br0", "up")
        self._link(("lb", "srv0"), ("sw", "lb"))
        self._ip("sw", "link", "set", "lb", "master", "br0")
        # The appliance's kernel keeps an address of its own: control probes from it.
        self._address("lb", "srv0", "10.20.0.2", "fd20::2")
        # With af_packet its kernel gets every packet too. It forwards nothing, but for an IPv6
        # destination without a route it would tell the sender so.
        self._ip("lb", "-6", "route", "add", "blackhole", "default")
        for server in SERVERS:
            self._link((server, "eth0"), ("sw", server))
            self._ip("sw", "link", "set", server, "master", "br0")
            self._address(server, "eth0", *server_addresses(server))
            self._ip(server, "route", "add", "default", "via", "10.20.0.1")
            self._ip(server, "-6", "route", "add", "default", "via", "fd20::1")

    def delete(self):
        for part in self.made:
            delete_namespace(self.name(part))
        self.made = []
