#!/usr/bin/env bash
# GRPO and DiPO on a CPU, from nothing to a comparison. Hydra overrides go to both runs, such as algorithm.dipo.alpha=0.3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/env.sh

SECONDS=0
demo=outputs/cpu_demo
# Three digits are left out of the warm start: they stay hard, one digit becomes easy, two digits are in between.
python -m data_prep.arithmetic --output "$demo/data" --val-size 128 --shares 0.2 0.6 0.2
python -m data_prep.validate "$demo/data/train.parquet" "$demo/data/val.parquet"
python -m data_prep.arithmetic --output "$demo/warm_start" --train-size 20000 --seed 1 --shares 0.25 0.75
python -m groupwise.demo.warm_start --output "$demo/model" \
    --train "$demo/warm_start/train.parquet" --sample "$demo/data/train.parquet"
rm -rf "$demo/grpo" "$demo/dipo"
for estimator in grpo dipo; do
    python -m groupwise.demo.launch --recipe recipe.dipo --run-dir "$demo/$estimator" \
        +experiment=cpu_demo "$@" algorithm.adv_estimator="$estimator"
done
python -m groupwise.report "$demo/grpo" "$demo/dipo" -o "$demo/report.html" --png "$demo/pictures" \
    --title "The CPU demonstration" | tee "$demo/report.txt"
echo "picture: $demo/pictures/overview.png"
echo "all of it took $((SECONDS / 60)) min $((SECONDS % 60)) s"
