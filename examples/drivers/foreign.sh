# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154,SC2034
# What the scripts of drivers from elsewhere share; they source it.

# begin_build SOURCES PLUGIN [COMPILER OPTIONS]: what a build script was called with. Sets: here, its folder; sources, a
# folder that the user has; plugin; include, a new folder where headers are looked for. It goes with the script.
begin_build() {
  [ "$#" -ge 2 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
  here=$(cd -- "$(dirname -- "$0")" && pwd)
  sources=$(cd -- "$1" && pwd)
  plugin=$2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  include=$work/include
}

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

# begin_mending SOURCES COPY FILE...: these files of the sources in a new folder COPY, to be changed by mend.
begin_mending() {
  local sources=$1 file
  copy=$2
  shift 2
  rm -rf "$copy"
  for file in "$@"; do
    [ -f "$sources/$file" ] || { printf 'mend.sh: %s is not in the sources\n' "$sources/$file" >&2; exit 2; }
    mkdir -p "$copy/$(dirname "$file")"
    cp "$sources/$file" "$copy/$file"
  done
}

# mend FILE EXPRESSION: one of sed. One that changes nothing is of other sources.
mend() {
  sed "$2" "$copy/$1" >"$copy/mended"
  ! cmp -s "$copy/$1" "$copy/mended" || { printf 'mend.sh: %s: nothing for %s\n' "$1" "$2" >&2; exit 2; }
  mv "$copy/mended" "$copy/$1"
}

# judge_variants EXAMPLE exactly|at-least SOURCES PREFIX [CHECK OPTIONS]: each line of EXAMPLE/expected.txt is
# built as PREFIX-1.so and so on, and judged; reports and traces stand beside them. A line whose flags begin with
# `mended` is of a copy that EXAMPLE/mend.sh makes. Fails if a variant does not break exactly, or at least, the rules of
# its line, or if the last line of its report does not say its scope; where a line has no rules it has to hold.
judge_variants() {
  local example=$1 which=$2 sources=$3 prefix=$4 status=0 number=0 flags machine scope rules one out of found wanted missing last ended
  shift 4
  out=$(dirname "$prefix")
  mkdir -p "$out"
  rm -rf "$prefix-mended"
  while IFS='|' read -r flags machine scope rules; do
    case $flags in '#'* | '') continue ;; esac
    number=$((number + 1))
    one=$prefix-$number
    of=$sources
    case $flags in mended*)
      of=$prefix-mended
      [ -d "$of" ] || "$example/mend.sh" "$sources" "$of"
      flags=${flags#mended}
    esac
    # shellcheck disable=SC2086
    "$example/build.sh" "$of" "$one.so" $flags
    ended=0
    "${IOMMUCHECK:-iommucheck}" check --driver "$one.so" --machine "${machine// /}" --seed 1 "$@" --out "$out" \
      >"$one.txt" 2>&1 || ended=$?
    found=$(sed -n 's/^VIOLATION \([A-Z0-9_]*\).*/\1/p' "$one.txt" | sort -u)
    last=$(tail -n 1 "$one.txt")
    # shellcheck disable=SC2086
    wanted=$(printf '%s\n' $rules | sort -u)
    printf '%s(machine%s)%s\n  broken: %s\n  %s\n' "$flags" "${machine% }" "$([ "$of" = "$sources" ] || echo ' mended')" \
      "$(tr '\n' ' ' <<<"$found")" "$last"
    scope=$(sed 's/^ *//; s/ *$//' <<<"$scope")
    grep -qF "judged, $scope" <<<"$last" || { printf '  EXPECTED: judged, %s\n' "$scope"; status=1; }
    if [ "$which" = exactly ] || [ -z "$wanted" ]; then
      [ "$found" = "$wanted" ] || { printf '  EXPECTED: %s\n' "${rules:-nothing}"; status=1; }
      [ -n "$wanted" ] || [ "$ended" -eq 0 ] || { printf '  EXPECTED: exit status 0, and not %s\n' "$ended"; status=1; }
    else
      missing=$(comm -13 <(printf '%s\n' "$found") <(printf '%s\n' "$wanted") | tr '\n' ' ')
      [ -z "$missing" ] || { printf '  NOT FOUND: %s\n' "$missing"; status=1; }
    fi
  done <"$example/expected.txt"
  return "$status"
}
