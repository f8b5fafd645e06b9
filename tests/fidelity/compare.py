"""What differs: the proxies from what seen.json has recorded of them, and ours from the real ones.

Where a proxy has a race of its own, a cell has several variants; each of them is right. Times are equal within 1 % or
50 ms, whichever is more. What ours does otherwise than the real one needs a reason in differences.toml.
"""

import json
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ABSOLUTE_SECONDS = 0.05
RELATIVE = 0.01


def same(left, right):
    """Whether two entries, `[words, seconds]`, are the same frame at the same time."""
    (words, seconds), (other_words, other_seconds) = left, right
    if words != other_words or (seconds is None) != (other_seconds is None):
        return False
    return seconds is None or abs(seconds - other_seconds) <= max(ABSOLUTE_SECONDS, RELATIVE * seconds)


def same_words(left, right):
    return [words for words, _ in left] == [words for words, _ in right]


def among(variants, entries):
    return any(len(each) == len(entries) and all(map(same, each, entries)) for each in variants)


def all_among(variants, some):
    return all(among(variants, entries) for entries in some)


def late(variants, entries):
    """Whether that are the right frames, at another time."""
    return not among(variants, entries) and any(same_words(each, entries) for each in variants)


def entry_told(entry):
    """`RST_STREAM CANCEL 3.00 s`. What happened at once has no time."""
    words, seconds = entry
    return words if seconds is None or seconds < ABSOLUTE_SECONDS else f"{words} {seconds:.2f} s"


def told(variants):
    return "\n    OR: ".join("; ".join(map(entry_told, entries)) or "nothing" for entries in variants)


class Seen:
    """What was seen of all proxies: `cells` is `{scenario: {proxy: {"theirs" or "ours": {view: variants}}}}`."""

    def __init__(self, versions=None, cells=None):
        self.versions = versions or {}
        self.cells = cells or {}

    @classmethod
    def read(cls, path):
        return cls(**json.loads(path.read_text()))

    def variants(self, scenario, proxy, side, view):
        return self.cells.get(scenario, {}).get(proxy, {}).get(side, {}).get(view, [])

    def expected(self, scenario, proxy, view):
        """What ours is to do: as the real one, but for the charset of its pages."""
        variants = self.variants(scenario, proxy, "theirs", view)
        return [[[re.sub(r"; charset=\S+", "", words), seconds] for words, seconds in each] for each in variants]

    def at(self, scenario, proxy, side):
        """Where the views of that side are kept."""
        return self.cells.setdefault(scenario, {}).setdefault(proxy, {}).setdefault(side, {})

    def add(self, scenario, proxy, side, view, entries):
        variants = self.at(scenario, proxy, side).setdefault(view, [])
        if not among(variants, entries):
            variants.append(entries)

    def each(self):
        """Scenario, proxy, side, view and variants of everything."""
        for scenario, row in self.cells.items():
            for proxy, cell in row.items():
                for side, views in cell.items():
                    for view, variants in views.items():
                        yield scenario, proxy, side, view, variants

    def merge(self, other, times):
        """Variants add up; those that have new times alone only where `times` is true, as on a quiet machine.

        Ours changes: once it does something new, what it did before is forgotten.
        """
        self.versions |= other.versions
        for scenario, proxy, side, view, variants in other.each():
            before = self.variants(scenario, proxy, side, view)
            if side == "ours" and not all(any(same_words(each, entries) for each in before) for entries in variants):
                self.at(scenario, proxy, side)[view] = []
            for entries in variants:
                if times or not late(self.variants(scenario, proxy, side, view), entries):
                    self.add(scenario, proxy, side, view, entries)

    def write(self, path):
        """JSON with a line for each view of each cell, so that a change is seen as one."""
        rows = []
        for scenario, row in sorted(self.cells.items()):
            lines = [
                f'  "{proxy}": {{'
                + ", ".join(f'"{side}": {{{as_lines(views)}}}' for side, views in sorted(cell.items(), reverse=True))
                + "}"
                for proxy, cell in sorted(row.items())
            ]
            rows.append(f' "{scenario}": {{\n' + ",\n".join(lines) + "}")
        versions = json.dumps(self.versions, sort_keys=True)
        path.write_text(f'{{"versions": {versions},\n"cells": {{\n' + ",\n".join(rows) + "}}\n")


def as_lines(views):
    return ", ".join(f'\n   "{view}": {json.dumps(variants)}' for view, variants in sorted(views.items(), reverse=True))


def reasons():
    """Why ours may differ, by scenario, proxy and view."""
    rows = tomllib.loads((HERE / "differences.toml").read_text()).get("difference", [])
    return {
        (scenario, proxy, row["view"]): row["reason"]
        for row in rows
        for proxy in row["proxies"]
        for scenario in row["scenarios"]
    }


def breaches(now, recorded):
    """Sentences, of which each is one cell that is not what it should be."""
    why = reasons()
    found = []
    for scenario, proxy, side, view, variants in now.each():
        place = f"{scenario}, {proxy}, what the {view} saw"
        before = recorded.variants(scenario, proxy, side, view)
        name = "the real one" if side == "theirs" else "ours"
        if not all_among(before, variants):
            found.append(f"{place}: {name} is not as recorded\n  now: {told(variants)}\n  recorded: {told(before)}")
        if side == "theirs":
            continue
        right = recorded.expected(scenario, proxy, view)
        differs, excused = not all_among(right, variants), (scenario, proxy, view) in why
        if differs and not excused:
            found.append(f"{place}: ours differs\n  ours: {told(variants)}\n  the real one: {told(right)}")
        if excused and not differs:
            found.append(f"{place}: differences.toml excuses it, and there is no difference")
    return found


def strangers(now, recorded):
    """Proxies of another version than the recorded one."""
    return [
        f"{proxy} is {version}, and {recorded.versions.get(proxy)} is recorded"
        for proxy, version in now.versions.items()
        if recorded.versions.get(proxy) != version
    ]
