#!/usr/bin/env bash
# Qwen2.5-3B-Instruct on tool calls, DiPO: values in recipe/dipo/config/experiment/tools_3b.yaml and arm/dipo.yaml, options in train.sh.
exec bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/train.sh" tools_3b dipo "$@"
