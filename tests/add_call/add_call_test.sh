#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A call is added by at most five files: nop.patch adds one to a copy of the tree. There it is in the
# alphabet, is run by a scenario and asked by campaigns, and a driver that answers it wrongly is
# found. What is generated from calls.def (documents, monitor_events.*) is made anew by a test.
#   add_call_test.sh SOURCE WORK CC CXX
set -euo pipefail

source=$1
work=$2
here=$source/tests/add_call
files_max=5

fail() {
  printf 'add_call: %s\n' "$1"
  exit 1
}

# Files that did not change keep their times, so that a second run builds little.
mkdir -p "$work/fresh"
rm -rf "$work/fresh"
mkdir -p "$work/fresh" "$work/tree"
(cd "$source" && tar -c --exclude=./build --exclude=./out --exclude=./.git --exclude=./data .) |
  tar -x -C "$work/fresh"
(cd "$work/fresh" && patch -p1 --quiet <"$here/nop.patch")
changed=$(grep -c '^+++ b/' "$here/nop.patch")
[ "$changed" -le "$files_max" ] || fail "the patch changes $changed files, and $files_max are enough"
(cd "$work/fresh" && find . -type f -print0) | while IFS= read -r -d '' file; do
  cmp -s "$work/fresh/$file" "$work/tree/$file" && continue
  mkdir -p "$work/tree/$(dirname "$file")"
  cp -p "$work/fresh/$file" "$work/tree/$file"
done

build() {
  cmake --build "$work/build" --target iommucheck -- --quiet >"$work/build.log" 2>&1 || {
    tail -n 40 "$work/build.log"
    fail "the tree with the call does not build"
  }
}
cmake -S "$work/tree" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$3" \
  -DCMAKE_CXX_COMPILER="$4" -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DIOMMUCHECK_TESTS=OFF \
  -DIOMMUCHECK_TWINS=OFF >"$work/build.log" 2>&1 || {
  tail -n 20 "$work/build.log"
  fail "the tree with the call is not configured"
}

build
command=$work/build/bin/iommucheck
"$command" scenario "$work/tree/scenario/files/nop.scenario" || fail "its scenario does not pass"
"$command" check --driver builtin --seed 1 --runs 300 || fail "the builtin driver does not hold"

# Its twin: the driver answers wrongly.
driver=$work/tree/impl/driver.cpp
sed -i 's/d.nop = \[\](void\*, u32) { return 0; };/d.nop = [](void*, u32) { return -5; };/' "$driver"
cmp -s "$driver" "$work/fresh/impl/driver.cpp" && fail "the twin's line is not there"
build
"$command" check --driver builtin --seed 1 --runs 3000 >"$work/twin.txt" && fail "a wrong answer was not found"
grep -q 'nop(' "$work/twin.txt" || {
  cat "$work/twin.txt"
  fail "what was found is not about the call"
}
printf 'add_call: %s files, a wrong answer is found\n' "$changed"
