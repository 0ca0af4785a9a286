#!/usr/bin/env bash
# Trains a setting of recipe/dipo/config/experiment with one method: train.sh SETTING dipo|grpo|dapo [key=value ...]
# Environment: MODEL_PATH, DATA_DIR, CKPT_DIR, NNODES, GPUS_PER_NODE; DRY_RUN=1 checks, prints the configuration and stops.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: train.sh SETTING dipo|grpo|dapo [key=value ...], such as train.sh qwen7b dipo" >&2 && exit 2; }
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/env.sh"
exec python -m recipe.dipo.main_dipo +experiment="$1" +experiment/arm="$2" "${@:3}"
