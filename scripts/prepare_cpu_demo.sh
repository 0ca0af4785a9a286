#!/usr/bin/env bash
# Data and a warm-started model for the CPU demonstration's setting, into outputs/cpu_demo; the model is made once.
set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
source scripts/env.sh
demo=outputs/cpu_demo
# Three digits are left out of the warm start: they stay hard, one digit becomes easy, two digits are in between.
python -m data_prep.arithmetic --output "$demo/data" --val-size 128 --shares 0.2 0.6 0.2
python -m data_prep.validate "$demo/data/train.parquet" "$demo/data/val.parquet"
python -m data_prep.arithmetic --output "$demo/warm_start" --train-size 20000 --seed 1 --shares 0.25 0.75
python -m groupwise.demo.warm_start --output "$demo/model" \
    --train "$demo/warm_start/train.parquet" --sample "$demo/data/train.parquet"
