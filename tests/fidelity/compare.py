"""What differs: the real proxies from what expected.json says of them, and ours from the real ones.

Where a real proxy has a race of its own, a cell has several variants; each of them is right. Times are equal within 1 %
or 50 ms, whichever is more. What ours does otherwise needs a reason in differences.toml.
"""

import json
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
ABSOLUTE_SECONDS = 0.05
RELATIVE = 0.01


def same(left, right):
    """Whether two entries, `[words, seconds]`, are the same frame at the same time."""
    (words, seconds), (other_words, other_seconds) = left, right
    if words != other_words or (seconds is None) != (other_seconds is None):
        return False
    return seconds is None or abs(seconds - other_seconds) <= max(ABSOLUTE_SECONDS, RELATIVE * seconds)


def among(variants, entries):
    return any(len(each) == len(entries) and all(map(same, each, entries)) for each in variants)


def add(variants, entries):
    if not among(variants, entries):
        variants.append(entries)


def told(variants):
    """Variants as words: `RST_STREAM CANCEL 3.00 s`. What happened at once has no time."""
    return " OR ".join("; ".join(map(entry_told, entries)) or "nothing" for entries in variants)


def entry_told(entry):
    words, seconds = entry
    return words if seconds is None or seconds < ABSOLUTE_SECONDS else f"{words} {seconds:.2f} s"


def cells(seen):
    """Each scenario, proxy, view, and the variants of its two sides; those of a side that was not played are none."""
    for scenario, row in seen["cells"].items():
        for proxy, cell in row.items():
            for view, theirs in cell["theirs"].items():
                yield scenario, proxy, view, theirs, cell.get("ours", {}).get(view)


def reasons():
    """Why ours may differ, by scenario, proxy and view."""
    rows = tomllib.loads((HERE / "differences.toml").read_text()).get("difference", [])
    return {(scenario, row["proxy"], row["view"]): row["reason"] for row in rows for scenario in row["scenarios"]}


def read_expected():
    return json.loads(EXPECTED.read_text())


def wanted(expected, scenario, proxy, view):
    return expected["cells"].get(scenario, {}).get(proxy, {}).get(view, [])


def ours_differs(expected, scenario, proxy, view, theirs, ours):
    right = theirs + wanted(expected, scenario, proxy, view)
    return not all(among(right, entries) for entries in ours)


def breaches(seen):
    """Sentences, of which each is one cell that is not what it should be."""
    expected, why = read_expected(), reasons()
    found = []
    for scenario, proxy, view, theirs, ours in cells(seen):
        place = f"{scenario}, {proxy}, what the {view} saw"
        right = wanted(expected, scenario, proxy, view)
        if not all(among(right, entries) for entries in theirs):
            found.append(f"{place}:\n  the real one:  {told(theirs)}\n  expected.json: {told(right)}")
        if ours is None:
            continue
        differs, excused = ours_differs(expected, scenario, proxy, view, theirs, ours), (scenario, proxy, view) in why
        if differs and not excused:
            found.append(f"{place}:\n  ours:         {told(ours)}\n  the real one: {told(right)}")
        if excused and not differs:
            found.append(f"{place}: differences.toml excuses it, and there is no difference")
    return found


def strangers(seen):
    """Proxies of another version than the one that expected.json was measured with."""
    measured = read_expected()["versions"]
    return [
        f"{proxy} is {version}, and expected.json is of {measured.get(proxy)}"
        for proxy, version in seen["versions"].items()
        if measured.get(proxy) != version
    ]


def write_expected(seen):
    """Adds what was seen of the real proxies; what is there stays."""
    expected = read_expected()
    expected["versions"] |= seen["versions"]
    for scenario, proxy, view, theirs, _ in cells(seen):
        variants = expected["cells"].setdefault(scenario, {}).setdefault(proxy, {}).setdefault(view, [])
        for entries in theirs:
            add(variants, entries)
    EXPECTED.write_text(as_json(expected))


def as_json(expected):
    """With a line for each view of each cell, so that a change is seen as one."""
    rows = []
    for scenario, row in sorted(expected["cells"].items()):
        lines = [
            f'  "{proxy}": {{'
            + ", ".join(f'\n   "{view}": {json.dumps(variants)}' for view, variants in sorted(cell.items()))
            + "}"
            for proxy, cell in sorted(row.items())
        ]
        rows.append(f' "{scenario}": {{\n' + ",\n".join(lines) + "}")
    versions = json.dumps(expected["versions"], sort_keys=True)
    return f'{{"versions": {versions},\n"cells": {{\n' + ",\n".join(rows) + "}}\n"
