# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154,SC2034
# What the scripts of drivers from elsewhere share; they source it. A build script sets: sources, a folder that
# the user has; include, where headers are looked for; here, the example.

# take FILE NAME: FILE of the sources, under the name that it is included by.
take() {
  [ -f "$sources/$1" ] || { printf 'build.sh: %s is not in the sources\n' "$sources/$1" >&2; exit 2; }
  mkdir -p "$include/$(dirname "$2")"
  ln -s "$sources/$1" "$include/$2"
}

# functions FILE NAME FUNCTION...: these functions of a file of the sources, as they are, in a file NAME.
functions() {
  local file=$sources/$1 name=$2 function
  shift 2
  for function in "$@"; do
    awk -v begin="(^|[ *])${function}[(]" \
      '!found && /^[a-z]/ && $0 ~ begin { found = 1 } found { print } found && /^}/ { exit }' "$file" | grep . ||
      { printf 'build.sh: %s has no %s\n' "$file" "$function" >&2; exit 2; }
  done >"$include/$name"
}

# stand_in HEADER: each header named on standard input that is not there becomes one that includes HEADER.
stand_in() {
  local header
  while IFS= read -r header; do
    [ -e "$include/$header" ] && continue
    mkdir -p "$include/$(dirname "$header")"
    printf '#include "%s"\n' "$1" >"$include/$header"
  done
}

# compile PLUGIN [COMPILER OPTIONS]: glue.c of the example and the kernel shim, as a plug-in.
compile() {
  local plugin=$1 shim=$here/../../kernel_shim
  shift
  "${IOMMUCHECK:-iommucheck}" cc -std=gnu11 -ffreestanding -O2 -w -I "$include" -I "$here" -I "$shim" "$@" \
    -shared -o "$plugin" "$here/glue.c" "$shim/kernel_shim.c"
}

# sequences_first EXAMPLE OUT: what check needs to run the example's sequences first, in the array sequences:
# as a corpus of OUT that takes no others.
sequences_first() {
  local files
  rm -rf "$2/sequences"
  mkdir -p "$2"
  cp -r "$1/sequences" "$2/sequences"
  files=("$2"/sequences/*.ops)
  sequences=(--corpus "$2/sequences" --corpus-max "${#files[@]}")
}

# judge_variants EXAMPLE exactly|at-least SOURCES PREFIX [CHECK OPTIONS]: each line of EXAMPLE/expected.txt is
# built as PREFIX-1.so and so on, and judged; reports and traces stand beside them. Fails if a variant does not
# break exactly, or at least, the rules of its line.
judge_variants() {
  local example=$1 which=$2 sources=$3 prefix=$4 status=0 number=0 flags machine rules one out found wanted missing
  shift 4
  out=$(dirname "$prefix")
  mkdir -p "$out"
  while IFS='|' read -r flags machine rules; do
    case $flags in '#'* | '') continue ;; esac
    number=$((number + 1))
    one=$prefix-$number
    # shellcheck disable=SC2086
    "$example/build.sh" "$sources" "$one.so" $flags
    "${IOMMUCHECK:-iommucheck}" check --driver "$one.so" --machine "${machine// /}" --seed 1 "$@" --out "$out" \
      >"$one.txt" 2>&1 || true
    found=$(sed -n 's/^VIOLATION \([A-Z0-9_]*\).*/\1/p' "$one.txt" | sort -u)
    # shellcheck disable=SC2086
    wanted=$(printf '%s\n' $rules | sort -u)
    printf '%s (machine%s)\n  broken: %s\n' "${flags% }" "${machine% }" "$(tr '\n' ' ' <<<"$found")"
    case $which in
      exactly)
        printf '  %s\n' "$(tail -n 1 "$one.txt")"
        [ "$found" = "$wanted" ] || { printf '  EXPECTED: %s\n' "$rules"; status=1; }
        ;;
      at-least)
        missing=$(comm -13 <(printf '%s\n' "$found") <(printf '%s\n' "$wanted") | tr '\n' ' ')
        [ -z "$missing" ] || { printf '  NOT FOUND: %s\n' "$missing"; status=1; }
        ;;
    esac
  done <"$example/expected.txt"
  return "$status"
}
