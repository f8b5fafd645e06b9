"""RFC 9113 sections 3 and 4: the preface, frames, their sizes, header blocks.

A case: its section, what is sent after the preface and a SETTINGS (bytes, or what is done with the connection), what is
right. One whose greeting is its own has it as the last.
"""

from expect import answers, awaits, closes, dies, lives
from wire import *

WHOLE = END_STREAM | END_HEADERS
FIELDS = block(*request())
PADDING = bytes(16)

CASES = [
    ("3.4", "a preface", [], lives),
    ("3.4", "an empty SETTINGS comes first", [get()], answers(1)),
    ("3.4", "the server's preface is a SETTINGS frame", [awaits(lambda c: c.settings)], lives),
    ("3.4", "no preface at all", [], closes, b"INVALID CONNECTION PREFACE\r\n\r\n"),
    ("3.4", "HTTP/1.1", [], closes, b"GET / HTTP/1.1\r\nHost: h2.test\r\n\r\n"),
    ("3.4", "a preface that is wrong at its end", [], closes, PREFACE[:-1] + b"!" + settings()),
    ("3.4", "the first frame is no SETTINGS", [], dies("PROTOCOL_ERROR"), PREFACE + ping()),
    ("3.4", "the first frame is a HEADERS", [], dies("PROTOCOL_ERROR"), PREFACE + get()),
    ("3.4", "a request right behind the preface", [], answers(1), PREFACE + settings() + get()),
    ("4.1", "a frame of an unknown type", [frame(0x16, 0, 0, PADDING)], lives),
    ("4.1", "a frame of an unknown type on a stream", [post(), frame(0x16, 0, 1, PADDING), data()], answers(1)),
    ("4.1", "flags that PING does not have", [ping(b"flagged!", 0x16), awaits(lambda c: c.pongs)], lives),
    ("4.1", "the reserved bit is set", [frame(PING, 0, 1 << 31, b"reserved"), awaits(lambda c: c.pongs)], lives),
    ("4.2", "a DATA frame of 2^14 bytes", [post(), data(1, bytes(1 << 14))], answers(1, body=bytes(1 << 14))),
    ("4.2", "a DATA frame above SETTINGS_MAX_FRAME_SIZE", [post(), data(1, bytes((1 << 14) + 1))], dies("FRAME_SIZE_ERROR")),
    ("4.2", "a HEADERS frame above it", [frame(HEADERS, WHOLE, 1, FIELDS + bytes(1 << 14))], dies("FRAME_SIZE_ERROR")),
    ("4.2", "a frame of an unknown type above it", [frame(0x16, 0, 0, bytes((1 << 14) + 1))], dies("FRAME_SIZE_ERROR")),
    ("4.2", "a frame of 2^24-1 bytes is refused by its header", [b"\xff" * 3 + frame(DATA, 0, 1)[3:]], dies("FRAME_SIZE_ERROR")),
    ("4.3", "a header block that is none", [frame(HEADERS, WHOLE, 1, b"\x40\x01\x7f\xff\xff")], dies("COMPRESSION_ERROR")),
    ("4.3", "a header block that ends in a field", [frame(HEADERS, WHOLE, 1, FIELDS[:-2])], dies("COMPRESSION_ERROR")),
    ("4.3", "a PRIORITY within a header block", [frame(HEADERS, END_STREAM, 1, FIELDS), priority(1)], dies("PROTOCOL_ERROR")),
    ("4.3", "a HEADERS of another stream within it", [frame(HEADERS, END_STREAM, 1, FIELDS), get(3)], dies("PROTOCOL_ERROR")),
]
