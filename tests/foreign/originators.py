"""A client of another stack at a node of the decentralized backend: cursors of several originators.

Refuses to know pulseless: it is written with grpcio, from the .proto alone. Prints a line for each promise that was
kept, and ends with an error at the first that was not.
"""

import queue
import struct
import sys

import grpc
from xmtp.mls.api.v1 import mls_pb2 as v1
from xmtp.mls.api.v1 import mls_pb2_grpc as v1_service
from xmtp.xmtpv4.envelopes import envelopes_pb2 as envelopes
from xmtp.xmtpv4.message_api import query_api_pb2 as wire
from xmtp.xmtpv4.message_api import query_api_pb2_grpc as service

# Far more than anything here takes.
PATIENCE = 30

Ask = wire.SubscribeRequest.V1
Mutate = Ask.Mutate
NEWS = b"\x00news"


def publish(stub, originator, text):
    data = struct.pack(">HHB", 1, 2, 4) + b"news" + bytes(8) + b"\x01" + text
    request = v1.SendGroupMessagesRequest(messages=[v1.GroupMessageInput(v1=v1.GroupMessageInput.V1(data=data))])
    stub.SendGroupMessages(request, timeout=PATIENCE, metadata=[("x-target-originator", str(originator))])


def read(envelope):
    """Who numbered a message, its number, and its text."""
    numbered = envelopes.UnsignedOriginatorEnvelope.FromString(envelope.unsigned_originator_envelope)
    payer = envelopes.PayerEnvelope.FromString(numbered.payer_envelope_bytes)
    client = envelopes.ClientEnvelope.FromString(payer.unsigned_client_envelope)
    assert client.aad.target_topic == NEWS, client
    text = client.group_message.v1.data[-3:]
    return numbered.originator_node_id, numbered.originator_sequence_id, text


class Stream:
    """One Subscribe stream."""

    def __init__(self, stub):
        self.requests = queue.Queue()
        self.call = stub.Subscribe(iter(self.requests.get, None), timeout=PATIENCE)
        assert self.next().WhichOneof("response") == "started"

    def add(self, number, **known):
        cursor = envelopes.Cursor(node_id_to_sequence_id={int(of[1:]): last for of, last in known.items()})
        adds = [Mutate.Subscription(topic=NEWS, cursor=cursor)]
        self.requests.put(wire.SubscribeRequest(v1=Ask(mutate=Mutate(adds=adds, mutate_id=number))))

    def next(self):
        return next(self.call).v1

    def messages(self, count, tag):
        told = []
        while len(told) < count:
            frame = self.next()
            assert frame.WhichOneof("response") == "envelopes", frame
            assert frame.envelopes.mutate_id == tag, frame
            told += [read(envelope) for envelope in frame.envelopes.envelopes]
        return told

    def complete(self, number):
        while True:
            frame = self.next()
            kind = frame.WhichOneof("response")
            if kind == "catchup_complete":
                assert frame.catchup_complete.mutate_id == number
                return
            assert kind == "topics_live", frame


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        publisher, stub = v1_service.MlsApiStub(channel), service.QueryApiStub(channel)
        for originator, text in [(2, b"one"), (4, b"two"), (2, b"six"), (4, b"ten")]:
            publish(publisher, originator, text)
        stream = Stream(stub)
        stream.add(1, o2=1)
        assert stream.messages(3, 1) == [(4, 1, b"two"), (2, 2, b"six"), (4, 2, b"ten")]
        stream.complete(1)
        print("a wave from a cursor of one originator", flush=True)
        publish(publisher, 8, b"new")
        assert stream.messages(1, 0) == [(8, 1, b"new")]
        print("live, of an originator that nobody knew", flush=True)
        stream.add(2)
        stream.complete(2)
        print("a re-add changes nothing", flush=True)
        stream.requests.put(wire.SubscribeRequest(v1=Ask(ping=v1.Ping(nonce=7))))
        assert stream.next().pong.nonce == 7
        stream.requests.put(None)
        assert next(stream.call, None) is None and stream.call.code() == grpc.StatusCode.OK
        print("a ping is answered, and a half-closed stream ends with OK", flush=True)


main()
