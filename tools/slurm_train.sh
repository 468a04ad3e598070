#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
# Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS; GPUS_PER_NODE=0 starts GPUS processes on CPUs.
set -euo pipefail
. "$(dirname "$0")/launch.sh"
need 3 'PARTITION JOB_NAME CONFIG [arguments of train.py]' "$@"
slurm "$1" "$2" train.py "${@:3}"
