#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each fault of faults.txt, put into a copy of the tree's driver: whether something is found that is not known of the
# tree's version. Ends with 0 if nine of ten are, and the tree without a fault is as known.
#   faults.sh DIR [OUT [NAME...]]     DIR: a tree of Linux 6.12; OUT: reports (out/faults); NAME: these faults only
# IOMMUCHECK: the command (iommucheck); IOMMUCHECK_RUNS: sequences of each (4000).
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd -- "$1" && pwd)
out=${2:-out/faults}
shift $(($# < 2 ? $# : 2))
smmu=drivers/iommu/arm/arm-smmu-v3
files="$smmu/arm-smmu-v3.c $smmu/arm-smmu-v3-sva.c drivers/iommu/io-pgtable-arm.c"
mkdir -p "$out"
out=$(cd -- "$out" && pwd)
export FAULTY_FILES=$out/faulty

# What builds: the files of the driver that stand in FAULTY_FILES in the place of the tree's.
cat >"$out/build.sh" <<END
mkdir -p "\$3/$smmu"
for file in $files; do
  cmp -s "\$FAULTY_FILES/\${file##*/}" "\$3/\$file" || cp "\$FAULTY_FILES/\${file##*/}" "\$3/\$file"
done
exec bash "$here/build.sh" "\$@"
END
ln -sfn "$here/sequences" "$out/sequences"

# judge NAME: what stands in FAULTY_FILES; the exit status is the command's.
judge() {
  "${IOMMUCHECK:-iommucheck}" linux "$tree" --build "$out/build.sh" --known "$here/known/6.12.json" --out "$out/judged" \
    --runs "${IOMMUCHECK_RUNS:-4000}" --findings 1 >"$out/$1.txt" 2>&1
}

begin() {
  rm -rf "$FAULTY_FILES"
  mkdir -p "$FAULTY_FILES"
  for original in $files; do cp "$tree/$original" "$FAULTY_FILES"; done
}

begin
judge none || { printf 'faults.sh: %s has something that is not known (%s)\n' "$tree" "$out/none.txt" >&2; exit 1; }
all=0 found=0
while IFS='|' read -r name file expression; do
  name=${name// /} file=${file// /}
  case $name in '#'* | '') continue ;; esac
  [ "$#" -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
  begin
  sed "${expression# }" "$FAULTY_FILES/$file" >"$out/faulty.c"
  ! cmp -s "$out/faulty.c" "$FAULTY_FILES/$file" || { printf 'faults.sh: %s: not in %s\n' "$name" "$file" >&2; exit 2; }
  mv "$out/faulty.c" "$FAULTY_FILES/$file"
  all=$((all + 1))
  status=0
  judge "$name" || status=$?
  rules=$(sed -n 's/^VIOLATION \([A-Z0-9_]*\).*/\1/p' "$out/$name.txt" | sort -u | tr '\n' ' ')
  case $status in
    1) found=$((found + 1)) ;;
    0) rules='NOT FOUND' ;;
    *) rules="no verdict: exit status $status" ;;
  esac
  printf '%-24s %s\n' "$name" "$rules"
done <"$here/faults.txt"
printf '%s of %s found\n' "$found" "$all"
[ $((10 * found)) -ge $((9 * all)) ]
