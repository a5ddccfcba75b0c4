#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A call is added by at most six files: nop.patch adds one to a copy of the tree. There it is in the
# alphabet, is run by a scenario and asked by campaigns, and a driver that answers it wrongly is
# found. What is generated from calls.def (documents, monitor_events.*) is made anew by a test.
#   add_call_test.sh weave SOURCE TREE   TREE becomes SOURCE with the call
#   add_call_test.sh judge TREE BUILD    what was built of TREE
# Building a tree takes minutes, so `./dev test` gives this one to g++-12, which has to build one anyway.
set -euo pipefail

files_max=6

fail() {
  printf 'add_call: %s\n' "$1"
  exit 1
}

# Files that did not change keep their times, so that a second build is short.
weave() {
  local source=$1 tree=$2 fresh changed patch=$1/tests/add_call/nop.patch
  fresh=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$fresh' '$fresh.is' '$fresh.was'" EXIT
  changed=$(grep -c '^+++ b/' "$patch")
  [ "$changed" -le "$files_max" ] || fail "the patch changes $changed files, and $files_max are enough"
  (cd "$source" && tar -c --exclude=./build --exclude=./out --exclude=./.git .) | tar -x -C "$fresh"
  (cd "$fresh" && patch -p1 --quiet --no-backup-if-mismatch <"$patch") || fail "the patch does not apply"
  mkdir -p "$tree"
  sums "$fresh" >"$fresh.is"
  sums "$tree" >"$fresh.was"
  (cd "$fresh" && comm -23 "$fresh.is" "$fresh.was" | cut -c 67- | xargs -r -d '\n' cp -p --parents -t "$tree")
  # What is gone from the source is gone from the copy.
  comm -13 <(cut -c 67- "$fresh.is" | sort) <(cut -c 67- "$fresh.was" | sort) |
    (cd "$tree" && xargs -r -d '\n' rm -f)
}
# Of each file of a tree, but for what was built of it: its sum, and its name from column 67 on.
sums() { (cd "$1" && find . -path ./build -prune -o -type f -exec sha256sum -- {} + | sort); }

put_back() {  # put_back BUILD KEPT DRIVER
  cp -p "$2/driver.cpp" "$3"
  cp -pr "$2/impl" "$2/bin" "$1"
  rm -rf "$2"
}

judge() {
  local tree=$1 build=$2 command=$2/bin/iommucheck driver=$1/impl/driver.cpp right wrong
  right='d.nop = [](void*, u32) { return 0; };'
  wrong='d.nop = [](void*, u32) { return -5; };'
  cmake --build "$build" --target iommucheck -- --quiet || fail "the tree with the call does not build"
  "$command" scenario "$tree/scenario/files/nop.scenario" || fail "its scenario does not pass"
  "$command" check --driver builtin --seed 1 --runs 300 || fail "the builtin driver does not hold"

  # Its twin: the driver answers wrongly. Other tests run the command after this one, and the next build is to find
  # nothing to do: whatever happens here, the source and what is built of it are put back as they were, by their times.
  grep -qF "$right" "$driver" || fail "the twin's line is not there"
  local text kept=$build/kept
  text=$(<"$driver")
  rm -rf "$kept"
  mkdir -p "$kept/bin"
  cp -p "$driver" "$kept/driver.cpp"
  cp -p "$command" "$kept/bin"
  cp -pr "$build/impl" "$kept"
  # shellcheck disable=SC2064
  trap "put_back '$build' '$kept' '$driver'" EXIT
  printf '%s\n' "${text/"$right"/"$wrong"}" >"$driver"
  cmake --build "$build" --target iommucheck -- --quiet || fail "the twin does not build"
  local status=0
  "$command" check --driver builtin --seed 1 --runs 3000 >"$build/twin.txt" || status=$?
  [ "$status" -eq 1 ] || fail "a wrong answer was not found: exit status $status"
  grep -qE 'nop\(device [0-9]+\)' "$build/twin.txt" || {
    cat "$build/twin.txt"
    fail "what was found is not about the call"
  }
  printf 'add_call: a wrong answer is found\n'
}

case ${1:-} in
  weave | judge) "$@" ;;
  *) fail "it takes weave or judge" ;;
esac
