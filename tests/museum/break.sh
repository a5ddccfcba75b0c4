#!/bin/sh
# SPDX-License-Identifier: MIT
# One broken driver's files, made anew.
#   break.sh SOURCE TREE PATCH FILE...   TREE gets each FILE of SOURCE, and PATCH breaks them there
set -eu
source=$1 tree=$2 patch=$3
shift 3
for file in "$@"; do
  mkdir -p "$tree/${file%/*}"
  cp "$source/$file" "$tree/$file"
done
exec patch -s -p1 -d "$tree" -i "$patch"
