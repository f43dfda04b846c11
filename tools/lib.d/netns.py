# SPDX-License-Identifier: Apache-2.0
"""Network namespaces of one run and the processes in them, for tools/demo and tools/bench --wire.

Every namespace is called PREFIX<pid>-<part>, so that two runs do not meet, cleaning up touches
nothing else, and what a killed run left can be told: its pid is in the name and is gone.
"""
import ctypes
import os
import re
import signal
import subprocess

SYSCTL = (
    "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0",
    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
)


def die_with_parent():
    """In the child (preexec_fn): however the run ends, its processes end too."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def delete_namespace(name):
    """Ends what runs in it, then deletes it; only ever called with names of a run."""
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
    for pid in pids.split():
        try:
            os.kill(int(pid), 9)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


def sweep_dead_namespaces(prefix, parts):
    """Those of a run that was killed with SIGKILL; parts is a regular expression."""
    for line in run("ip", "netns", "list").splitlines():
        m = re.match(rf"({prefix}(\d+)-(?:{parts}))\b", line)
        if m and not os.path.exists(f"/proc/{m[2]}"):
            delete_namespace(m[1])


class Namespaces:
    def __init__(self, prefix):
        self.prefix = f"{prefix}{os.getpid()}"
        self.made = []

    def name(self, part):
        return f"{self.prefix}-{part}"

    def inside(self, part, *command):
        return ["ip", "netns", "exec", self.name(part), *command]

    def ip(self, part, *args):
        run("ip", "-n", self.name(part), *args)

    def add(self, part):
        self.made.append(part)  # first: a signal may come between the two
        run("ip", "netns", "add", self.name(part))
        run(*self.inside(part, "sysctl", "-qw", *SYSCTL))
        self.ip(part, "link", "set", "lo", "up")

    def link(self, *ends):
        (part_a, if_a), (part_b, if_b) = ends
        run("ip", "link", "add", if_a, "netns", self.name(part_a), "type", "veth",
            "peer", "name", if_b, "netns", self.name(part_b))
        for part, interface in ends:
            # Senders compute checksums: AF_XDP and af_packet would see unfinished ones.
            run(*self.inside(part, "ethtool", "-K", interface, "tx", "off"))
            self.ip(part, "link", "set", interface, "up")

    def delete(self):
        for part in self.made:
            delete_namespace(self.name(part))
        self.made = []
