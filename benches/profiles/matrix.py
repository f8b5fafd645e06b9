"""Every sim behind every profile: `pulseless run SIM --across-profiles` of each, as one page of Markdown.

    python3 benches/profiles/matrix.py target/release/pulseless sims > reports/findings/profiles-by-sims.md

Sims that promise a failure are left out: a planted bug is caught or not by what its own sim does. So are those that name
a profile themselves or play no trial of this kind; the page lists them.
"""

import collections
import json
import pathlib
import subprocess
import sys


def encounters(program, sim, seed):
    """What `--across-profiles` prints, or why it prints nothing."""
    command = [program, "run", str(sim), "--seed", str(seed), "--across-profiles", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout:
        return None, done.stderr.strip().splitlines()
    return json.loads(done.stdout), None


def promises_a_pass(sim):
    return 'verdict = "pass"' in sim.read_text()


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    kept, reasons, played, left_out = collections.Counter(), [], 0, []
    profiles = []
    for sim in sorted(folder.glob("*.toml")):
        if not promises_a_pass(sim):
            left_out.append((sim.stem, "promises a failure"))
            continue
        met, why = encounters(program, sim, seed)
        if met is None:
            left_out.append((sim.stem, why[0] if why else "printed nothing"))
            continue
        played += 1
        profiles = profiles or [one["profile"] for one in met]
        for one in met:
            kept[one["profile"], one["verdict"]] += 1
            if one["verdict"] != "pass":
                reasons.append((sim.stem, one["profile"], one["verdict"], one["reason"]))
        print(f"{sim.stem}: {sum(one['verdict'] == 'pass' for one in met)} of {len(met)}", file=sys.stderr)
    tell(profiles, kept, reasons, played, left_out, seed)


def tell(profiles, kept, reasons, played, left_out, seed):
    print("# Every sim behind every profile\n")
    print(f"Made by `benches/profiles/matrix.py`: each of {played} sims with seed {seed}, behind each of {len(profiles)} "
          "profiles. The checkers judge; what a sim promises to happen at least once is not asked behind another proxy.\n")
    print("| profile | kept | broken | unknown |\n|---|---|---|---|")
    for profile in profiles:
        row = [str(kept[profile, word]) for word in ("pass", "fail", "unknown")]
        print(f"| {profile} | {' | '.join(row)} |")
    print("\n## Why not\n")
    behind, alike = collections.defaultdict(list), collections.defaultdict(list)
    for sim, profile, word, why in reasons:
        behind[sim, word, why].append(profile)
    for (sim, word, why), names in behind.items():
        alike[tuple(names), word, why].append(sim)
    if not alike:
        print("Every promise was kept.\n")
    else:
        print("| sims | behind | | why |\n|---|---|---|---|")
        for (names, word, why), sims in sorted(alike.items(), key=lambda row: (row[0][1], row[1])):
            text = why.replace("|", "\\|").replace("\n", " ")
            print(f"| {', '.join(sims)} | {', '.join(names)} | {'broken' if word == 'fail' else word} | {text} |")
    if left_out:
        print("\n## Left out\n\n| sim | why |\n|---|---|")
        for sim, why in left_out:
            print(f"| {sim} | {why} |")


if __name__ == "__main__":
    main()
