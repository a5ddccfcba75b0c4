#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# FreeBSD's SMMUv3 driver, unmodified, judged in the variants of expected.txt: what hides other bugs is
# mended from the glue in the later ones (glue.c). Ends with 0 if each variant breaks all the rules that are
# expected of it.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has sys/; OUT: reports and traces (out/freebsd)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
out=${2:-out/freebsd}
sequences_first "$here" "$out"
judge_variants "$here" at-least "$1" "$out/freebsd" --runs 400 --time 300 --hang 2 --hang-steps 1048576 --findings 30 "${sequences[@]}"
