"""A backend that does to a stream what the stream's path says, step by step, and says what it hears.

A path is `/step/step/…`; each step is a function below, with what follows its `=`. Prints its port, then one line of
JSON for each step that it begins and each frame that has arrived. Refuses to know what stands before it.
"""

import argparse
import asyncio
import dataclasses
import itertools
import json
import time

import wire
from hyperframe import frame as frames

MESSAGE = b"\x00\x00\x00\x00\x04tock"
# Above nginx's laziness: it leaves a timer alone that would move by less than 300 ms.
TICK_SECONDS = 0.5
# How often it looks whether a flood has come to rest.
LOOK_SECONDS = 0.25
DEFAULT_WINDOW = 65535
INITIAL_WINDOW_SIZE = frames.SettingsFrame.INITIAL_WINDOW_SIZE


def say(**what):
    print(json.dumps(what), flush=True)


class Heard(list):
    """What a connection hears goes to the runner at once, with the connection's number."""

    numbers = itertools.count(1)

    def __init__(self):
        self.number = next(self.numbers)

    def append(self, heard):
        say(**dataclasses.asdict(dataclasses.replace(heard, connection=self.number)))


class Connection:
    """One connection of the proxy, and the streams on it."""

    def __init__(self, reader, writer, server, max_streams):
        self.server = server
        self.wire = wire.Wire(reader, writer, Heard())
        # What is sent has left for the kernel when `drain` returns.
        writer.transport.set_write_buffer_limits(high=0)
        self.settings = {frames.SettingsFrame.MAX_CONCURRENT_STREAMS: max_streams} if max_streams else {}
        self.windows = {0: DEFAULT_WINDOW}
        self.initial_window = DEFAULT_WINDOW
        self.credited = asyncio.Event()
        self.paths = {}
        self.scripts = {}

    async def serve(self):
        self.wire.note(wire.Heard(time.monotonic(), "CONNECT"))
        try:
            await self.wire.reader.readexactly(len(wire.PREFACE))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        self.wire.send(frames.SettingsFrame(0, self.settings))
        await self.wire.listen(self.on_frame)
        self.stop(*self.scripts)
        self.wire.close()

    def on_frame(self, frame, headers):
        match frame:
            case frames.HeadersFrame() if ":path" in headers:
                self.windows[frame.stream_id] = self.initial_window
                self.paths[frame.stream_id] = headers[":path"]
            case frames.DataFrame() if frame.stream_id in self.paths:
                # With the first message: an answer to the headers alone would race with it.
                steps = self.paths.pop(frame.stream_id).strip("/").split("/")
                self.scripts[frame.stream_id] = asyncio.create_task(self.play(frame.stream_id, steps))
            case frames.RstStreamFrame():
                self.stop(frame.stream_id)
            case frames.WindowUpdateFrame():
                self.windows[frame.stream_id] = self.windows.get(frame.stream_id, 0) + frame.window_increment
            case frames.SettingsFrame():
                self.set_initial_window(frame.settings.get(INITIAL_WINDOW_SIZE, self.initial_window))
        self.credited.set()

    def set_initial_window(self, size):
        for stream in self.windows.keys() - {0}:
            self.windows[stream] += size - self.initial_window
        self.initial_window = size

    def stop(self, *streams):
        for stream in streams:
            if stream in self.scripts:
                self.scripts[stream].cancel()

    async def play(self, stream, steps):
        for step in steps:
            name, _, argument = step.partition("=")
            say(at=time.monotonic(), did=step)
            await getattr(self, f"do_{name}")(stream, argument)

    async def do_wait(self, _stream, _argument):
        await asyncio.sleep(TICK_SECONDS)

    async def do_headers(self, stream, filler_bytes):
        filler = [("x-filler", "f" * int(filler_bytes))] if filler_bytes else []
        self.wire.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc"), *filler])

    async def do_tick(self, stream, times):
        """A message each half second: so many, or for ever."""
        left = int(times) if times else -1
        while left:
            self.wire.send_data(stream, MESSAGE)
            await asyncio.sleep(TICK_SECONDS)
            left -= 1

    async def do_end(self, stream, _argument):
        self.wire.send_data(stream, b"", end_stream=True)

    async def do_trailers(self, stream, status):
        self.wire.send_headers(stream, [("grpc-status", status)], end_stream=True)

    async def do_status(self, stream, status):
        headers = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)]
        self.wire.send_headers(stream, headers, end_stream=True)

    async def do_rst(self, stream, code):
        self.wire.send_rst(stream, wire.CODES.index(code))

    async def do_goaway(self, stream, argument):
        last, code, *debug = argument.split(",")
        last = stream if last == "this" else int(last)
        self.wire.send_goaway(last, wire.CODES.index(code), "".join(debug).encode())

    async def do_deaf(self, _stream, _argument):
        """Listens no more, and keeps the connections that it has."""
        self.server.close()

    async def do_fin(self, _stream, _argument):
        self.wire.close()

    async def do_tcprst(self, _stream, _argument):
        self.wire.close(reset=True)

    async def do_flood(self, stream, _argument):
        """Sends all that the windows and the kernel take; says how much once that is no more, and what was wanting."""
        sent = 0
        wanting = "TCP"

        async def meter():
            before, told = -1, -1
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if sent == before and sent != told:
                    say(at=time.monotonic(), did="rest", bytes=sent, wanting=wanting)
                    told = sent
                before = sent

        metering = asyncio.create_task(meter())
        try:
            while True:
                self.credited.clear()
                room = min(self.windows[0], self.windows[stream], wire.FRAME_BYTES)
                if room <= 0:
                    wanting = "window"
                    await self.credited.wait()
                    continue
                wanting = "TCP"
                self.wire.send_data(stream, bytes(room))
                self.windows[0] -= room
                self.windows[stream] -= room
                await self.wire.writer.drain()
                sent += room
        finally:
            metering.cancel()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-streams", type=int)
    parser.add_argument("--no-settings-ack", action="store_true")
    arguments = parser.parse_args()

    async def serve(reader, writer):
        connection = Connection(reader, writer, server, arguments.max_streams)
        connection.wire.acks_settings = not arguments.no_settings_ack
        await connection.serve()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    say(port=server.sockets[0].getsockname()[1])
    # Until it is killed.
    await asyncio.Event().wait()


asyncio.run(main())
