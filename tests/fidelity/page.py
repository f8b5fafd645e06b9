"""Prints the page of the matrix, in Markdown, from seen.json: what the real proxies do, and ours beside them.

Refuses to judge: what differs is asked of `compare.py`.
"""

import compare
import scenarios

HEAD = """\
# Real proxies, frame by frame

Printed by `tests/fidelity/page.py` from what `tests/fidelity/run.py` has seen; not edited by hand. A raw HTTP/2 client
and a misbehaving raw backend stand around each proxy on loopback, in the clear, with processes of their own for each
cell. Told is all that an end heard after the event, without SETTINGS, WINDOW_UPDATE and PING ACK; messages in a row are
one DATA. Seconds count from the event, and of a stream that the client opens later from there; what has none came within
50 ms, or when the backend sent it. `[2]` is the second stream of a connection. OR stands between what a proxy does now
and then: a race of its own. Ours has the profile of each, with the same times; the charset of its pages counts for nothing.

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


def page(seen):
    proxies = sorted(seen.versions)
    told = [f"{HEAD}\nMeasured: {', '.join(f'{proxy} {seen.versions[proxy]}' for proxy in proxies)}.\n"]
    for view in ("client", "backend"):
        told.append(f"\n## What the {view} sees\n\n" + table(["what happens", *proxies], theirs(seen, view, proxies)))
    for proxy in proxies:
        if rows := beside(seen, proxy):
            head = ["what happens", "who looks", proxy, "pulseless", "the same?"]
            told.append(f"\n## {proxy} and ours\n\n" + table(head, rows))
    return "".join(told)


def theirs(seen, view, proxies):
    rows = [row for row in scenarios.SCENARIOS if view in row.sides]
    return [[row.title, *[words(seen.variants(row.name, proxy, "theirs", view)) for proxy in proxies]] for row in rows]


def beside(seen, proxy):
    why = compare.reasons()
    rows = []
    for row in scenarios.SCENARIOS:
        for view in row.sides:
            theirs, ours = (seen.variants(row.name, proxy, side, view) for side in ("theirs", "ours"))
            if ours:
                differs = not compare.all_among(seen.expected(row.name, proxy, view), ours)
                verdict = "no: " + why.get((row.name, proxy, view), "without a reason") if differs else "yes"
                rows.append([row.title, view, words(theirs), words(ours), verdict])
    return rows


if __name__ == "__main__":
    print(page(compare.Seen.read(compare.HERE / "seen.json")), end="")
