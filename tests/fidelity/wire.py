"""One HTTP/2 connection, frame by frame, as both ends of tests/fidelity/ speak it.

Refuses to know who is right: it sends what it is told, and writes down what it hears, with the time.
"""

import asyncio
import dataclasses
import socket
import struct
import time

from hpack import Decoder, Encoder
from hyperframe import frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CODES = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
    "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()
SETTINGS = {
    1: "HEADER_TABLE_SIZE",
    2: "ENABLE_PUSH",
    3: "MAX_CONCURRENT_STREAMS",
    4: "INITIAL_WINDOW_SIZE",
    5: "MAX_FRAME_SIZE",
    6: "MAX_HEADER_LIST_SIZE",
    8: "ENABLE_CONNECT_PROTOCOL",
    9: "NO_RFC7540_PRIORITIES",
}
# All that is told of headers: the rest differs from run to run, such as the date.
TOLD = (":status", "content-type", "grpc-status")
MAX_STREAM_ID = 2**31 - 1
FRAME_BYTES = 16384
# After so many a flood lets the other cells of the runner breathe.
FRAMES_AT_ONCE = 64


def code_name(code):
    return CODES[code] if code < len(CODES) else f"code {code}"


@dataclasses.dataclass
class Heard:
    """A frame that arrived, or the end of the connection (`FIN`, `TCP RST`); `at` is of the machine's monotonic clock."""

    at: float
    kind: str
    stream: int = 0
    words: str = ""
    length: int = 0
    end_stream: bool = False
    connection: int = 1

    def __str__(self):
        return f"{self.kind} {self.words}".strip()


class Wire:
    """A connection over a pair of asyncio's streams. Whoever makes it calls `listen` once."""

    def __init__(self, reader, writer, heard):
        self.reader = reader
        self.writer = writer
        self.heard = heard
        self.encoder = Encoder()
        self.decoder = Decoder(max_header_list_size=1 << 20)
        self.html = set()
        self.settings = {}
        self.acks_settings = True
        self.changed = asyncio.Event()

    def send(self, *what):
        if not self.writer.is_closing():
            self.writer.write(b"".join(frame.serialize() for frame in what))

    def send_headers(self, stream, headers, end_stream=False):
        block = self.encoder.encode(headers, huffman=False)
        pieces = [block[at : at + FRAME_BYTES] for at in range(0, len(block), FRAME_BYTES)]
        first = frames.HeadersFrame(stream, pieces[0], flags=["END_STREAM"] if end_stream else [])
        rest = [frames.ContinuationFrame(stream, piece) for piece in pieces[1:]]
        [first, *rest][-1].flags.add("END_HEADERS")
        self.send(first, *rest)

    def send_data(self, stream, data, end_stream=False):
        self.send(frames.DataFrame(stream, data, flags=["END_STREAM"] if end_stream else []))

    def send_rst(self, stream, code):
        self.send(frames.RstStreamFrame(stream, code))

    def send_goaway(self, last, code, debug=b""):
        self.send(frames.GoAwayFrame(0, last, code, debug))

    def close(self, reset=False):
        """Ends the connection by FIN, or by TCP RST."""
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.writer.transport.abort()
        else:
            self.writer.close()

    async def listen(self, on_frame=lambda frame, headers: None):
        """Reads until the other side ends the connection. Answers SETTINGS and PING, as every peer must."""
        block = None
        try:
            while True:
                frame, length = frames.Frame.parse_frame_header(memoryview(await self.reader.readexactly(9)))
                frame.parse_body(memoryview(await self.reader.readexactly(length)))
                if isinstance(frame, frames.ContinuationFrame):
                    block.data += frame.data
                    block.flags |= frame.flags
                    frame = block
                if isinstance(frame, frames.HeadersFrame) and "END_HEADERS" not in frame.flags:
                    block = frame
                    continue
                self.take(frame, length, on_frame)
                if len(self.heard) % FRAMES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            self.note(Heard(time.monotonic(), "FIN"))
        except ConnectionError:
            self.note(Heard(time.monotonic(), "TCP RST"))

    def take(self, frame, length, on_frame):
        now = time.monotonic()
        headers = {}
        if isinstance(frame, frames.HeadersFrame):
            headers = {str(name): str(value) for name, value in self.decoder.decode(frame.data)}
            if headers.get("content-type", "").startswith("text/html"):
                self.html.add(frame.stream_id)
        elif isinstance(frame, frames.SettingsFrame) and "ACK" not in frame.flags:
            self.settings |= frame.settings
            if self.acks_settings:
                self.send(frames.SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, frames.PingFrame) and "ACK" not in frame.flags:
            self.send(frames.PingFrame(0, frame.opaque_data, flags=["ACK"]))
        kind, words = self.describe(frame, headers)
        self.note(Heard(now, kind, frame.stream_id, words, length, "END_STREAM" in frame.flags))
        on_frame(frame, headers)

    def note(self, heard):
        self.heard.append(heard)
        self.changed.set()

    def describe(self, frame, headers):
        """The kind of a frame, and all of its contents that is the same in every run."""
        kind = {"RSTSTREAM": "RST_STREAM", "WINDOWUPDATE": "WINDOW_UPDATE"}.get(
            name := type(frame).__name__.removesuffix("Frame").upper(), name
        )
        end = ["END_STREAM"] if "END_STREAM" in frame.flags else []
        ack = ["ACK"] if "ACK" in frame.flags else []
        match kind:
            case "HEADERS":
                request = ":path" in headers
                told = [] if request else [f"{name.lstrip(':')}={headers[name]}" for name in TOLD if name in headers]
                return kind, " ".join(told + end)
            case "DATA":
                body = ["empty"] if not frame.data else ["html"] if frame.stream_id in self.html else []
                return kind, " ".join(body + end)
            case "RST_STREAM":
                return kind, code_name(frame.error_code)
            case "SETTINGS":
                values = [f"{SETTINGS.get(key, key)}={value}" for key, value in sorted(frame.settings.items())]
                return kind, " ".join(ack + values)
            case "WINDOW_UPDATE":
                return kind, f"+{frame.window_increment}"
            case "GOAWAY":
                last = "max" if frame.last_stream_id == MAX_STREAM_ID else frame.last_stream_id
                debug = [f'"{bytes(frame.additional_data).decode("latin-1")}"'] if frame.additional_data else []
                return kind, " ".join([code_name(frame.error_code), f"last={last}", *debug])
        return kind, " ".join(ack)
