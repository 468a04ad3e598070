#!/usr/bin/env bash
# Makes .venv with everything that mmicf needs, from a machine that has only Python 3.10+ and pip. PYTHON names another interpreter.
# uv resolves what plain pip cannot: laion_clap pins numpy<2 where mmsegmentation wants numpy>2 ([tool.uv] in pyproject.toml).
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet uv
# A fresh build of onedl-mmcv: a cached wheel may hold ops that were compiled against another torch.
.venv/bin/uv pip install --quiet --python .venv/bin/python --refresh-package onedl-mmcv \
  'torch==2.11.*' 'torchvision==0.26.*' 'torchaudio==2.11.*' -e '.[onedl,clap,video,text,tests,docs]'
