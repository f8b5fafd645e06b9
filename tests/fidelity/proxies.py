"""The real proxies, and ours, each started on loopback with a configuration of its own in a scratch folder.

Defaults that are too long to wait for are shortened by the same setting on all sides, and differ from each other, so
that a time tells which of them ran out: towards the backend 3 s, a connection without streams 4 s, towards the client
5 s.
"""

import asyncio
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

READ_SECONDS = 3
IDLE_SECONDS = 4
CLIENT_SECONDS = 5
DRAIN_SECONDS = 2
# From the wheel, beside this very Python.
ENVOY = Path(sys.executable).with_name("envoy")
# Built by cargo into the target folder, in which this Python's venv is.
PINGORA = Path(__file__).with_name("pingora")
PINGORA_PROGRAM = Path(sys.prefix).with_name("fidelity-pingora") / "debug/fidelity-pingora"
# Starting takes Envoy a second on an idle core.
PATIENCE_SECONDS = 30


@dataclasses.dataclass
class Setting:
    """What a proxy is started with."""

    folder: Path
    listen: int
    upstream: int
    admin: int

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclasses.dataclass
class Proxy:
    """A kind of proxy: how it is found, started, and told to stop gracefully."""

    name: str
    program: str | None
    version: Callable[[], str]
    command: Callable[[Setting], list[str]]
    drain: Callable[["Running"], object]

class Running:
    """A proxy that has been started. It leads a process group of its own, so that ending it ends its workers."""

    def __init__(self, proxy, setting, process):
        self.proxy = proxy
        self.setting = setting
        self.process = process
        self.draining = False

    @classmethod
    async def start(cls, proxy, setting):
        with open(setting.folder / "log", "wb") as log:
            process = await asyncio.create_subprocess_exec(
                *proxy.command(setting), cwd=setting.folder, stdout=log, stderr=log, start_new_session=True
            )
        running = cls(proxy, setting, process)
        try:
            await running.listens()
        except BaseException:
            await running.kill()
            raise
        return running

    async def listens(self):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if self.process.returncode is not None:
                    raise RuntimeError(f"{self.proxy.name} has ended: {self.log()}")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.setting.listen)
                    writer.close()
                    return
                except ConnectionError:
                    await asyncio.sleep(0.03)

    def log(self):
        return (self.setting.folder / "log").read_text(errors="replace")

    def drain(self):
        self.draining = True
        # Kept, so that a task is not collected.
        self.telling = self.proxy.drain(self)

    async def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        await self.process.wait()


def pingora(setting):
    return [str(PINGORA_PROGRAM), str(setting.listen), str(setting.upstream)]


def by_signal(number):
    return lambda running: running.process.send_signal(number)


def by_admin(path):
    def post(running):
        request = f"POST {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n".encode()

        async def send():
            _, writer = await asyncio.open_connection("127.0.0.1", running.setting.admin)
            writer.write(request)
            await writer.drain()
            # The connection ends with the proxy.

        return asyncio.create_task(send())

    return post


def asked(program, flag):
    """The version that a program tells."""

    def ask():
        told = subprocess.run([program, flag], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", told.stdout + told.stderr).group()

    return ask


def locked(package):
    """The version of a crate that cargo has built."""
    lock = tomllib.loads((PINGORA / "Cargo.lock").read_text())
    return lambda: next(each["version"] for each in lock["package"] if each["name"] == package)


def found(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def nginx(setting):
    paths = "\n".join(
        f"  {kind}_temp_path {setting.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = f"""
daemon off;
worker_processes 1;
pid {setting.folder}/pid;
error_log stderr;
events {{}}
http {{
{paths}
  access_log off;
  server {{
    listen 127.0.0.1:{setting.listen} http2;
    grpc_read_timeout {READ_SECONDS}s;
    grpc_send_timeout {READ_SECONDS}s;
    client_body_timeout {CLIENT_SECONDS}s;
    send_timeout {CLIENT_SECONDS}s;
    keepalive_timeout {IDLE_SECONDS}s;
    location / {{ grpc_pass grpc://127.0.0.1:{setting.upstream}; }}
  }}
}}
"""
    return [found("nginx"), "-e", "stderr", "-p", str(setting.folder), "-c", setting.write("nginx.conf", text)]


def haproxy(setting):
    text = f"""
defaults
  mode http
  timeout connect 5s
  timeout server {READ_SECONDS}s
  timeout client {CLIENT_SECONDS}s
listen all
  bind 127.0.0.1:{setting.listen} proto h2
  server backend 127.0.0.1:{setting.upstream} proto h2
"""
    return [found("haproxy"), "-db", "-f", setting.write("haproxy.cfg", text)]


def nghttpx(setting):
    return [
        found("nghttpx"),
        f"--conf={setting.write('nghttpx.conf', '')}",
        f"--frontend=127.0.0.1,{setting.listen};no-tls",
        f"--backend=127.0.0.1,{setting.upstream};;proto=h2",
        f"--backend-read-timeout={READ_SECONDS}s",
        f"--frontend-http2-read-timeout={IDLE_SECONDS}s",
        "--errorlog-file=/dev/stderr",
        "--accesslog-file=/dev/null",
    ]


MODULES = ("mpm_event", "authz_core", "http2", "proxy", "proxy_http2")


def apache(setting):
    modules = Path("/usr/lib/apache2/modules")
    load = "\n".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so" for name in MODULES
    )
    text = f"""
{load}
ServerName localhost
Listen 127.0.0.1:{setting.listen}
DefaultRuntimeDir {setting.folder}
PidFile {setting.folder}/pid
ErrorLog /dev/stderr
User www-data
Group www-data
Protocols h2c
Timeout {READ_SECONDS}
KeepAliveTimeout {IDLE_SECONDS}
StartServers 1
ProxyPass / h2c://127.0.0.1:{setting.upstream}/
"""
    return [found("apache2"), "-d", str(setting.folder), "-f", setting.write("apache.conf", text), "-DFOREGROUND"]


def existing(path):
    return str(path) if path.exists() else None


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy(setting):
    types = "type.googleapis.com/envoy.extensions"
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "fidelity",
        "codec_type": "HTTP2",
        "stream_idle_timeout": f"{READ_SECONDS}s",
        "drain_timeout": f"{DRAIN_SECONDS}s",
        "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s"},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}},
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}}],
                }
            ]
        },
    }
    protocol = {
        "@type": f"{types}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "typed_extension_protocol_options": {f"{types.split('/')[1]}.upstreams.http.v3.HttpProtocolOptions": protocol},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(setting.upstream)}}]}],
        },
    }
    filters = [{"name": "http", "typed_config": manager}]
    listener = {"name": "all", "address": address(setting.listen), "filter_chains": [{"filters": filters}]}
    config = {
        "admin": {"address": address(setting.admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }
    path = setting.write("envoy.json", json.dumps(config, indent=1))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "--drain-strategy", "immediate"]
    return [str(ENVOY), "-c", path, *options]


REAL = [
    Proxy("nginx", found("nginx"), asked(found("nginx"), "-v"), nginx, by_signal(signal.SIGQUIT)),
    Proxy("haproxy", found("haproxy"), asked(found("haproxy"), "-v"), haproxy, by_signal(signal.SIGUSR1)),
    Proxy("nghttpx", found("nghttpx"), asked(found("nghttpx"), "--version"), nghttpx, by_signal(signal.SIGQUIT)),
    Proxy("apache", found("apache2"), asked(found("apache2"), "-v"), apache, by_signal(signal.SIGWINCH)),
    Proxy("envoy", existing(ENVOY), asked(ENVOY, "--version"), envoy, by_admin("/drain_listeners?graceful")),
    Proxy("pingora", existing(PINGORA_PROGRAM), locked("pingora-proxy"), pingora, by_signal(signal.SIGTERM)),
]


def ours(pulseless, arguments):
    """Our proxy with the arguments that make it stand for a real one."""

    def command(setting):
        addresses = ["--listen", f"127.0.0.1:{setting.listen}", "--upstream", f"127.0.0.1:{setting.upstream}"]
        return [pulseless, "proxy", *addresses, *arguments]

    return Proxy("pulseless", pulseless, asked(pulseless, "--version"), command, by_signal(signal.SIGTERM))
