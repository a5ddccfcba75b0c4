#!/bin/sh
# SPDX-License-Identifier: MIT
# The compiler behind ccache (IommucheckCompiler.cmake), so that clones in different places share their objects:
# paths below the tree are hashed as relative ones, and a precompiled header by what went into it, not by its bytes,
# which name its place.
tree=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$tree}" CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1
export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}"
case " $* " in
  *" -x c++-header "*) ;;
  *) exec ccache "$@" ;;
esac

# preprocessed COMPILER ARGUMENT...: the text of what would be compiled; g++ takes one output and no more.
preprocessed() {
  left=$#
  while [ "$left" -gt 0 ]; do
    argument=$1
    shift
    left=$((left - 1))
    case $argument in
      -o | -MF | -MT) shift && left=$((left - 1)) ;;
      -MD | -c) ;;
      *) set -- "$@" "$argument" ;;
    esac
  done
  "$@" -E -P
}

# A header to be precompiled: compiled as it is, with the sum of its text beside it. The one that was there would be
# taken in the place of the header.
output=""
previous=""
for argument in "$@"; do
  [ "$previous" != -o ] || output=$argument
  previous=$argument
done
rm -f "$output" "$output.sum"
preprocessed "$@" >"$output.text" || exit
sha256sum <"$output.text" >"$output.sum" && rm "$output.text"
exec "$@"
