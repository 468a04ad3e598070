#!/usr/bin/env bash
# Installs mmicf on each stack in a clean environment and runs its quick tests there: tools/check_stacks.sh [STACK...]
#   onedl      the OneDL forks, onedl-mmcv without compiled ops (what setup_env.sh makes)
#   onedl-ops  the same with onedl-mmcv's ops compiled
#   upstream   OpenMMLab: mmengine 0.10.7, mmcv 2.1.0 compiled, mmsegmentation 1.2.2, mmpretrain 1.2.0
# Default: all of them. The two that compile need a C++ compiler and long on few cores. Environment: WORK, folder of the environments
# (kept; default: a temporary one, removed); MAX_JOBS, compilers at a time; CFLAGS, for them (-O0: faster to compile); PYTHON, the
# interpreter; RUN, a command put before the test run.
set -euo pipefail
STACKS=("$@")
[ $# -gt 0 ] || STACKS=(onedl onedl-ops upstream)
for stack in "${STACKS[@]}"; do
    case $stack in onedl | onedl-ops | upstream) ;; *) echo "unknown stack $stack; known: onedl, onedl-ops, upstream" >&2; exit 2 ;; esac
done
ROOT=$(cd "$(dirname "$0")/.." && pwd)
unset PYTHONDONTWRITEBYTECODE
if [ -z "${WORK:-}" ]; then
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
fi
mkdir -p "$WORK"
WORK=$(cd "$WORK" && pwd)
QUICK=(tests/test_imports.py tests/test_utils tests/test_evaluation tests/test_datasets tests/test_engine tests/test_models/test_layers
       tests/test_models/test_segmentors/test_av_segmentor.py tests/test_models/test_segmentors/test_av_encoder_decoder.py
       tests/test_models/test_icf.py)
UPSTREAM=(mmengine==0.10.7 mmcv==2.1.0 mmsegmentation==1.2.2 mmpretrain==1.2.0)

check() {
    local stack=$1 torch=('torch==2.11.*' 'torchvision==0.26.*' 'torchaudio==2.11.*')
    if [ "$stack" = upstream ]; then  # mmcv 2.1.0 wants an old torch, and torch.serialization.safe_globals came with 2.5
        torch=('torch==2.5.*' 'torchvision==0.20.*' 'torchaudio==2.5.*')
    fi
    "${PYTHON:-python3}" -m venv --clear "$WORK/$stack"
    "$WORK/$stack/bin/python" -m pip install --quiet uv
    cd "$WORK/$stack"  # away from the checkout, whose pyproject.toml forces numpy 2 for the OneDL forks
    install() { bin/uv pip install --quiet --python bin/python "$@"; }
    install "${torch[@]}" 'setuptools>=77,<81' wheel ninja psutil
    case $stack in
        onedl) install --refresh-package onedl-mmcv --override "$WORK/overrides" "${torch[@]}" -e "$ROOT[onedl,clap,video,text,tests]" ;;
        onedl-ops)
            MMCV_WITH_OPS=1 install --no-cache --no-build-isolation-package onedl-mmcv --override "$WORK/overrides" "${torch[@]}" \
                -e "$ROOT[onedl,clap,video,text,tests]" ;;
        upstream)
            MMCV_WITH_OPS=1 install --no-cache --no-build-isolation-package mmcv "${torch[@]}" "${UPSTREAM[@]}" \
                -e "$ROOT[upstream,clap,video,text,tests]" ;;
    esac
    cd "$ROOT"
    "$WORK/$stack/bin/python" - "$stack" <<'PY'
import sys
from importlib.util import find_spec
import mmcv, mmengine, mmseg, numpy, torch
import mmicf.registry
compiled = find_spec('mmcv._ext') is not None
print(f'{sys.argv[1]}: mmengine {mmengine.__version__}, mmcv {mmcv.__version__} ({"with" if compiled else "without"} ops), '
      f'mmseg {mmseg.__version__}, torch {torch.__version__}, numpy {numpy.__version__}')
assert compiled == (sys.argv[1] in ('onedl-ops', 'upstream')), 'the ops are not what this stack is about'
assert mmicf.registry.MODELS.get('AVSegmentor') and mmicf.registry.MODELS.get('SegformerHead')
PY
    OMP_NUM_THREADS=1 ${RUN:-} "$WORK/$stack/bin/python" -m pytest -p no:cacheprovider -m 'not slow' "${QUICK[@]}"
}

printf '%s\n' 'numpy>=2' "opencv-python; python_version < '3'" > "$WORK/overrides"  # as in pyproject.toml
for stack in "${STACKS[@]}"; do
    echo "== $stack"
    check "$stack"
done
