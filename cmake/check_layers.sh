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

# cmake/layers.txt beside this script: each room, and what it stands on.
layers=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/layers.txt
every=$(awk '$1 ~ /^[a-z]/ { split($1, path, "/"); print path[1] }' "$layers" | sort -u | paste -sd '|')
offend "a room stands on what cmake/layers.txt says" "$(
  awk -F '\t' -v every="$every" '
    function below(path, place) { return path == place || index(path, place "/") == 1 || index(path, place ".") == 1 }
    function room_of(path,   best, room) {
      best = ""
      for (room in stands_on) if (index(path, room "/") == 1 && length(room) > length(best)) best = room
      return best
    }
    function shelf_of(path) {  # 0: on none
      sub(/\.[a-z]+$/, "", path)
      return shelf[path] + 0
    }
    NR == FNR {
      if ($0 ~ /^#/ || $0 !~ /[^ ]/) next
      n = split($0, words, " ")
      if (words[1] == "-") {
        if (words[2] != shelf_name) { shelf_name = words[2]; ++shelves }
        for (i = 3; i <= n; ++i) shelf[last "/" words[i]] = shelves
        has_shelves[last] = 1
        next
      }
      last = words[1]
      stands_on[words[1]] = " "
      for (i = 2; i <= n; ++i) stands_on[words[1]] = stands_on[words[1]] words[i] " "
      next
    }
    {
      match($0, /:[0-9]+:/)
      file = substr($0, 1, RSTART - 1)
      header = substr($0, RSTART + RLENGTH + 1)
      sub(/[">].*$/, "", header)
      sub(/^include\//, "", header)
      if (header !~ "^(" every "|iommucheck)/") next
      room = room_of(file)
      if (room == "") next
      if (room_of(header) == room) {
        if (room in has_shelves && (!shelf_of(header) || shelf_of(header) > shelf_of(file))) print
        next
      }
      n = split(stands_on[room], words, " ")
      for (i = 1; i <= n; ++i) if (words[i] == "*" || below(header, words[i])) next
      print
    }' "$layers" <(printf '%s\n' "$includes")
)"
offend "a folder that is no room of cmake/layers.txt yet" "$(of '[a-z_]+' | grep -vE "^($every)/" || true)"

# Inside impl/: a core that knows no IOMMU, and one algorithm of tables that knows no format.
smmu_words='SMMU|SMMUv3|smmu|STEs?|CDs?|ASIDs?|MAIR|granules?|TLBI|CFGI|ATCs?|VMSAv8|TTB0'
offend "impl/core and impl/pgtable name nothing of one IOMMU" \
  "$(grep -rnwE "$smmu_words" impl/core impl/pgtable 2>/dev/null || true)"

offend "spec/ includes std, base/ and spec/ only" "$(of spec | except "$std|\"(base|spec)/")"
offend "spec/sva is entered by interface.h and the words of call, setup, expectation, permitted and user_format" \
  "$(of "$every" | grep -vE '^(spec/sva|tests)/' | naming 'spec/sva/' |
     except '"spec/sva/(interface|call|setup|expectation|permitted|user_format)\.h"')"
offend "public headers include C headers and each other" "$(of include | except "$std|\"iommucheck/|<iommucheck/|<c[a-z]+>")"
offend "no path that leaves its folder" "$(of "$every" | naming '([^">]*/)?\.\./')"
offend "Z3 only in proofs/" "$(of "$every" | grep -vE '^proofs/' | naming 'z3(\+\+|_[a-z0-9]+)?\.h')"

# A library with one wrapper: all that include it are one header and source of the same name.
one_wrapper() {  # one_wrapper LIBRARY HEADERS
  local users stems
  users=$(of "$every" | grep -vE '^(tests|bench|examples)/' | naming "$2")
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
