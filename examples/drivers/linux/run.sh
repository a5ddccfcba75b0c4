#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A Linux tree's SMMUv3 driver, unmodified, judged. What is known of its version (known/) is told and does not
# fail it. Ends with 0 if nothing else was found, 1 if something was, 2 without a verdict.
#   run.sh [--bisect] DIR [OUT]     DIR: a Linux tree, from 6.1 on; OUT: the plug-in, kbuild's output, reports and
#                                   traces (out/linux)
#                                   --bisect: the exit status that `git bisect run` reads; 125 if DIR does not build
# IOMMUCHECK: the command (iommucheck); IOMMUCHECK_KNOWN: a file in the place of known/*; IOMMUCHECK_RUNS (2000).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
bisect=()
if [ "${1:-}" = --bisect ]; then
  bisect=(--bisect)
  shift
fi
[ "$#" -ge 1 ] || { sed -n '5,8s/^# //p' "$0" >&2; exit 2; }
out=${2:-out/linux}
mkdir -p "$out"
"$here/build.sh" "$1" "$out/linux.so" "$out/kbuild" || exit "$([ ${#bisect[@]} -eq 0 ] && echo 2 || echo 125)"

# What is known of this version, or of the last one before it that something is known of.
version=$(make -s -C "$1" kernelversion | grep -oE '^[0-9]+\.[0-9]+')
known=${IOMMUCHECK_KNOWN:-$(
  for file in "$here"/known/*.json; do
    basename "$file" .json
  done | { cat; echo "$version+"; } | sort -V | sed -n "/^$version+\$/q;p" | tail -n 1 | sed "s|.*|$here/known/&.json|"
)}
[ -n "$known" ] || known=$here/known/$(find "$here/known" -name '*.json' -printf '%f\n' | sort -V | head -n 1)

# dma_alloc_coherent is not cached where the SMMU does not look into caches, and the driver wants a command queue
# of more than 64 entries: other machines it is not for. Nobody stalls (STALL_MODEL 1): the driver sets CD.S for each
# device that can, whether anybody asks for its faults or not, and each fault would be a finding.
exec "${IOMMUCHECK:-iommucheck}" check --driver "$out/linux.so" --machine drawn,cohacc=1,cmdqs=8,stall=1 --seed 1 \
  --runs "${IOMMUCHECK_RUNS:-2000}" --hang 20 --findings 20 --known "$known" --out "$out" "${bisect[@]}"
