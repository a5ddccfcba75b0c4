#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How big a thing may be before it is taken apart. check_shape.sh ROOT prints each offence, exit status 1:
# a knot of more than 5 units (x.h and x.cpp are one) that all include each other, by however many steps; a class with
# more than 60 methods defined in sources; names of rules (ROOT/spec/rules/X.h, made of X.def) that 120 sources or more
# include, by however many steps: a new rule of the area is compiled into all of these. ROOT/cmake/shape.txt has the
# classes, knots and areas that are still bigger.
set -euo pipefail

root=${1:?usage: check_shape.sh ROOT}
cd "$root"

# compare MAX WHAT: of lines "name number of whom", those of more than MAX that cmake/shape.txt does not have with that number,
# and those that it need not have.
compare() {
  awk -v max="$1" -v what="$2" '
    FILENAME == "cmake/shape.txt" { if ($1 == what) may[$2] = $3; next }
    { has[$1] = $2; whom[$1] = substr($0, length($1 " " $2) + 1) }
    END {
      for (name in has) {
        if (!(name in may) && has[name] <= max) continue
        text = what " " name ": " has[name] whom[name]
        if (!(name in may)) print text ", and may be " max
        else if (has[name] <= max) print text ", goes from cmake/shape.txt"
        else if (has[name] > may[name]) print text ", and was " may[name] " (cmake/shape.txt): it grew"
        else if (has[name] < may[name]) print text ", and was " may[name] ": say so in cmake/shape.txt"
      }
      for (name in may) if (!(name in has)) print what " " name ": is not there, and goes from cmake/shape.txt"
    }' $([ ! -e cmake/shape.txt ] || echo cmake/shape.txt) - | LC_ALL=C sort
}

# What the tree is made of; who looks at it is left out.
sources() {  # sources PATTERN...
  local names=() name
  for name in "$@"; do names+=(-o -name "$name"); done
  find * \( -path tests -o -path examples -o -path bench -o -path build -o -path out -o -path data -o -path '*/data' \) \
    -prune -o -type f \( "${names[@]:1}" \) -print | LC_ALL=C sort
}

# From the includes between units: what nothing leads to, or leads to nothing, is on no circle and goes; of what is left
# over, those that reach each other are a knot, named by the first.
knots=$(
  sources '*.h' '*.c' '*.cpp' '*.def' | tr '\n' '\0' | { xargs -0 -r grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' || true; } |
    sed -E 's/^([^:]*):[^"]*"([^"]*)".*/\1 \2/' |
    awk '
      function unit(path) { sub(/\.(h|c|cpp)$/, "", path); return path }
      { from[NR] = unit($1); to[NR] = unit($2); is_unit[from[NR]] = 1 }
      function went(   i, goes) {  # whether some unit went
        split("", in_count); split("", out_count)
        for (i = 1; i <= NR; ++i) {
          if (!is_unit[from[i]] || !is_unit[to[i]] || from[i] == to[i]) continue
          ++out_count[from[i]]; ++in_count[to[i]]
        }
        goes = 0
        for (i in is_unit) if (is_unit[i] && (!in_count[i] || !out_count[i])) { is_unit[i] = 0; goes = 1 }
        return goes
      }
      function reach(start, forward, seen,   i, grows) {
        split("", seen)
        seen[start] = 1
        do {
          grows = 0
          for (i = 1; i <= kept; ++i) {
            if (forward && (a[i] in seen) && !(b[i] in seen)) { seen[b[i]] = 1; grows = 1 }
            if (!forward && (b[i] in seen) && !(a[i] in seen)) { seen[a[i]] = 1; grows = 1 }
          }
        } while (grows)
      }
      END {
        while (went()) {}
        for (i = 1; i <= NR; ++i) {
          if (!is_unit[from[i]] || !is_unit[to[i]] || from[i] == to[i]) continue
          a[++kept] = from[i]; b[kept] = to[i]
        }
        for (i = 1; i <= kept; ++i) {
          if (a[i] in told) continue
          reach(a[i], 1, ahead); reach(a[i], 0, behind)
          n = 0; names = ""
          for (k = 1; k <= kept; ++k) {
            if (!(a[k] in ahead) || !(a[k] in behind) || (a[k] in told)) continue
            told[a[k]] = 1; ++n; names = names " " a[k]
          }
          if (n > 1) print a[i], n " (" substr(names, 2) ")"
        }
      }'
)

# Definitions begin in the first column, as clang-format has them.
methods=$(
  sources '*.cpp' | tr '\n' '\0' | xargs -0 -r awk '
    FNR == 1 { depth = 0 }
    /^namespace.*\{$/ { name[++depth] = $2 == "{" ? "" : $2 "::"; next }
    /^}  \/\/ namespace/ { if (depth > 0) --depth; next }
    /^[A-Za-z~].*\(/ && !/;$/ || /^[A-Za-z~].* = default;$/ {
      text = $0
      while (sub(/<[^<>]*>/, "", text)) {}
      sub(/\(.*/, "", text)
      if (!match(text, /([A-Z][A-Za-z0-9_]*::)+(operator.*|~?[A-Za-z_][A-Za-z0-9_]*)$/)) next
      class = substr(text, RSTART)
      sub(/::(operator.*|~?[A-Za-z_][A-Za-z0-9_]*)$/, "", class)
      where = ""
      for (i = 1; i <= depth; ++i) where = where name[i]
      ++methods[where class]
    }
    END { for (class in methods) print class, methods[class] }'
)
# Tests too: they are compiled as often.
areas=$(
  find * \( -path build -o -path out -o -path data -o -path '*/data' \) -prune -o -type f \( -name '*.h' -o -name '*.c' -o -name '*.cpp' \) \
    -print0 | { xargs -0 -r grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' || true; } |
    sed -E 's/^([^:]*):[^"]*"([^"]*)".*/\1 \2/' |
    awk '
      { by[$2] = by[$2] " " $1; if ($2 ~ /^spec\/rules\/area\.inc$/) area[$1] = 1 }
      END {
        for (start in area) {
          split("", seen); split("", queue)
          queue[last = 1] = start; sources = 0; headers = ""
          for (at = 1; at <= last; ++at) {
            n = split(by[queue[at]], including, " ")
            for (i = 1; i <= n; ++i) {
              if (including[i] in seen) continue
              seen[including[i]] = 1
              if (including[i] !~ /\.h$/) ++sources
              else queue[++last] = including[i]
              if (including[i] ~ /\.h$/ && at == 1) headers = headers " " including[i]
            }
          }
          print start, sources " sources" (headers == "" ? "" : ", by" headers)
        }
      }'
)
offences=$(printf '%s\n' "$knots" | compare 5 knot; printf '%s\n' "$methods" | compare 60 class; printf '%s\n' "$areas" | sed '/^$/d' | compare 119 rules)
if [ -n "$offences" ]; then
  printf '%s\n' "$offences"
  echo "shape: $(printf '%s\n' "$offences" | wc -l) offences (CONTRIBUTING.md)"
  exit 1
fi
echo "shape: $(printf '%s\n' "$methods" | wc -l) classes, $(printf '%s\n' "$knots" | sed '/^$/d' | wc -l) small knots, names of rules in at most $(printf '%s\n' "$areas" | awk '$2 > most { most = $2 } END { print most + 0 }') sources"
