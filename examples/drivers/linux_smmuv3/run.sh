#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Linux's SMMUv3 driver, unmodified, judged in the variants of expected.txt. Ends with 0 if each breaks the
# rules that are expected of it, and no others.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has drivers/ and include/; OUT: reports and traces
#                            (out/linux_smmuv3)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '5,6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"

# The sequences of findings are run first, in each variant.
out=${2:-out/linux_smmuv3}
sequences_first "$here" "$out"
judge_variants "$here" exactly "$1" "$out/smmuv3" --runs "${IOMMUCHECK_RUNS:-1000}" --hang 2 --findings 10 "${sequences[@]}"
