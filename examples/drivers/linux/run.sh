#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A Linux tree's SMMUv3 driver, unmodified, judged: `iommucheck linux`, for who has this folder. What is known of its
# version (known/) is told and does not fail it. Ends with 0 if nothing else was found, 1 if something was, 2 without a
# verdict, 125 if DIR does not build.
#   run.sh [--bisect] DIR [OUT]     DIR: a Linux tree, from 6.1 on; OUT: the plug-in, kbuild's output, reports and
#                                   traces (out/linux)
#                                   --bisect: the exit status that `git bisect run` reads
# IOMMUCHECK: the command (iommucheck); IOMMUCHECK_KNOWN: a file in the place of known/*; IOMMUCHECK_RUNS (4000).
set -euo pipefail

options=(--runs "${IOMMUCHECK_RUNS:-4000}")
if [ "${1:-}" = --bisect ]; then
  options+=(--bisect)
  shift
fi
[ "$#" -ge 1 ] || { sed -n '6,9s/^# //p' "$0" >&2; exit 2; }
[ -z "${IOMMUCHECK_KNOWN:-}" ] || options+=(--known "$IOMMUCHECK_KNOWN")
exec "${IOMMUCHECK:-iommucheck}" linux "$1" --out "${2:-out/linux}" "${options[@]}"
