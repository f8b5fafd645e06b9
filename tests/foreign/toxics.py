"""The official client of Toxiproxy commands our proxy, and calls through it feel what it says.

Refuses to know pulseless: it is written with toxiproxy-python and grpcio alone. It runs a gRPC server of its own behind
the proxy. Prints a line for each promise that was kept, and ends with an error at the first that was not.
"""

import socket
import sys
import time
from concurrent import futures

import grpc
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

# Far more than anything here takes.
PATIENCE = 30
METHOD = "/plain.Echo/Say"


def kept(promise):
    print(promise, flush=True)


def same(data):
    return data


class Echo(grpc.GenericRpcHandler):
    """Answers each request with itself."""

    def service(self, details):
        if details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda data, _: data, same, same)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def channel_to(address):
    # A pool of its own: no channel finds the connection of another.
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def call(channel, deadline=PATIENCE):
    """How long a call takes, or its status."""
    begun = time.monotonic()
    try:
        assert channel.unary_unary(METHOD, same, same)(b"hello", timeout=deadline) == b"hello"
        return time.monotonic() - begun
    except grpc.RpcError as error:
        return error.code()


def fresh_call(address, deadline=PATIENCE):
    """The same over a connection of its own."""
    with channel_to(address) as channel:
        return call(channel, deadline)


def create(toxiproxy, upstream):
    proxy = toxiproxy.create(upstream=upstream, name="echo")
    assert proxy.enabled and not proxy.listen.endswith(":0"), proxy.listen
    assert set(toxiproxy.proxies()) == {"echo"} and toxiproxy.get_proxy("echo").upstream == upstream
    assert fresh_call(proxy.listen) < PATIENCE
    kept("a proxy is created on a free port, and calls pass it")
    try:
        toxiproxy.create(upstream=upstream, name="echo")
        raise AssertionError("a second of the name was taken")
    except ProxyExists:
        pass
    try:
        proxy.destroy_toxic("nobody")
        raise AssertionError("a toxic that is not there was removed")
    except NotFound:
        pass
    try:
        proxy.add_toxic(type="latency", attributes={"latency": "long"})
        raise AssertionError("a latency in words was taken")
    except InvalidToxic as error:
        assert "attributes.latency" in str(error), error
    kept("a name that exists, a toxic that does not and a bad attribute are the client's own exceptions")
    return proxy


def latency(proxy):
    with channel_to(proxy.listen) as channel:
        plain = call(channel)
        proxy.add_toxic(type="latency", attributes={"latency": 700, "jitter": 0})
        toxic = proxy.get_toxic("latency_downstream")
        assert toxic.attributes == {"latency": 700, "jitter": 0} and toxic.toxicity == 1, vars(toxic)
        late = call(channel)
        assert late >= 0.7, f"{late} s, and {plain} s without"
        assert proxy.destroy_toxic("latency_downstream")
        assert call(channel) < 0.7
    kept("latency is felt on an open connection, and gone with the toxic")


def timeout(proxy):
    with channel_to(proxy.listen) as channel:
        assert call(channel) < PATIENCE
        proxy.add_toxic(type="timeout", attributes={"timeout": 0})
        assert call(channel, 1) == grpc.StatusCode.DEADLINE_EXCEEDED
        assert proxy.destroy_toxic("timeout_downstream")
    proxy.add_toxic(type="timeout", attributes={"timeout": 300})
    with socket.create_connection(split(proxy.listen), PATIENCE) as raw:
        begun = time.monotonic()
        assert raw.recv(1) == b"", "the connection is closed, and nothing came before"
        assert time.monotonic() - begun >= 0.25
    assert proxy.destroy_toxic("timeout_downstream")
    assert fresh_call(proxy.listen) < PATIENCE
    kept("timeout swallows data, closes the connection in time, and is gone with the toxic")


def split(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def reset_peer(proxy):
    with channel_to(proxy.listen) as channel:
        assert call(channel) < PATIENCE
        proxy.add_toxic(type="reset_peer", stream="upstream", attributes={"timeout": 0})
        assert call(channel, 5) == grpc.StatusCode.UNAVAILABLE
    with socket.create_connection(split(proxy.listen), PATIENCE) as raw:
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        try:
            while raw.recv(1024):
                pass
            raise AssertionError("the connection ended in order")
        except ConnectionResetError:
            pass
    assert proxy.destroy_toxic("reset_peer_upstream")
    assert fresh_call(proxy.listen) < PATIENCE
    kept("reset_peer resets connections, and is gone with the toxic")


def beyond(proxy):
    ours = {"connection": "server"}
    with channel_to(proxy.listen) as channel:
        assert call(channel) < PATIENCE
        for stream in "upstream", "downstream":
            proxy.add_toxic(name="late", type="latency", stream=stream, attributes={"latency": 700, **ours})
            assert proxy.get_toxic("late").attributes == {"latency": 700, "jitter": 0, **ours}
            assert call(channel) >= 0.7
            assert proxy.destroy_toxic("late")
            assert call(channel) < 0.7
        # The client's connection goes on: its next call needs none.
        proxy.add_toxic(name="gone", type="reset_peer", attributes=ours)
        assert call(channel, 5) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
        assert proxy.destroy_toxic("gone")
        assert call(channel) < 0.7
    kept("a toxic may be on the connection to the server, and the client's goes on")


def down(proxy):
    with channel_to(proxy.listen) as channel:
        assert call(channel) < PATIENCE
        with proxy.down():
            assert not proxy.enabled
            assert call(channel, 2) == grpc.StatusCode.UNAVAILABLE
            with socket.socket() as raw:
                assert raw.connect_ex(split(proxy.listen)) != 0, "somebody listens"
    assert fresh_call(proxy.listen) < PATIENCE
    kept("a proxy that is disabled closes its connections and its port, and comes back on the same one")


def our_own(proxy):
    proxy.add_toxic(type="end-streams", attributes={"with": "status", "grpc-status": 8, "path": "*/Say"})
    assert fresh_call(proxy.listen) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert proxy.destroy_toxic("end-streams_downstream")
    kept("a lie in HTTP/2's words is a toxic like the others")


def reset(toxiproxy, proxy):
    proxy.add_toxic(type="latency", attributes={"latency": 5000})
    proxy.disable()
    assert toxiproxy.reset()
    assert toxiproxy.get_proxy("echo").enabled and proxy.toxics() == {}
    assert fresh_call(proxy.listen) < 5
    populated = toxiproxy.populate([{"name": "other", "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"}])
    assert [each.name for each in populated] == ["other"] and set(toxiproxy.proxies()) == {"echo", "other"}
    toxiproxy.destroy_all()
    assert toxiproxy.proxies() == {} and toxiproxy.running() and b"2.12" in toxiproxy.version()
    kept("reset, populate and destroy are as with Toxiproxy")


def main():
    server, upstream = serve()
    toxiproxy = Toxiproxy()
    toxiproxy.update_api_consumer(*split(sys.argv[1]))
    proxy = create(toxiproxy, upstream)
    latency(proxy)
    timeout(proxy)
    reset_peer(proxy)
    beyond(proxy)
    down(proxy)
    our_own(proxy)
    reset(toxiproxy, proxy)
    server.stop(None)


main()
