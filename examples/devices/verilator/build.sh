#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh device OUT [DEFINE...]   OUT/bypass_smmu.so, for iommucheck conform --device
# build.sh bench OUT [DEFINE...]    OUT/bench and its profiles: cd OUT && ./bench
#
# A DEFINE makes a twin that is wrong: bench.sv has them. Needs verilator (apt-get install
# --no-install-recommends verilator) and a C++20 compiler. Of the environment:
#   CXX, CC, CXXFLAGS, LDFLAGS
#   LAUNCHER             a compiler cache, in front of the compiler
#   IOMMUCHECK_LIB       the folder of libiommucheck_monitor.so, for the bench
#   IOMMUCHECK_INCLUDE   the headers, those of this tree unless told
#   RUNTIME              where objects of Verilator's own sources are kept, OUT unless told
set -eu

usage='usage: build.sh device|bench OUT [DEFINE...]'
here=$(cd -- "$(dirname -- "$0")" && pwd)
kind=${1:?$usage}
out=${2:?$usage}
shift 2
include=${IOMMUCHECK_INCLUDE:-$here/../../../include}
runtime=${RUNTIME:-$out}
cxx=${CXX:-c++}
rtl='smmu_pkg bypass_smmu smmu_registers smmu_command_queue smmu_event_queue smmu_transactions
     smmu_memory_port'
case $kind in
  device) top=bypass_smmu sources=$rtl options= brings='verilated verilated_threads' ;;
  bench)
    top=bench sources="iommucheck_pkg smmu_monitor $rtl bench" options='--main --timing'
    brings='verilated verilated_threads verilated_timing verilated_dpi'
    ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
root=$(verilator --getenv VERILATOR_ROOT)

# All of the model in one file of C++, which compiles in little more than the time of its headers.
mkdir -p "$out" "$runtime"
out=$(cd -- "$out" && pwd)
runtime=$(cd -- "$runtime" && pwd)
made=$out/$kind.made
rm -rf "$made"
mkdir "$made"
files=$(for source in $sources; do echo "$here/$source.sv"; done)
defines=$(for define in "$@"; do echo "+define+$define"; done)
# shellcheck disable=SC2086
verilator --cc $options -Wall -Wno-UNUSEDSIGNAL --output-split 0 --top-module "$top" \
  --Mdir "$made" $defines $files
(cd "$made" && for file in V"$top"*.cpp; do echo "#include \"$file\""; done >all.cpp)

# From within, so that no path of this build is part of a command: a cache knows it again in another folder.
compile() (  # compile SOURCE OBJECT
  cd "$made"
  # shellcheck disable=SC2086
  ${LAUNCHER:-} "$cxx" -std=c++20 -O0 -fPIC -w ${CXXFLAGS:-} -I . -I "$include" -isystem "$root/include" \
    -isystem "$root/include/vltstd" -c -o "$2" "$1"
)
objects=
for name in $brings; do
  [ -f "$runtime/$name.o" ] || compile "$root/include/$name.cpp" "$runtime/$name.o"
  objects="$objects $runtime/$name.o"
done
compile all.cpp "$made/all.o"

if [ "$kind" = device ]; then
  compile "$here/bypass_device.cpp" "$made/device.o"
  # Names of the program that loads it are not its own.
  # shellcheck disable=SC2086
  "$cxx" -shared ${LDFLAGS:-} -Wl,-Bsymbolic -o "$out/bypass_smmu.so" "$made/all.o" \
    "$made/device.o" $objects -pthread
else
  cp "$here/device.json" "$here/driver.json" "$out"
  "${CC:-cc}" -std=c99 -fPIC -I "$include" -c -o "$made/report_functions.o" \
    "$here/../../monitor_in_c/report_functions.c"
  # shellcheck disable=SC2086
  "$cxx" ${LDFLAGS:-} -o "$out/bench" "$made/all.o" "$made/report_functions.o" $objects \
    -L "$IOMMUCHECK_LIB" -liommucheck_monitor -Wl,-rpath,"$IOMMUCHECK_LIB" -pthread
fi
