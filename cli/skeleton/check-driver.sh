#!/bin/sh
# Judges driver.so; 0: it holds, 1: a new finding, 2: no verdict. More arguments go to `iommucheck check`:
#   check.sh --runs 0 --time 600 --corpus corpus
# What is known and stays is in known.json; --write-known known.json says what it would be now.
set -e
cd "$(dirname "$0")"
"${IOMMUCHECK:-iommucheck}" check --driver ./driver.so --known known.json --seed 1 --runs 20000 --findings 20 "$@"
