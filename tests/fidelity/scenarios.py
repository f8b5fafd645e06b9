"""What happens in each row of the matrix. The first line of a scenario is its title in the report.

Refuses to know any proxy: each scenario is played on all of them.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from cell import Cell
from hyperframe.frame import SettingsFrame
from probe import MESSAGE, PATIENCE
from proxies import CLIENT_SECONDS, DRAIN_SECONDS, IDLE_SECONDS

# Long enough to see a timer run out that is not late.
MARGIN = 0.6
# As long as one waits for what comes at once.
SOON = 1.2
MAX_CONCURRENT_STREAMS = SettingsFrame.MAX_CONCURRENT_STREAMS
SCENARIOS = []


@dataclasses.dataclass
class Scenario:
    """A row. `ci`: whether CI plays it; `sides`: whose view is told; `backend`: its options, or none where nobody listens."""

    play: Callable[[Cell], Awaitable[None]]
    ci: bool
    sides: tuple[str, ...]
    backend: list[str] | None

    @property
    def name(self):
        return self.play.__name__.replace("_", "-")

    @property
    def title(self):
        return self.play.__doc__


def scenario(ci=True, sides=("client", "backend"), backend=()):
    def add(play):
        SCENARIOS.append(Scenario(play, ci, sides, backend))
        return play

    return add


async def backend_does(cell, script, watch=SOON):
    """The backend plays a script on an open stream; its step after `!` is the event."""
    before, _, event = script.partition("!")
    cell.probe.open(before + event)
    await cell.when_did(event.split("/")[0])
    await cell.watch(watch)


async def open_another(cell, script="headers/tick", **options):
    """A second after the event, another stream on the same connection."""
    await cell.watch(1)
    cell.probe.open(script, **options)


def greets(heard):
    if heard.kind == "WINDOW_UPDATE":
        # Smaller ones credit the message.
        return int(heard.words) > 1000
    return heard.kind == "SETTINGS" and not heard.words.startswith("ACK")


@scenario()
async def greeting(cell):
    """What it greets with: SETTINGS, and a WINDOW_UPDATE of the connection"""
    cell.happens(cell.probe.began)
    cell.timed = False
    cell.tells = greets
    cell.probe.open("headers/tick=1")
    await cell.watch(SOON)


@scenario(sides=("client",))
async def stopped_open(cell):
    """The backend is stopped (SIGSTOP) in the middle of a stream that is open on both sides; one PING/s"""
    cell.probe.ping_every_second()
    await cell.ticking()
    cell.backend.stop()
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(sides=("client",))
async def stopped_half_closed(cell):
    """The backend is stopped in the middle of a stream that the client has half-closed; one PING/s"""
    cell.probe.ping_every_second()
    await cell.ticking(half_close=True)
    cell.backend.stop()
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(sides=("client",))
async def silent_before_headers_open(cell):
    """The backend never answers; the client's side is open"""
    cell.happens()
    cell.probe.open("wait")
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(ci=False, sides=("client",))
async def silent_before_headers_half_closed(cell):
    """The backend never answers; the client has half-closed"""
    cell.happens()
    cell.probe.open("wait", half_close=True)
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(ci=False, sides=("client",))
async def silent_while_client_speaks(cell):
    """After two messages the backend is silent, and the client sends a message each half second"""
    stream = await cell.ticking(script="headers/tick=2")
    for half_seconds in range(1, 2 * CLIENT_SECONDS + 2):
        await cell.watch(half_seconds / 2)
        cell.probe.wire.send_data(stream, MESSAGE)
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(ci=False, sides=("client",))
async def healthy_open(cell):
    """A message each half second from the backend, beyond every timeout; the client's side is open, and it is silent"""
    await cell.ticking()
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(ci=False, sides=("client",))
async def healthy_half_closed(cell):
    """A message each half second from the backend, beyond every timeout; the client has half-closed"""
    await cell.ticking(half_close=True)
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(ci=False, sides=("client",))
async def thawed(cell):
    """The backend is stopped, and goes on before any timeout; one PING/s"""
    cell.probe.ping_every_second()
    await cell.ticking()
    cell.backend.stop()
    await cell.watch(2)
    cell.backend.go_on()
    await cell.watch(2 + SOON)


@scenario(sides=("client",))
async def killed(cell):
    """The backend is killed (SIGKILL); a second later the client opens another stream"""
    await cell.ticking()
    cell.happens()
    cell.backend.kill()
    await open_another(cell)
    await cell.watch(1 + 3 + MARGIN)


@scenario(sides=("client",), backend=None)
async def unreachable(cell):
    """Nobody listens at the backend's address"""
    cell.happens()
    cell.probe.open("headers/tick")
    await cell.watch(3 + MARGIN)


@scenario(ci=False)
async def stops_listening(cell):
    """The backend stops listening and keeps its connections; a second later the client opens another stream"""
    cell.probe.open("headers/tick=2/deaf/tick")
    await cell.when_did("deaf")
    await open_another(cell)
    await cell.watch(1 + SOON)


@scenario()
async def half_closed_by_client(cell):
    """The client half-closes in the middle of the stream"""
    stream = await cell.ticking()
    cell.happens()
    cell.probe.wire.send_data(stream, b"", end_stream=True)
    await cell.watch(SOON)


@scenario()
async def reset_no_error(cell):
    """After headers and messages the backend resets the stream: NO_ERROR"""
    await backend_does(cell, "headers/tick=2/!rst=NO_ERROR")


@scenario(ci=False)
async def reset_internal_error(cell):
    """After headers and messages the backend resets the stream: INTERNAL_ERROR"""
    await backend_does(cell, "headers/tick=2/!rst=INTERNAL_ERROR")


@scenario()
async def reset_cancel(cell):
    """After headers and messages the backend resets the stream: CANCEL"""
    await backend_does(cell, "headers/tick=2/!rst=CANCEL")


@scenario(ci=False)
async def reset_refused_stream(cell):
    """After headers and messages the backend resets the stream: REFUSED_STREAM"""
    await backend_does(cell, "headers/tick=2/!rst=REFUSED_STREAM")


@scenario(ci=False)
async def reset_enhance_your_calm(cell):
    """After headers and messages the backend resets the stream: ENHANCE_YOUR_CALM"""
    await backend_does(cell, "headers/tick=2/!rst=ENHANCE_YOUR_CALM")


@scenario()
async def reset_before_headers(cell):
    """The backend resets the stream before its headers: INTERNAL_ERROR"""
    await backend_does(cell, "wait/!rst=INTERNAL_ERROR")


@scenario(ci=False)
async def refused_before_headers(cell):
    """The backend refuses the stream before its headers, however often it is tried: REFUSED_STREAM"""
    cell.happens()
    cell.timed = False
    cell.probe.open("rst=REFUSED_STREAM")
    await cell.watch(SOON)


@scenario()
async def goaway_this(cell):
    """GOAWAY(NO_ERROR, last = this stream), and the backend streams on; a second later the client opens another stream"""
    cell.probe.open("headers/tick=2/goaway=this,NO_ERROR/wait/tick")
    await cell.when_did("goaway")
    await open_another(cell)
    await cell.watch(1 + SOON)


@scenario()
async def goaway_zero(cell):
    """GOAWAY(NO_ERROR, last = 0) during the stream, and the backend streams on; a second later the client opens another stream"""
    cell.probe.open("headers/tick=2/goaway=0,NO_ERROR/wait/tick")
    await cell.when_did("goaway")
    await open_another(cell)
    await cell.watch(1 + SOON)


@scenario(ci=False)
async def goaway_calm(cell):
    """GOAWAY(ENHANCE_YOUR_CALM, last = this stream, "too_many_pings"), and the backend streams on"""
    await backend_does(cell, "headers/tick=2/!goaway=this,ENHANCE_YOUR_CALM,too_many_pings/wait/tick")


@scenario(ci=False)
async def goaway_and_fin(cell):
    """GOAWAY(NO_ERROR, last = this stream), and FIN"""
    await backend_does(cell, "headers/tick=2/!goaway=this,NO_ERROR/fin")


@scenario(ci=False)
async def fin(cell):
    """The backend closes its connection: FIN"""
    await backend_does(cell, "headers/tick=2/!fin")


@scenario(ci=False)
async def tcp_reset(cell):
    """The backend closes its connection: TCP RST"""
    await backend_does(cell, "headers/tick=2/!tcprst")


@scenario()
async def end_without_trailers(cell):
    """END_STREAM without trailers; the client's side is open"""
    await backend_does(cell, "headers/tick=2/!end")


@scenario()
async def trailers_while_open(cell):
    """Trailers while the client's side is open"""
    await backend_does(cell, "headers/tick=2/!trailers=0")


@scenario()
async def trailers_only(cell):
    """Trailers-only: the status 5 at once; the client's side is open"""
    await backend_does(cell, "wait/!status=5")


@scenario(sides=("backend",))
async def client_cancels(cell):
    """The client resets the stream: CANCEL"""
    stream = await cell.ticking()
    cell.happens()
    cell.probe.wire.send_rst(stream, 8)
    await cell.watch(SOON)


@scenario(sides=("backend",))
async def client_gone(cell):
    """The client closes its connection: FIN"""
    await cell.ticking()
    cell.happens()
    cell.probe.wire.close()
    await cell.watch(SOON)


@scenario()
async def drain(cell):
    """The proxy is told to stop gracefully during a stream; a second later the client opens another stream, then a connection"""
    await cell.ticking()
    cell.happens()
    cell.proxy.drain()
    await open_another(cell)
    await cell.watch(1.5)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", cell.probe.port)
        writer.close()
        cell.facts.append("a new connection is accepted")
    except ConnectionError:
        cell.facts.append("a new connection is refused")
    await cell.watch(1 + DRAIN_SECONDS + MARGIN)


@scenario()
async def slow_reader(cell):
    """The client credits no window, and the backend sends all that it can"""
    cell.happens()
    cell.probe.open("headers/flood")
    await cell.backend.did("rest")
    await asyncio.sleep(MARGIN)
    rest = [told for told in cell.backend.steps if told["did"] == "rest"][-1]
    cell.facts.append(f"at rest {swallowed(**rest)}")


def swallowed(bytes, wanting, **_):
    """How much went in, as far as that is the same in every run."""
    if wanting == "TCP":
        return "when TCP takes no more"
    if bytes.bit_count() == 1:
        return f"after {bytes} bytes: a window"
    # A window, and what buffers credit before they are full: within a power of four.
    power = 1
    while power * 4 < bytes:
        power *= 4
    return f"after {power} to {power * 4} bytes"


async def request_header(cell, size):
    await cell.ticking()
    cell.happens()
    cell.probe.open("headers/tick", extra=[("x-filler", "f" * size)])
    await cell.watch(SOON)


@scenario()
async def request_header_20k(cell):
    """Beside a stream, the client opens one with a header of 20,000 bytes"""
    await request_header(cell, 20_000)


@scenario(ci=False)
async def request_header_70k(cell):
    """Beside a stream, the client opens one with a header of 70,000 bytes"""
    await request_header(cell, 70_000)


async def response_header(cell, size):
    await cell.ticking()
    cell.happens()
    cell.probe.open(f"headers={size}/tick")
    await cell.watch(SOON)


@scenario(ci=False)
async def response_header_40k(cell):
    """Beside a stream, the backend answers another with a header of 40,000 bytes"""
    await response_header(cell, 40_000)


@scenario(ci=False)
async def response_header_70k(cell):
    """Beside a stream, the backend answers another with a header of 70,000 bytes"""
    await response_header(cell, 70_000)


@scenario(backend=["--max-streams", "2"])
async def max_streams(cell):
    """The backend allows two streams; beside one that runs, the client opens three more"""
    await cell.ticking()
    cell.happens()
    for _ in range(3):
        cell.probe.open("headers/tick")
    await cell.watch(CLIENT_SECONDS + MARGIN)


@scenario(ci=False, sides=("client",))
async def more_streams_than_allowed(cell):
    """The client opens one stream more than the proxy allows in its SETTINGS, and none is answered"""
    cell.happens()
    cell.timed = False
    for _ in range(cell.probe.wire.settings[MAX_CONCURRENT_STREAMS] + 1):
        cell.probe.open("wait")
    await cell.watch(SOON)


@scenario(sides=("client",))
async def ping_flood(cell):
    """Beside a stream, the client sends 60,000 PINGs before it reads an answer"""
    await cell.ticking()
    await cell.probe.ping_without_reading(60_000)
    cell.happens()
    cell.timed = False
    async with asyncio.timeout(PATIENCE):
        while not cell.probe.ended() and cell.probe.pongs() < cell.probe.pings:
            await asyncio.sleep(0.1)


async def after_one_call(cell):
    stream = cell.probe.open("status=0", half_close=True)
    ended = await cell.probe.until(lambda heard: heard.stream == stream and heard.end_stream)
    cell.happens(ended.at)


@scenario(sides=("client",))
async def idle_connection(cell):
    """After one call the connection has no stream; one PING/s"""
    await after_one_call(cell)
    # Not at the very time of a timer.
    await cell.watch(0.5)
    cell.probe.ping_every_second()
    await cell.watch(IDLE_SECONDS + DRAIN_SECONDS + 1 + MARGIN)


@scenario(ci=False, sides=("client",))
async def idle_connection_without_pings(cell):
    """After one call the connection has no stream, and there is no PING"""
    await after_one_call(cell)
    await cell.watch(IDLE_SECONDS + DRAIN_SECONDS + 1 + MARGIN)


@scenario(ci=False, backend=["--no-settings-ack"])
async def settings_never_acknowledged(cell):
    """The backend never acknowledges SETTINGS"""
    cell.happens()
    cell.probe.open("headers/tick")
    await cell.watch(10 + MARGIN)
