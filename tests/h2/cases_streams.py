"""RFC 9113 sections 5 and 7: states of streams, their numbers, priorities, errors, extensions, error codes.

A case: its section, what is sent, what is right.
"""

from expect import answers, awaits, dies, fails, lives, resets
from wire import *

FIELDS = block(*request())
# Streams that have ended: by both ends, and by the client's reset.
DONE = [get(), awaits(lambda c: c.stream(1).ended)]
CANCELLED = [post(1, "/never"), reset()]
CLOSED = ("STREAM_CLOSED",)


def continuation(stream=1):
    return frame(CONTINUATION, END_HEADERS, stream, block(("x-more", "yes")))


def crowd(connection):
    """One stream more than the server allows."""
    connection.until(lambda: MAX_CONCURRENT_STREAMS in connection.settings)
    most = connection.settings[MAX_CONCURRENT_STREAMS]
    connection.send(b"".join(get(2 * number + 1, "/never") for number in range(most + 1)))
    connection.excess = 2 * most + 1


def refuses_the_excess(connection):
    return resets("REFUSED_STREAM", "PROTOCOL_ERROR", stream=connection.excess)(connection)


CASES = [
    ("5.1", "idle: DATA", [data()], dies("PROTOCOL_ERROR")),
    ("5.1", "idle: RST_STREAM", [reset()], dies("PROTOCOL_ERROR")),
    ("5.1", "idle: WINDOW_UPDATE", [window(1, 100)], dies("PROTOCOL_ERROR")),
    ("5.1", "idle: CONTINUATION", [continuation()], dies("PROTOCOL_ERROR")),
    ("5.1", "idle: PRIORITY", [priority(1), get()], answers(1)),
    ("5.1", "idle: HEADERS", [get()], answers(1)),
    ("5.1", "half-closed (remote): DATA", [get(1, "/never"), data()], fails("STREAM_CLOSED")),
    ("5.1", "half-closed (remote): HEADERS", [get(1, "/never"), get()], fails("STREAM_CLOSED")),
    ("5.1", "half-closed (remote): CONTINUATION", [get(1, "/never"), continuation()], dies("STREAM_CLOSED", "PROTOCOL_ERROR")),
    ("5.1", "half-closed (remote): WINDOW_UPDATE", [get(), window(1, 100)], answers(1)),
    ("5.1", "half-closed (remote): PRIORITY", [get(), priority(1)], answers(1)),
    ("5.1", "half-closed (remote): RST_STREAM", [get(1, "/never"), reset()], lives),
    ("5.1", "closed by RST_STREAM: DATA", [*CANCELLED, data()], fails("STREAM_CLOSED")),
    # 5.1.1 has another word for it.
    ("5.1", "closed by RST_STREAM: HEADERS", [*CANCELLED, get()], fails("STREAM_CLOSED", "PROTOCOL_ERROR")),
    ("5.1", "closed by RST_STREAM: CONTINUATION", [*CANCELLED, continuation()], dies("STREAM_CLOSED", "PROTOCOL_ERROR")),
    ("5.1", "closed by RST_STREAM: PRIORITY", [*CANCELLED, priority(1)], lives),
    ("5.1", "closed by END_STREAM: DATA", [*DONE, data()], fails("STREAM_CLOSED")),
    ("5.1", "closed by END_STREAM: HEADERS", [*DONE, get()], dies("STREAM_CLOSED", "PROTOCOL_ERROR")),
    ("5.1", "closed by END_STREAM: CONTINUATION", [*DONE, continuation()], dies("STREAM_CLOSED", "PROTOCOL_ERROR")),
    ("5.1", "closed by END_STREAM: PRIORITY", [*DONE, priority(1)], answers(1)),
    ("5.1", "closed by END_STREAM: WINDOW_UPDATE and RST_STREAM", [*DONE, window(1, 9), reset()], answers(1)),
    ("5.1.1", "a stream of an even number", [get(2)], dies("PROTOCOL_ERROR")),
    ("5.1.1", "a stream of a smaller number", [get(5, "/never"), get(3)], dies("PROTOCOL_ERROR")),
    ("5.1.1", "numbers may be skipped", [get(5), get(2**31 - 1)], answers(5, 2**31 - 1)),
    ("5.1.2", "more streams than SETTINGS_MAX_CONCURRENT_STREAMS", [crowd], refuses_the_excess),
    ("5.3.1", "a HEADERS that depends on itself", [frame(HEADERS, 0x25, 1, struct.pack(">IB", 1, 255) + FIELDS)], fails("PROTOCOL_ERROR")),
    ("5.3.2", "a HEADERS with a priority", [frame(HEADERS, 0x25, 1, struct.pack(">IB", 0, 255) + FIELDS)], answers(1)),
    ("5.3.2", "a PRIORITY of weight 1 and 256, exclusive, on a later stream", [priority(1, 0, 0), priority(3, 1 << 31 | 1, 255), get()], answers(1)),
    ("5.4.1", "after a connection error the connection is closed", [data()], dies("PROTOCOL_ERROR")),
    ("5.4.2", "a stream error leaves the other streams alone", [get(1, "/", ("te", "all")), get(3)], lambda c: resets("PROTOCOL_ERROR")(c) or answers(3)(c)),
    ("5.5", "an extension frame between requests", [frame(0xFF, 0xFF, 0, b"extension"), get()], answers(1)),
    ("5.5", "an extension frame within a header block", [frame(HEADERS, END_STREAM, 1, FIELDS), frame(0xFF, 0, 1, b"x")], dies("PROTOCOL_ERROR")),
    ("5.5", "an extension setting", [settings((0xF0F0, 7)), get()], answers(1)),
    ("7", "a GOAWAY with an unknown code", [frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xFF)), get()], lambda c: None if not c.closed else "life, or an orderly end"),
    ("7", "an RST_STREAM with an unknown code", [post(1, "/never"), reset(1, 0xFF)], lives),
]
