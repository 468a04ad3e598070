#!/usr/bin/env bash
# Sets up and runs the main job on synthetic clips; arguments go to tools/quickstart.py.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup_env.sh
.venv/bin/python tools/quickstart.py "$@"
