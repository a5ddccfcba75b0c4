#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Linux's io-pgtable-arm.c, unmodified, judged in the variants of expected.txt. Ends with 0 if each breaks the
# rules that are expected of it, and no others.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has drivers/ and include/; OUT: reports and traces
#                            (out/linux_io_pgtable)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '5,6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
judge_variants "$here" exactly "$1" "${2:-out/linux_io_pgtable}/tables" --runs "${IOMMUCHECK_RUNS:-1000}" --findings 10
