#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the scripts of bao, jailhouse, sysarch_acs and tfa in examples/drivers say of wrong arguments, and that they
# judge: sources of one function, written here in the place of Trusted Firmware-A's, are built and hold, and break
# what is expected of them once they forget to deny. Needs nobody's sources: foreign_sources_test.sh judges those.
#   foreign_test.sh IOMMUCHECK SOURCE WORK
set -euo pipefail

export IOMMUCHECK=$1
drivers=$2/examples/drivers
work=$3

fail() {
  printf 'foreign: %s\n' "$1"
  exit 1
}

# says STATUS TEXT COMMAND...: the command ends with STATUS, and says TEXT.
says() {
  local wanted=$1 text=$2 status=0
  shift 2
  "$@" >"$work/said.txt" 2>&1 || status=$?
  [ "$status" -eq "$wanted" ] || fail "exit status $status, and not $wanted, of: $* ($(cat "$work/said.txt"))"
  grep -q -- "$text" "$work/said.txt" || fail "'$text' is not in what it says: $(cat "$work/said.txt")"
}

rm -rf "$work"
mkdir -p "$work/none"
for driver in bao jailhouse sysarch_acs tfa; do
  for script in "$drivers/$driver"/*.sh; do
    bash -n "$script" || fail "$script is no script"
    if command -v shellcheck >/dev/null; then shellcheck -x -P "$2" "$script" || fail "$script: see above"; fi
  done
  says 2 'SOURCES: the folder' "$drivers/$driver/run.sh"
  says 2 'SOURCES: the folder' "$drivers/$driver/build.sh" "$work/none"
  says 2 'is not in the sources' "$drivers/$driver/build.sh" "$work/none" "$work/driver.so"
  # What mends says which sources it is not for.
  [ ! -e "$drivers/$driver/mend.sh" ] || says 2 'is not in the sources' "$drivers/$driver/mend.sh" "$work/none" "$work/copy"
  # Each line of what is expected has four fields, whose rules there are.
  while IFS='|' read -r _ machine scope rules more; do
    [ -n "${machine// /}" ] && [ -n "${scope// /}" ] && [ -z "$more" ] ||
      fail "$driver/expected.txt: a line has other than four fields"
    for rule in $rules; do
      grep -q "RULE($rule," "$2"/spec/rules/*.def || fail "$driver/expected.txt: there is no rule $rule"
    done
  done < <(grep -vE '^(#|$)' "$drivers/$driver/expected.txt")
done

# denies VALUE: sources that set GBPA.ABORT to it, and of which smmuv3_ns_set_abort_all switches the SMMU off.
denies() {
  mkdir -p "$work/tfa/drivers/arm/smmu" "$work/tfa/include/drivers/arm"
  : >"$work/tfa/include/drivers/arm/smmu_v3.h"
  cat >"$work/tfa/drivers/arm/smmu/smmu_v3.c" <<END
#include <drivers/arm/smmu_v3.h>
static int is(uintptr_t at, uint32_t bit, uint32_t value) {
  uint64_t end = timeout_init_us(U(1000));
  while ((mmio_read_32(at) & bit) != value) if (timeout_elapsed(end)) return -1;
  return 0;
}
int smmuv3_security_init(uintptr_t base) {
  mmio_write_32(base + 0x44, U(0x80000000) | $1u << 20);
  return is(base + 0x44, U(0x80000000), 0);
}
int smmuv3_ns_set_abort_all(uintptr_t base) {
  if (smmuv3_security_init(base)) return -1;
  mmio_clrbits_32(base + 0x20, U(1));
  return is(base + 0x24, 1, 0);
}
int smmuv3_init(uintptr_t base) { mmio_write_32(base + 0x803c, 1); return 0; }
END
}
denies 1
says 0 'holds' "$drivers/tfa/run.sh" "$work/tfa" "$work/out"
grep -q 'Secure registers' "$work/out"/tfa-2.txt || fail 'nothing is said of Secure registers'
grep -q 'Secure registers' "$work/out"/tfa-1.txt && fail 'Secure registers are told where none is used'
denies 0
says 1 'EXPECTED:' "$drivers/tfa/run.sh" "$work/tfa" "$work/out"
grep -q 'broken: PROMISE_OUTCOME' "$work/said.txt" || fail "what denies nothing is not found: $(cat "$work/said.txt")"

# A report of every rule that there is: each of them is read from it, whatever letters and digits its name has.
mkdir -p "$work/all"
rules=$(sed -n 's/^RULE(\([^,]*\),.*/\1/p' "$2"/spec/rules/*.def | tr '\n' ' ')
printf '#!/bin/sh\n' >"$work/all/build.sh"
printf '#!/bin/sh\nfor rule in %s; do echo "VIOLATION $rule (promise)"; done; echo "1 outcomes judged, a scope: 1"\n' "$rules" \
  >"$work/all/iommucheck"
chmod +x "$work/all/build.sh" "$work/all/iommucheck"
for which in exactly at-least; do
  printf -- '-DALL|any|a scope|%s\n' "$rules" >"$work/all/expected.txt"
  # shellcheck source=examples/drivers/foreign.sh
  (. "$drivers/foreign.sh" && IOMMUCHECK=$work/all/iommucheck judge_variants "$work/all" "$which" none "$work/all/of") \
    >"$work/said.txt" || fail "a rule is not read from a report: $(cat "$work/said.txt")"
  printf -- '-DALL|any|a scope|%s NO_SUCH_RULE\n' "$rules" >"$work/all/expected.txt"
  (. "$drivers/foreign.sh" && IOMMUCHECK=$work/all/iommucheck judge_variants "$work/all" "$which" none "$work/all/of") \
    >"$work/said.txt" && fail "a rule that is not reported passes: $(cat "$work/said.txt")"
  printf -- '-DALL|any|another scope|%s\n' "$rules" >"$work/all/expected.txt"
  (. "$drivers/foreign.sh" && IOMMUCHECK=$work/all/iommucheck judge_variants "$work/all" "$which" none "$work/all/of") \
    >"$work/said.txt" && fail "another scope passes: $(cat "$work/said.txt")"
  # A line without rules holds, in whatever mode; a mended copy is made by the example, or it is no line.
  printf -- 'mended -DALL|any|a scope|\n' >"$work/all/expected.txt"
  printf '#!/bin/sh\nmkdir -p "$2"\n' >"$work/all/mend.sh"
  chmod +x "$work/all/mend.sh"
  (. "$drivers/foreign.sh" && IOMMUCHECK=$work/all/iommucheck judge_variants "$work/all" "$which" none "$work/all/of") \
    >"$work/said.txt" && fail "a line that expects none passes with any: $(cat "$work/said.txt")"
  [ -d "$work/all/of-mended" ] || fail "no copy is mended"
done

# An expression of sed that changes nothing is of other sources.
printf 'a\n' >"$work/none/file"
(. "$drivers/foreign.sh" && begin_mending "$work/none" "$work/copy" file && mend file s/a/b/) || fail 'nothing is mended'
grep -q b "$work/copy/file" || fail 'the copy is not mended'
(. "$drivers/foreign.sh" && begin_mending "$work/none" "$work/copy" file && mend file s/c/b/) 2>"$work/said.txt" &&
  fail 'an expression that changes nothing passes'
exit 0
