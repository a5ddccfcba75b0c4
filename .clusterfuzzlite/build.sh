#!/bin/bash -eu
# SPDX-License-Identifier: MIT
# The fuzz targets for an engine: SRC, OUT, WORK, CC, CXX, CFLAGS, CXXFLAGS and LIB_FUZZING_ENGINE are the engine's, as
# OSS-Fuzz documents them. To OUT go fuzz_api and fuzz_litmus, which need no arguments and no shared library that a bare
# system has not, their seeds (NAME_seed_corpus.zip) and a dictionary. check.sh beside it tries it without any of that.
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
[ -f CMakeLists.txt ] || cd "$SRC/iommucheck"
work=${WORK:-/tmp/work}/iommucheck
cmake -S . -B "$work" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG= -DCMAKE_C_FLAGS_DEBUG= \
  -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_C_FLAGS="$CFLAGS" -DCMAKE_CXX_FLAGS="$CXXFLAGS -Wno-error" \
  -DIOMMUCHECK_TESTS=OFF -DIOMMUCHECK_PRECOMPILED=OFF -DIOMMUCHECK_FUZZING_ENGINE="$LIB_FUZZING_ENGINE"
cmake --build "$work" --target fuzz_api fuzz_litmus fuzz_seeds
cp "$work"/bin/fuzz_api "$work"/bin/fuzz_litmus "$OUT"/

# The litmus tests, and what `check` begins with.
(cd litmus/files && zip -q -r "$OUT/fuzz_litmus_seed_corpus.zip" ./*.litmus)
rm -rf "$work/seeds" && mkdir "$work/seeds" && "$work/bin/fuzz_seeds" "$work/seeds"
(cd "$work/seeds" && zip -q -r "$OUT/fuzz_api_seed_corpus.zip" .)
# Words of the language, as its own parser lists them in docs/litmus.md.
grep -oE '`[a-z][a-z0-9_]{2,}`' docs/litmus.md | tr -d '`' | sort -u | sed 's/.*/"&"/' >"$OUT/fuzz_litmus.dict"
