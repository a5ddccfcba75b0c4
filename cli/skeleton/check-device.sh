#!/bin/sh
# Judges device.so; 0: it holds, 1: a new divergence, 2: no verdict. More arguments go to `iommucheck conform`:
#   check.sh --time 600 --out out
# What is known and stays is in known.json, its traces in known/: --out DIR writes both as they would be now, DIR/NAME.json and DIR/NAME/.
set -e
cd "$(dirname "$0")"
"${IOMMUCHECK:-iommucheck}" conform --device ./device.so --known known.json --seed 1 --time 20 "$@"
