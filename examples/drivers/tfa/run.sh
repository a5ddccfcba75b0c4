#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Trusted Firmware-A's SMMUv3 driver, unmodified, judged at each of its entry points, in the variants of expected.txt.
# Ends with 0 if each variant breaks exactly the rules that are expected of it.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has drivers/ and include/; OUT: reports and traces (out/tfa)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
out=${2:-out/tfa}
judge_variants "$here" exactly "$1" "$out/tfa" --runs 200 --time 60 --hang 2 --findings 40 -j 1
