#!/usr/bin/env bash
# Qwen2.5-7B on math, verl's GRPO: values in recipe/dipo/config/experiment/qwen7b.yaml and arm/grpo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" qwen7b grpo "$@"
