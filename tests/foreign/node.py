"""A node of another stack, in several moods, each on a port of its own.

Refuses to know pulseless: it is written with grpcio, from the .proto alone. Prints `MOOD listens on HOST:PORT` for each
mood, and then what it sees of its clients. A node keeps nothing but the messages below.
"""

import queue
import struct
import threading
from concurrent import futures

import grpc
from xmtp.mls.api.v1 import mls_pb2 as wire
from xmtp.mls.api.v1 import mls_pb2_grpc as service

Say = wire.SubscribeResponse.V1
GROUP = b"news"
TOPIC = b"\x00" + GROUP
INTERVAL_MS = 500
# Nobody here waits so long for anything that comes.
PATIENCE = 60


def message(number, name=GROUP):
    """The message of that id; its text is its id."""
    header = struct.pack(">HHB", 1, 2, len(name)) + name + bytes(8) + b"\x01"
    v1 = wire.GroupMessage.V1(id=number, created_ns=number, group_id=name, data=header + b"text %d" % number)
    return wire.GroupMessage(v1=v1)


def say(**arm):
    return wire.SubscribeResponse(v1=Say(**arm))


def started(interval_ms=INTERVAL_MS):
    return say(started=Say.Started(keepalive_interval_ms=interval_ms))


def deliver(numbers, tag=0, name=GROUP):
    return say(messages=Say.Messages(group_messages=[message(number, name) for number in numbers], mutate_id=tag))


class Heard:
    """What a client sends, read in the background."""

    def __init__(self, mood, requests):
        self.mood = mood
        self.queue = queue.Queue()
        threading.Thread(target=self.read, args=[requests], daemon=True).start()

    def read(self, requests):
        try:
            for request in requests:
                self.queue.put(request.v1)
        except Exception:  # The client is gone, in whatever way.
            pass
        self.queue.put(None)

    def tell(self, what):
        print(f"{self.mood}: {what}", flush=True)

    def next(self, awaited):
        """The next request of that kind; None where the client is gone."""
        while True:
            request = self.queue.get(timeout=PATIENCE)
            if request is None or request.WhichOneof("request") == awaited:
                return request and getattr(request, awaited)

    def wave(self):
        """The Mutate that opens a stream: its id and cursor."""
        mutate = self.next("mutate")
        if mutate is None:
            return 0, 0
        assert [add.topic for add in mutate.adds] == [TOPIC], mutate
        self.tell(f"a stream begins above {mutate.adds[0].id_cursor} with wave {mutate.mutate_id}")
        return mutate.mutate_id, mutate.adds[0].id_cursor


def replay(heard, last):
    """Started, and a lawful wave up to that id."""
    yield started()
    wave, cursor = heard.wave()
    if cursor < last:
        yield deliver(range(cursor + 1, last + 1), wave)
    yield say(topics_live=Say.TopicsLive(topics=[TOPIC]))
    yield say(catchup_complete=Say.CatchupComplete(mutate_id=wave))


def good(heard, _):
    yield from replay(heard, 3)
    yield deliver([4])
    for nonce in (7, 2**64 - 1):
        yield say(ping=wire.Ping(nonce=nonce))
        pong = heard.next("pong")
        if pong is None:
            return
        heard.tell(f"pong {pong.nonce}")
    yield deliver([5])
    ping = heard.next("ping")
    if ping is not None:
        heard.tell("asked for a sign of life")
        yield say(pong=wire.Pong(nonce=ping.nonce))
        yield deliver([6])
    heard.next("nothing more")


def forgetful(heard, attempt):
    """The first stream breaks, the second is silent, the third is good."""
    if attempt == 1:
        yield from replay(heard, 2)
        raise RuntimeError("a node that breaks down")
    if attempt == 2:
        heard.wave()
        heard.next("nothing more")
        heard.tell("the silent stream was given up")
        return
    yield from replay(heard, 4)
    heard.next("nothing more")


def long_interval(heard, _):
    yield started(2**32 - 1)
    yield from nonsense(heard)


def short_interval(heard, _):
    yield started(1)
    yield from nonsense(heard)


def no_start(heard, _):
    yield from nonsense(heard)


def nonsense(heard):
    """Whatever a node must not say, around six messages."""
    wave, cursor = heard.wave()
    if cursor < 3:
        yield deliver([1, 2, 2, 1, 3], wave)
    yield deliver([2, 1, 3])
    yield deliver([50, 51], name=b"uninvited")
    yield deliver([])
    yield deliver([4], 2**64 - 1)
    yield say(topics_live=Say.TopicsLive(topics=[b"", b"\x09x", b"\x00uninvited"]))
    yield say(catchup_complete=Say.CatchupComplete(mutate_id=0))
    yield say(catchup_complete=Say.CatchupComplete(mutate_id=2**64 - 1))
    yield say(pong=wire.Pong(nonce=99))
    yield started(0)
    yield say(messages=Say.Messages(group_messages=[wire.GroupMessage()]))
    yield say(messages=Say.Messages(welcome_messages=[wire.WelcomeMessage()]))
    yield deliver([5])
    yield wire.SubscribeResponse(v1=Say())
    yield wire.SubscribeResponse()
    yield deliver([6])
    while (ping := heard.next("ping")) is not None:
        yield say(pong=wire.Pong(nonce=ping.nonce))


def unimplemented(heard, _):
    raise LookupError(grpc.StatusCode.UNIMPLEMENTED)


def invalid_argument(heard, _):
    raise LookupError(grpc.StatusCode.INVALID_ARGUMENT)


class Node(service.MlsApiServicer):
    """A node in one mood."""

    def __init__(self, mood):
        self.mood = mood
        self.attempts = 0

    def Subscribe(self, requests, context):
        self.attempts += 1
        heard = Heard(self.mood.__name__, requests)
        try:
            yield from self.mood(heard, self.attempts)
        except LookupError as refusal:
            context.abort(refusal.args[0], "no such subscription here")

    def SubscribeGroupMessages(self, request, context):
        (one,) = request.filters
        assert one.group_id == GROUP, request
        print(f"{self.mood.__name__}: fell back above {one.id_cursor}", flush=True)
        yield from (message(number) for number in range(one.id_cursor + 1, 7))
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(PATIENCE)


def main():
    servers = []
    for mood in (good, forgetful, long_interval, short_interval, no_start, unimplemented, invalid_argument):
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        service.add_MlsApiServicer_to_server(Node(mood), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        print(f"{mood.__name__} listens on 127.0.0.1:{port}", flush=True)
    for server in servers:
        server.wait_for_termination()


main()
