# shellcheck shell=bash
# For the other scripts to source: sets up what is missing, then puts the environment's programs first on PATH.
PATH="$(bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/setup.sh" --print-bin):$PATH" || exit 1
