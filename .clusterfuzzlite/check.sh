#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What OSS-Fuzz's check_build looks at, without its images: build.sh with an engine from the environment; then each
# target is there, needs no shared library but those of a bare system, runs without arguments, and its seeds and
# dictionary are read. Some minutes.
#   check.sh [FOLDER]     (a temporary one)
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder/out" "$folder/work"
folder=$(cd "$folder" && pwd)
export SRC=$folder OUT=$folder/out WORK=$folder/work CC=clang-19 CXX=clang++-19 LIB_FUZZING_ENGINE=-fsanitize=fuzzer
export CFLAGS="-O1 -gline-tables-only -fsanitize=address -fsanitize=fuzzer-no-link" SANITIZER=address
export CXXFLAGS="$CFLAGS ${IOMMUCHECK_STDLIB:-}"
fail() { printf 'clusterfuzzlite: %s\n' "$*" >&2; exit 1; }

"$here/build.sh"
for target in fuzz_api fuzz_litmus; do
  program=$OUT/$target
  [ -x "$program" ] || fail "$target was not built"
  needed=$(objdump -p "$program" | awk '/NEEDED/ { print $2 }' |
    grep -vE '^(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libresolv|ld-linux.*)\.so' || true)
  [ -z "$needed" ] || fail "$target needs $needed"
  rm -rf "$folder/seeds" && mkdir "$folder/seeds"
  if [ -f "${program}_seed_corpus.zip" ]; then unzip -q "${program}_seed_corpus.zip" -d "$folder/seeds"; fi
  dictionary=()
  if [ -f "$program.dict" ]; then dictionary=("-dict=$program.dict"); fi
  (cd "$folder" && env -i PATH=/usr/bin:/bin "$program" "${dictionary[@]}" -runs=50 -seed=1 "$folder/seeds") \
    >"$folder/$target.txt" 2>&1 || { tail -n 20 "$folder/$target.txt" >&2; fail "$target does not run"; }
  grep -q 'Done 5[0-9]* runs\|Done [0-9]* runs' "$folder/$target.txt" || fail "$target did not come to its end"
  grep -q 'WARNING: no interesting inputs were found' "$folder/$target.txt" && fail "$target is not instrumented"
done
printf 'clusterfuzzlite: two targets, as its documentation asks\n'
