#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# instructions.sh with a valgrind that counts what it is told: 5000 for a run, and COST a call of which a sequence has 10.
set -euo pipefail

script=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/instructions.sh
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cat >"$scratch/valgrind" <<'FAKE'
#!/usr/bin/env bash
while [ $# -gt 0 ]; do
  case $1 in
    --callgrind-out-file=*) out=${1#*=} ;;
    --runs) runs=$2 ;;
  esac
  shift
done
echo "summary: $((5000 + 10 * runs * COST))" >"$out"
printf "builtin driver against spec: holds, %'d sequences, %'d calls, 3 outcomes judged\n" "$runs" "$((10 * runs))"
FAKE
chmod +x "$scratch/valgrind"

failures=0
# expect COST STATUS TEXT [ARGS]
expect() {
  local output status=0
  output=$(LC_ALL=C.UTF-8 PATH="$scratch:$PATH" COST=$1 "$script" program "$scratch/list" "${@:4}" 2>&1) || status=$?
  if [ "$status" -eq "$2" ] && grep -qF "$3" <<<"$output"; then return; fi
  failures=$((failures + 1))
  printf 'expected %s and "%s", got %s:\n%s\n' "$2" "$3" "$status" "$output"
}

printf '# why\ndefault 1000\n' >"$scratch/list"
expect 1000 0 'default        1000 instructions a call, was     1000: held'
expect 1050 0 'held'
expect 1060 1 'MORE than 1000 by over 5 %'
expect 1060 0 'recorded' --record
expect 1060 0 'was     1060: held'
[ "$(cat "$scratch/list")" = $'# why\ndefault 1060' ] || { failures=$((failures + 1)); cat "$scratch/list"; }
rm "$scratch/valgrind"
ln -s "$(command -v bash)" "$scratch/bash"
if PATH=$scratch "$(command -v bash)" "$script" program "$scratch/list" | grep -q 'nothing was counted'; then :; else
  failures=$((failures + 1)) && echo "without valgrind it says nothing"
fi
[ "$failures" -eq 0 ] || { echo "instructions: $failures wrong"; exit 1; }
echo "instructions: all as they are to be"
