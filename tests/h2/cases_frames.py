"""RFC 9113 section 6: every type of frame, on the wrong stream, of the wrong size, at the wrong time.

A case: its section, what is sent, what is right.
"""

from expect import answers, awaits, dies, fails, lives, resets
from wire import *

FIELDS = block(*request())
WHOLE = END_STREAM | END_HEADERS
NEVER = get(1, "/never")


def acknowledged(connection):
    return None if connection.until(lambda: connection.acknowledged >= 2) else "two SETTINGS acknowledged"


def ponged(connection):
    return None if connection.until(lambda: connection.pongs == [b"a token!"]) else "its PING, acknowledged"


def waits_for_room(*sizes):
    """The answer's DATA comes in these pieces, and no more of it comes for a while."""
    def judge(connection):
        stream = connection.stream(1)
        connection.until(lambda: tuple(stream.sizes) == sizes)
        if connection.until(lambda: tuple(stream.sizes) != sizes, 0.2):
            return f"DATA of {sizes} and no more, not of {stream.sizes}"
        return lives(connection)
    return judge


def initial_window(size):
    return settings((INITIAL_WINDOW_SIZE, size))


def bounded(connection):
    """DATA keeps to the connection's window of 65,535 whatever the stream's is."""
    connection.until(lambda: len(connection.stream(1).body) >= 65_535)
    connection.until(lambda: len(connection.stream(1).body) > 65_535, 0.2)
    size = len(connection.stream(1).body)
    return lives(connection) if size == 65_535 else f"65535 bytes, not {size}"


CASES = [
    ("6.1", "DATA", [post(), data(1, b"test")], answers(1, body=b"test")),
    ("6.1", "DATA in several frames", [post(), data(1, b"te", 0), data(1, b"", 0), data(1, b"st")], answers(1, body=b"test")),
    ("6.1", "DATA with padding", [post(), data(1, b"\x06test" + bytes(6), PADDED | END_STREAM)], answers(1, body=b"test")),
    ("6.1", "DATA with nothing but padding", [post(), data(1, b"\xff" + bytes(255), PADDED), data()], answers(1, body=b"test")),
    ("6.1", "DATA on stream 0", [post(), data(0)], dies("PROTOCOL_ERROR")),
    ("6.1", "DATA with more padding than payload", [post(), data(1, b"\x06test", PADDED | END_STREAM)], dies("PROTOCOL_ERROR")),
    ("6.1", "DATA with the flag of padding and nothing", [post(), data(1, b"", PADDED | END_STREAM)], dies("PROTOCOL_ERROR", "FRAME_SIZE_ERROR")),
    ("6.2", "HEADERS with padding", [frame(HEADERS, WHOLE | PADDED, 1, b"\x04" + FIELDS + bytes(4))], answers(1)),
    ("6.2", "HEADERS with padding and priority", [frame(HEADERS, 0x2D, 1, b"\x04\0\0\0\0\x0f" + FIELDS + bytes(4))], answers(1)),
    ("6.2", "HEADERS on stream 0", [get(0)], dies("PROTOCOL_ERROR")),
    ("6.2", "HEADERS with more padding than payload", [frame(HEADERS, WHOLE | PADDED, 1, b"\xff" + FIELDS)], dies("PROTOCOL_ERROR")),
    ("6.2", "HEADERS without END_HEADERS, then DATA", [frame(HEADERS, 0, 1, FIELDS), data()], dies("PROTOCOL_ERROR")),
    ("6.3", "PRIORITY on stream 0", [priority(0)], dies("PROTOCOL_ERROR")),
    ("6.3", "PRIORITY of 4 bytes", [NEVER, frame(PRIORITY, 0, 1, bytes(4))], fails("FRAME_SIZE_ERROR")),
    ("6.3", "PRIORITY that depends on itself", [NEVER, priority(1, 1)], fails("PROTOCOL_ERROR")),
    ("6.4", "RST_STREAM on stream 0", [reset(0)], dies("PROTOCOL_ERROR")),
    ("6.4", "RST_STREAM on an idle stream", [reset(1)], dies("PROTOCOL_ERROR")),
    ("6.4", "RST_STREAM of 3 bytes", [NEVER, frame(RST_STREAM, 0, 1, bytes(3))], dies("FRAME_SIZE_ERROR")),
    ("6.5", "SETTINGS is acknowledged", [settings((ENABLE_PUSH, 0))], acknowledged),
    ("6.5", "SETTINGS with ACK and a payload", [frame(SETTINGS, ACK, 0, bytes(6))], dies("FRAME_SIZE_ERROR")),
    ("6.5", "SETTINGS on a stream", [frame(SETTINGS, 0, 1, bytes(6))], dies("PROTOCOL_ERROR")),
    ("6.5", "SETTINGS of 3 bytes", [frame(SETTINGS, 0, 0, bytes(3))], dies("FRAME_SIZE_ERROR")),
    ("6.5.2", "ENABLE_PUSH of 2", [settings((ENABLE_PUSH, 2))], dies("PROTOCOL_ERROR")),
    ("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", [initial_window(2**31)], dies("FLOW_CONTROL_ERROR")),
    ("6.5.2", "MAX_FRAME_SIZE below 2^14", [settings((MAX_FRAME_SIZE, 2**14 - 1))], dies("PROTOCOL_ERROR")),
    ("6.5.2", "MAX_FRAME_SIZE of 2^24", [settings((MAX_FRAME_SIZE, 2**24))], dies("PROTOCOL_ERROR")),
    ("6.5.2", "HEADER_TABLE_SIZE of 0", [settings((HEADER_TABLE_SIZE, 0)), get(1), get(3)], answers(1, 3)),
    ("6.5.2", "HEADER_TABLE_SIZE of 2^32-1", [settings((HEADER_TABLE_SIZE, 2**32 - 1)), get(1), get(3)], answers(1, 3)),
    ("6.5.2", "MAX_CONCURRENT_STREAMS of 0 is about pushes", [settings((MAX_CONCURRENT_STREAMS, 0)), get()], answers(1)),
    ("6.5.2", "an unknown setting", [settings((0xFF, 1))], lives),
    ("6.5.3", "one value after the other", [settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)), get()], waits_for_room(1)),
    ("6.6", "PUSH_PROMISE of a client", [post(), frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + FIELDS)], dies("PROTOCOL_ERROR")),
    ("6.7", "PING is answered with its payload", [ping()], ponged),
    ("6.7", "PING with ACK is not answered", [ping(b"unasked!", ACK), ping()], ponged),
    ("6.7", "PING on a stream", [frame(PING, 0, 1, bytes(8))], dies("PROTOCOL_ERROR")),
    ("6.7", "PING of 6 bytes", [frame(PING, 0, 0, bytes(6))], dies("FRAME_SIZE_ERROR")),
    ("6.8", "GOAWAY on a stream", [frame(GOAWAY, 0, 1, bytes(8))], dies("PROTOCOL_ERROR")),
    ("6.8", "GOAWAY of 7 bytes", [frame(GOAWAY, 0, 0, bytes(7))], dies("FRAME_SIZE_ERROR")),
    ("6.8", "GOAWAY lets the streams end that there are", [post(), frame(GOAWAY, 0, 0, bytes(8)), data()], lambda c: None if c.answered() else "an answer"),
    ("6.9", "WINDOW_UPDATE of 0 on the connection", [window(0, 0)], dies("PROTOCOL_ERROR")),
    ("6.9", "WINDOW_UPDATE of 0 on a stream", [NEVER, window(1, 0)], fails("PROTOCOL_ERROR")),
    ("6.9", "WINDOW_UPDATE of 3 bytes", [frame(WINDOW_UPDATE, 0, 0, bytes(3))], dies("FRAME_SIZE_ERROR")),
    ("6.9", "WINDOW_UPDATE on a stream that is done", [get(), awaits(lambda c: c.stream(1).ended), window(1, 1)], answers(1)),
    ("6.9.1", "a window of 0", [initial_window(0), get()], waits_for_room()),
    ("6.9.1", "a window of 1", [initial_window(1), get()], waits_for_room(1)),
    ("6.9.1", "a window of 1, and increments of 1", [initial_window(1), get(), awaits(lambda c: c.stream(1).sizes), window(1, 1), awaits(lambda c: c.stream(1).sizes[1:])], waits_for_room(1, 1)),
    ("6.9.1", "the connection's window bounds a stream", [initial_window(WINDOW_MAX), get(1, "/large")], bounded),
    ("6.9.1", "the connection's window above 2^31-1", [window(0, WINDOW_MAX), window(0, WINDOW_MAX)], dies("FLOW_CONTROL_ERROR")),
    ("6.9.1", "a stream's window above 2^31-1", [NEVER, window(1, WINDOW_MAX), window(1, WINDOW_MAX)], resets("FLOW_CONTROL_ERROR")),
    ("6.9.1", "more DATA than the stream's window", [post(1, "/never"), *[data(1, bytes(16_384), 0)] * 65], fails("FLOW_CONTROL_ERROR")),
    ("6.9.2", "a window that opens for the streams that there are", [initial_window(0), get(), awaits(lambda c: c.stream(1).headers), initial_window(1)], waits_for_room(1)),
    ("6.9.2", "a window that becomes negative", [initial_window(3), get(), awaits(lambda c: c.stream(1).sizes), initial_window(2), window(1, 2)], waits_for_room(3, 1, 0)),
    ("6.9.2", "a stream's window that the new initial one makes too large", [NEVER, window(1, WINDOW_MAX - 65_535), initial_window(WINDOW_MAX)], dies("FLOW_CONTROL_ERROR")),
    ("6.10", "CONTINUATION", [frame(HEADERS, END_STREAM, 1, FIELDS), frame(CONTINUATION, END_HEADERS, 1, block(("x", "y")))], answers(1)),
    ("6.10", "CONTINUATION in pieces that cut a field", [frame(HEADERS, END_STREAM, 1, FIELDS[:5]), frame(CONTINUATION, 0, 1, b""), frame(CONTINUATION, 0, 1, FIELDS[5:9]), frame(CONTINUATION, END_HEADERS, 1, FIELDS[9:])], answers(1)),
    ("6.10", "CONTINUATION, then DATA", [frame(HEADERS, 0, 1, FIELDS), frame(CONTINUATION, 0, 1, b""), data()], dies("PROTOCOL_ERROR")),
    ("6.10", "CONTINUATION on stream 0", [frame(HEADERS, END_STREAM, 1, FIELDS), frame(CONTINUATION, END_HEADERS, 0, b"")], dies("PROTOCOL_ERROR")),
    ("6.10", "CONTINUATION after END_HEADERS", [get(1, "/never"), frame(CONTINUATION, END_HEADERS, 1, b"")], dies("PROTOCOL_ERROR")),
    ("6.10", "CONTINUATION after a CONTINUATION with END_HEADERS", [frame(HEADERS, 0, 1, FIELDS), frame(CONTINUATION, END_HEADERS, 1, b""), frame(CONTINUATION, END_HEADERS, 1, b"")], dies("PROTOCOL_ERROR")),
    ("6.10", "CONTINUATION after DATA", [post(), data(1, b"x", 0), frame(CONTINUATION, END_HEADERS, 1, b"")], dies("PROTOCOL_ERROR")),
]
