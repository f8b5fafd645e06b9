"""Plays the matrix: every scenario before every proxy, and before ours in the place of each, and says what differs.

Refuses to know what a right answer is: seen.json has it, and `compare.py` compares. Exits with 1 where something differs.
"""

import argparse
import asyncio
import shlex
import sys
import tomllib
from pathlib import Path

import compare
import proxies
import scenarios
from cell import Cell, Lag

# They mostly wait, but Envoy takes a second of a core to start.
AT_A_TIME = 10
# Where the machine held the runner up just when something was heard, it was not the proxy that was measured.
TRIES = 4


async def play(scenario, kind, turns):
    """What both ends have seen, from a play that the machine did not hold up."""
    async with turns:
        for _ in range(TRIES):
            async with Cell.set_up(kind, scenario.backend) as cell:
                with Lag() as lag:
                    await scenario.play(cell)
                    found = cell.result(scenario.sides)
            if not lag.disturbed(cell.moments()):
                break
            print(f"again: {scenario.name} before {kind.name}: the machine was busy elsewhere", file=sys.stderr)
        return found


async def play_all(rows, real, stands_in, times):
    """What was seen, and which cells failed."""
    turns = asyncio.Semaphore(AT_A_TIME)
    cells = [(row, kind.name, "theirs", kind) for row in rows for kind in real]
    cells += [(row, name, "ours", kind) for row in rows for name, kind in stands_in.items()]
    cells *= times
    plays = [play(row, kind, turns) for row, _, _, kind in cells]
    results = await asyncio.gather(*plays, return_exceptions=True)
    seen = compare.Seen({kind.name: kind.told_version() for kind in real})
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
    parser.add_argument("--recorded", type=Path, default=compare.HERE / "seen.json", help="what should be seen")
    parser.add_argument("--bless", action="store_true", help="record what is seen")
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
    now, failures = asyncio.run(play_all(rows, real, stands_in, told.times))
    recorded = compare.Seen.read(told.recorded)
    if told.out:
        now.write(told.out)
    if told.bless:
        recorded.merge(now)
        recorded.write(told.recorded)
    breaches = failures + compare.breaches(now, recorded)
    for line in compare.strangers(now, recorded) + breaches:
        print(line)
    print(f"{len(rows)} scenarios before {len(real)} proxies: {len(breaches)} differences without a reason")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
