#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzz target of a model in Rust, without cargo or crates:
#   build.sh OUTPUT LIBRARY_FOLDER [RUSTC FLAGS]     LIBRARY_FOLDER: where libiommucheck_monitor.so lies
# RUSTC and CLANG name the compilers. Then: ./OUTPUT CORPUS -max_total_time=60
set -e
output=$1
library=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
rustc=${RUSTC:-rustc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$rustc" --edition 2021 -O --crate-type rlib --crate-name iommucheck --cfg 'feature="monitor"' -L "$library" \
  -o "$work/libiommucheck.rlib" "$here/../src/lib.rs"
"$rustc" --edition 2021 -O -C debug-assertions -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
  -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table -C codegen-units=1 \
  -C linker="${CLANG:-clang-19}" -C link-arg=-fsanitize=fuzzer -C link-arg=-lstdc++ -C link-arg="-Wl,-rpath,$library" \
  --extern iommucheck="$work/libiommucheck.rlib" -L "$library" "$@" -o "$output" "$here/device.rs"
