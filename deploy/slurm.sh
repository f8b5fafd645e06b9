#!/usr/bin/env bash
# A night on Slurm: an array job that plays, and a dependent job that puts the reports together.
#
#   deploy/slurm.sh FOLDER [TASKS] [SEEDS]
#
# FOLDER is on a file system that every node sees, and serves for many nights. The shares of this one, its logs and its report
# (`merged`) are in FOLDER/NIGHT; FOLDER/latest leads to the last report, which the next night is compared with. It prints the
# ids of both jobs. The second one's exit code is the night's: 0 where every promise was kept, 1 where one was broken, and
# 2 where a share is missing, or shows too little.
#
# Variables: NIGHT names the night and its seeds (today's date, UTC); CPUS is how many processors a job has (1); PULSELESS and
# SIMS are the program and the sims. What else your cluster wants to know is said in variables of sbatch(1), such as
# SBATCH_PARTITION, SBATCH_ACCOUNT and SBATCH_TIMELIMIT.
set -euo pipefail

refuse() {
    printf 'slurm.sh: %s\n' "$1" >&2
    exit 64
}

here="$(dirname "$(realpath "$0")")"
[[ -n "${1:-}" ]] || refuse "name a folder for the reports: deploy/slurm.sh FOLDER [TASKS] [SEEDS]"
reports="$(realpath -m "$1")"
tasks="${2:-4}"
cpus="${CPUS:-1}"
# What the jobs read.
SEEDS="${3:-200}"
NIGHT="${NIGHT:-$(date -u +%F)}"
PULSELESS="$(realpath -m "${PULSELESS:-$here/../target/release/pulseless}")"
SIMS="$(realpath -m "${SIMS:-$here/../sims}")"
FOLDER="$reports/$NIGHT"
export SEEDS NIGHT PULSELESS SIMS FOLDER

[[ "$tasks" =~ ^[1-9][0-9]*$ ]] || refuse "TASKS is \`$tasks\`; it is how many tasks share the night, such as 4"
[[ "$SEEDS" =~ ^[1-9][0-9]*$ ]] || refuse "SEEDS is \`$SEEDS\`; it is how many seeds each sim is played with, such as 200"
[[ "$NIGHT" =~ ^[A-Za-z0-9._-]+$ && "$NIGHT" != latest ]] ||
    refuse "NIGHT is \`$NIGHT\`; it names a folder, such as 2026-11-28: letters, digits, dots, dashes, and not latest"
[[ -x "$PULSELESS" ]] || refuse "$PULSELESS is no program: cargo build --release makes it, or PULSELESS names another"
[[ -e "$SIMS" ]] || refuse "$SIMS is not there; SIMS names a sim or a folder of sims"
mkdir -p "$reports"
mkdir "$FOLDER" || refuse "the night of $NIGHT was submitted already; choose another name with NIGHT, or remove $FOLDER"

# The variables above reach the jobs, whatever SBATCH_EXPORT says.
array="$(sbatch --parsable --export=ALL --job-name=pulseless-play --array="1-$tasks" --cpus-per-task="$cpus" \
    --requeue --open-mode=append --output="$FOLDER/play-%a.log" <<'PLAY'
#!/usr/bin/env bash
share="$FOLDER/share-$SLURM_ARRAY_TASK_ID"
found=0
# A task that is requeued goes on from its journal. The node may have more processors than are this task's.
if [[ -f "$share/latest/journal.jsonl" ]]; then
    "$PULSELESS" sweep --resume "$share/latest" --jobs "$SLURM_CPUS_ON_NODE" || found=$?
else
    "$PULSELESS" sweep "$SIMS" --seeds "$SEEDS" --seed-of-night "$NIGHT" --partition auto --reports "$share" \
        --jobs "$SLURM_CPUS_ON_NODE" || found=$?
fi
# What was found is judged by the merge, a trial that broke (70) too. Anything else from 64 on is a fault of the task.
((found < 64 || found == 70))
PLAY
)"
# In a federation the id is followed by the cluster's name.
array="${array%%;*}"

# afterany: a share that is missing is told by the merge. A merge that is requeued begins anew.
merge="$(sbatch --parsable --export=ALL --job-name=pulseless-merge --dependency="afterany:$array" --cpus-per-task="$cpus" \
    --requeue --open-mode=append --output="$FOLDER/merge.log" <<'MERGE'
#!/usr/bin/env bash
rm -rf "$FOLDER/merged"
latest="$FOLDER/../latest"
against=()
[[ ! -f "$latest/summary.json" ]] || against=(--against "$(realpath "$latest")")
found=0
"$PULSELESS" merge "$FOLDER"/share-*/latest --into "$FOLDER/merged" --jobs "$SLURM_CPUS_ON_NODE" "${against[@]}" || found=$?
[[ ! -f "$FOLDER/merged/summary.json" ]] || ln -sfn "$NIGHT/merged" "$latest"
exit "$found"
MERGE
)"
printf '%s\n' "$array" "${merge%%;*}"
