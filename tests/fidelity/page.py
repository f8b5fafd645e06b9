"""The page of the matrix, in Markdown: what the real proxies do, and ours beside each that it stands for.

Refuses to judge: what differs is asked of `compare.py`.
"""

import compare

HEAD = """\
# Real proxies, frame by frame

Written by `tests/fidelity/run.py --page`; not edited by hand. A raw HTTP/2 client and a misbehaving raw backend stand around
each proxy on loopback, in the clear, with a connection and a process of its own for each cell. Told is all that an end heard
after the event, without SETTINGS, WINDOW_UPDATE and PING ACK; messages in a row are one DATA. Seconds count from the event;
what has none came within 50 ms, or its time is the backend's. `[2]` is the second stream of a connection. OR stands between
what a proxy does now and then: a race of its own.

The streams are gRPC-like, and long defaults are shortened on all sides: towards the backend 3 s (`grpc_read_timeout`,
`timeout server`, `backend-read-timeout`, `Timeout`, `stream_idle_timeout`), a connection without streams 4 s
(`keepalive_timeout`, `frontend-http2-read-timeout`, `KeepAliveTimeout`, `idle_timeout`), towards the client 5 s
(`client_body_timeout`, `timeout client`), drain 2 s (`drain_timeout`). Envoy's route timeout is off. The whole
configuration is in `tests/fidelity/proxies.py`, each scenario in `tests/fidelity/scenarios.py`.
"""


def words(variants):
    return "<br>OR ".join("<br>".join(map(compare.entry_told, entries)) or "nothing" for entries in variants)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def page(seen, scenarios):
    versions = seen["versions"]
    told = [f"{HEAD}\nMeasured: {', '.join(f'{proxy} {version}' for proxy, version in versions.items())}.\n"]
    for view in ("client", "backend"):
        told.append(f"\n## What the {view} sees\n\n" + theirs(seen, scenarios, view, versions))
    for proxy in versions:
        if rows := beside(seen, scenarios, proxy):
            head = ["what happens", "who looks", proxy, "pulseless", "the same?"]
            told.append(f"\n## {proxy} and ours\n\n" + table(head, rows))
    return "".join(told)


def theirs(seen, scenarios, view, versions):
    rows = []
    for scenario in scenarios:
        row = seen["cells"].get(scenario.name, {})
        if view in scenario.sides and row:
            rows.append([scenario.title, *[words(row[proxy]["theirs"][view]) for proxy in versions]])
    return table(["what happens", *versions], rows)


def beside(seen, scenarios, proxy):
    expected, why = compare.read_expected(), compare.reasons()
    titles = {scenario.name: scenario.title for scenario in scenarios}
    rows = []
    for scenario, name, view, theirs, ours in compare.cells(seen):
        if name == proxy and ours is not None:
            differs = compare.ours_differs(expected, scenario, proxy, view, theirs, ours)
            verdict = "no: " + why.get((scenario, proxy, view), "unexcused") if differs else "yes"
            rows.append([titles[scenario], view, words(theirs), words(ours), verdict])
    return rows
