# shellcheck shell=bash
# For the other scripts to source: sets up what is missing, then puts the environment's programs first on PATH.
PATH="$(bash "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/setup.sh" --print-bin):$PATH" || exit 1
for name in NNODES GPUS_PER_NODE; do # an empty one counts as not given, and spaces around a number do not count
    read -r value <<<"${!name:-}" || true
    if [ -n "$value" ]; then export "$name=$value"; else unset "$name"; fi
done
