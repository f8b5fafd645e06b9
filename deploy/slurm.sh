#!/usr/bin/env bash
# A night on Slurm: an array job that plays, and a dependent job that puts the reports together.
#
#   deploy/slurm.sh FOLDER [TASKS] [SEEDS]
#
# FOLDER is on a file system that every node sees. The merged report is FOLDER/night; the second job's exit code is the night's.
set -euo pipefail

folder="$(realpath -m "${1:?name a folder for the reports}")"
tasks="${2:-4}"
seeds="${3:-200}"
pulseless="${PULSELESS:-$(dirname "$0")/../target/release/pulseless}"
sims="${SIMS:-$(dirname "$0")/../sims}"
night="${NIGHT:-$(date -u +%F)}"
mkdir -p "$folder"

# A task that is requeued goes on from its journal. What was found is judged by the merge; 64 and more is a fault of the task.
play="
share=\"$folder/share-\$SLURM_ARRAY_TASK_ID\"
if [ -f \"\$share/latest/journal.jsonl\" ]; then
    \"$pulseless\" sweep --resume \"\$share/latest\"
else
    \"$pulseless\" sweep \"$sims\" --seeds $seeds --seed-of-night \"$night\" --partition auto --reports \"\$share\"
fi
test \$? -lt 64
"
merge="\"$pulseless\" merge \"$folder\"/share-*/latest --into \"$folder/night\""

array="$(sbatch --parsable --job-name pulseless-play --array="1-$tasks" --requeue \
    --output "$folder/play-%a.log" --wrap "$play")"
# afterany: a share that is missing is told by the merge.
sbatch --parsable --job-name pulseless-merge --dependency="afterany:$array" \
    --output "$folder/merge.log" --wrap "$merge"
