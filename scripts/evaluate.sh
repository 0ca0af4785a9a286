#!/usr/bin/env bash
# Evaluates a model or a checkpoint with vLLM's server, started here or at --endpoint URL:
# evaluate.sh CHECKPOINT_OR_MODEL [options], see --help. On the sets that prepare_data.sh wrote, in DATA_DIR (default data).
# Responses that are there are not generated again.
set -euo pipefail
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/env.sh"
exec python -m groupwise.evaluation "$@"
