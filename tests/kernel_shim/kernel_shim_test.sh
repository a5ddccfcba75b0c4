#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The worked example of the kernel shim holds, on SMMUs whose fetches are coherent and on others; what is
# put wrong in it is found, and what the shim itself looks for is said in the report.
#   kernel_shim_test.sh IOMMUCHECK SOURCE WORK CC
set -euo pipefail

command=$1
shim=$2/examples/kernel_shim
work=$3
export IOMMUCHECK_CC=$4
export ASAN_OPTIONS=handle_segv=0:handle_sigill=0:handle_sigtrap=0  # a crash of the driver's is a finding

fail() {
  printf 'kernel_shim: %s\n' "$1"
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
cd "$work"

[ "$(wc -l <"$shim/worked_driver.c")" -lt 100 ] || fail "the example has 100 lines or more"

build() {  # build NAME SOURCE
  "$command" cc -std=c11 -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -I "$shim" -shared -o "$1.so" "$2" \
    "$shim/kernel_shim.c" || fail "$1 does not compile"
}

check() {  # check NAME MACHINE
  local status=0
  "$command" check --driver "./$1.so" --machine "$2" --seed 1 --runs 200 --hang 0.25 --no-shrink --out out >"$1.txt" 2>&1 || status=$?
  return "$status"
}

build worked "$shim/worked_driver.c"
for machine in default cohacc=0 drawn; do
  check worked "$machine" || { cat worked.txt; fail "the example does not hold on $machine"; }
done

broken() {  # broken NAME MACHINE TEXT FROM TO: FROM of the example is TO; the report has TEXT
  local text
  text=$(<"$shim/worked_driver.c")
  [ "${text/"$4"/}" != "$text" ] || fail "$1: the example has no '$4'"
  printf '%s\n' "${text/"$4"/"$5"}" >"$1.c"
  build "$1" "$1.c"
  if check "$1" "$2"; then fail "$1 holds"; fi
  grep -qF "$3" "$1.txt" || { cat "$1.txt"; fail "$1: the report has no '$3'"; }
}

broken unordered default "VIOLATION QUEUE_SLOT_ORDER" "shim_write32(CMDQ_PROD, smmu.prod, 1)" \
  "shim_write32(CMDQ_PROD, smmu.prod, 0)"
# It stands where the driver calls the shim, not where the shim calls the door.
grep -q 'unordered\.c:[0-9]' unordered.txt || { cat unordered.txt; fail "the driver's line is not told"; }
! grep -q 'kernel_shim\.c:[0-9]' unordered.txt || { cat unordered.txt; fail "the shim's line is told"; }
broken not_cleaned cohacc=0 "VIOLATION WILD_STRUCTURE" "shim_clean(smmu.streams," "if (0) shim_clean(smmu.streams,"
broken freed_twice default "free of DMA memory at 0x" "shim_write32(GBPA," \
  "shim_dma_free(shim_dma_alloc(1, 0, 0, &ring)); shim_dma_free(shim_va(ring)); shim_write32(GBPA,"
broken not_allocated default "which was not allocated" "shim_write32(GBPA," \
  "shim_free((char*)shim_alloc(100) + 64); shim_write32(GBPA,"
broken taken_twice default "lock queue is taken twice" "return shim_unlock(&smmu.queue_lock), error" "return error"
broken no_address default "is no address of DMA memory" "shim_write32(GBPA," "shim_pa(&smmu); shim_write32(GBPA,"
broken without_end default "VIOLATION HANG_RETURNS" "shim_write32(GBPA," \
  "while (shim_read32(IDR1) != 0) continue; shim_write32(GBPA,"
printf 'kernel_shim: the example holds, seven mistakes are found\n'
