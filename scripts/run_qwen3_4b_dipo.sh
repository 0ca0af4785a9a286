#!/usr/bin/env bash
# Qwen3-4B-Base on math, DiPO: values in recipe/dipo/config/experiment/qwen3_4b.yaml and arm/dipo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" qwen3_4b dipo "$@"
