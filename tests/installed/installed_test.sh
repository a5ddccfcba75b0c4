#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The installed tree is used from outside: by find_package, by pkg-config, and by the command.
#   installed_test.sh SOURCE BUILD WORK CC CXX FLAGS
set -euo pipefail

source=$1
build=$2
work=$3
cc=$4
cxx=$5
flags=$6
prefix=$work/prefix

fail() {
  printf 'installed: %s\n' "$1"
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$prefix" >"$work/install.log" 2>&1 || {
  cat "$work/install.log"
  fail "nothing was installed"
}
package=$(find "$prefix" -name iommucheck-config.cmake -printf '%h\n')
pc=$(find "$prefix" -name iommucheck.pc -printf '%h\n')
library=$(dirname "$pc")

# In the place of the fuzzer, which only release builds have, what says how it is called.
mkdir -p "$prefix/libexec/iommucheck"
printf '#!/bin/sh\nprintf "fuzzes %%s\\n" "$*"\n' >"$work/fuzz_driver"
install -m 755 "$work/fuzz_driver" "$prefix/libexec/iommucheck/fuzz_driver"

# By CMake, with nothing of this tree but two sources.
cmake -S "$source/tests/installed/outside" -B "$work/outside" -G Ninja "-Diommucheck_DIR=$package" \
  "-DEXAMPLES=$source/examples" "-DCMAKE_C_COMPILER=$cc" "-DCMAKE_CXX_COMPILER=$cxx" \
  "-DCMAKE_C_FLAGS=$flags" "-DCMAKE_CXX_FLAGS=$flags" >"$work/outside.log" 2>&1 &&
  cmake --build "$work/outside" >>"$work/outside.log" 2>&1 || {
  cat "$work/outside.log"
  fail "a program outside is not built"
}
"$work/outside/monitor_in_c" | grep -q 'verdict: ok' || fail "the program that CMake built does not run"
if cmake --build "$work/outside" --target help | grep -q fuzz_fuzzed; then
  cmake --build "$work/outside" --target fuzz_fuzzed >"$work/fuzz.log" 2>&1 || fail "iommucheck_add_fuzzer: $(cat "$work/fuzz.log")"
  grep -q "fuzzes --driver=$work/outside/fuzzers/fuzzed.so $work/outside/fuzzers/fuzzed-corpus" "$work/fuzz.log" ||
    fail "the fuzzer is called otherwise: $(cat "$work/fuzz.log")"
  nm "$work/outside/fuzzers/fuzzed.so" | grep -q __sanitizer_cov || fail "the plug-in guides nobody"
fi

# By pkg-config.
read -ra compile <<<"$flags $(PKG_CONFIG_PATH=$pc pkg-config --cflags iommucheck)"
read -ra link <<<"$(PKG_CONFIG_PATH=$pc pkg-config --libs iommucheck)"
"$cc" -std=c99 "${compile[@]}" -c -o "$work/monitor_in_c.o" "$source/examples/monitor_in_c/monitor_in_c.c"
"$cxx" "${compile[@]}" -o "$work/monitor_in_c" "$work/monitor_in_c.o" "${link[@]}"
LD_LIBRARY_PATH=$library "$work/monitor_in_c" | grep -q 'verdict: ok' || fail "the program that pkg-config built does not run"

# The command, moved to where nothing knows of this tree.
mv "$prefix" "$work/moved"
command=$work/moved/bin/iommucheck
"$command" check --driver "$work/outside/simple_driver.so" --seed 1 --runs 300 >"$work/check.txt" ||
  fail "the installed command does not check a driver: $(tail -n 3 "$work/check.txt")"
# What it begins for others, and what it builds Linux's driver by, come with it.
(cd "$work" && "$command" init device mine && sh mine/build.sh) >"$work/init.txt" 2>&1 ||
  fail "the installed command begins nothing: $(cat "$work/init.txt")"
mkdir -p "$work/no-tree"
"$command" linux "$work/no-tree" --out "$work/linux" >"$work/linux.txt" 2>&1 && fail "a folder is taken for Linux"
grep -q "is no Linux tree" "$work/linux.txt" ||
  fail "the installed command has no scripts for Linux: $(cat "$work/linux.txt")"
scripts=$work/moved/share/iommucheck/examples
for file in "$scripts/drivers/linux/glue.c" "$scripts/kernel_shim/kernel_shim.c" \
  "$work/moved/share/iommucheck/include/iommucheck/driver.h"; do
  [ -f "$file" ] || fail "$file is not installed"
done
grep -q '^Copyright (c) 20' "$work/moved/share/doc/iommucheck/copyright" || fail "the copyright has no year and holder"
gzip -dc "$work/moved/share/man/man1/iommucheck.1.gz" | grep -q '^\.SH SYNOPSIS' || fail "there is no manual page"
gzip -dc "$work/moved/share/doc/iommucheck/changelog.gz" | grep -qE '^iommucheck \([0-9.]+\) ' || fail "no changelog of Debian's form"
for page in README.md CONTRIBUTING.md docs/ci.md docs/ask.schema.json; do
  [ -f "$work/moved/share/doc/iommucheck/$page" ] || fail "$page is not installed"
done
known=$work/moved/share/iommucheck/known
[ -f "$known/qemu-7.2.json" ] || fail "the known divergences are not installed"
# They are looked for beside the command: one that cannot be read is told by its name.
version=$("$command" conform --device spec --cases 1 --seed 1 --format json |
  sed -n 's/.*"device_version": *"\([^"]*\)".*/\1/p')
[ -n "$version" ] || fail "the report does not say the device's version"
printf 'nonsense\n' >"$known/spec-$version.json"
"$command" conform --device spec --cases 1 --seed 1 >"$work/conform.txt" 2>&1 &&
  fail "the known divergences beside the command are not read"
grep -q "$known/spec-" "$work/conform.txt" || fail "not said which file is wrong: $(cat "$work/conform.txt")"
printf 'installed: find_package, pkg-config and the command work\n'
