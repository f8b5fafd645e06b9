"""Plays the matrix: every scenario before every proxy, and before ours in the place of each, and says what differs.

Refuses to know what a right answer is: seen.json has it, and `compare.py` compares. Exits with 1 where something differs.
"""

import argparse
import asyncio
import shlex
import signal
import sys
import tomllib
from pathlib import Path

import compare
import proxies
import scenarios
from cell import Cell, Lag

# Where the machine held the runner up just when something was heard, or the right frames come at another time than
# recorded, it may not be the proxy that was measured. Other frames are never played again.
TRIES = 4


async def play(scenario, kind, turns, late):
    """What both ends have seen, from a play that the machine did not hold up. `late` tells whether the times are odd."""
    async with turns:
        for _ in range(TRIES):
            async with Cell.set_up(kind, scenario.backend) as cell:
                with Lag() as lag:
                    await scenario.play(cell)
                    found = cell.result(scenario.sides)
            if not lag.disturbed(cell.moments()) and not any(late(*each) for each in found.items()):
                break
            print(f"again: {scenario.name} before {kind.name}", file=sys.stderr)
        return found


async def play_all(rows, real, stands_in, recorded, told):
    """What was seen, and which cells failed."""
    turns = asyncio.Semaphore(told.jobs)
    cells = [(row, kind.name, "theirs", kind) for row in rows for kind in real]
    cells += [(row, name, "ours", kind) for row in rows for name, kind in stands_in.items()]
    cells *= told.times

    def late(row, name, side):
        return lambda view, entries: compare.late(recorded.variants(row.name, name, side, view), entries)

    plays = [play(row, kind, turns, late(row, name, side)) for row, name, side, kind in cells]
    results = await asyncio.gather(*plays, return_exceptions=True)
    seen = compare.Seen({kind.name: kind.version() for kind in real})
    failures = []
    for (row, name, side, kind), views in zip(cells, results, strict=True):
        if isinstance(views, Exception):
            failures.append(f"{row.name} before {kind.name}: failed: {views!r}")
            continue
        for view, entries in views.items():
            seen.add(row.name, name, side, view, entries)
    return seen, failures


def named(every, wanted, what):
    """Those of that name, or all where none is named."""
    unknown = set(wanted or []) - {each.name for each in every}
    if unknown:
        sys.exit(f"no such {what}: {', '.join(sorted(unknown))}")
    return [each for each in every if not wanted or each.name in wanted]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulseless", help="our binary; without it only the real proxies are played")
    parser.add_argument("--ci", action="store_true", help="only the scenarios that CI plays")
    parser.add_argument("--scenario", action="append", help="this one; may be given again")
    parser.add_argument("--proxy", action="append", help="this real proxy; may be given again")
    parser.add_argument("--times", type=int, default=1, help="how often each cell is played: a proxy may have variants")
    # They mostly wait, but Envoy takes a second of a core to start.
    parser.add_argument("--jobs", type=int, default=10, help="cells at a time")
    parser.add_argument("--recorded", type=Path, default=compare.HERE / "seen.json", help="what should be seen")
    parser.add_argument(
        "--bless",
        choices=["frames", "times"],
        help="record what is new: other frames, or, on a quiet machine, other times as well",
    )
    parser.add_argument("--out", type=Path, help="a file for what is seen")
    return parser.parse_args()


def main():
    told = arguments()
    wanted = named(proxies.REAL, told.proxy, "proxy")
    for kind in wanted:
        if kind.program is None:
            print(f"SKIPPED {kind.name}: it is not installed", file=sys.stderr)
    real = [kind for kind in wanted if kind.program]
    rows = [row for row in named(scenarios.SCENARIOS, told.scenario, "scenario") if row.ci or not told.ci]
    profiles = tomllib.loads((compare.HERE / "profiles.toml").read_text())
    stands_in = {
        kind.name: proxies.ours(told.pulseless, shlex.split(profiles[kind.name]))
        for kind in real
        if told.pulseless and kind.name in profiles
    }
    recorded = compare.Seen.read(told.recorded)
    # A runner that is told to stop ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    now, failures = asyncio.run(play_all(rows, real, stands_in, recorded, told))
    if told.out:
        now.write(told.out)
    if told.bless:
        recorded.merge(now, told.bless == "times")
        recorded.write(told.recorded)
    breaches = failures + compare.breaches(now, recorded)
    for line in compare.strangers(now, recorded) + breaches:
        print(line)
    print(f"{len(rows)} scenarios before {len(real)} proxies: {len(breaches)} differences without a reason")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
