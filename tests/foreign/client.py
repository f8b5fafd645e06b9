"""A client of another stack: subscribes, mutates, pings, half-closes and falls back at a node.

Refuses to know pulseless: it is written with grpcio, from the .proto alone. Prints a line for each promise that was
kept, and ends with an error at the first that was not.
"""

import queue
import struct
import sys
import threading

import grpc
from xmtp.mls.api.v1 import mls_pb2 as wire
from xmtp.mls.api.v1 import mls_pb2_grpc as service

# Far more than anything here takes.
PATIENCE = 30
INTERVAL_MS = 1000

Ask = wire.SubscribeRequest.V1
Mutate = Ask.Mutate


def group(name):
    return b"\x00" + name


def mls_message(name, text):
    """The public header of a private MLS application message (RFC 9420), and the text in the ciphertext's place."""
    return struct.pack(">HHB", 1, 2, len(name)) + name + bytes(8) + b"\x01" + text


def publish(stub, name, *texts):
    inputs = [
        wire.GroupMessageInput(v1=wire.GroupMessageInput.V1(data=mls_message(name, text))) for text in texts
    ]
    stub.SendGroupMessages(wire.SendGroupMessagesRequest(messages=inputs), timeout=PATIENCE)


class Stream:
    """One Subscribe stream. Pings are answered by whoever reads."""

    def __init__(self, stub):
        self.requests = queue.Queue()
        self.call = stub.Subscribe(iter(self.requests.get, None), timeout=PATIENCE)
        self.pings = 0

    def send(self, **arm):
        self.requests.put(wire.SubscribeRequest(v1=Ask(**arm)))

    def half_close(self):
        self.requests.put(None)

    def next(self):
        """The next frame that is no Ping: its name and itself."""
        while True:
            frame = next(self.call).v1
            kind = frame.WhichOneof("response")
            if kind != "ping":
                return kind, getattr(frame, kind)
            self.pings += 1
            self.send(pong=wire.Pong(nonce=frame.ping.nonce))

    def expect(self, awaited):
        kind, frame = self.next()
        assert kind == awaited, f"{awaited} was awaited, and {kind} came: {frame}"
        return frame

    def messages(self, count, tag):
        """So many group messages, all of that wave: their groups and texts."""
        told = []
        while len(told) < count:
            frame = self.expect("messages")
            assert frame.mutate_id == tag, f"wave {tag} was awaited, not {frame.mutate_id}"
            told += [(one.v1.group_id, one.v1.data[len(mls_message(one.v1.group_id, b"")) :]) for one in frame.group_messages]
        return told

    def wave(self, number, topics, messages):
        """A wave: its messages, its marker and its acknowledgment."""
        assert self.messages(len(messages), number) == messages
        assert sorted(self.expect("topics_live").topics) == sorted(topics)
        assert self.expect("catchup_complete").mutate_id == number

    def end(self):
        """The status that the node ends the stream with."""
        try:
            kind, frame = self.next()
            raise AssertionError(f"the end was awaited, and {kind} came: {frame}")
        except StopIteration:
            return self.call.code()
        except grpc.RpcError as error:
            return error.code()


def kept(promise):
    print(promise, flush=True)


def subscribe(stub):
    publish(stub, b"alpha", b"one", b"two", b"three")
    stream = Stream(stub)
    started = stream.expect("started")
    assert started.keepalive_interval_ms == INTERVAL_MS, started
    kept("started before any request")
    stream.send(mutate=Mutate(adds=[Mutate.Subscription(topic=group(b"alpha"), id_cursor=1)], mutate_id=1))
    stream.wave(1, [group(b"alpha")], [(b"alpha", b"two"), (b"alpha", b"three")])
    kept("a wave from a cursor")
    publish(stub, b"alpha", b"four")
    assert stream.messages(1, 0) == [(b"alpha", b"four")]
    kept("live")
    return stream


def mutate(stub, stream):
    add = Mutate.Subscription(topic=group(b"beta"))
    stream.send(mutate=Mutate(adds=[add], removes=[group(b"alpha")], mutate_id=2))
    stream.wave(2, [group(b"beta")], [])
    publish(stub, b"alpha", b"five")
    publish(stub, b"beta", b"six")
    assert stream.messages(1, 0) == [(b"beta", b"six")]
    kept("a mutate in place")


def ping(stub, stream):
    stream.send(ping=wire.Ping(nonce=2**64 - 1))
    assert stream.expect("pong").nonce == 2**64 - 1
    kept("a ping is answered")
    # The reader answers the node's Pings, and so the stream outlives several intervals until this comes.
    before = stream.pings
    threading.Timer(3.5 * INTERVAL_MS / 1000, publish, [stub, b"beta", b"seven"]).start()
    assert stream.messages(1, 0) == [(b"beta", b"seven")]
    assert stream.pings - before >= 2, f"{stream.pings - before} pings in 3.5 intervals"
    kept("an idle stream is pinged, and lives on pongs")


def half_close(stub, stream):
    stream.half_close()
    assert stream.end() == grpc.StatusCode.OK
    bounded = Stream(stub)
    bounded.expect("started")
    adds = [Mutate.Subscription(topic=group(name)) for name in (b"alpha", b"beta")]
    bounded.send(mutate=Mutate(adds=adds, history_only=True, mutate_id=9))
    bounded.half_close()
    alpha = [(b"alpha", text) for text in (b"one", b"two", b"three", b"four", b"five")]
    bounded.wave(9, [group(b"alpha"), group(b"beta")], alpha + [(b"beta", b"six"), (b"beta", b"seven")])
    assert bounded.end() == grpc.StatusCode.OK
    kept("a half-closed stream finishes its waves and ends with OK")


def refuse(stub):
    stream = Stream(stub)
    stream.expect("started")
    stream.send(mutate=Mutate(adds=[Mutate.Subscription(topic=b"\x09x")], mutate_id=1))
    assert stream.end() == grpc.StatusCode.INVALID_ARGUMENT
    silent = Stream(stub)
    silent.expect("started")
    # A Ping of the node stays unanswered: this reads past the stream's own reader.
    frame = next(silent.call).v1
    assert frame.WhichOneof("response") == "ping", frame
    assert silent.end() == grpc.StatusCode.DEADLINE_EXCEEDED
    kept("refusals have their status")


def fall_back(stub, *texts):
    """The older call, from the beginning of a group."""
    filters = [wire.SubscribeGroupMessagesRequest.Filter(group_id=b"beta")]
    call = stub.SubscribeGroupMessages(wire.SubscribeGroupMessagesRequest(filters=filters), timeout=PATIENCE)
    told = [next(call).v1.data[-len(text) :] for text in texts]
    assert told == list(texts), told
    publish(stub, b"beta", b"later")
    assert next(call).v1.data.endswith(b"later")
    call.cancel()
    kept("the older call delivers history and what comes later")


def old_node(stub):
    """A node that does not know Subscribe says so, before its headers or after them (C6)."""
    stream = Stream(stub)
    stream.send(mutate=Mutate(adds=[Mutate.Subscription(topic=group(b"beta"))], mutate_id=1))
    try:
        raise AssertionError(stream.next())
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    kept("Subscribe is not served, and says so")
    publish(stub, b"beta", b"six", b"seven")


def new_node(stub):
    stream = subscribe(stub)
    mutate(stub, stream)
    ping(stub, stream)
    half_close(stub, stream)
    refuse(stub)


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        stub = service.MlsApiStub(channel)
        old_node(stub) if "old" in sys.argv[2:] else new_node(stub)
        fall_back(stub, b"six", b"seven")


main()
