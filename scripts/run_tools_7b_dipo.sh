#!/usr/bin/env bash
# Qwen2.5-7B-Instruct on tool calls, DiPO: values in recipe/dipo/config/experiment/tools_7b.yaml and arm/dipo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" tools_7b dipo "$@"
