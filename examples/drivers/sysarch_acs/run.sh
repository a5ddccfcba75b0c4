#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The SMMUv3 driver of Arm's sysarch-acs, unmodified, judged, in the variants of expected.txt.
# Ends with 0 if each variant breaks all the rules that are expected of it.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has val/; OUT: reports and traces (out/sysarch_acs)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
out=${2:-out/sysarch_acs}
judge_variants "$here" at-least "$1" "$out/sysarch_acs" --runs 400 --time 240 --hang 2 --findings 40 -j 1
