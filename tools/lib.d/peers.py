# SPDX-License-Identifier: Apache-2.0
"""Balancers that tools/bench --wire and tools/demo --compare start in a Lab, each with the
configuration its manual gives for the task: TCP of one VIP to the lab's backends, no health checks,
no logs, one thread. Without further words they take turns."""
import os

from lab import PORT, VIP, wait_until

BUILD = os.path.abspath(os.environ.get("SL_BUILD", "build"))
DATAPLANE = f"{BUILD}/dataplane/io/sluice-dataplane"
CONTROL = f"{BUILD}/control/sluice-control"
CLI = f"{BUILD}/tools/cli/sluice"

NGINX = """\
daemon off; master_process off; pid {dir}/{name}.pid;
events {{ worker_connections 8192; }}
"""
DATAPLANE_YAML = """\
workers: 1
cpus: [{main}, {worker}]
flows: 1M
idle: {idle}
socket: {dir}/dataplane.sock
ports:
  - {{name: client, device: "af_xdp:cli0", mode: shared, addresses: [10.10.0.1/24]}}
  - {{name: server, device: "af_xdp:srv0", mode: shared, addresses: [10.20.0.1/24]}}
"""
POOLS_YAML = """\
version: 1
vips:
  - {{name: web, address: "{vip}", ports: [{port}], protocol: tcp, pool: web}}
pools:
  web:
    forward: {{mode: nat}}
    {policy}
    backends:
"""
HAPROXY = """\
global
	nbthread 1
	maxconn 4096
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend web
	bind {vip}:{port}
	default_backend web
backend web
	balance {balance}
"""
STREAM_MODULE = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
STREAM = """\
stream {{
	upstream web {{ {method} {servers} }}
	server {{ listen {vip}:{port} backlog=4096; proxy_pass web; }}
}}
"""
NFT = """\
table ip web {{
	chain prerouting {{
		type nat hook prerouting priority dstnat;
		ip daddr {vip} tcp dport {port} dnat to numgen inc mod {n} map {{ {backends} }}
	}}
}}
"""


def start_sluice(lab, policy="balance: weighted", idle="poll"):
    config = lab.write("dataplane.yaml", DATAPLANE_YAML.format(
        main=lab.other_cpu, worker=lab.balancer_cpu, dir=lab.dir, idle=idle))
    pools = POOLS_YAML.format(vip=VIP, port=PORT, policy=policy)
    pools += "".join(f'      - {{name: s{n}, address: "{a}:{PORT}"}}\n' for n, a in enumerate(lab.backends))
    lab.start("sluice-dataplane", "lb", f"{lab.other_cpu},{lab.balancer_cpu}", DATAPLANE, "--config", config,
              env={"SLUICE_BIN": CLI})

    def is_ready():
        lab.check_alive()
        return "sluice-dataplane: ready" in lab.log("sluice-dataplane")

    wait_until("sluice-dataplane", is_ready)
    if "using af_packet instead" in lab.log("sluice-dataplane"):
        raise RuntimeError("no AF_XDP here: " + lab.log("sluice-dataplane").strip())
    os.mkdir(f"{lab.dir}/state")
    lab.start("sluice-control", "lb", lab.other_cpu, CONTROL, "--config", lab.write("pools.yaml", pools),
              "--state-dir", f"{lab.dir}/state", "--dataplane-socket", f"{lab.dir}/dataplane.sock",
              "--socket", f"{lab.dir}/control.sock", "--metrics", "127.0.0.1:9180")


def start_testpmd(lab):
    """Frames cross as they are, so client and server are made neighbours and speak directly.

    Without hugepages DPDK lets no buffer cross a page, while its AF_XDP driver tells the kernel that
    they lie side by side: the nearer a buffer is to a page, the fewer are beyond what the kernel takes."""
    lab.target = lab.backends[0]
    lab.net.ip("cli", "route", "add", "10.20.0.0/24", "dev", "eth0")
    lab.net.ip("srv", "route", "add", "10.10.0.0/24", "dev", "eth0")
    lab.start("testpmd", "lb", f"{lab.other_cpu},{lab.balancer_cpu}", "dpdk-testpmd", "--no-huge", "--no-pci", "-m",
              "256", "--no-telemetry", "--no-shconf",
              f"--lcores=0@{lab.other_cpu},1@{lab.balancer_cpu}",
              "--log-level=lib.eal:error", "--vdev=net_af_xdp0,iface=cli0", "--vdev=net_af_xdp1,iface=srv0", "--",
              "--forward-mode=io", "--nb-cores=1", "--total-num-mbufs=24576", "--mbuf-size=3840", "--no-flush-rx")


def kernel_addresses(lab):
    """The appliance's addresses belong to its kernel."""
    lab.net.ip("lb", "addr", "add", "10.10.0.1/24", "dev", "cli0")
    lab.net.ip("lb", "addr", "add", "10.20.0.1/24", "dev", "srv0")


def start_haproxy(lab, balance="roundrobin"):
    kernel_addresses(lab)
    lab.net.ip("lb", "addr", "add", f"{VIP}/32", "dev", "lo")
    text = HAPROXY.format(vip=VIP, port=PORT, balance=balance)
    text += "".join(f"\tserver s{n} {a}:{PORT}\n" for n, a in enumerate(lab.backends))
    lab.start("haproxy", "lb", lab.balancer_cpu, "haproxy", "-db", "-f", lab.write("haproxy.cfg", text))


def start_nginx(lab, method=""):
    kernel_addresses(lab)
    lab.net.ip("lb", "addr", "add", f"{VIP}/32", "dev", "lo")
    servers = " ".join(f"server {a}:{PORT};" for a in lab.backends)
    text = STREAM_MODULE + NGINX.format(dir=lab.dir, name="stream")
    text += STREAM.format(vip=VIP, port=PORT, method=method, servers=servers)
    lab.start("nginx-stream", "lb", lab.balancer_cpu, "nginx", "-p", lab.dir, "-c", lab.write("stream.conf", text),
              "-e", "stderr")


def start_nftables(lab):
    kernel_addresses(lab)
    lab.inside_lb("sysctl", "-qw", "net.ipv4.ip_forward=1")
    backends = ", ".join(f"{n} : {a}" for n, a in enumerate(lab.backends))
    rules = lab.write("nft.conf", NFT.format(vip=VIP, port=PORT, n=len(lab.backends), backends=backends))
    lab.inside_lb("nft", "-f", rules)
    # It has no process to pin: without this it would work on the senders' CPU and have none of its own.
    cpu = int(lab.balancer_cpu)
    mask = f"{1 << cpu % 32:x}" + ",00000000" * (cpu // 32)
    for interface in ("cli0", "srv0"):
        lab.inside_lb("sh", "-c", f"echo {mask} >/sys/class/net/{interface}/queues/rx-0/rps_cpus")
