# SPDX-License-Identifier: Apache-2.0
"""Servers and clients that no Debian package is: engines and applications with settings of their own.

  web.py serve ADDRESS PORT KIND [KEY=VALUE..]   KIND: tokens, api, notify, segments
  web.py ask ADDRESS PORT KIND SECONDS [KEY=VALUE..]
      KIND: chat, chat-tls, unary, unary-tls, embed, api, notify, segments, loader, think (a typist behind ssh)

Every client is a real HTTP/1.1 client over sockets of its own; think time and sizes are drawn at
random from ranges, from a seed.
"""
import json
import os
import random
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def settings(words):
    out = {}
    for word in words:
        key, value = word.split("=", 1)
        out[key] = float(value) if value.replace(".", "", 1).isdigit() else value
    return out


def make_handler(kind, s):
    rng = random.Random(s.get("seed", 1))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def log_message(self, *args):
            pass

        def setup(self):
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def chunk(self, data):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

        def begin_events(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()

        def answer(self, n):
            self.send_response(200)
            self.send_header("Content-Length", str(n))
            self.end_headers()
            self.wfile.write(b"x" * n)
            self.wfile.flush()

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.reply()

        def do_GET(self):
            self.reply()

        def reply(self):
            if kind == "tokens":  # an engine that sends several tokens at a time
                time.sleep(rng.uniform(0.5, 1.5) * s.get("ttft", 0.3))
                self.begin_events()
                for _ in range(int(rng.uniform(0.5, 1.5) * s.get("events", 40))):
                    self.chunk(b"data:" + b"t" * int(rng.uniform(0.8, 1.2) * s.get("size", 136)) + b"\n\n")
                    time.sleep(rng.uniform(0.7, 1.3) * s.get("gap", 0.04))
                self.wfile.write(b"0\r\n\r\n")
                self.wfile.flush()
            elif kind == "notify":  # a page that is told what happens elsewhere
                self.begin_events()
                for _ in range(200):
                    time.sleep(rng.expovariate(1 / s.get("gap", 0.5)))
                    self.chunk(b"data:" + b"n" * int(rng.uniform(0.3, 3) * s.get("size", 200)) + b"\n\n")
            elif kind == "segments":  # video
                self.answer(int(rng.uniform(0.5, 1.5) * s.get("size", 400000)))
            else:  # an application with a database behind it
                time.sleep(rng.expovariate(1 / s.get("delay", 0.01)))
                self.answer(int(rng.uniform(0.2, 2) * s.get("size", 3000)))

    return Handler


def serve(address, port, kind, s):
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer((address, int(port)), make_handler(kind, s)).serve_forever()


class Client:
    def __init__(self, address, port, tls):
        self.sock = socket.create_connection((address, port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl._create_unverified_context()
            self.sock = context.wrap_socket(self.sock, server_hostname="ai.test")
        self.file = self.sock.makefile("rb")

    def ask(self, method, path, body=b"", headers=(), until=None):
        head = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
        self.sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        length, chunked = 0, False
        self.file.readline()
        while (line := self.file.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            chunked = chunked or (line.startswith(b"transfer-encoding:") and b"chunked" in line)
        if not chunked:
            self.file.read(length)
            return
        while (n := int(self.file.readline() or b"0", 16)) > 0:
            self.file.read(n)
            self.file.readline()
            if until is not None and time.monotonic() > until:
                raise TimeoutError
        self.file.readline()


def prompt(rng, tokens, output, stream):
    text = "word " * int(rng.lognormvariate(0, 0.8) * tokens * 4 / 5)
    return json.dumps({"model": "m", "stream": stream, "max_tokens": max(2, int(rng.lognormvariate(0, 0.5) * output)),
                       "messages": [{"role": "user", "content": text}]}).encode()


def session(address, port, kind, until, s, rng):
    client, n = None, 0
    tls = kind.endswith("-tls")
    keep = int(s.get("keep", 1))
    while time.monotonic() < until:
        if client is None:
            client = Client(address, port, tls)
        if kind.startswith("chat"):
            client.ask("POST", "/v1/chat/completions",
                       prompt(rng, s.get("prompt", 300), s.get("output", 60), True), until=until)
        elif kind.startswith("unary"):
            client.ask("POST", "/v1/chat/completions",
                       prompt(rng, s.get("prompt", 300), s.get("output", 8), False))
        elif kind == "embed":
            body = json.dumps({"model": "m", "input": "word " * int(rng.uniform(0.3, 3) * s.get("prompt", 200))})
            client.ask("POST", "/v1/embeddings", body.encode())
        elif kind == "loader":  # shards, a range at a time
            size, first = int(s.get("size", 4e6)), rng.randrange(0, 20) * 1000000
            client.ask("GET", s.get("path", "/shard"), headers=[f"Range: bytes={first}-{first + size - 1}"])
        elif kind == "api":
            body = b"q" * int(rng.uniform(0.2, 3) * s.get("request", 300))
            client.ask("POST" if rng.random() < 0.5 else "GET", f"/items/{rng.randrange(1000)}", body)
        else:
            client.ask("GET", f"/{kind}", until=until)
        n += 1
        if n % keep == 0:
            client.sock.close()
            client = None
        time.sleep(rng.expovariate(1 / s.get("think", 0.05)) if s.get("think", 0.05) > 0 else 0)


def ask(address, port, kind, seconds, s):
    until = time.monotonic() + float(seconds)

    def one(i):
        rng = random.Random(int(s.get("seed", 1)) * 1000 + i)
        time.sleep(rng.uniform(0, s.get("spread", 1.0)))
        while time.monotonic() < until:
            try:
                session(address, int(port), kind, until, s, rng)
            except (OSError, TimeoutError, ValueError):
                time.sleep(0.2)

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(int(s.get("clients", 4)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(max(0, until + 2 - time.monotonic()))
    os._exit(0)


def think(seconds, s):
    """Types into whatever reads its output (ssh), as people do."""
    rng = random.Random(int(s.get("seed", 1)))
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        for key in rng.choice(["ls -l /usr\n", "uptime\n", "ps aux | head -30\n", "cat /etc/services | head -50\n"]):
            sys.stdout.write(key)
            sys.stdout.flush()
            time.sleep(rng.uniform(0.3, 1.7) * s.get("key", 0.12))
        time.sleep(rng.uniform(0.2, 1.0))
    sys.stdout.write("exit\n")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], sys.argv[4], settings(sys.argv[5:]))
    elif sys.argv[1] == "think":
        think(sys.argv[2], settings(sys.argv[3:]))
    else:
        ask(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5], settings(sys.argv[6:]))
