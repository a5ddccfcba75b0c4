#!/bin/sh
# Judges device.so; 0: it holds, 1: a new divergence, 2: no verdict. More arguments go to `iommucheck conform`:
#   check.sh --time 600 --out out
# What is known and stays is in known.json; --out DIR writes what it would be now.
set -e
cd "$(dirname "$0")"
"${IOMMUCHECK:-iommucheck}" conform --device ./device.so --known known.json --seed 1 --time 20 "$@"
