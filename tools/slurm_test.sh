#!/usr/bin/env bash
# tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]
# Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS; GPUS_PER_NODE=0 starts GPUS processes on CPUs.
set -euo pipefail
. "$(dirname "$0")/launch.sh"
need 4 'PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]' "$@"
slurm "$1" "$2" test.py "${@:3}"
