#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Instructions that a call of `check --driver builtin` costs: the slope between two lengths of a run under callgrind, so
# that what a run costs once is not in it. The same number whatever else the machine does, for one compiler.
# instructions.sh PROGRAM LIST [--record]: holds it against LIST, a line "MACHINE INSTRUCTIONS" each: more by a twentieth
# is exit status 1. --record writes what was counted, and says what it was before. No valgrind: nothing is counted.
set -euo pipefail

program=${1:?usage: instructions.sh PROGRAM LIST [--record]}
list=${2:?usage: instructions.sh PROGRAM LIST [--record]}
record=${3:-}
runs=(100 600)  # sequences
margin=5        # percent

if ! command -v valgrind >/dev/null; then
  echo "instructions: valgrind is not installed (apt-get install valgrind): nothing was counted"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

# counted MACHINE SEQUENCES: "instructions calls", of the command and its workers.
counted() {
  local text
  rm -f "$scratch"/callgrind.*
  text=$(valgrind --tool=callgrind --trace-children=yes --callgrind-out-file="$scratch/callgrind.%p" "$program" check \
    --driver builtin --machine "$1" --seed 1 --runs "$2" -j 1 --hang 600 --out "" 2>"$scratch/errors") || {
    cat "$scratch/errors" >&2
    echo "instructions: check of machine $1 did not hold: $(tail -n 1 <<<"$text")" >&2
    return 1
  }
  printf '%s %s\n' "$(awk '/^(summary|totals):/ && !seen[FILENAME]++ { all += $2 } END { printf "%d", all }' "$scratch"/callgrind.*)" \
    "$(tail -n 1 <<<"$text" | sed -n 's/.*, \([0-9,]*\) calls, .*/\1/p' | tr -d ,)"
}

status=0
lines=()
while read -r machine before; do
  case $machine in '' | '#'*) continue ;; esac
  short=$(counted "$machine" "${runs[0]}")
  long=$(counted "$machine" "${runs[1]}")
  now=$(awk -v short="$short" -v long="$long" 'BEGIN {
    split(short, a); split(long, b)
    if (b[2] <= a[2]) exit 1
    printf "%d", (b[1] - a[1]) / (b[2] - a[2])
  }') || { echo "instructions: no calls were counted ($short; $long)" >&2; exit 3; }
  lines+=("$machine $now")
  verdict=held
  if [ "$((now * 100))" -gt "$((before * (100 + margin)))" ]; then
    verdict="MORE than $before by over $margin %"
    [ -n "$record" ] || status=1
  fi
  printf '%-10s %8d instructions a call, was %8d: %s\n' "$machine" "$now" "$before" "$verdict"
done <"$list"
if [ "$record" = --record ]; then
  { sed -n '/^#/p' "$list" && printf '%s\n' "${lines[@]}"; } >"$list.new" && mv "$list.new" "$list"
  echo "instructions: recorded in $list"
fi
exit "$status"
