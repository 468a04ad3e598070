# Sourced by dist_*.sh and slurm_*.sh, not run: starts several processes of a tool beside it.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHON=${PYTHON:-python}  # that of the active environment, else the checkout's
if [ "$PYTHON" = python ] && [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && [ -x "$HERE/../.venv/bin/python" ]; then
    PYTHON=$HERE/../.venv/bin/python
fi
export PYTHONPATH="$HERE/..${PYTHONPATH:+:$PYTHONPATH}"

# need COUNT USAGE [arguments of the script]: ends the script if it got fewer than COUNT
need() {
    if [ $(($# - 2)) -lt "$1" ]; then
        echo "usage: $0 $2" >&2
        exit 2
    fi
}

# dist GPUS TOOL [arguments]: that many processes on this machine
dist() {
    "$PYTHON" -m torch.distributed.run \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$1" \
        "$HERE/$2" --launcher pytorch "${@:3}"
}

# slurm PARTITION JOB_NAME TOOL [arguments]: $GPUS processes, $GPUS_PER_NODE of them on a node with as many GPUs
slurm() {
    local place=()
    if [ "${GPUS_PER_NODE:-8}" -gt 0 ]; then
        place=(--gres="gpu:${GPUS_PER_NODE:-8}" --ntasks-per-node="${GPUS_PER_NODE:-8}")
    fi
    # SRUN_ARGS holds several arguments on purpose
    # shellcheck disable=SC2086
    srun -p "$1" \
        --job-name="$2" \
        --ntasks="${GPUS:-8}" \
        "${place[@]}" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "$PYTHON" -u "$HERE/$3" --launcher slurm "${@:4}"
}
