# SPDX-License-Identifier: Apache-2.0
"""A gRPC server that streams tokens and a client that measures them, on the C core's own HTTP/2.

  grpc_peer.py server ADDR:PORT..
  grpc_peer.py load ADDR:PORT RATE SECONDS close|keep FILE     figures as sluice-sim load's
"""
import json
import random
import sys
import threading
import time
from concurrent import futures

import grpc

METHOD = "/sim.Llm/Generate"
PROMPT_BYTES = 600
TOKEN_BYTES = 40


def generate(_request, _context):
    """A prefill and some tokens, of lengths that differ from answer to answer."""
    time.sleep(random.uniform(0.04, 0.3))
    gap_s = random.uniform(0.015, 0.04)
    for _ in range(random.randint(8, 40)):
        yield b"t" * TOKEN_BYTES
        time.sleep(gap_s)


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(generate) if details.method == METHOD else None


def serve(addresses):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), handlers=(Handler(),))
    for address in addresses:
        server.add_insecure_port(address)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


class Load:
    def __init__(self, target, is_kept):
        self.target, self.is_kept = target, is_kept
        self.idle, self.answers_s, self.gaps, self.failed = [], [], [], 0
        self.lock = threading.Lock()

    def open(self):
        with self.lock:
            if self.idle:
                return self.idle.pop()
        # A pool of subchannels of its own, or all channels would share one connection.
        channel = grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)])
        grpc.channel_ready_future(channel).result(timeout=10)
        return channel

    def call(self):
        try:
            channel = self.open()
            times = [time.monotonic()]
            for _ in channel.unary_stream(METHOD)(b"p" * PROMPT_BYTES, timeout=30):
                times.append(time.monotonic())
        except (grpc.RpcError, grpc.FutureTimeoutError):
            self.failed += 1
            return
        with self.lock:
            self.answers_s.append(times[1] - times[0])
            self.gaps.append((times[-1] - times[1], len(times) - 2))
            if self.is_kept:
                self.idle.append(channel)
                return
        channel.close()

    def run(self, rate, seconds):
        threads, due, end = [], time.monotonic(), time.monotonic() + seconds
        while due < end:
            time.sleep(max(0, due - time.monotonic()))
            threads.append(threading.Thread(target=self.call))
            threads[-1].start()
            due += random.expovariate(rate)
        for thread in threads:
            thread.join()

    def figures(self):
        ordered = sorted(self.answers_s)

        def at(share):
            return 1000 * ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None

        n_gaps = sum(n for _, n in self.gaps)
        return {"ok": len(ordered), "failed": self.failed,
                "answer_ms": {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99)},
                "gap_mean_ms": 1000 * sum(s for s, _ in self.gaps) / n_gaps if n_gaps else None}


def main():
    if sys.argv[1] == "server":
        serve(sys.argv[2:])
        return
    target, rate, seconds, connections, path = sys.argv[2:]
    random.seed(target + connections)
    load = Load(target, connections == "keep")
    load.run(float(rate), float(seconds))
    with open(path, "w", encoding="utf-8") as f:
        json.dump(load.figures(), f)


if __name__ == "__main__":
    main()
