# SPDX-License-Identifier: Apache-2.0
"""dpdk-testpmd --forward-mode=macswap as the yardstick of tools/bench, one turn at a time."""
import os
import re
import subprocess
import time


class Testpmd:
    MOVING = 8192

    def __init__(self, capture, packets, buffer_bytes):
        # Buffers as many and as far apart as the subject's (its private area counts): the capture lies in
        # them, and packets closer together would mean fewer misses per packet.
        mbufs = packets + self.MOVING
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "--no-pci", "-m", str(256 + mbufs // 1024), "--no-telemetry",
             "--no-shconf", "--lcores=0@0,1@1", "--log-level=lib.eal:error",
             f"--vdev=net_pcap0,rx_pcap={capture},infinite_rx=1", "--", "-i", "--forward-mode=macswap",
             "--nb-cores=1", f"--mbuf-size={buffer_bytes}", f"--total-num-mbufs={mbufs}", "--no-flush-rx"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.answer("show port stats 0", "Tx-pps")

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def answer(self, command, last):
        """Packets received as the command tells; reads on to the line with last in it."""
        packets = None
        self.command(command)
        for line in self.process.stdout:
            m = re.search(r"RX-packets:\s*(\d+)", line)
            if m and packets is None:
                packets = int(m[1])
            if packets is not None and last in line:
                return packets
        raise SystemExit("bench: dpdk-testpmd ended; is dpdk-dev installed and is there memory?")

    def cpu_ns(self):
        """Of the forwarding core's thread; the kernel's own count is in nanoseconds."""
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm", encoding="ascii") as f:
                if re.fullmatch(r"(lcore|rte)-worker-1", f.read().strip()):
                    with open(f"{tasks}/{task}/schedstat", encoding="ascii") as stat:
                        return int(stat.read().split()[0])
        raise SystemExit("bench: dpdk-testpmd has no thread for core 1")

    def run(self, ms):
        before_ns = self.cpu_ns()
        self.command("start")
        time.sleep(ms / 1000)
        packets = self.answer("stop", "Done.")  # waits for the core, so both figures cover the same time
        return {"packets": packets, "cpu_ns": self.cpu_ns() - before_ns}

    def close(self):
        self.command("quit")
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
