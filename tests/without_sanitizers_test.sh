#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each pattern of without_sanitizers.list names a test of some program: a test that is renamed would be run nowhere
# by the build that is for it, or by both.
#   without_sanitizers_test.sh LIST PROGRAM...
set -euo pipefail

list=$1
shift
bad=0
names() {  # of all programs, one a line, for patterns of the shape that the list has
  local program
  for program in "$@"; do
    env -u GTEST_FILTER "$program" --gtest_list_tests | awk '
      /^[^ ]/ { suite = $1; next }
      { print suite $1 }'
  done
}
known=$(names "$@")
while IFS= read -r pattern; do
  [[ "$pattern" =~ ^(#.*)?$ ]] && continue
  found=0
  while IFS= read -r name; do
    # shellcheck disable=SC2053
    if [[ $name == $pattern ]]; then
      found=1
      break
    fi
  done <<<"$known"
  [ "$found" -eq 1 ] || {
    printf '%s: no test is called %s\n' "$list" "$pattern"
    bad=1
  }
done <"$list"
[ -n "$known" ] || bad=1
exit "$bad"
