"""Clients that abuse `pulseless proxy`, while somebody else's stream and requests go on.

Refuses to know how the proxy defends itself. Each case says what the abuser was told, what it cost, and what the bystander felt;
ends with 1 if any promise was broken.
"""

import contextlib
import sys
import threading
import time

from backend import LARGE, Backend
from proxy import Proxy
from wire import *

MIB = 1 << 20
# Much more than a bystander waits on a busy machine, much less than a stall.
GAP_MAX = 3
# What the process may grow by, whatever is done to it: h2 keeps the windows that it granted.
GROWTH_MAX = 96 * MIB
# An attack that nobody stops is stopped by then.
ATTACK_MAX = 5


class Bystander:
    """Another client: one long stream, and requests one after the other on a connection of their own."""

    def __init__(self, proxy):
        self.ticking, self.asking = Connection(proxy), Connection(proxy)
        self.ticking.send(get(1, "/tick") + window(0, 1 << 30) + window(1, 1 << 30))
        assert self.ticking.until(lambda: self.ticking.stream(1).body)
        self.is_over, self.gaps, self.times, self.wrong = threading.Event(), [0], [0], []
        self.threads = [threading.Thread(target=each) for each in (self.tick, self.ask)]
        for thread in self.threads:
            thread.start()

    def tick(self):
        stream = self.ticking.stream(1)
        while not self.is_over.is_set() and not self.wrong:
            size, began = len(stream.body), time.monotonic()
            self.ticking.until(lambda: len(stream.body) > size or stream.code)
            self.gaps.append(time.monotonic() - began)
            if len(stream.body) == size:
                self.wrong.append(f"its stream ended: {self.ticking.state()}")

    def ask(self):
        number = 1
        while not self.is_over.wait(0.05) and not self.wrong:
            began = time.monotonic()
            self.asking.send(get(number))
            if not self.asking.answered(number):
                self.wrong.append(f"its request failed: {self.asking.state()[-300:]}")
            self.times.append(time.monotonic() - began)
            self.asking.streams.clear()
            number += 2

    def feels(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        if not self.wrong and max(*self.gaps, *self.times) > GAP_MAX:
            self.wrong.append(f"it waited {max(*self.gaps, *self.times):.1f} s")
        return self.wrong


def attack(connection, blows):
    """Blow by blow, until it is stopped, or has gone on for long. It reads what it is told."""
    began, count = time.monotonic(), 0
    for count, blow in enumerate(blows, 1):
        connection.send(blow)
        connection.until(lambda: connection.goaway, 0.001)
        if connection.goaway or connection.closed or time.monotonic() > began + ATTACK_MAX:
            break
    return count


def told(connection):
    connection.until(lambda: connection.closed, 0.5)
    return connection.goaway or ("closed" if connection.closed else "nothing")


def rapid_reset(scene):
    """Opened and cancelled in one breath."""
    client = scene.client()
    attack(client, (b"".join(get(2 * at + 1, "/never") + reset(2 * at + 1) for at in range(from_, from_ + 100)) for from_ in range(0, 10_000, 100)))
    scene.expect(client, "ENHANCE_YOUR_CALM")


def patient_reset(scene):
    """Cancelled when the server has them: 10,000 streams, 50 at a time."""
    client = scene.client()
    def blows():
        for from_ in range(0, 10_000, 50):
            numbers = range(2 * from_ + 1, 2 * from_ + 101, 2)
            yield b"".join(get(number, "/never") for number in numbers)
            client.until(lambda: client.goaway, 0.02)
            yield b"".join(map(reset, numbers))
    attack(client, blows())
    scene.expect(client, "ENHANCE_YOUR_CALM")
    scene.note("opened at the server", scene.backend.opened, "cancelled there", scene.backend.cancelled)


def continuation_flood(scene):
    """A header block without an end: full frames, and empty ones."""
    for size in 16_384, 1, 0:
        client = scene.client()
        client.send(frame(HEADERS, END_STREAM, 1, block(*request())))
        piece = block(("x-flood", "f" * (size - 12)))[:size] if size > 1 else b"\x00"[:size]
        attack(client, (frame(CONTINUATION, 0, 1, piece) * 200 for _ in range(10_000)))
        scene.expect(client, "ENHANCE_YOUR_CALM", "PROTOCOL_ERROR", "COMPRESSION_ERROR")


def ping_flood(scene):
    client = scene.client()
    scene.note("blows of 1000", attack(client, (ping() * 1000 for _ in range(10_000))))
    scene.expect(client, "ENHANCE_YOUR_CALM")


def deaf_ping_flood(scene):
    """Whoever floods reads no answer."""
    client = scene.client()
    client.socket.settimeout(ATTACK_MAX)
    with contextlib.suppress(OSError):
        for _ in range(2_000):
            client.socket.sendall(ping() * 1000)
    scene.expect(client, "ENHANCE_YOUR_CALM", "closed")


def settings_flood(scene):
    client = scene.client()
    scene.note("blows of 1000", attack(client, (settings((INITIAL_WINDOW_SIZE, 65_535)) * 1000 for _ in range(10_000))))
    scene.expect(client, "ENHANCE_YOUR_CALM")


def priority_flood(scene):
    client = scene.client()
    scene.note("blows of 1000", attack(client, (b"".join(priority(2 * at + 1) for at in range(1000)) for _ in range(10_000))))
    scene.expect(client, "ENHANCE_YOUR_CALM")


def window_update_flood(scene):
    """By one byte at a time."""
    client = scene.client()
    client.send(get(1, "/never"))
    scene.note("blows of 1000", attack(client, ((window(0, 1) + window(1, 1)) * 500 for _ in range(10_000))))
    scene.expect(client, "ENHANCE_YOUR_CALM")


def empty_data_flood(scene):
    client = scene.client()
    client.send(post(1, "/never"))
    scene.note("blows of 1000", attack(client, (data(1, b"", 0) * 1000 for _ in range(10_000))))
    scene.expect(client, "ENHANCE_YOUR_CALM")


def header_bomb(scene):
    """One large field in the table, then a thousand times its number: 4 MiB of fields in 1 KiB, on 100 streams."""
    client = scene.client()
    bomb = block(*request()) + b"\x40\x06x-bomb" + integer(4000, 7) + b"b" * 4000
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, bomb))
    attack(client, (frame(HEADERS, END_STREAM | END_HEADERS, 2 * at + 3, block(*request()) + b"\xbe" * 1000) for at in range(100)))
    scene.note("the abuser was told", told(client), {s.headers[0][":status"] if s.headers else s.code for s in client.streams.values()})


def header_bomb_of_the_server(scene):
    client = scene.client()
    client.send(get(1, "/bomb") + get(3))
    if not client.answered(3):
        scene.wrong.append(f"another stream is lost: {client.state()[:300]}")
    client.until(lambda: client.stream(1).code or client.stream(1).ended)
    scene.note("the client was told", client.stream(1).code)


def half_spoken(scene):
    """800 connections that never say a whole preface end within 10 s; 200 that sit in half a frame have a minute."""
    halves = [b"", PREFACE[:12], PREFACE, PREFACE + settings()[:5]]
    clients = [Connection(scene.proxy, half) for half in halves * 200]
    scene.clients += [Connection(scene.proxy, PREFACE + settings() + get()[:20]) for _ in range(200)]
    scene.note("descriptors", scene.proxy.descriptors())
    deadline = time.monotonic() + 15
    ended = sum(client.until(lambda: client.closed, max(deadline - time.monotonic(), 0.01)) for client in clients)
    scene.note("ended", ended, "of", len(clients))
    for client in clients:
        client.close()
    if ended < len(clients):
        scene.wrong.append("half a preface is borne for ever")


def stalled_reader(scene):
    """150 answers of 1 MB that are never read, in a window of 0."""
    client = scene.client(PREFACE + settings((INITIAL_WINDOW_SIZE, 0)))
    client.send(b"".join(get(2 * at + 1, "/bytes/1000000") for at in range(150)))
    client.until(lambda: False, 2)


def crumbs(scene):
    """Windows of one byte, opened byte by byte, on 100 streams."""
    client = scene.client(PREFACE + settings((INITIAL_WINDOW_SIZE, 1)))
    client.send(b"".join(get(2 * at + 1, "/large") for at in range(100)))
    attack(client, (b"".join(window(2 * at + 1, 1) for at in range(100)) for _ in range(100)))
    scene.note("the abuser was told", told(client))


def greedy(scene):
    """As many streams as the proxy allows, on three connections; the server allows 100."""
    clients = [scene.client() for _ in range(3)]
    for client in clients:
        client.send(b"".join(get(2 * at + 1, "/never") for at in range(1000)))
        client.until(lambda: False, 0.5)
    scene.note("open at the server", scene.backend.open, "on connections", scene.backend.connections)
    newcomer = scene.client()
    newcomer.send(get())
    if not newcomer.answered(1, GAP_MAX):
        scene.wrong.append("a newcomer is not served")


def many_streams(scene):
    """10,000 streams and 1,000 connections that are cut in the middle of a stream: then everything is as before."""
    before = scene.proxy.descriptors()
    def round():
        client = scene.client()
        for from_ in range(0, 10_000, 500):
            numbers = range(2 * from_ + 1, 2 * from_ + 1001, 2)
            client.send(b"".join(map(get, numbers)) + window(0, 10_000))
            for number in numbers:
                assert client.answered(number), client.state()[-200:]
            client.streams.clear()
        client.close()
        for _ in range(1000):
            client = Connection(scene.proxy)
            client.send(get(1, "/never") + post(3, "/hang"))
            client.until(lambda: client.stream(3).headers)
            client.close()
        deadline = time.monotonic() + PATIENCE
        while (scene.backend.open > 1 or scene.proxy.descriptors() > before) and time.monotonic() < deadline:
            time.sleep(0.05)
    round()
    first = scene.proxy.memory()
    round()
    growth = scene.proxy.memory() - first
    scene.note("grew by", f"{growth / MIB:.1f} MiB", "in the second round; descriptors", scene.proxy.descriptors(), "of", before)
    if growth > 4 * MIB or scene.proxy.descriptors() > before or scene.backend.open > 1:
        scene.wrong.append(f"something leaks: {scene.backend.open} streams")


class Scene:
    """A proxy, its server, a bystander, and what is noted."""

    def __init__(self, proxy, backend):
        self.proxy, self.backend, self.notes, self.wrong, self.clients = proxy, backend, [], [], []

    def client(self, greeting=PREFACE + settings()):
        self.clients.append(Connection(self.proxy, greeting))
        return self.clients[-1]

    def note(self, *words):
        self.notes.append(" ".join(map(str, words)))

    def expect(self, client, *wanted):
        came = told(client)
        self.note("the abuser was told", came)
        if came not in wanted:
            self.wrong.append(f"the abuser was to be told {' or '.join(wanted)}")


# A case, what the server behind the proxy is like, and what the log must name.
CASES = [
    (rapid_reset, {"is_strict": True}, "floods"),
    (patient_reset, {"is_strict": True}, "cancel"),
    (continuation_flood, {}, "floods"),
    (ping_flood, {}, "Ping"),
    (deaf_ping_flood, {}, "Ping"),
    (settings_flood, {}, "Settings"),
    (priority_flood, {}, "Priority"),
    (window_update_flood, {}, "WindowUpdate"),
    (empty_data_flood, {}, "floods"),
    (header_bomb, {}, "floods"),
    (header_bomb_of_the_server, {}, ""),
    (half_spoken, {}, "SETTINGS frame"),
    (stalled_reader, {}, ""),
    (crumbs, {}, ""),
    (greedy, {"streams_max": 100}, ""),
    (many_streams, {}, ""),
]


def play(binary, case, behind, logged):
    backend = Backend(**behind)
    with Proxy(binary, backend.address) as proxy:
        scene = Scene(proxy, backend)
        bystander = Bystander(proxy)
        memory, seconds, began = proxy.memory(), proxy.seconds(), time.monotonic()
        case(scene)
        growth = proxy.memory() - memory
        scene.note(f"{growth / MIB:.1f} MiB, {proxy.seconds() - seconds:.2f} s of CPU in {time.monotonic() - began:.2f} s")
        scene.wrong += [f"the bystander: {what}" for what in bystander.feels()]
        if growth > GROWTH_MAX:
            scene.wrong.append(f"it grew by {growth / MIB:.0f} MiB")
        if logged not in proxy.said():
            scene.wrong.append(f"no {logged!r} in the log")
        if proxy.process.poll() is not None:
            scene.wrong.append("the proxy died")
        for client in scene.clients:
            client.close()
    print(f"{'WRONG' if scene.wrong else 'right'} {case.__name__}: {'; '.join(scene.notes)}")
    print(*(f"    {what}" for what in scene.wrong), sep="\n", end="\n" * bool(scene.wrong), flush=True)
    return not scene.wrong


def main():
    binary, *only = sys.argv[1:]
    cases = [case for case in CASES if not only or case[0].__name__ in only]
    sys.exit(not all([play(binary, *case) for case in cases]))


main()
