#!/usr/bin/env bash
# Linters, type checker, unit tests, then the end-to-end runs on the CPU; stops at the first that fails.
# Usage: test.sh [--fast|--full] [pytest's arguments, for all test stages]
#   --fast  linters, type checker and unit tests alone: a few minutes.
#   --full  also the runs of verl that the others mostly show in part, see the README.
set -euo pipefail
left_out="and not full" fast=
case ${1:-} in --fast) fast=1 && shift ;; --full) left_out="" && shift ;; esac
here="$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)"
bash "$here/setup.sh" --dev
. "$here/env.sh"
cd "$here/.."
export PYRIGHT_PYTHON_IGNORE_WARNINGS=1 # it would ask the network whether it is the newest

stage() { echo "== $*"; "$@"; }
stage ruff check .
stage ruff format --check .
stage pyright --warnings
# pytest leaves with 5 when no test was selected, which is no failure where the arguments selected some.
none_selected() { [ $? -eq 5 ] && [ "$1" -gt 0 ]; }
# Unit tests, then pages and processes of their own, on up to four cores; runs of verl take all there are, one by one.
stage python -m pytest -n auto --maxprocesses=4 --dist=worksteal -m "not slow and not gpu" "$@" || none_selected $#
[ -z "$fast" ] || exit 0
stage python -m pytest -n auto --maxprocesses=4 --dist=loadfile -m "slow and not vllm and not gpu" "$@" || none_selected $#
stage python -m pytest -m "slow and vllm and not gpu $left_out" "$@" || none_selected $#
