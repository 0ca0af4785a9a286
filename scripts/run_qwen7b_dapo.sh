#!/usr/bin/env bash
# Qwen2.5-7B on math, DAPO with dynamic sampling: values in recipe/dipo/config/experiment/qwen7b.yaml and arm/dapo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" qwen7b dapo "$@"
