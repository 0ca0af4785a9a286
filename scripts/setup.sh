#!/usr/bin/env bash
# Installs everything into .venv, or into the active environment: setup.sh [cpu|gpu] [--dev] [--pip]. Does nothing when done.
set -euo pipefail
setup="$(dirname "$(realpath "${BASH_SOURCE[0]}")")/setup_env.py"
for python in python3 python3.12 python3.11 python3.10; do # pyenv's shims are there and may not run
    version=$("$python" -c 'import sys; print(*sys.version_info[:2], sep="."); import ensurepip, venv' 2>/dev/null) && ready=1 || ready=
    case $version in
    3.10 | 3.11 | 3.12) [ -n "$ready" ] && exec "$python" "$setup" "$@" || bare=${bare:-$version} ;;
    3.*) found="${found:-} $version" ;;
    esac
done
command -v uv >/dev/null && exec uv run --no-project --python 3.12 "$setup" "$@"
why="Python 3.10, 3.11 or 3.12 is needed, but ${found:+python3 is$found and }no other is on PATH; install one of them, or uv."
[ -z "${bare:-}" ] || why="Python $bare is here without its venv module; install it (Debian, Ubuntu: apt install python$bare-venv)."
echo "setup: $why" >&2 && exit 1
