#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Who may include whom. check_layers.sh ROOT prints each offence as file:line: text, exit status 1.
set -euo pipefail

root=${1:?usage: check_layers.sh ROOT}
cd "$root"

# One line an include, "file:line:<header>" or "file:line:"header"", of every source in the tree.
includes=$(
  find * -path '*/data/*' -prune -o \( -path build -o -path out -o -path data \) -prune -o -type f \
    \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cpp' -o -name '*.def' \) -print0 |
    { xargs -0 -r grep -HnE '^[[:space:]]*#[[:space:]]*include(_next)?[[:space:]]*["<]' || true; } |
    sed -E 's/^([^:]*:[0-9]+:)[[:space:]]*#[[:space:]]*include(_next)?[[:space:]]*/\1/; s/([">])[^">]*$/\1/'
)

offences=0
offend() {  # offend RULE LINES
  [ -n "$2" ] || return 0
  offences=$((offences + $(printf '%s\n' "$2" | wc -l)))
  printf '%s\n' "$2" | while IFS= read -r line; do printf '%s   [%s]\n' "$line" "$1"; done
}
of() { printf '%s\n' "$includes" | grep -E "^($1)/" || true; }    # the includes in some folders
naming() { grep -E ":[0-9]+:[\"<]($1)" || true; }                  # those of some headers
except() { grep -vE ":[0-9]+:($1)" || true; }                      # all but some headers

std='<[a-z0-9_]+>|<(assert|errno|inttypes|limits|stdarg|stdbool|stddef|stdint|stdio|stdlib|string)\.h>'

# Each folder, and which others of this tree it may stand on. Itself always.
layers='
base
trace        base
spec         base
impl         base iommucheck
operations   base iommucheck
scenario/format base
litmus       base spec trace
mutants      base
process      base
plugin       base
monitor      base trace spec operations
report       base trace spec operations monitor
host         base trace spec monitor process plugin iommucheck
check        base trace spec operations monitor report host process impl iommucheck
conform      base trace spec monitor report process plugin iommucheck
explain      base trace spec monitor report
import       base trace
cc           iommucheck
capi         base trace spec monitor report iommucheck
backends     base spec host impl plugin iommucheck
scenario/run base trace spec operations monitor report host impl explain backends scenario/format
scenario/random base spec process backends scenario/format scenario/run
fuzz         base trace spec operations monitor report check litmus impl
proofs       base spec impl
cli          base trace spec operations monitor report host check conform explain import scenario litmus proofs
'
every=$(printf '%s' "$layers" | awk 'NF { printf "%s%s", bar, $1; bar = "|" }')
every="$every|tests|bench|examples|include"
tree='base|trace|spec|impl|operations|litmus|mutants|process|plugin|monitor|report|host|check|conform|explain|import|capi|cc|backends|scenario|fuzz|proofs|cli|tests|bench|examples|iommucheck'
while read -r folder allowed; do
  [ -n "$folder" ] || continue
  own=$(printf '%s' "$folder $allowed" | tr ' ' '|')
  offend "$folder/ stands on ${allowed:-nothing} (cmake/check_layers.sh)" \
    "$(of "$folder" | naming "($tree)/" | except "[\"<]($own)/")"
done <<<"$layers"
offend "a folder that is no layer yet" "$(of '[a-z_]+' | grep -vE "^($every)/" || true)"

# Inside impl/: a core that knows no IOMMU, and one algorithm of tables that knows no format.
within() {  # within FOLDER MAY: what a folder of impl/ may stand on there
  offend "impl/$1/ stands on impl/{$2} of impl/" "$(of "impl/$1" | naming 'impl/' | except "[\"<]impl/($2)/")"
}
within platform platform
within pasid 'pasid|platform'
within pgtable pgtable
within vmsav8 vmsav8
within core 'core|pasid|pgtable|platform'
smmu_words='SMMU|SMMUv3|smmu|STEs?|CDs?|ASIDs?|MAIR|granules?|TLBI|CFGI|ATCs?|VMSAv8|TTB0'
offend "impl/core and impl/pgtable name nothing of one IOMMU" \
  "$(grep -rnwE "$smmu_words" impl/core impl/pgtable 2>/dev/null || true)"

offend "spec/ includes std, base/ and spec/ only" "$(of spec | except "$std|\"(base|spec)/")"
offend "spec/sva is entered by interface.h and the words of call, setup, expectation and permitted" \
  "$(of "$every" | grep -vE '^(spec/sva|tests)/' | naming 'spec/sva/' |
     except '"spec/sva/(interface|call|setup|expectation|permitted)\.h"')"
offend "public headers include C headers and each other" "$(of include | except "$std|\"iommucheck/|<iommucheck/|<c[a-z]+>")"
offend "no path that leaves its folder" "$(of "$every" | naming '([^">]*/)?\.\./')"
offend "Z3 only in proofs/" "$(of "$every" | grep -vE '^proofs/' | naming 'z3(\+\+|_[a-z0-9]+)?\.h')"

# A library with one wrapper: all that include it are one header and source of the same name.
one_wrapper() {  # one_wrapper LIBRARY HEADERS
  local users stems
  users=$(of "${every/|tests|bench|examples/}" | naming "$2")
  stems=$(printf '%s\n' "$users" | sed -E 's/:.*//; s/\.[a-z]+$//' | sort -u | sed '/^$/d')
  if [ "$(printf '%s' "$stems" | grep -c '')" -gt 1 ]; then offend "$1 in one wrapper only" "$users"; fi
}
one_wrapper CLI11 'CLI/'
# Tests and benchmarks may use a library for themselves.
one_wrapper nlohmann/json 'nlohmann/'

if [ "$offences" -gt 0 ]; then
  echo "layering: $offences includes break a rule (docs/architecture.md)"
  exit 1
fi
echo "layering: $(printf '%s\n' "$includes" | sed '/^$/d' | wc -l) includes, all within their layer"
