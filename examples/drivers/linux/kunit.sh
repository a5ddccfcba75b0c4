#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The KUnit cases of a Linux tree's arm-smmu-v3 and io-pgtable-arm (until 6.17 its self-tests), by their own code, and the
# specification beside them: of each STE and CD that they write, what a fetch may meet at each store. Prints KTAP. Ends with 0
# if the cases pass and the specification agrees, 1 if not, 2 without a verdict, 125 if DIR does not build.
#   kunit.sh DIR [WORK]     DIR: a Linux tree, from 6.10 on; WORK: a folder for kbuild's output, kept (a temporary one)
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/linux/kbuild.sh
. "$here/kbuild.sh"
folder=${2:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
folder=$(cd -- "$folder" && pwd)
status_of_failure=125
{
  cat "$here/config"
  printf 'CONFIG_%s=y\n' KUNIT ARM_SMMU_V3_KUNIT_TEST IOMMU_IO_PGTABLE_LPAE_SELFTEST IOMMU_IO_PGTABLE_LPAE_KUNIT_TEST
} >"$folder/iommucheck_config"
begin_kbuild "$1" "$folder" "$folder/iommucheck_config"
grep -q '^CONFIG_ARM_SMMU_V3_KUNIT_TEST=y' "$work/.config" || fail "$named has no KUnit test of arm-smmu-v3 (6.10 and later have)"

put "$iommu/iommucheck_kernel.c" <"$here/kernel.c"
put "$iommu/iommucheck_mm.c" <"$here/mm.c"
put "$smmu/iommucheck_kunit.c" <"$here/kunit.c"
build() {
  # shellcheck disable=SC2086 # several names
  compile "$smmu"/arm-smmu-v3{,-sva,-test}.o "$iommu"/io-pgtable{,-arm,-arm-selftests}.o "$iommu"/iommu-pages.o \
    "$iommu"/iommucheck_{kernel,mm}.o "$smmu"/iommucheck_kunit.o -- \
    "$iommu"/{iommu,iommu-sva,iommu-sva-lib,io-pgfault,ioasid}.o mm/mmu_notifier.o $libraries
  # What the tests call is what tells; their suites lie in a section that can be named in C.
  llvm-objcopy-19 --redefine-sym arm_smmu_write_entry=iommucheck_write_entry "$work/$smmu/arm-smmu-v3-test.o"
  for object in "${objects[@]}"; do
    llvm-objcopy-19 --rename-section .kunit_test_suites=kunit_test_suites "$work/$object"
  done
  link -c -o iommucheck_symbols.o "$here/symbols.c"
  link -c -fhosted -I "$include" -o iommucheck_main.o "$here/kunit_main.c"
  all=("${objects[@]}" iommucheck_symbols.o iommucheck_main.o -shared "-Wl,-Bsymbolic" "-Wl,-z,notext" -fuse-ld=lld)
  missing "${all[@]}" -lc
  link "${all[@]}" iommucheck_missing.c -lc -o iommucheck_kunit.so
  printf 'int iommucheck_main(void);\nint main(void) { return iommucheck_main(); }\n' >"$work/iommucheck_program.c"
  clang-19 -o "$work/iommucheck_kunit" "$work/iommucheck_program.c" "$work/iommucheck_kunit.so"
}
build
status_of_failure=2
"$work/iommucheck_kunit" >"$work/iommucheck_said.txt" && status=0 || status=$?
[ "$status" -le 1 ] || fail "the tests end with $status: $work/iommucheck_said.txt"

# ---- their answers, and the specification's ----

printf 'KTAP version 1\n1..%d\n' "$(grep -c '^suite ' "$work/iommucheck_said.txt")"
printed=() suites=0 cases=0 suite_fails=0 status=0 notes=()
end_suite() {
  [ "$suites" -ne 0 ] || return 0
  printf '    KTAP version 1\n    # Subtest: %s\n    1..%d\n' "$suite" "$cases"
  [ "$cases" -eq 0 ] || printf '    %s\n' "${printed[@]}"
  if [ "$suite_fails" -eq 0 ]; then printf 'ok %d %s\n' "$suites" "$suite"; else printf 'not ok %d %s\n' "$suites" "$suite"; fi
}
# says ste|cd OLD NEW ORDER: the specification's answer.
says() {
  local of=()
  [ "$1" = ste ] || of=(--of cd --ste "0x5000000000000b,0x10000000") # one of stage 1, with as many CDs as are asked for
  "$command" ask "${of[@]}" --hitless "$2" "$3" --order "$4" 2>&1 | grep -E '^(hitless|iommucheck|not settled)' | tail -n 1
}
# without_hints WORDS: STE.EATS and MEV are 0. Later versions change them on the way: the STE in between is a third
# one, in which a device whose ATS is off translates as before (IHI 0070 5.2).
without_hints() {
  local words one
  IFS=, read -ra words <<<"$1"
  for one in "${!words[@]}"; do
    case $one=${words[one]} in
      *=1=*) printf -v "words[one]" '1=0x%x' $((${words[one]#1=} & ~0x30080000)) ;;
      1=0x*) printf -v "words[one]" '0x%x' $((words[one] & ~0x30080000)) ;;
    esac
  done
  (IFS=,; printf '%s' "${words[*]}")
}
# judge ste|cd OLD NEW ORDER CLAIM: a note, and 1 where a transition that is called hitless is not.
judge() {
  local said steps=,${4//[^,]/}
  said=$(says "$1" "$2" "$3" "$4")
  case $5,$said in
    hitless,hitless:\ yes*) notes+=("# a $1, ${#steps} steps: hitless, as the specification says too") ;;
    hitless,*)
      if [ "$1" = ste ] &&
        [[ $(says ste "$(without_hints "$2")" "$(without_hints "$3")" "$(without_hints "$4")") == hitless:\ yes* ]]; then
        notes+=("# a $1, ${#steps} steps: hitless but for EATS and MEV, which are of neither in between (IHI 0070 5.2)")
        return 0
      fi
      notes+=("# a $1 by $4 is called hitless; specification: $said")
      return 1 ;;
    *) notes+=("# a $1, ${#steps} steps: by way of V = 0, as it is said to be (specification: $said)") ;;
  esac
}
case_fails=0
while read -r what rest; do
  case $what in
    suite)
      end_suite
      suite=$rest suites=$((suites + 1)) cases=0 suite_fails=0 printed=() notes=() case_fails=0 ;;
    '#') notes+=("# $rest") ;;
    transition)
      # shellcheck disable=SC2086 # five words
      judge $rest || case_fails=1 ;;
    case)
      cases=$((cases + 1))
      [ "${#notes[@]}" -eq 0 ] || printed+=("${notes[@]}")
      if [ "${rest##* }" = passed ] && [ "$case_fails" -eq 0 ]; then
        printed+=("ok $cases ${rest% *}")
      else
        printed+=("not ok $cases ${rest% *}")
        suite_fails=1 status=1
      fi
      notes=() case_fails=0 ;;
  esac
done <"$work/iommucheck_said.txt"
end_suite
exit "$status"
