"""RFC 9113 section 8, HTTP in frames, and RFC 7541, header blocks.

A case: its section, what is sent, what is right. A malformed request is a stream error of PROTOCOL_ERROR (section 8.1.1).
"""

import hpack

from expect import answers, dies, fails
from wire import *

WHOLE = END_STREAM | END_HEADERS
MALFORMED = fails("PROTOCOL_ERROR")
SQUASHED = dies("COMPRESSION_ERROR")


def head(*fields, flags=WHOLE):
    return frame(HEADERS, flags, 1, block(*fields))


def squashed(octets, before=b"", flags=WHOLE):
    """A request whose header block has these bytes after (or before) its fields."""
    return frame(HEADERS, flags, 1, before + block(*request()) + octets)


def without(*names):
    return [head(*(pair for pair in request() if pair[0] not in names))]


def with_field(name, value):
    return [head(*request(), (name, value))]


def encoded(*requests):
    """Requests by an encoder with state, on streams 1, 3..."""
    encoder = hpack.Encoder()
    return [frame(HEADERS, WHOLE, 2 * at + 1, encoder.encode(each)) for at, each in enumerate(requests)]


def trailers(*fields, flags=WHOLE):
    return frame(HEADERS, flags, 1, block(*fields))


def has_trailers(connection):
    if not connection.answered():
        return "an answer"
    came = connection.stream(1).headers[-1]
    return None if came.get("x-sum") == "7" and came.get("x-end") == "yes" else "the trailers of both directions"


CASES = [
    ("8.1", "GET", [get()], answers(1, body=b"test")),
    ("8.1", "HEAD", [head(*request("/", "HEAD"))], answers(1, body=b"")),
    ("8.1", "POST", [post(), data()], answers(1, body=b"test")),
    ("8.1", "OPTIONS *", [head(*request("*", "OPTIONS"))], answers(1)),
    ("8.1", "POST with trailers", [post(), data(1, b"7", 0), trailers(("x-sum", "7"))], has_trailers),
    ("8.1", "a second HEADERS without END_STREAM", [post(), data(1, b"x", 0), trailers(("x-sum", "7"), flags=END_HEADERS)], fails("PROTOCOL_ERROR")),
    ("8.1", "DATA after trailers", [post(1, "/never"), trailers(("x-sum", "7")), data()], fails("STREAM_CLOSED")),
    ("8.1.1", "a content-length above the one DATA", [post(1, "/echo", ("content-length", "5")), data()], MALFORMED),
    ("8.1.1", "a content-length below the one DATA", [post(1, "/echo", ("content-length", "1")), data()], MALFORMED),
    ("8.1.1", "a content-length that several DATA do not make", [post(1, "/echo", ("content-length", "1")), data(1, b"x", 0), data()], MALFORMED),
    ("8.1.1", "a content-length that several DATA make", [post(1, "/echo", ("content-length", "5")), data(1, b"x", 0), data()], answers(1)),
    ("8.1.1", "a content-length and no DATA", [get(1, "/", ("content-length", "5"))], MALFORMED),
    ("8.1.1", "two content-lengths that differ", [post(1, "/echo", ("content-length", "4"), ("content-length", "5")), data()], MALFORMED),
    ("8.1.1", "a content-length that is no number", [post(1, "/echo", ("content-length", "-4")), data()], MALFORMED),
    ("8.2.1", "a name in upper case", with_field("X-Test", "ok"), MALFORMED),
    ("8.2.1", "an empty name", with_field("", "ok"), fails("PROTOCOL_ERROR", "COMPRESSION_ERROR")),
    ("8.2.1", "a name with a colon", with_field("x:y", "ok"), MALFORMED),
    ("8.2.1", "a name with a space", with_field("x y", "ok"), MALFORMED),
    ("8.2.1", "a value with a NUL", with_field("x-test", "o\0k"), MALFORMED),
    ("8.2.1", "a value with a line feed", with_field("x-test", "o\nk"), MALFORMED),
    ("8.2.1", "a value with a carriage return", with_field("x-test", "o\rk"), MALFORMED),
    ("8.2.2", "connection", with_field("connection", "keep-alive"), MALFORMED),
    ("8.2.2", "proxy-connection", with_field("proxy-connection", "keep-alive"), MALFORMED),
    ("8.2.2", "keep-alive", with_field("keep-alive", "timeout=5"), MALFORMED),
    ("8.2.2", "transfer-encoding", with_field("transfer-encoding", "chunked"), MALFORMED),
    ("8.2.2", "upgrade", with_field("upgrade", "h2c"), MALFORMED),
    ("8.2.2", "TE of trailers", with_field("te", "trailers"), answers(1)),
    ("8.2.2", "TE of anything else", with_field("te", "trailers, deflate"), MALFORMED),
    ("8.2.3", "several cookie fields", [get(1, "/", ("cookie", "a=1"), ("cookie", "b=2"))], answers(1)),
    ("8.3", "an unknown pseudo-header field", [head(*request(), (":test", "ok"))], MALFORMED),
    ("8.3", "the pseudo-header field of answers", [head(*request(), (":status", "200"))], MALFORMED),
    ("8.3", "a pseudo-header field in trailers", [post(), trailers((":method", "GET"))], MALFORMED),
    ("8.3", "a pseudo-header field after others", [head(*request()[:2], ("x-test", "ok"), *request()[2:])], MALFORMED),
    ("8.3.1", "no :method", without(":method"), MALFORMED),
    ("8.3.1", "no :scheme", without(":scheme"), MALFORMED),
    ("8.3.1", "no :path", without(":path"), MALFORMED),
    ("8.3.1", "an empty :path", [head((":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "h2.test"))], MALFORMED),
    ("8.3.1", "no pseudo-header field at all", [head(("x-test", "ok"))], MALFORMED),
    ("8.3.1", "no :authority", without(":authority"), answers(1)),
    ("8.3.1", "two :method", with_field(":method", "GET"), MALFORMED),
    ("8.3.1", "two :scheme", with_field(":scheme", "http"), MALFORMED),
    ("8.3.1", "two :path", with_field(":path", "/"), MALFORMED),
    ("8.3.1", "two :authority", with_field(":authority", "h2.test"), MALFORMED),
    ("8.3.1", "an :authority with user information", [head(*request()[:3], (":authority", "user@h2.test"))], MALFORMED),
    ("8.5", "CONNECT with :path and :scheme", [head(*request("/", "CONNECT"))], MALFORMED),
    ("8.5", "CONNECT without an :authority", [head((":method", "CONNECT"))], MALFORMED),
    ("8.7", "REFUSED_STREAM is for the server alone: a client's is a cancel", [post(1, "/never"), reset(1, 7), get(3)], answers(3)),
    ("7541 2.3.3", "an index above the tables", [squashed(b"\xfe")], SQUASHED),
    ("7541 2.3.3", "a name's index above the tables", [squashed(b"\x7f\x20\x01x")], SQUASHED),
    ("7541 4.2", "a size update at the end of a block", [squashed(b"\x20")], SQUASHED),
    ("7541 4.2", "a size update at its begin", [squashed(b"", before=b"\x20")], answers(1)),
    ("7541 4.2", "two size updates at its begin", [squashed(b"", before=b"\x20\x3f\x11")], answers(1)),
    ("7541 5.1", "an integer without an end", [squashed(b"\x7f" + b"\xff" * 20)], SQUASHED),
    ("7541 5.2", "a Huffman string with padding of more than 7 bits", [squashed(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")], SQUASHED),
    ("7541 5.2", "a Huffman string with padding of zeros", [squashed(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90")], SQUASHED),
    ("7541 5.2", "a Huffman string with EOS", [squashed(b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f")], SQUASHED),
    ("7541 6.1", "index 0", [squashed(b"\x80")], SQUASHED),
    ("7541 6.2.1", "fields that are indexed for later", encoded(request(), request("/echo", "GET", ("x-a", "b")), request("/echo", "GET", ("x-a", "b"))), answers(1, 3, 5)),
    ("7541 6.2.3", "a field that is never indexed", [squashed(b"\x10\x03x-a\x01b")], answers(1)),
    ("7541 6.3", "a size update above SETTINGS_HEADER_TABLE_SIZE", [squashed(b"", before=b"\x3f\xe1\xff\x03")], SQUASHED),
]
