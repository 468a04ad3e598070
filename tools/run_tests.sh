#!/usr/bin/env bash
# Sets up and runs the tests; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup_env.sh
unset PYTHONDONTWRITEBYTECODE  # byte code of the libraries is worth 10 s for each process that a test starts
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 "$@"
