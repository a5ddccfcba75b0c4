#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# iommucheck_add_fuzzer: a mistake behind four conditions is found by a fuzzer that the driver guides, and
# neither by one that it does not nor by as many random sequences.
#   fuzz_driver_test.sh BUILD CMAKE IOMMUCHECK SOURCE WORK CC
set -euo pipefail

build=$1
cmake=$2
command=$3
source=$4
work=$5
cc=$6
runs=100000

fail() {
  printf 'fuzz_driver: %s\n' "$1"
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
cd "$work"
"$cmake" --build "$build" --target fuzz_driver nested_driver >build.txt 2>&1 || { tail -n 20 build.txt; fail "it does not build"; }
program=$build/bin/fuzz_driver

# The documented line, and the same without what guides.
"$cc" -shared -fPIC -g -fsanitize=fuzzer-no-link -I "$source/include" -I "$source" -o byhand.so \
  "$source/tests/fuzz_driver/nested_driver.c"
"$cc" -shared -fPIC -g -I "$source/include" -I "$source" -o blind.so "$source/tests/fuzz_driver/nested_driver.c"

fuzz() {  # fuzz NAME PLUGIN SEED: 0 if nothing is found
  local status=0
  rm -rf "$1"
  mkdir "$1"
  "$program" "--driver=$2" "$1" -seed="$3" -runs=$runs -artifact_prefix="$work/$1-" >"$1.txt" 2>&1 || status=$?
  return "$status"
}

guided() {  # guided NAME PLUGIN: the mistake is found from one of a few seeds, which is $seed then
  for seed in 2 4 6 8; do
    fuzz "$1" "$2" "$seed" || return 0
  done
  return 1
}
guided cmake "$build/fuzzers/nested_driver.so" || fail "the fuzzer that iommucheck_add_fuzzer made finds nothing"
grep -q "VIOLATION RESULT_EXACT" cmake.txt || { tail -n 20 cmake.txt; fail "what it finds is not the mistake"; }
trace=$(sed -n 's/^trace: //p' cmake.txt)
if "$command" replay "$trace" >replay.txt 2>&1; then fail "its trace holds"; fi
guided byhand ./byhand.so || fail "the plug-in built by hand guides nobody"
fuzz blind ./blind.so "$seed" || { tail -n 20 blind.txt; fail "it is found without coverage: the test shows nothing"; }
"$command" check --driver ./blind.so --machine default --seed 1 --runs $runs --out "" >random.txt 2>&1 ||
  { tail -n 20 random.txt; fail "random sequences find it: the test shows nothing"; }
printf 'fuzz_driver: found by guided fuzzing alone, of %d inputs each\n' "$runs"
