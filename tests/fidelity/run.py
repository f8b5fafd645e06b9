"""Plays the matrix: every scenario before every proxy, and before ours in the place of each, and says what differs.

Refuses to know what a right answer is: seen.json has it, and `compare.py` compares. Exits with 1 where something differs.
"""

import argparse
import asyncio
import dataclasses
import shlex
import signal
import sys
import tomllib
from pathlib import Path

import compare
import proxies
import scenarios
from cell import Cell, Lag

# How many cells are played at a time: they mostly wait, but Envoy takes a second of a core to start. Where the machine
# held the runner up just when something was heard, or the right frames come at another time than recorded, it may not be
# the proxy that was measured: such a cell is played again, among fewer. Other frames are never played again.
AT_A_TIME = (12, 8, 4)


@dataclasses.dataclass
class Play:
    """A cell to be played: whose side it is, and what came of it."""

    row: scenarios.Scenario
    name: str
    side: str
    kind: proxies.Proxy
    views: dict = dataclasses.field(default_factory=dict)
    failure: Exception | None = None
    doubtful: bool = True

    async def play(self, turns, recorded):
        try:
            async with turns, Cell.set_up(self.kind, self.row.backend) as cell:
                with Lag() as lag:
                    await self.row.play(cell)
                    self.views = cell.result(self.row.sides)
            self.doubtful = lag.disturbed(cell.moments()) or self.late(recorded)
        except Exception as failure:
            self.failure, self.doubtful = failure, False

    def late(self, recorded):
        variants = {view: recorded.variants(self.row.name, self.name, self.side, view) for view in self.views}
        return any(compare.late(variants[view], entries) for view, entries in self.views.items())


async def play_all(plays, recorded):
    """Plays them, and again what is doubtful; what failed, as sentences."""
    for jobs in AT_A_TIME:
        turns = asyncio.Semaphore(jobs)
        doubtful = [play for play in plays if play.doubtful]
        print(f"{len(doubtful)} cells, {jobs} at a time", file=sys.stderr)
        await asyncio.gather(*[play.play(turns, recorded) for play in doubtful])
    failed = [play for play in plays if play.failure]
    return [f"{play.row.name} before {play.kind.name}: failed: {play.failure!r}" for play in failed]


def named(every, wanted, what):
    """Those of that name, or all where none is named."""
    unknown = set(wanted or []) - {each.name for each in every}
    if unknown:
        sys.exit(f"no such {what}: {', '.join(sorted(unknown))}")
    return [each for each in every if not wanted or each.name in wanted]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulseless", type=Path, help="our binary; without it only the real proxies are played")
    parser.add_argument("--ci", action="store_true", help="only the scenarios that CI plays")
    parser.add_argument("--scenario", action="append", help="this one; may be given again")
    parser.add_argument("--proxy", action="append", help="this real proxy; may be given again")
    parser.add_argument("--side", choices=["theirs", "ours"], help="only the real proxies, or only ours in their place")
    parser.add_argument("--times", type=int, default=1, help="how often each cell is played: a proxy may have variants")
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
        kind.name: proxies.ours(str(told.pulseless.resolve()), shlex.split(profiles[kind.name]))
        for kind in wanted
        if told.pulseless and kind.name in profiles
    }
    recorded = compare.Seen.read(told.recorded)
    # A runner that is told to stop ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sides = [(kind.name, "theirs", kind) for kind in real] + [(name, "ours", kind) for name, kind in stands_in.items()]
    sides = [side for side in sides if told.side in (None, side[1])]
    plays = [Play(row, *side) for row in rows for side in sides for _ in range(told.times)]
    failures = asyncio.run(play_all(plays, recorded))
    now = compare.Seen({kind.name: kind.version() for name, side, kind in sides if side == "theirs"})
    for play in plays:
        for view, entries in play.views.items():
            now.add(play.row.name, play.name, play.side, view, entries)
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
