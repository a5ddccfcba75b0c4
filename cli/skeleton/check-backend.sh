#!/bin/sh
# Judges backend.so; 0: it holds, 1: a finding, 2: no verdict. More arguments go to `iommucheck check`:
#   check.sh --runs 2000 --out out
set -e
cd "$(dirname "$0")"
# Both are run, whatever the first says: reports are of the second.
status=0
"${IOMMUCHECK:-iommucheck}" scenario --quiet --backend ./backend.so || status=$?
"${IOMMUCHECK:-iommucheck}" check --backend ./backend.so --seed 1 --runs 500 "$@" || { its=$?; [ $status -eq 1 ] || status=$its; }
exit $status
