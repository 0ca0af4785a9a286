#!/usr/bin/env bash
# Installs everything into .venv, or into the active environment: setup.sh [cpu|gpu] [--dev]. Does nothing when done.
set -euo pipefail
if ! command -v python3 >/dev/null; then
    echo "setup: Python 3.10, 3.11 or 3.12 is needed, but no python3 is on PATH; install one of them." >&2
    exit 1
fi
exec python3 "$(dirname "${BASH_SOURCE[0]}")/setup_env.py" "$@"
