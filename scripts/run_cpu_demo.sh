#!/usr/bin/env bash
# GRPO and DiPO on a CPU, from nothing to a comparison. Hydra overrides go to both runs, such as algorithm.dipo.alpha=0.3
set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
source scripts/env.sh

SECONDS=0
demo=outputs/cpu_demo
bash scripts/prepare_cpu_demo.sh
rm -rf "$demo/grpo" "$demo/dipo"
after=1
for estimator in grpo dipo; do
    python -m groupwise.demo.launch --recipe recipe.dipo --run-dir "$demo/$estimator" \
        --runs-after "$((after--))" \
        +experiment=cpu_demo "$@" algorithm.adv_estimator="$estimator"
done
python -m groupwise.report "$demo/grpo" "$demo/dipo" -o "$demo/report.html" --png "$demo/pictures" \
    --title "The CPU demonstration" | tee "$demo/report.txt"
echo "picture: $demo/pictures/overview.png"
echo "all of it took $((SECONDS / 60)) min $((SECONDS % 60)) s"
