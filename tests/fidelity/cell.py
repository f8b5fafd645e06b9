"""One cell of the matrix: a probe before a proxy before a backend, and what both ends have heard since the event.

Refuses to know what the scenario is: `scenarios.py` plays it with what is here.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import proxies
from probe import PATIENCE, Probe
from wire import Heard

HERE = Path(__file__).parent
# Below the ports that the kernel hands out by itself.
PORTS = iter(random.sample(range(15000, 32000), 17000))


def free_port():
    """A port where nobody listens, and that is handed out once in a run."""
    for port in PORTS:
        with socket.socket() as probing, contextlib.suppress(OSError):
            probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probing.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is left")


class Backend:
    """The process of `backend.py`, and what it says."""

    def __init__(self, process):
        self.process = process
        self.port = None
        self.heard = []
        self.steps = []
        self.killed = False
        self.said = asyncio.Event()
        self.reading = asyncio.create_task(self.read())

    @classmethod
    async def start(cls, options):
        command = [sys.executable, HERE / "backend.py", *options]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        backend = cls(process)
        async with asyncio.timeout(PATIENCE):
            while backend.port is None:
                await backend.next()
        return backend

    async def read(self):
        async for line in self.process.stdout:
            told = json.loads(line)
            if "kind" in told:
                self.heard.append(Heard(**told))
            elif "did" in told:
                self.steps.append(told)
            else:
                self.port = told["port"]
            self.said.set()

    async def next(self):
        self.said.clear()
        await self.said.wait()

    async def did(self, step):
        """Waits until it has begun such a step; its report."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for told in self.steps:
                    if told["did"].startswith(step):
                        return told
                await self.next()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.killed = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class Cell:
    """A running set-up, as the scenarios see it."""

    def __init__(self, probe, proxy, backend):
        self.probe = probe
        self.proxy = proxy
        self.backend = backend
        self.event = None
        # Not where there are so many frames that the machine decides.
        self.timed = True
        self.tells = tells
        self.facts = []

    @classmethod
    @contextlib.asynccontextmanager
    async def set_up(cls, kind, backend_options):
        """Starts all three, and ends them."""
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fidelity-")))
            if backend_options is None:
                backend, upstream = None, free_port()
            else:
                backend = await Backend.start(backend_options)
                stack.push_async_callback(backend.process.wait)
                stack.callback(backend.kill)
                upstream = backend.port
            setting = proxies.Setting(folder, free_port(), upstream, free_port())
            proxy = await proxies.Running.start(kind, setting)
            stack.push_async_callback(proxy.kill)
            probe = await Probe.connect(setting.listen)
            stack.callback(probe.leave)
            yield cls(probe, proxy, backend)

    def happens(self, at=None):
        """What is watched for begins now, or began at that time."""
        self.event = at or time.monotonic()

    async def ticking(self, half_close=False, script="headers/tick"):
        """A stream on which the second message has just arrived. That is the event, until there is another."""
        stream = self.probe.open(script, half_close)

        def second(heard):
            ticks = [each for each in self.probe.heard if each.kind == "DATA" and each.stream == stream]
            return len(ticks) == 2 and heard is ticks[1]

        tick = await self.probe.until(second)
        if tick is None:
            raise RuntimeError(f"the connection ended before the event: {self.probe.heard}")
        self.happens(tick.at)
        return stream

    async def when_did(self, step):
        """The event is the backend's doing."""
        self.happens((await self.backend.did(step))["at"])

    async def watch(self, seconds):
        """Waits until so long after the event."""
        await asyncio.sleep(self.event + seconds - time.monotonic())

    def seen(self, by, until):
        heard = by.heard if by else []
        heard = [each for each in heard if self.event < each.at <= until and self.tells(each)]
        opened = self.probe.opened if by is self.probe else {}
        seen = normalised(heard, lambda stream: max(self.event, opened.get(stream, 0)))
        if self.timed:
            return seen
        # Who is still writing when the other closes is chance as well.
        return [["closed" if words in ("FIN", "TCP RST") else words, None] for words, _ in seen]

    def pings(self):
        """How the PINGs fared; the last may still be on its way."""
        pings, pongs = self.probe.pings, self.probe.pongs()
        return ["every PING was answered" if pongs >= pings - 1 else "PINGs were not answered"] if pings else []

    def check_alive(self):
        """What ends by itself in the middle of a play is a bug: of ours, or of a proxy."""
        if self.backend and self.backend.process.returncode is not None and not self.backend.killed:
            raise RuntimeError("the backend has ended by itself")
        if self.proxy.process.returncode is not None and not self.proxy.draining:
            raise RuntimeError(f"{self.proxy.proxy.name} has ended by itself: {self.proxy.log()}")

    def moments(self):
        """All times that the result is made of."""
        return [self.event, *(each.at for by in (self.probe, self.backend) if by for each in by.heard)]

    def result(self, sides):
        self.check_alive()
        until = time.monotonic()
        found = {}
        if "client" in sides:
            found["client"] = self.seen(self.probe, until) + [[fact, None] for fact in self.pings() + self.facts]
        if "backend" in sides:
            found["backend"] = self.seen(self.backend, until)
        return found


def tells(heard):
    """Of the others a proxy sends as many as it likes, whenever it likes."""
    return heard.kind not in ("SETTINGS", "WINDOW_UPDATE", "PRIORITY") and str(heard) != "PING ACK"


def normalised(heard, begin):
    """`[words, seconds]` of what tells one proxy from another; `begin` says from when a stream's seconds count.

    First what concerns the first stream and the connection, in order, then each further stream, then the next
    connection: what two streams do at the same time has no order. Messages in a row are one, and their time is the
    backend's.
    """
    told, last = [], None
    for each in sorted(heard, key=lambda each: (each.connection, max(each.stream, 1))):
        words = str(each) if each.stream in (0, 1) else f"[{(each.stream + 1) // 2}] {each}"
        words = words if each.connection == 1 else f"connection {each.connection}: {words}"
        repeats = each.kind in ("DATA", "PING") and not each.end_stream
        if not (repeats and words == last):
            told.append([words, None if repeats else round(each.at - begin(each.stream), 3)])
        last = words
    return told


class Lag:
    """When this process was kept from running while something was measured."""

    LOOK_SECONDS = 0.005
    LONG_SECONDS = 0.03
    # What was due in such a time is late for a while.
    AFTER_SECONDS = 0.02

    def __enter__(self):
        self.times = []
        self.looking = asyncio.create_task(self.look())
        return self

    async def look(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(self.LOOK_SECONDS)
            if time.monotonic() - before > self.LONG_SECONDS:
                self.times.append((before, time.monotonic()))

    def disturbed(self, moments):
        """Whether any of these moments may be late."""
        return any(begin <= each <= end + self.AFTER_SECONDS for each in moments for begin, end in self.times)

    def __exit__(self, *_):
        self.looking.cancel()
