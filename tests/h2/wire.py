"""HTTP/2 by hand: frames as bytes, and one raw connection that notes what it is told.

Refuses to know what is right. RFC 9113 for frames, RFC 7541 for header blocks.
"""

import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
WINDOW_MAX = 2**31 - 1
CODES = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM "
    "CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()
# A test waits so long for what should come at once.
PATIENCE = 10


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value, bits, high=0):
    """RFC 7541 section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([high | value])
    out, value = bytes([high | most]), value - most
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def block(*fields):
    """A header block without state: every field literal, without indexing (RFC 7541 section 6.2.2)."""
    text = lambda each: integer(len(each), 7) + each
    return b"".join(b"\x00" + text(name.encode()) + text(value.encode()) for name, value in fields)


def request(path="/", method="GET", *fields):
    return ((":method", method), (":scheme", "http"), (":path", path), (":authority", "h2.test"), *fields)


def get(stream=1, path="/", *fields):
    """A whole request."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block(*request(path, "GET", *fields)))


def post(stream=1, path="/echo", *fields):
    """A request that goes on."""
    return frame(HEADERS, END_HEADERS, stream, block(*request(path, "POST", *fields)))


def data(stream=1, payload=b"test", flags=END_STREAM):
    return frame(DATA, flags, stream, payload)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def reset(stream=1, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def priority(stream, on=0, weight=15):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", on, weight))


def ping(text=b"a token!", flags=0):
    return frame(PING, flags, 0, text)


class Stream:
    """What is known of one stream."""

    def __init__(self):
        self.headers, self.body, self.ended, self.code = [], b"", False, None
        self.sizes, self.ends = [], False


class Port:
    """A port on TCP, with this machine's clock."""

    now = staticmethod(time.monotonic)

    def __init__(self, address):
        self.address = address

    def dial(self):
        dialed = socket.create_connection(self.address, PATIENCE)
        dialed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return dialed


class Connection:
    """A raw client. It acknowledges SETTINGS and PING, and opens windows only when told."""

    def __init__(self, place, greeting=PREFACE + settings()):
        """Dials a place, which has its own time."""
        self.socket, self.now = place.dial(), place.now
        self.decoder, self.unread = hpack.Decoder(max_header_list_size=1 << 20), b""
        self.streams, self.settings, self.pongs = {}, {}, []
        self.goaway, self.said, self.closed, self.acknowledged, self.last = None, b"", False, 0, None
        self.send(greeting)

    def send(self, octets):
        """What does not go out is found when reading: the peer has closed."""
        try:
            self.socket.sendall(octets)
        except OSError:
            pass

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def until(self, wanted, patience=PATIENCE):
        """Reads until that is so, or the connection is over, or patience is."""
        deadline = self.now() + patience
        while not wanted() and not self.closed:
            self.socket.settimeout(max(deadline - self.now(), 0.001))
            try:
                octets = self.socket.recv(1 << 18)
            except TimeoutError:
                break
            except OSError:
                octets = b""
            self.closed = not octets
            self.unread += octets
            while len(self.unread) >= 9 and len(self.unread) >= (size := 9 + int.from_bytes(self.unread[:3])):
                kind, flags, number = struct.unpack(">BBI", self.unread[3:9])
                self.take(kind, flags, number, self.unread[9:size])
                self.unread = self.unread[size:]
        return wanted()

    def take(self, kind, flags, number, payload):
        if kind == SETTINGS and not flags & ACK:
            self.settings |= dict(struct.iter_unpack(">HI", payload))
            self.send(frame(SETTINGS, ACK))
        elif kind == SETTINGS:
            self.acknowledged += 1
        elif kind == PING and flags & ACK:
            self.pongs.append(payload)
        elif kind == PING:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.last, code = struct.unpack(">II", payload[:8])
            self.goaway, self.said = CODES[code], payload[8:]
        elif kind == RST_STREAM:
            self.stream(number).code = CODES[struct.unpack(">I", payload)[0]]
        elif kind == DATA:
            stream = self.stream(number)
            stream.ended = bool(flags & END_STREAM)
            stream.body += payload
            stream.sizes.append(len(payload))
        elif kind in (HEADERS, CONTINUATION):
            self.block = (self.block if kind == CONTINUATION else b"") + payload
            if kind == HEADERS:
                self.stream(number).ends = bool(flags & END_STREAM)
            if flags & END_HEADERS:
                self.stream(number).headers.append(dict(self.decoder.decode(self.block)))
                self.stream(number).ended = self.stream(number).ends

    def answered(self, number=1, patience=PATIENCE):
        return self.until(lambda: self.stream(number).ended, patience) and self.stream(number).headers[0][":status"] == "200"

    def lives(self, patience=PATIENCE):
        """Whether a PING comes back."""
        count = len(self.pongs)
        self.send(ping(b"lives?!?"))
        return self.until(lambda: len(self.pongs) > count or self.goaway, patience) and not self.goaway

    def state(self):
        streams = {number: (s.code, s.ended, s.headers, s.body[:20]) for number, s in self.streams.items()}
        return f"goaway {self.goaway} {self.said!r}, closed {self.closed}, streams {streams}"

    def close(self):
        self.socket.close()
