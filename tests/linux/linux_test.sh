#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What examples/drivers/linux says of wrong arguments, and that its files of known findings can be read. Needs no
# Linux tree: linux_trees_test.sh judges those.
#   linux_test.sh IOMMUCHECK SOURCE WORK
set -euo pipefail

export IOMMUCHECK=$1
example=$2/examples/drivers/linux
work=$3

fail() {
  printf 'linux: %s\n' "$1"
  exit 1
}

# says STATUS TEXT COMMAND...: the command ends with STATUS, and says TEXT.
says() {
  local wanted=$1 text=$2 status=0
  shift 2
  "$@" >"$work/said.txt" 2>&1 || status=$?
  [ "$status" -eq "$wanted" ] || fail "exit status $status, and not $wanted, of: $*"
  grep -q -- "$text" "$work/said.txt" || fail "'$text' is not in what it says: $(cat "$work/said.txt")"
}

rm -rf "$work"
mkdir -p "$work/no-tree"
for script in "$example"/*.sh; do
  bash -n "$script" || fail "$script is no script"
  if command -v shellcheck >/dev/null; then shellcheck -x -P "$2" "$script" || fail "$script: see above"; fi
done
says 2 'DIR: a Linux tree' "$example/run.sh"
says 2 'DIR: a Linux tree' "$example/build.sh" "$work/no-tree"
says 2 'is no Linux tree' "$example/build.sh" "$work/no-tree" "$work/linux.so"
says 2 'DIR: a Linux tree' "$example/kunit.sh"
says 125 'is no Linux tree' "$example/kunit.sh" "$work/no-tree"
says 125 'is no Linux tree' "$example/run.sh" "$work/no-tree" "$work/out"
says 125 'is no Linux tree' "$example/run.sh" --bisect "$work/no-tree" "$work/out"

# A file of known findings that cannot be read ends a run with 2; one of another driver's has nothing to say.
for known in "$example"/known/*.json; do
  grep -q '"driver": "linux"' "$known" || fail "$known is of another driver"
  sed 's/"driver": "linux"/"driver": "builtin"/' "$known" >"$work/known.json"
  "$IOMMUCHECK" check --driver builtin --seed 1 --runs 1 --known "$work/known.json" --out "" >"$work/said.txt" 2>&1 ||
    fail "$known: $(cat "$work/said.txt")"
done
