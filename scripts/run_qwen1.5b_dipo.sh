#!/usr/bin/env bash
# Qwen2.5-1.5B-Instruct on GSM8K with LoRA, DiPO: values in recipe/dipo/config/experiment/qwen1.5b.yaml and arm/dipo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" qwen1.5b dipo "$@"
