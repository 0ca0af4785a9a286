#!/usr/bin/env bash
# Trains methods of a setting one after the other and reports on all: compare.sh SETTING METHOD[,METHOD...] [seeds=0,1,2]
# [out=FOLDER] [key=value ...], such as compare.sh cpu_demo grpo,dipo,max_rl seeds=0,1; DRY_RUN=1 shows the plan.
set -euo pipefail
here="$(dirname "$(realpath "${BASH_SOURCE[0]}")")"
source "$here/env.sh"
[ "${1:-}" != cpu_demo ] || bash "$here/prepare_cpu_demo.sh"
exec python -m groupwise.compare --recipe recipe.dipo "$@"
