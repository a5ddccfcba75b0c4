#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Feeds check_layers.sh one tree that is right, and one that has for each rule an offending line.
set -euo pipefail

check=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/check_layers.sh
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
failures=0

write() { mkdir -p "$(dirname "$scratch/tree/$1")" && printf '%s\n' "$2" >>"$scratch/tree/$1"; }

good_tree() {
  rm -rf "$scratch/tree"
  write base/bits.h '#include <cstdint>'
  write base/json.h '#include <nlohmann/json.hpp>'
  write base/json.cpp '#include <nlohmann/json.hpp>'
  write trace/event.h '#include "base/bits.h"'
  write spec/smmu/ste.h '#include <array>'
  write spec/smmu/ste.h '#include "base/bits.h"'
  write spec/smmu/ste.h '#include "spec/smmu/cd.h"  // "impl/" in a comment is no include'
  write impl/smmuv3/driver.cpp '#include "base/bits.h"'
  write impl/smmuv3/driver.cpp '// #include "spec/smmu/ste.h"'
  write impl/core/core.h '#include "impl/pgtable/gather.h"  // CDC is no word of an IOMMU'
  write impl/smmuv3/smmu.h '#include "impl/core/core.h"  // a CD, with an ASID'
  write litmus/run.cpp '#include "spec/smmu/ste.h"'
  write litmus/run.cpp '#include "litmus/twin/twin.h"'
  write litmus/twin/twin.cpp '#include "litmus/ast.h"'
  write conform/cases/walks.cpp '#include "conform/case.h"'
  write spec/sva/bind.cpp '#include "spec/sva/numbers.h"'
  write spec/sva/bind.cpp '#include "spec/sva/answers.def"'
  write spec/sva/numbers.cpp '#include "spec/sva/bonds.h"'
  write impl/core/space.h '#include "include/iommucheck/driver.h"'
  write scenario/format/parser.cpp '#include "base/bits.h"'
  write scenario/run/story.cpp '#include "scenario/format/parser.h"'
  write monitor/monitor.cpp '#include "spec/smmu/ste.h"'
  write monitor/monitor.cpp '#include "spec/sva/interface.h"'
  write host/driver_host.h '#include "monitor/monitor.h"'
  write host/driver_host.h '#include "iommucheck/driver.h"'
  write check/lockstep.cpp '#include "host/driver_host.h"'
  write check/lockstep.cpp '#include "impl/driver.h"'
  write proofs/word.h '#include <z3++.h>'
  write cli/options.cpp '#include <CLI/CLI.hpp>'
  write include/iommucheck/driver.h '#include <stdint.h>'
}

# All stand in one tree, so that one run of the check looks at them all.
expected=()
expect_offence() {  # expect_offence FILE LINE: the check must name FILE at this line
  write "$1" "$2"
  expected+=("$1:$(wc -l <"$scratch/tree/$1"):")
}

good_tree
if ! output=$("$check" "$scratch/tree"); then
  failures=$((failures + 1))
  printf 'a tree without offence was refused:\n%s\n' "$output"
fi

expect_offence spec/smmu/walk.h '#include "impl/pgtable/format.h"'
expect_offence spec/smmu/walk.h '#include "trace/event.h"'
expect_offence spec/smmu/walk.h '#include "walk_step.h"'
expect_offence spec/smmu/walk.cpp '#include <fmt/format.h>'
expect_offence spec/smmu/walk.h '#  include<z3++.h>'
expect_offence impl/smmuv3/queue.cpp '#include "spec/smmu/ste.h"'
expect_offence impl/smmuv3/queue.cpp '  #include <spec/smmu/ste.h>'
expect_offence impl/smmuv3/queue.cpp '#include "check/lockstep.h"'
expect_offence impl/smmuv3/queue.cpp '#include "base/../spec/smmu/ste.h"'
expect_offence impl/core/core.h '#include "impl/smmuv3/smmu.h"'
expect_offence impl/core/core.h '#include "impl/vmsav8/format.h"'
expect_offence impl/core/owed.cpp '// The CD goes first.'
expect_offence impl/core/space.h 'u64 asid = 0;  // ASID'
expect_offence impl/pgtable/page_table.h '#include "impl/vmsav8/descriptor.h"'
expect_offence impl/pgtable/gather.h '#include "impl/core/space.h"'
expect_offence impl/pasid/state.h '#include "impl/core/sva.h"'
expect_offence impl/vmsav8/format.h '#include "impl/smmuv3/registers.h"'
expect_offence base/error.h '#include "spec/smmu/ste.h"'
expect_offence trace/event.h '#include "impl/smmuv3/driver.h"'
expect_offence scenario/format/check.cpp '#include "spec/sva/interface.h"'
expect_offence monitor/monitor.cpp '#include "report/finding_text.h"'
expect_offence monitor/monitor.cpp '#include "host/driver_host.h"'
expect_offence monitor/monitor.cpp '#include "spec/sva/state.h"'
expect_offence spec/smmu/walk.h '#include "spec/sva/map.h"'
expect_offence host/scan.cpp '#include "check/lockstep.h"'
expect_offence report/json.cpp '#include "check/check.h"'
expect_offence process/child.cpp '#include "host/load.h"'
expect_offence conform/conform.cpp '#include "check/check.h"'
expect_offence scenario/run/story.cpp '#include "check/lockstep.h"'
# Between the rooms of one folder.
expect_offence litmus/twin/judge.cpp '#include "spec/smmu/caches.h"'
expect_offence litmus/twin/judge.cpp '#include "litmus/fast.h"'
expect_offence spec/sva/bind.cpp '#include "spec/smmu/caches.h"'
expect_offence spec/arch/walk.h '#include "spec/smmu/caches.h"'
expect_offence spec/two/hardware.cpp '#include "spec/smmu/smmu.h"'
expect_offence impl/smmuv3/streams.cpp '#include "impl/two/two.h"'
expect_offence impl/two/two.cpp '#include "impl/smmuv3/streams.h"'
expect_offence conform/cases/walks.cpp '#include "conform/dut/qemu.h"'
expect_offence conform/dut/qemu.cpp '#include "conform/case.h"'
expect_offence proofs/words.cpp '#include "impl/core/core.h"'
# Between the shelves of one room, and a file that is on none.
expect_offence spec/sva/numbers.cpp '#include "spec/sva/bind.h"'
expect_offence spec/sva/bonds.h '#include "spec/sva/faults.h"'
expect_offence spec/sva/exit.cpp '#include "spec/sva/calls.h"'
expect_offence spec/sva/lost.cpp '#include "spec/sva/call.h"'
expect_offence attic/old.cpp '#include <vector>'
expect_offence litmus/run.cpp '#include "impl/smmuv3/driver.h"'
expect_offence mutants/weave.cpp '#include "spec/smmu/ste.h"'
expect_offence include/iommucheck/driver.h '#include "base/bits.h"'
expect_offence check/lockstep.cpp '#include <z3.h>'
expect_offence cli/main.cpp '#include <CLI/CLI.hpp>'
expect_offence report/report.cpp '#include <nlohmann/json.hpp>'

status=0
output=$("$check" "$scratch/tree") || status=$?
[ "$status" -eq 1 ] || { failures=$((failures + 1)); echo "status $status for a tree of offences"; }
for place in "${expected[@]}"; do
  grep -qF "$place" <<<"$output" && continue
  failures=$((failures + 1))
  printf 'not caught: %s %s\n' "$place" "$(sed -n "$(cut -d: -f2 <<<"$place")p" "$scratch/tree/${place%%:*}")"
done

[ "$failures" -eq 0 ] || { echo "layering twins: $failures not caught"; exit 1; }
echo "layering twins: all caught"
