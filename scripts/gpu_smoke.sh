#!/usr/bin/env bash
# Trains, checkpoints, resumes and evaluates a model made by code, in at most ten minutes on one GPU and without a network,
# and says what works and what memory it took: gpu_smoke.sh [+device=cpu] [minutes=10] [out=FOLDER] [key=value ...]
set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/env.sh"
exec python -m groupwise.smoke --recipe recipe.dipo --setting qwen0.5b --methods grpo,dipo "$@"
