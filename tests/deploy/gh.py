"""What deploy/github-actions.yml calls of `gh`, with the flags of the real one and nothing else.

Its GitHub is the folder GH_STATE: issues.json, runs.json, and the artifacts of each run in artifacts/<run>/<name>/.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

assert os.environ.get("GH_TOKEN"), "gh: set GH_TOKEN"
# It is free to read what it is given: whoever has other plans with it gives it nothing.
sys.stdin.read()
state = pathlib.Path(os.environ["GH_STATE"])


def read(name):
    return json.loads((state / name).read_text())


def select(objects, asked):
    """Prints fields of objects, and of those what an expression takes, as `--json` and `--jq` do."""
    fields = [{field: each[field] for field in asked.json.split(",")} for each in objects]
    jq = subprocess.run(["jq", "--raw-output", asked.jq], input=json.dumps(fields), text=True, check=True, capture_output=True)
    sys.stdout.write(jq.stdout)


def issue_list(asked):
    words = re.fullmatch('in:title "([^"]+)"', asked.search)
    assert words, f"gh: a search that is not understood: {asked.search}"
    found = [each for each in read("issues.json") if words[1] in each["title"] and asked.state in ("all", each["state"])]
    select(found[: asked.limit], asked)


def issue_create(asked):
    issues = read("issues.json")
    issues.append({"number": len(issues) + 1, "title": asked.title, "state": "open", "bodies": [asked.body]})
    write(issues)


def issue_comment(asked):
    issues = read("issues.json")
    issues[asked.number - 1]["bodies"].append(asked.body)
    write(issues)


def issue_reopen(asked):
    issues = read("issues.json")
    issues[asked.number - 1]["state"] = "open"
    write(issues)


def write(issues):
    (state / "issues.json").write_text(json.dumps(issues))


def run_list(asked):
    runs = [each for each in read("runs.json") if each["workflowName"] == asked.workflow]
    select(runs[: asked.limit], asked)


def run_download(asked):
    shutil.copytree(state / "artifacts" / asked.run / asked.name, asked.dir)


parser = argparse.ArgumentParser(prog="gh", allow_abbrev=False)
nouns = parser.add_subparsers(required=True)
commands = {
    "issue": {
        issue_list: ["--state", "--search", "--limit", "--json", "--jq"],
        issue_create: ["--title", "--body"],
        issue_comment: ["number", "--body"],
        issue_reopen: ["number"],
    },
    "run": {
        run_list: ["--workflow", "--limit", "--json", "--jq"],
        run_download: ["run", "--name", "--dir"],
    },
}
numbers = {"number", "--limit"}
for noun, verbs in commands.items():
    verbs_of_noun = nouns.add_parser(noun, allow_abbrev=False).add_subparsers(required=True)
    for verb, arguments in verbs.items():
        verb_parser = verbs_of_noun.add_parser(verb.__name__.split("_")[1], allow_abbrev=False)
        verb_parser.set_defaults(verb=verb)
        for argument in arguments:
            more = {"required": True} if argument.startswith("--") else {}
            verb_parser.add_argument(argument, type=int if argument in numbers else str, **more)
asked = parser.parse_args()
asked.verb(asked)
