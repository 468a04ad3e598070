#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# One process per GPU, or that many CPU processes on a machine without GPUs.
# Several machines: NNODES, NODE_RANK, MASTER_ADDR; several jobs on one machine: another PORT for each.
set -euo pipefail
. "$(dirname "$0")/launch.sh"
need 2 'CONFIG GPUS [arguments of train.py]' "$@"
dist "$2" train.py "$1" "${@:3}"
