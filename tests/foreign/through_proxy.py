"""A client and a server of another stack, which say the same to each other directly and through the truthful proxy.

Refuses to know what they talk about: the methods have no .proto, and their messages are bytes. Each case is a function of a
channel that returns all that client and server saw. It is played on both ways, and prints its name if they agree.
"""

import sys
import threading
import time
from collections import Counter
from concurrent import futures

import grpc

# Far more than anything here takes.
PATIENCE = 60
MIB = 1 << 20
# By then the server must have heard of the end of a call: before its deadline would tell it.
HEARD = 30
# A deadline that is meant to pass.
DEADLINE = 0.5
STREAMS = 100

CUSTOM = (
    ("x-word", "plain"),
    ("x-twice", "first"),
    ("x-twice", "second"),
    ("x-empty", ""),
    ("x-some-bin", bytes(range(256))),
    ("x-zero-bin", b""),
)
DETAILS = "nothing left: 日本, naïve, 100 %, \t tab\nand a second line"


class Seen:
    """What the server saw of each call, until somebody asks."""

    def __init__(self):
        self.told = []
        self.changed = threading.Condition()

    def tell(self, *what):
        with self.changed:
            self.told.append(what)
            self.changed.notify_all()

    def take(self, count=1):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.told) >= count, HEARD), f"only {self.told}"
            told, self.told = sorted(self.told), []
            return told


seen = Seen()
# How the calls of the case at hand ended, both ways.
codes = []
# All streams of a case are open at once when all of them are here.
everybody = threading.Barrier(STREAMS)


def metadata(context):
    """What the client sent; the server answers compressed if asked."""
    if dict(context.invocation_metadata()).get("x-compress"):
        context.set_compression(grpc.Compression.Gzip)
    return [(pair.key, pair.value) for pair in context.invocation_metadata()]


def remaining(context):
    """Which deadline the call has. gRPC rounds one up when it travels."""
    left = context.time_remaining()
    return "none" if left is None or left > 1e6 else "short" if 0 < left <= 2 * DEADLINE else "long"


def echo(request, context):
    seen.tell("echo", metadata(context), remaining(context), len(request))
    context.send_initial_metadata(CUSTOM)
    context.set_trailing_metadata(CUSTOM[::-1])
    return request


def repeat(request, context):
    seen.tell("repeat", metadata(context))
    count, size = map(int, request.split())
    context.set_trailing_metadata(CUSTOM)
    for number in range(count):
        yield bytes([number % 256]) * size


def gather(requests, context):
    seen.tell("gather", metadata(context))
    return b"|".join(b"%d:%d" % (len(request), sum(request[:10])) for request in requests)


def early(requests, context):
    """Answers after the first request, whatever else the client would say."""
    seen.tell("early", len(next(requests)))
    context.set_details("enough")
    return b"enough"


def talk(requests, context):
    seen.tell("talk", metadata(context))
    for request in requests:
        if request == b"everybody":
            everybody.wait(PATIENCE)
        yield request
    context.set_trailing_metadata(CUSTOM)


def fail(request, context):
    context.set_trailing_metadata(CUSTOM)
    context.abort(next(code for code in grpc.StatusCode if code.name.encode() == request), DETAILS)


def fail_later(request, context):
    yield b"one"
    yield b"two"
    fail(request, context)


def until_the_end(name, context):
    """Of the call; what the context then knows is told, whether or not gRPC comes back to the handler."""
    over, left = threading.Event(), remaining(context)
    context.add_callback(lambda: (seen.tell(name, left, context.is_active()), over.set()))
    return over


def hang(_, context):
    over = until_the_end("hang", context)
    yield b"begun"
    over.wait(PATIENCE)


def hang_mute(_, context):
    until_the_end("mute", context).wait(PATIENCE)
    yield from ()


def big_metadata(request, context):
    seen.tell("big", metadata(context))
    size = int(request)
    context.send_initial_metadata((("x-big", "i" * size),))
    context.set_trailing_metadata((("x-big-bin", b"t" * (size // 2)),))
    return b""


METHODS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Repeat": grpc.unary_stream_rpc_method_handler(repeat),
    "Gather": grpc.stream_unary_rpc_method_handler(gather),
    "Early": grpc.stream_unary_rpc_method_handler(early),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLater": grpc.unary_stream_rpc_method_handler(fail_later),
    "Hang": grpc.unary_stream_rpc_method_handler(hang),
    "HangMute": grpc.unary_stream_rpc_method_handler(hang_mute),
    "BigMetadata": grpc.unary_unary_rpc_method_handler(big_metadata),
}
KINDS = {(False, False): "unary_unary", (False, True): "unary_stream", (True, False): "stream_unary", (True, True): "stream_stream"}


def call(channel, name, argument, **settings):
    """Begins a call; a unary one as a future, so that all kinds are asked the same questions."""
    kind = METHODS.get(name, METHODS["Echo"])
    settings = {"timeout": PATIENCE, **settings}
    made = getattr(channel, KINDS[kind.request_streaming, kind.response_streaming])(f"/through.Proxy/{name}")
    begin = made if kind.response_streaming else made.future
    begun = begin(argument, **settings)
    begun.is_stream = kind.response_streaming
    return begun


def ending(begun):
    """All that a client can know of the end of a call."""
    codes.append(begun.code().name)
    pairs = [[(pair.key, pair.value) for pair in of() or ()] for of in (begun.initial_metadata, begun.trailing_metadata)]
    return codes[-1], begun.details(), *pairs


def whole(begun):
    """The messages of a call, by length and edges if they are long, and its end."""
    messages = []
    try:
        for message in begun if begun.is_stream else [begun.result()]:
            messages.append(message if len(message) < 100 else (len(message), message[:20], message[-20:]))
    except grpc.RpcError:
        pass
    return messages, ending(begun)


def unary(channel):
    return whole(call(channel, "Echo", b"hello", metadata=CUSTOM)), whole(call(channel, "Echo", b"")), seen.take(2)


def unknown_method(channel):
    return whole(call(channel, "Nowhere", b"hello"))


def server_stream(channel):
    return whole(call(channel, "Repeat", b"1000 50")), whole(call(channel, "Repeat", b"0 0")), seen.take(2)


def client_stream(channel):
    many = whole(call(channel, "Gather", (bytes([number % 256]) * 40 for number in range(1000)), metadata=CUSTOM))
    return many, whole(call(channel, "Gather", iter(()))), seen.take(2)


def early_answer(channel):
    """The server answers while the client still has much to say."""
    def endless():
        while not over.is_set():
            yield bytes(10_000)
    over = threading.Event()
    told = whole(call(channel, "Early", endless()))
    over.set()
    return told, seen.take()


def bidi(channel):
    """Each request is made of the answer to the one before: nothing may be held back on either way."""
    answered = threading.Semaphore(1)
    def requests():
        for number in range(50):
            assert answered.acquire(timeout=PATIENCE)
            yield b"%d" % number
    talking = call(channel, "Talk", requests(), metadata=CUSTOM)
    messages = []
    for message in talking:
        messages.append(message)
        answered.release()
    return messages, ending(talking), seen.take()


def large_messages(channel):
    large = bytes(range(256)) * (8 * MIB // 256)
    sums = lambda: iter([large, large])
    told = whole(call(channel, "Echo", large)), whole(call(channel, "Repeat", b"3 %d" % (8 * MIB)))
    return *told, whole(call(channel, "Gather", sums())), whole(call(channel, "Talk", sums())), seen.take(4)


def a_message_above_the_clients_limit(channel):
    """gRPC's own limit: the client cancels in the middle of a message."""
    return whole(call(channel, "Repeat", b"2 %d" % (17 * MIB))), seen.take()


def hundred_streams(channel):
    """None is answered before all of them are open."""
    begun = [call(channel, "Talk", iter([b"everybody", b"%d" % number])) for number in range(STREAMS)]
    return [whole(one) for one in begun], seen.take(STREAMS)


def deadline(channel):
    """The client's deadline: after a message, and before anything. What the server's context saw is told as well."""
    spoken, mute = (call(channel, name, b"", timeout=DEADLINE) for name in ("Hang", "HangMute"))
    # gRPC's client words its own deadline in two ways, as chance has it, also directly.
    told = [(messages, (code, details.removeprefix("Stream removed (").removesuffix(")"), *pairs))
            for messages, (code, details, *pairs) in map(whole, (spoken, mute))]
    return told, seen.take(2)


def deadline_in_metadata(channel):
    return whole(call(channel, "Echo", b"", timeout=DEADLINE)), whole(call(channel, "Echo", b"", timeout=None)), seen.take(2)


def cancellation(channel):
    """The client cancels: after a message, and before anything. What the server's context saw is told as well."""
    spoken = call(channel, "Hang", b"")
    first = next(spoken)
    spoken.cancel()
    mute = call(channel, "HangMute", b"")
    time.sleep(DEADLINE)
    mute.cancel()
    return first, whole(spoken), whole(mute), seen.take(2)


def errors(channel):
    """Without a message before them they are trailers alone. Every code but OK."""
    names = [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
    told = [whole(call(channel, "Fail", name.encode())) for name in names]
    assert {end[1] for _, end in told} == {DETAILS}
    return told


def errors_after_messages(channel):
    return whole(call(channel, "FailLater", b"RESOURCE_EXHAUSTED"))


def compression(channel):
    text, asked = b"again and again, " * 10_000, (("x-compress", "yes"),)
    told = []
    for method, argument in ("Echo", text), ("Gather", iter([text, text])), ("Talk", iter([text, b"", text])):
        told.append(whole(call(channel, method, argument, compression=grpc.Compression.Gzip, metadata=asked)))
    return told, seen.take(3)


def metadata_up_to_8_kib(channel):
    """As gRPC counts, 8 KiB is the most that a peer must take; some of it is gRPC's own."""
    told = [
        whole(call(channel, "BigMetadata", b"%d" % size, metadata=(("x-big", "r" * size), ("x-big-bin", bytes(100)))))
        for size in (100, 1000, 4000, 7000, 7600)
    ]
    return told, seen.take(5)


CASES = [
    unary,
    unknown_method,
    server_stream,
    client_stream,
    early_answer,
    bidi,
    large_messages,
    a_message_above_the_clients_limit,
    hundred_streams,
    deadline,
    deadline_in_metadata,
    cancellation,
    errors,
    errors_after_messages,
    compression,
    metadata_up_to_8_kib,
]


def drain(server, channels):
    """A server that stops lets the streams end that it has."""
    going_on = threading.Event()

    def requests():
        yield b"before"
        assert going_on.wait(PATIENCE)
        yield b"after"

    talks = [call(channel, "Talk", requests()) for channel in channels]
    firsts = [next(talk) for talk in talks]
    stopped = server.stop(PATIENCE)
    going_on.set()
    told = [(first, whole(talk)) for first, talk in zip(firsts, talks)]
    assert stopped.wait(PATIENCE)
    return told


def first_difference(left, right, path=""):
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)) and len(left) == len(right):
        parts = (first_difference(*both, f"{path}[{at}]") for at, both in enumerate(zip(left, right)))
        return next(filter(None, parts), None)
    return None if left == right else f"{path}: directly {left!r:.2000}, through the proxy {right!r:.2000}"


def in_the_clear():
    return grpc.insecure_channel, lambda server, address: server.add_insecure_port(address)


def secured(*files):
    """How to dial and to listen by TLS: with a CA that is trusted, a certificate of its, and that one's key."""
    ca, chain, key = (open(file, "rb").read() for file in files)
    trusting, own = grpc.ssl_channel_credentials(ca), grpc.ssl_server_credentials([(key, chain)])
    return (
        lambda address, options: grpc.secure_channel(address, trusting, options),
        lambda server, address: server.add_secure_port(address, own),
    )


def main():
    server_at, proxy_at, *files = sys.argv[1:]
    options = [("grpc.max_receive_message_length", 16 * MIB), ("grpc.use_local_subchannel_pool", 1)]
    dial, listen = secured(*files) if files else in_the_clear()
    channels = [dial(address, options) for address in (server_at, proxy_at)]
    waiting = [call(channel, "Echo", b"early bird", wait_for_ready=True) for channel in channels]
    is_up = [one.done() for one in waiting]
    server = grpc.server(futures.ThreadPoolExecutor(2 * STREAMS), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("through.Proxy", METHODS)])
    assert listen(server, server_at)
    server.start()
    # Whoever started this starts the proxy now.
    print("serving", flush=True)
    differences = []

    def judge(name, direct, proxied):
        difference = first_difference(direct, proxied)
        ends = " ".join(sorted(f"{code}*{count}" for code, count in Counter(codes).items()))
        print(f"{name} DIFFERS {difference}" if difference else f"{name}: {ends}", flush=True)
        differences.append(difference)
        codes.clear()

    direct, proxied = (whole(one) for one in waiting)
    assert is_up == [False, False] and direct[1][0] == "OK", direct
    judge("wait_for_ready", direct, proxied)
    seen.take(2)
    for case in CASES:
        judge(case.__name__, *map(case, channels))
    judge("drain", *drain(server, channels))
    sys.exit(any(differences))


main()
