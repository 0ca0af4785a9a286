#!/usr/bin/env bash
# Qwen2.5-0.5B-Instruct on GSM8K, DiPO: values in recipe/dipo/config/experiment/qwen0.5b.yaml and arm/dipo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" qwen0.5b dipo "$@"
