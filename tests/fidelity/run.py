"""Plays the matrix: every scenario before every proxy, and before ours in the place of each, and prints JSON.

Refuses to know what a right answer is: `compare.py` says what differs, `page.py` writes the page.
"""

import argparse
import asyncio
import collections
import json
import shlex
import sys
import tomllib
from pathlib import Path

import compare
import page
import proxies
import scenarios
from cell import Cell, Lag

HERE = Path(__file__).parent
# They mostly wait, but Envoy takes a second of a core to start.
AT_A_TIME = 10
# A machine that held a cell up for longer than this was not measuring the proxy. The cell is played again.
HELD_UP_SECONDS = 0.04
TRIES = 4


async def play(scenario, kind, turns):
    """What both ends have seen, from a play that the machine did not hold up."""
    async with turns:
        for _ in range(TRIES):
            async with Cell.set_up(kind, scenario.backend) as cell:
                with Lag() as lag:
                    await scenario.play(cell)
                    found = cell.result(scenario.sides)
            if lag.seconds < HELD_UP_SECONDS:
                break
            print(f"again: {scenario.name} before {kind.name}: held up for {lag.seconds:.3f} s", file=sys.stderr)
        return found


async def play_all(rows, real, stands_in, times):
    """What was seen: `{scenario: {proxy: {"theirs" or "ours": {view: variants}}}}`."""
    turns = asyncio.Semaphore(AT_A_TIME)
    cells = [(row, kind.name, "theirs", kind) for row in rows for kind in real]
    cells += [(row, name, "ours", kind) for row in rows for name, kind in stands_in.items()]
    cells *= times
    results = await asyncio.gather(*[play(row, kind, turns) for row, _, _, kind in cells])
    matrix = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(dict)))
    for (row, name, side, _), result in zip(cells, results, strict=True):
        for view, entries in result.items():
            compare.add(matrix[row.name][name][side].setdefault(view, []), entries)
    return matrix


def named(every, wanted, what):
    unknown = set(wanted or []) - {each.name for each in every}
    if unknown:
        sys.exit(f"no such {what}: {', '.join(sorted(unknown))}")
    return [each for each in every if not wanted or each.name in wanted]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulseless", help="our binary; without it only the real proxies are played")
    parser.add_argument("--ci", action="store_true", help="the scenarios that CI plays")
    parser.add_argument("--scenario", action="append", help="this one; may be given again")
    parser.add_argument("--proxy", action="append", help="this real proxy; may be given again")
    parser.add_argument("--times", type=int, default=1, help="how often each cell is played: a proxy may have variants")
    parser.add_argument("--bless", action="store_true", help="add to expected.json what is new in it")
    parser.add_argument("--page", help="a file for the page of what was seen")
    parser.add_argument("--out", help="a file for what was seen, as JSON")
    arguments = parser.parse_args()
    wanted = named(proxies.REAL, arguments.proxy, "proxy")
    missing = [kind.name for kind in wanted if kind.program is None]
    for name in missing:
        print(f"SKIPPED {name}: it is not installed", file=sys.stderr)
    real = [kind for kind in wanted if kind.program]
    rows = [row for row in named(scenarios.SCENARIOS, arguments.scenario, "scenario") if row.ci or not arguments.ci]
    profiles = tomllib.loads((HERE / "profiles.toml").read_text())
    stands_in = {
        kind.name: proxies.ours(arguments.pulseless, shlex.split(profiles[kind.name]))
        for kind in real
        if arguments.pulseless and kind.name in profiles
    }
    versions = {kind.name: kind.told_version() for kind in real}
    matrix = asyncio.run(play_all(rows, real, stands_in, arguments.times))
    seen = {"versions": versions, "cells": matrix}
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(seen, indent=1))
    if arguments.bless:
        compare.write_expected(seen)
    if arguments.page:
        Path(arguments.page).write_text(page.page(seen, scenarios.SCENARIOS))
    breaches = compare.breaches(seen)
    for line in compare.strangers(seen) + breaches:
        print(line)
    print(f"{len(rows)} scenarios before {len(real)} proxies: {len(breaches)} differences that nothing excuses")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
