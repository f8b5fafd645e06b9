"""Reads a trace with Perfetto's published messages, and says what is in it, as JSON.

Its trace processor is a program of its own, which is fetched from the network, so the slices are put together here, by
the rule of the published `TrackEvent`: an end closes the slice of its track that began last.
"""

import json
import sys

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as published

with open(sys.argv[1], "rb") as file:
    written = file.read()
trace = published.Trace()
trace.ParseFromString(written)
trace.DiscardUnknownFields()
assert trace.ByteSize() == len(written), "something in the trace is not in the published messages"

tracks, processes, slices, instants, open_slices = {}, {}, [], [], {}
last = 0
for packet in trace.packet:
    assert packet.trusted_packet_sequence_id == 1, packet
    if packet.HasField("track_descriptor"):
        track = packet.track_descriptor
        tracks[track.uuid] = track
        if track.HasField("process"):
            processes[track.uuid] = track.process.process_name
    elif packet.HasField("track_event"):
        event = packet.track_event
        assert event.track_uuid in tracks, f"an event on no track: {event}"
        assert packet.timestamp >= last, f"{packet.timestamp} after {last}"
        last = packet.timestamp
        track = tracks[event.track_uuid]
        place = [processes[track.parent_uuid or track.uuid], track.name]
        if event.type == published.TrackEvent.TYPE_SLICE_BEGIN:
            open_slices.setdefault(event.track_uuid, []).append((packet.timestamp, event.name))
        elif event.type == published.TrackEvent.TYPE_SLICE_END:
            began, name = open_slices[event.track_uuid].pop()
            slices.append([*place, name, began, packet.timestamp])
        elif event.type == published.TrackEvent.TYPE_INSTANT:
            instants.append([*place, event.name, packet.timestamp])
    else:
        raise SystemExit(f"a packet with nothing that is known: {packet}")
assert not any(open_slices.values()), f"slices without an end: {open_slices}"
print(json.dumps({"processes": list(processes.values()), "slices": slices, "instants": instants}))
