#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Who may include whom. check_layers.sh ROOT prints each offence as file:line: text, exit status 1.
set -euo pipefail

root=${1:?usage: check_layers.sh ROOT}
cd "$root"

# One line an include, "file:line:<header>" or "file:line:"header"", of every source in the tree.
includes=$(
  for folder in base trace spec impl litmus scenario oracle fuzz proofs mutants tests bench cli examples include; do
    [ ! -d "$folder" ] || printf '%s\0' "$folder"
  done |
    xargs -0 -r -I{} find {} -path '*/data/*' -prune -o -type f \
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
every='base|trace|spec|impl|litmus|scenario|oracle|fuzz|proofs|mutants|tests|bench|cli|examples|include'

offend "spec/ includes std, base/ and spec/ only" "$(of spec | except "$std|\"(base|spec)/")"
offend "impl/ knows nothing of spec/ nor of what judges it" \
  "$(of impl | naming '(spec|oracle|litmus|scenario|fuzz|proofs|tests|bench|cli)/')"
offend "base/ is below everything" "$(of base | naming '(trace|spec|impl|oracle|litmus|scenario|fuzz|proofs|tests|bench|cli|iommucheck)/')"
offend "trace/ stands on base/ only" "$(of trace | naming '(spec|impl|oracle|litmus|scenario|fuzz|proofs|tests|bench|cli)/')"
offend "mutants/ stands on base/ only" "$(of mutants | naming '(trace|spec|impl|oracle|litmus|scenario|fuzz|proofs|tests|bench|cli|iommucheck)/')"
offend "litmus/ reads the specification, never an implementation" \
  "$(of litmus | naming '(impl|oracle|scenario|fuzz|proofs|tests|bench|cli)/')"
offend "scenario/ is a format: base/ and itself" \
  "$(of scenario | naming '(trace|spec|impl|litmus|oracle|fuzz|proofs|tests|bench|cli|iommucheck)/')"
offend "public headers include C headers and each other" "$(of include | except "$std|\"iommucheck/|<iommucheck/|<c[a-z]+>")"
offend "no path that leaves its folder" "$(of "$every" | naming '([^">]*/)?\.\./')"
offend "Z3 only in proofs/" "$(of "$every" | grep -vE '^proofs/' | naming 'z3(\+\+|_[a-z0-9]+)?\.h')"

# A library with one wrapper: all that include it are one header and source of the same name.
one_wrapper() {  # one_wrapper LIBRARY HEADERS
  local users stems
  users=$(of "${every/|tests|bench/}" | naming "$2")
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
