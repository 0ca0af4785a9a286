#!/usr/bin/env bash
# Qwen2.5-7B on math, DiPO: values in recipe/dipo/config/experiment/qwen7b.yaml and arm/dipo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" qwen7b dipo "$@"
