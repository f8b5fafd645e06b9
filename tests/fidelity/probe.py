"""A client that opens gRPC-like streams over one cleartext HTTP/2 connection, and hears every frame.

Refuses to know what stands between it and the backend. It never credits a window: whoever sends it more than 65,535
bytes has met a slow reader.
"""

import asyncio
import time

import wire
from hyperframe import frame as frames

MESSAGE = b"\x00\x00\x00\x00\x04tick"
# Longer than anything here takes by itself: a proxy that hangs fails the cell instead of the runner.
PATIENCE = 20


class Probe:
    """The client's end. `heard` is all that arrived, in order."""

    def __init__(self, port, connection):
        self.port = port
        self.began = time.monotonic()
        self.opened = {}
        self.heard = []
        self.wire = wire.Wire(*connection, self.heard)
        self.last_stream = -1
        self.pings = 0
        self.tasks = [asyncio.create_task(self.wire.listen())]

    @classmethod
    async def connect(cls, port):
        probe = cls(port, await asyncio.open_connection("127.0.0.1", port))
        probe.wire.writer.write(wire.PREFACE)
        probe.wire.send(frames.SettingsFrame(0))
        # A kernel accepts connections before the proxy does.
        await probe.until(lambda heard: heard.kind == "SETTINGS")
        return probe

    def open(self, script, half_close=False, extra=()):
        """Opens a stream whose path is what the backend shall do, and sends one message."""
        self.last_stream += 2
        self.opened[self.last_stream] = time.monotonic()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/" + script),
            (":authority", f"127.0.0.1:{self.port}"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *extra,
        ]
        self.wire.send_headers(self.last_stream, headers)
        self.wire.send_data(self.last_stream, MESSAGE, end_stream=half_close)
        return self.last_stream

    async def until(self, wanted):
        """The first of what was heard that is wanted, now or later; none where the connection ends before."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.wire.changed.clear()
                found = next((heard for heard in self.heard if wanted(heard)), None)
                if found or self.ended():
                    return found
                await self.wire.changed.wait()

    def ended(self):
        return bool(self.heard) and self.heard[-1].kind in ("FIN", "TCP RST")

    def ping_every_second(self):
        self.tasks.append(asyncio.create_task(self.ping_for_ever()))

    async def ping_for_ever(self):
        while not self.ended():
            self.ping()
            await asyncio.sleep(1)

    def ping(self, times=1):
        self.pings += times
        self.wire.writer.write(frames.PingFrame(0, bytes(8)).serialize() * times)

    async def ping_without_reading(self, times):
        """Sends all of them before it reads any answer, or until the other side has not read for a second."""
        transport = self.wire.writer.transport
        transport.pause_reading()
        self.ping(times)
        deadline = time.monotonic() + 1
        while transport.get_write_buffer_size() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if not transport.is_closing():
            transport.resume_reading()

    def pongs(self):
        return sum(heard.kind == "PING" and heard.words == "ACK" for heard in self.heard)

    def leave(self):
        for task in self.tasks:
            task.cancel()
        self.wire.close()
