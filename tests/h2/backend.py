"""The server behind the proxy: does by path what a test wants, and counts what it is told.

Refuses to know the proxy. It keeps to the windows that it is given, and is strict about cancels if told to.
"""

import asyncio
import struct
import threading

import hpack

import wire
from wire import END_HEADERS, END_STREAM, frame

LARGE = 300_000
# h2's own servers end a connection over 20 streams that were reset before anybody looked at them. This one is simpler: more
# cancels than this in one second.
CANCELS_PER_SECOND_MAX = 100


class Backend:
    """Serves on a free port of 127.0.0.1, in a thread of its own."""

    def __init__(self, streams_max=None, is_strict=False):
        self.streams_max, self.is_strict = streams_max, is_strict
        self.connections = self.ended = self.opened = self.cancelled = self.open = self.open_max = 0
        self.loop = asyncio.new_event_loop()
        listening = threading.Event()

        async def serve():
            server = await asyncio.start_server(self.connected, "127.0.0.1", 0, backlog=4096)
            self.address = server.sockets[0].getsockname()
            listening.set()

        self.loop.create_task(serve())
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        assert listening.wait(wire.PATIENCE)

    async def connected(self, reader, writer):
        self.connections += 1
        peer = Peer(self, writer)
        try:
            await peer.run(reader)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= len(peer.tasks)
            self.ended += 1
            for task in peer.tasks.values():
                task.cancel()
            writer.close()


class Peer:
    """One connection."""

    def __init__(self, backend, writer):
        self.backend, self.writer = backend, writer
        self.decoder, self.encoder = hpack.Decoder(max_header_list_size=1 << 20), hpack.Encoder()
        self.tasks, self.bodies, self.heads = {}, {}, {}
        self.initial, self.room, self.rooms = 65_535, 65_535, {}
        self.opened = asyncio.Condition()
        self.cancels = []

    async def run(self, reader):
        assert await reader.readexactly(24) == wire.PREFACE
        limit = self.backend.streams_max
        self.writer.write(wire.settings(*[(wire.MAX_CONCURRENT_STREAMS, limit)] * (limit is not None)))
        while True:
            header = await reader.readexactly(9)
            kind, flags, number = struct.unpack(">BBI", header[3:])
            payload = await reader.readexactly(int.from_bytes(header[:3]))
            await self.take(kind, flags, number, payload)
            if not reader._buffer:
                await self.writer.drain()

    async def take(self, kind, flags, number, payload):
        if kind == wire.SETTINGS and not flags:
            values = dict(struct.iter_unpack(">HI", payload))
            change = values.get(wire.INITIAL_WINDOW_SIZE, self.initial) - self.initial
            self.initial += change
            self.rooms = {stream: room + change for stream, room in self.rooms.items()}
            self.writer.write(frame(wire.SETTINGS, wire.ACK))
        elif kind == wire.PING and not flags:
            self.writer.write(frame(wire.PING, wire.ACK, 0, payload))
        elif kind == wire.HEADERS:
            head = self.decoder.decode(payload)
            if number in self.heads:
                self.heads[number] += head
            else:
                self.begin(number, head)
            if flags & END_STREAM:
                self.bodies[number][1].set()
        elif kind == wire.DATA and number in self.bodies:
            self.bodies[number][0].extend(payload)
            if payload:
                self.writer.write(wire.window(0, len(payload)) + wire.window(number, len(payload)))
            if flags & END_STREAM:
                self.bodies[number][1].set()
        elif kind == wire.RST_STREAM and number in self.tasks:
            self.backend.cancelled += 1
            self.tasks[number].cancel()
            now = self.backend.loop.time()
            self.cancels = [then for then in self.cancels if then > now - 1] + [now]
            if self.backend.is_strict and len(self.cancels) > CANCELS_PER_SECOND_MAX:
                self.writer.write(frame(wire.GOAWAY, 0, 0, struct.pack(">II", number, 11)))
                raise ConnectionError("too many cancels")
        elif kind == wire.WINDOW_UPDATE:
            async with self.opened:
                if number:
                    self.rooms[number] = self.rooms.get(number, 0) + struct.unpack(">I", payload)[0]
                else:
                    self.room += struct.unpack(">I", payload)[0]
                self.opened.notify_all()

    def begin(self, number, head):
        backend = self.backend
        backend.opened += 1
        backend.open += 1
        backend.open_max = max(backend.open_max, backend.open)
        self.heads[number], self.bodies[number], self.rooms[number] = head, (bytearray(), asyncio.Event()), self.initial
        task = self.tasks[number] = backend.loop.create_task(self.answer(number, dict(head)))

        def over(_):
            if self.tasks.pop(number, None):
                backend.open -= 1
            for of_stream in self.heads, self.bodies, self.rooms:
                of_stream.pop(number, None)

        task.add_done_callback(over)

    async def answer(self, number, head):
        path, (body, whole) = head[":path"], self.bodies[number]
        kind, _, size = path[1:].partition("/")
        if kind == "never":
            await asyncio.Event().wait()
        if kind not in ("hang", "tick", "early"):
            await whole.wait()
        if head[":method"] == "HEAD":
            return self.say(number, ((":status", "200"), ("content-length", "4")), END_STREAM)
        self.say(number, ((":status", "200"), ("x-backend", "yes")))
        if kind == "hang":
            await asyncio.Event().wait()
        while kind == "tick":
            await self.send(number, b"tick")
            await asyncio.sleep(0.02)
        if kind == "bomb":
            # The same field again and again costs one byte each. Above four times the proxy's limit (64 KiB) h2 ends the
            # connection to the server.
            return self.say(number, (("x-bomb", "b" * 4000),) * 50, END_STREAM)
        answers = {"large": bytes(LARGE), "bytes": bytes(int(size or 0)), "echo": bytes(body)}
        await self.send(number, answers.get(kind, b"test"))
        if kind == "echo":
            trailers = [pair for pair in self.heads[number] if pair[0].startswith("x-")]
            return self.say(number, (*trailers, ("x-end", "yes")), END_STREAM)
        self.writer.write(wire.data(number, b""))

    def say(self, number, fields, flags=0):
        self.writer.write(frame(wire.HEADERS, END_HEADERS | flags, number, self.encoder.encode(fields)))

    async def send(self, number, octets):
        while octets:
            async with self.opened:
                await self.opened.wait_for(lambda: self.room > 0 and self.rooms[number] > 0)
            size = min(len(octets), self.room, self.rooms[number], 16_384)
            self.room -= size
            self.rooms[number] -= size
            self.writer.write(wire.data(number, octets[:size], 0))
            octets = octets[size:]
            await self.writer.drain()
