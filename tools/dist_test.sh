#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# One process per GPU, or that many CPU processes on a machine without GPUs.
# Several machines: NNODES, NODE_RANK, MASTER_ADDR; several jobs on one machine: another PORT for each.
set -euo pipefail
. "$(dirname "$0")/launch.sh"
need 3 'CONFIG CHECKPOINT GPUS [arguments of test.py]' "$@"
dist "$3" test.py "$1" "$2" "${@:4}"
