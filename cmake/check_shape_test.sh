#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Feeds check_shape.sh a tree that is right, and for each way to be too big one that is.
set -euo pipefail

check=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/check_shape.sh
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
failures=0

write() {
  local file=$scratch/tree/$1
  [ -d "${file%/*}" ] || mkdir -p "${file%/*}"
  printf '%s\n' "$2" >>"$file"
}

# knot FOLDER N: N units, the header of each included by the source of the one before it, on a circle.
knot() {
  local i
  for ((i = 0; i < $2; ++i)); do
    write "$1/unit$i.h" '#include "base/bits.h"'
    write "$1/unit$i.cpp" "  #  include \"$1/unit$(((i + 1) % $2)).h\""
  done
}

# methods FILE NAMESPACE CLASS N: in each form that a definition has.
methods() {
  local i forms=('void CLASS::f1() {' 'const Expected<Foo::Bar>& CLASS::f2(' 'CLASS::CLASS() = default;'
                 'u64 CLASS::f3(Foo::Bar x) const { return x.y(); }' 'bool CLASS::operator==(const CLASS&) const {'
                 'CLASS::~CLASS() {' 'std::function<void(u64)> CLASS::f4() {')
  write "$1" "namespace $2 {"
  for ((i = 0; i < $4; ++i)); do
    write "$1" "${forms[i % ${#forms[@]}]//CLASS/$3}"
    write "$1" '  Other::call(this);'
    write "$1" '}'
  done
  write "$1" "}  // namespace $2"
}

# area NAME N: an area of rules, and N sources that include it, by a header that a third of them do not name.
area() {
  local i
  write "spec/rules/$1.h" '#include "spec/rules/area.inc"'
  write "spec/$1_legal.h" "#include \"spec/rules/$1.h\""
  for ((i = 0; i < $2; ++i)); do
    if ((i % 3 == 0)); then write "tests/$1/t$i.cpp" "#include \"spec/rules/$1.h\""; else
      write "check/$1/c$i.cpp" "#include \"spec/$1_legal.h\""
    fi
  done
}

good_tree() {
  rm -rf "$scratch/tree"
  write base/bits.h '#include <cstdint>'
  knot check 5
  # A long way round is none, nor is what tests include.
  for i in 1 2 3 4 5 6 7; do write "monitor/m$i.h" "#include \"monitor/m$((i + 1)).h\""; done
  knot tests/check 9
  methods monitor/monitor.cpp iommucheck::oracle Monitor 60
  methods impl/smmu.cpp iommucheck::impl Smmu 40
  methods device/smmu.cpp iommucheck::device Smmu 40
  methods tests/fixture.cpp iommucheck::oracle Fixture 70
  write monitor/monitor.cpp 'u64 Monitor::count = f();'
  write monitor/monitor.cpp '// void Monitor::gone() {'
  area walks 119
}

# expect TEXT: the check fails, and says so; an empty TEXT: it passes.
expect() {
  local output status=0
  output=$("$check" "$scratch/tree") || status=$?
  if [ -z "$1" ] && [ "$status" -eq 0 ]; then return; fi
  if [ -n "$1" ] && [ "$status" -eq 1 ] && grep -qF "$1" <<<"$output"; then return; fi
  failures=$((failures + 1))
  printf 'expected "%s", status %s:\n%s\n' "$1" "$status" "$output"
}

good_tree
expect ''

knot check 6
expect 'knot check/unit0: 6 (check/unit0 check/unit1 check/unit2 check/unit3 check/unit4 check/unit5), and may be 5'
write cmake/shape.txt 'knot check/unit0 6'
expect ''

# Two small knots that meet are one.
good_tree
knot trace 4
write check/unit2.h '#include "trace/unit1.h"'
expect ''
write trace/unit3.cpp '#include "check/unit0.h"'
expect 'knot check/unit0: 9'

good_tree
methods monitor/more.cpp iommucheck::oracle Monitor 1
expect 'class iommucheck::oracle::Monitor: 61, and may be 60'
write cmake/shape.txt 'class iommucheck::oracle::Monitor 61'
expect ''
methods monitor/more.cpp iommucheck::oracle Monitor 1
expect 'class iommucheck::oracle::Monitor: 62, and was 61 (cmake/shape.txt): it grew'

good_tree
write bench/walks.c '#include "spec/walks_legal.h"'
expect 'rules spec/rules/walks.h: 120 sources, by spec/walks_legal.h, and may be 119'
write cmake/shape.txt 'rules spec/rules/walks.h 120'
expect ''

# What became less stays so.
good_tree
methods monitor/more.cpp iommucheck::oracle Monitor 2
write cmake/shape.txt 'class iommucheck::oracle::Monitor 63'
expect 'class iommucheck::oracle::Monitor: 62, and was 63'
good_tree
write cmake/shape.txt 'class iommucheck::oracle::Monitor 61'
expect 'class iommucheck::oracle::Monitor: 60, goes from cmake/shape.txt'
good_tree
write cmake/shape.txt 'class iommucheck::oracle::Gone 61'
expect 'class iommucheck::oracle::Gone: is not there'
write cmake/shape.txt 'knot check/none 7'
expect 'knot check/none: is not there'

[ "$failures" -eq 0 ] || { echo "shape twins: $failures not caught"; exit 1; }
echo "shape twins: all caught"
