#!/usr/bin/env bash
# The paper's data as checked parquet, in DATA_DIR (default data). Usage: prepare_data.sh [math|tools|all] [options]
# From the hub, or from RAW_DIR where that is set: RAW_DIR/{dapo,aime24,aime25,amc23,math500,minerva,olympiadbench,toolrl,bfcl_v3}.
# Options, such as --skip-bad, go to each converter.
set -euo pipefail
here="$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)"
setting=${1:-all} data=${DATA_DIR:-data} raw=${RAW_DIR:-}
case $setting in math | tools | all) ;; *) echo "usage: prepare_data.sh [math|tools|all] [options], got $setting" >&2 && exit 2 ;; esac
source "$here/env.sh"

if [ "$setting" != tools ]; then
    python -m data_prep.math_eval ${raw:+--input "$raw"} --output "$data/math_eval" "${@:2}"
    python -m data_prep.dapo_math ${raw:+--input "$raw/dapo"} --output "$data/dapo_math" --exclude "$data"/math_eval/*.parquet "${@:2}"
    python -m data_prep.validate "$data"/dapo_math/train.parquet "$data"/math_eval/*.parquet
fi
if [ "$setting" != math ]; then
    python -m data_prep.bfcl ${raw:+--input "$raw/bfcl_v3"} --output "$data/bfcl_v3" --split test --prompt-style toolrl "${@:2}"
    python -m data_prep.rlla ${raw:+--input "$raw/toolrl"} --output "$data/rlla" --exclude "$data/bfcl_v3/test.parquet" "${@:2}"
    python -m data_prep.validate "$data"/rlla/*.parquet "$data/bfcl_v3/test.parquet"
    # All 17 categories, from bfcl-eval, for evaluate.sh.
    python -m data_prep.bfcl --output "$data/bfcl_v3" --split whole --prompt-style toolrl "${@:2}"
    python -m data_prep.validate "$data/bfcl_v3/whole.parquet"
fi
