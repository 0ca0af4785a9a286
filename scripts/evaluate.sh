#!/usr/bin/env bash
# Evaluates a model or a checkpoint with vLLM on this machine: evaluate.sh CHECKPOINT_OR_MODEL [options], see --help.
# On the sets that prepare_data.sh wrote, in DATA_DIR (default data). Finished sets are not generated again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
exec python -m groupwise.evaluation "$@"
