#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# iommucheck cc: no store of a plug-in is lost, whatever the optimiser makes of it, and drivers that write
# through pointers are judged as if they told each store.
#   cc_test.sh IOMMUCHECK SOURCE WORK CC
set -euo pipefail

command=$1
source=$2
work=$3
cc=$4
export IOMMUCHECK_CC=$cc

fail() {
  printf 'cc: %s\n' "$1"
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
cd "$work"

"$cc" -I "$source/include" -Wall -Wextra -Werror -o recorder "$source/tests/cc/recorder.c" -ldl
for level in -O0 -O1 -O2 -O3 -Os "-O2 -ffreestanding -fno-builtin" "-O3 -march=native"; do
  # shellcheck disable=SC2086
  "$command" cc $level -I "$source" -shared -o stores.so "$source/tests/cc/stores.c" || fail "$level: it does not compile"
  ./recorder ./stores.so || fail "$level: what is told is not what is stored"
done

# In two steps, as build systems do.
"$command" cc -O2 -I "$source" -c -o stores.o "$source/tests/cc/stores.c"
"$command" cc -shared -o stores.so stores.o
./recorder ./stores.so || fail "compiled and linked apart: what is told is not what is stored"

# A variable without a value holds the same in each run, unless the arguments say otherwise.
printf 'unsigned long unset(void) { unsigned long word; return word; }\n' >unset.c
"$command" cc -O0 -w -S -emit-llvm -o pattern.ll unset.c
grep -q -- '-6148914691236517206' pattern.ll || fail "what was never set differs from one run to the next"
"$command" cc -O0 -w -ftrivial-auto-var-init=uninitialized -S -emit-llvm -o unset.ll unset.c
if grep -q -- '-6148914691236517206' unset.ll; then fail "the arguments have no say in what was never set"; fi

# The twin: without hooks nothing is told.
"$cc" -O2 -fPIC -I "$source" -I "$source/include" -c -o plain.o "$source/tests/cc/stores.c"
"$command" cc -shared -o plain.so plain.o
if ./recorder ./plain.so 2>plain.txt; then fail "an object without hooks passes"; fi
grep -q "memory differs" plain.txt || fail "an object without hooks: not said what is wrong"

# A program has nobody to tell; a source that is wrong is the compiler's to say.
"$command" cc -o program "$source/tests/cc/stores.c" 2>usage.txt && fail "it makes a program"
grep -q "add -shared" usage.txt || fail "it does not say how to make a plug-in"
"$command" cc -shared -o none.so "$work/none.c" 2>/dev/null && fail "a source that is not there compiles"

# A driver that writes through pointers, and one that forgets the invalidation.
"$command" cc -O2 -DPLAIN_STORES -I "$source" -shared -o driver.so "$source/examples/simple_driver.c"
"$command" check --driver ./driver.so --seed 1 --runs 200 --out out >held.txt || {
  cat held.txt
  fail "the example does not hold"
}
grep -q ", 0 undetermined" held.txt || {
  cat held.txt
  fail "something is undetermined, as in a scan"
}
"$command" cc -O2 -DPLAIN_STORES -DFORGET_THE_INVALIDATION -I "$source" -shared -o buggy.so "$source/examples/simple_driver.c"
"$command" check --driver ./buggy.so --seed 1 --runs 200 --out out >found.txt && fail "a forgotten invalidation is not found"
grep -q "PAGE_REUSE\|PROMISE_OUTCOME" found.txt || {
  cat found.txt
  fail "what is found is not the forgotten invalidation"
}

# The order of stores: a table is linked before its zeros are visible. A scan cannot decide it.
"$command" cc -O2 -DPLAIN_STORES -DFAULT_forget_order -I "$source" -shared -o order.so "$source/tests/plugins/faulty_driver.c"
"$command" check --driver ./order.so --seed 1 --runs 100 --out out --report order.sarif >order.txt && fail "a forgotten barrier is not found"
grep -q "VIOLATION WILD_WALK" order.txt && grep -q "by put at simple_driver.c:" order.txt || {
  cat order.txt
  fail "what is found is not the forgotten barrier"
}

# A review shows it at the driver's line, under the same name in each run.
"$command" check --driver ./order.so --seed 2 --runs 100 --out other --report again.sarif >again.txt && fail "another seed does not find it"
fingerprints() { grep -o '"iommucheckCause/v1": "[0-9a-f]*"' "$1"; }
grep -q '"uri": "file://[^"]*examples/simple_driver.c"' order.sarif || fail "SARIF has no place in the driver's source"
[ -n "$(fingerprints order.sarif)" ] || fail "SARIF has no fingerprint"
fingerprints order.sarif | while read -r name; do  # another seed may meet more besides
  grep -qF "$name" again.sarif || fail "two runs of one mistake have two fingerprints: $name is not in $(fingerprints again.sarif)"
done

# Who polls for the message of a CMD_SYNC by plain loads sees it when it comes, and has not stored it. Twins: what is wrong with
# such a driver is found.
message() {  # message NAME DEFINITIONS...: what comes of it
  local name=$1
  shift
  "$command" cc -O2 -DPLAIN_STORES -DLOOKS_AT_THE_WINDOW "$@" -I "$source" -shared -o "$name.so" \
    "$source/tests/plugins/message_driver.c" || fail "$name does not compile"
  status=0
  "$command" check --driver "./$name.so" --machine msi=1 --seed 1 --runs 200 --findings 1 --out "" -j 1 >"$name.txt" 2>&1 || status=$?
}
for wait in SLEEPS SPINS; do
  message "message_$wait" "-D$wait"
  [ "$status" -eq 0 ] && grep -q ", 0 undetermined" "message_$wait.txt" || {
    cat "message_$wait.txt"
    fail "a driver that looks for messages by plain loads does not hold"
  }
  for bug in STALE NOT_WAITED; do
    message "message_$bug" "-D$wait" "-D$bug"
    [ "$status" -eq 1 ] && grep -q "no SYNC\|UNKNOWN_AFTER_RESET\|PAGE_REUSE\|PROMISE_OUTCOME" "message_$bug.txt" || {
      cat "message_$bug.txt"
      fail "$bug is not found"
    }
  done
done

# The processor's own count: each store was told. Twins: a store of what is there already, by an object
# without hooks, which comparing memory cannot show, and hooks that tell a store that there was not.
if [ "$(uname -m)" = x86_64 ]; then
  "$command" check --driver ./driver.so --seed 1 --runs 20 --out "" --count-stores >counted.txt || {
    cat counted.txt
    fail "the count is not as it was told"
  }
  grep -qE "stores of ./driver.so: the processor saw [0-9]{4,}, its hooks told each once" counted.txt || {
    cat counted.txt
    fail "stores are not counted"
  }
  printf 'void again(volatile unsigned long* at);\nvoid again(volatile unsigned long* at) { *at = *at; }\n' >again.c
  "$cc" -O2 -g -fPIC -c -o again.o again.c
  "$command" cc -O2 -DPLAIN_STORES -DFAULT_store_unseen -I "$source" -shared -o unseen.so \
    "$source/tests/plugins/faulty_driver.c" again.o
  status=0
  "$command" check --driver ./unseen.so --seed 1 --runs 20 --out "" --count-stores >unseen.txt || status=$?
  [ "$status" -eq 2 ] && grep -q "its hooks told all but [0-9]" unseen.txt && grep -q "not told: again at again.c:2" unseen.txt || {
    cat unseen.txt
    fail "a store that is not told is not counted"
  }
  "$command" cc -O2 -DPLAIN_STORES -DFAULT_store_unmade -I "$source" -shared -o unmade.so \
    "$source/tests/plugins/faulty_driver.c"
  status=0
  "$command" check --driver ./unmade.so --seed 1 --runs 20 --out "" --count-stores >unmade.txt || status=$?
  [ "$status" -eq 2 ] && grep -q "told without a store: [0-9]" unmade.txt || {
    cat unmade.txt
    fail "a store that is told and not made is not counted"
  }
  # A driver that says each store itself has no hooks to be counted.
  "$command" cc -O2 -I "$source" -shared -o precise.so "$source/examples/simple_driver.c"
  status=0
  "$command" check --driver ./precise.so --seed 1 --runs 20 --out "" --count-stores >precise.txt || status=$?
  [ "$status" -eq 2 ] && grep -q "no store was seen" precise.txt || {
    cat precise.txt
    fail "nothing was counted, and that is not said"
  }
fi

# One that goes on storing behind a violation: nothing of that counts, and the violation stands.
cat >goes_on.c <<'END'
#define OWN_SYNC
#include "examples/simple_driver.c"
static int sync(struct driver* d) {
  const u32 mask = (2u << d->ring_lg2) - 1;
  const u64 slot = d->ring + 16u * (d->prod & (mask >> 1));
  u32 i;
  put(d, slot, 0x46);
  put(d, slot + 8, 0);
  d->prod = (d->prod + 1) & mask;
  write_register(d, CMDQ_PROD, d->prod);
  for (i = 0; i < 300000; ++i) put(d, slot, 0x46 | (u64)i << 32); /* of a slot that is live */
  d->p->mmio_read32(d->p->ctx, CMDQ_CONS);
  return wait_register(d, CMDQ_CONS, mask, d->prod);
}
END
"$command" cc -O2 -DPLAIN_STORES -I "$source" -shared -o goes_on.so goes_on.c
status=0
"$command" check --driver ./goes_on.so --seed 1 --runs 20 --out "" -j 1 >goes_on.txt 2>&1 || status=$?
[ "$status" -eq 1 ] && grep -q '^VIOLATION QUEUE_SLOT_LIVE' goes_on.txt && ! grep -q "not told" goes_on.txt || {
  cat goes_on.txt
  fail "what a driver stores behind a violation takes that away (status $status)"
}

# An object without hooks, here in Rust's place: what it stores is no violation, and it is said where. Twin: with hooks a verdict.
cat >put.c <<'END'
void their_put(volatile unsigned long* at, unsigned long word);
void their_put(volatile unsigned long* at, unsigned long word) { *at = word; }
END
sed 's|^static void put(struct driver\* d, u64 pa, u64 word) { \*at(d, pa) = word; }|void their_put(volatile u64*, u64);\
static void put(struct driver* d, u64 pa, u64 word) { their_put(at(d, pa), word); }|' "$source/examples/simple_driver.c" >mixed.c
grep -q '^void their_put' mixed.c || fail "the example has no put of that form"
mixed() {  # mixed NAME OBJECT: what comes of the driver with it
  "$command" cc -O2 -w -DPLAIN_STORES -I "$source" -shared -o "$1.so" mixed.c "$2" || fail "$1 does not link"
  status=0
  "$command" check --driver "./$1.so" --seed 1 --runs 60 --out "" -j 1 >"$1.txt" 2>&1 || status=$?
}
undecided() {  # undecided NAME PLACE
  [ "$status" -eq 2 ] && ! grep -q '^VIOLATION' "$1.txt" && grep -qE "[0-9]+ stores were not told$2" "$1.txt" || {
    cat "$1.txt"
    fail "$1: stores that nobody told are not said, or are taken for a violation (status $status)"
  }
}
place=
if [ "$(uname -m)" = x86_64 ]; then place=', at .*put.* at '; fi
"$cc" -O2 -g -fPIC -c -o plain_put.o put.c
mixed plain_put plain_put.o
undecided plain_put "${place:+${place}put.c:2}"
"$command" cc -O2 -g -c -o told_put.o put.c
mixed told_put told_put.o
[ "$status" -eq 0 ] || { cat told_put.txt; fail "with hooks the driver does not hold"; }
if command -v rustc >/dev/null && rustc --version >/dev/null 2>&1; then
  cat >put.rs <<'END'
#![no_std]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[no_mangle]
pub unsafe extern "C" fn their_put(at: *mut u64, word: u64) { core::ptr::write_volatile(at, word) }
END
  if rustc -O -g -C panic=abort --crate-type staticlib -o libput.a put.rs; then
    mixed plain_rust libput.a
    undecided plain_rust "${place:+${place}put.rs:5}"
  fi
  if RUSTC_BOOTSTRAP=1 rustc -O -g -C panic=abort -Zsanitizer=thread -Zexternal-clangrt -Cunsafe-allow-abi-mismatch=sanitizer \
    --crate-type staticlib -o libput_hooks.a put.rs 2>/dev/null; then
    mixed told_rust libput_hooks.a
    [ "$status" -eq 0 ] || { cat told_rust.txt; fail "Rust with hooks does not hold"; }
  fi
fi

# What was never entered: a function that nobody calls, and a block that no sequence comes to.
cat >"never.c" <<'END'
#include "examples/simple_driver.c"
int nobody_calls(volatile int* word);
int nobody_calls(volatile int* word) { return *word + 1; }
END
"$command" cc --coverage -O1 -DPLAIN_STORES -I "$source" -shared -o never.so never.c
"$command" check --driver ./never.so --seed 1 --runs 300 --coverage --out "" >never.txt || {
  cat never.txt
  fail "the example does not hold when blocks are counted"
}
grep -qE "coverage of ./never.so: [0-9]+ of [0-9]+ functions and [0-9]+ of [0-9]+ blocks were entered" never.txt &&
  grep -q "never entered: the function nobody_calls" never.txt &&
  grep -q "never entered in .* of simple_driver.c, line [0-9]" never.txt || {
  cat never.txt
  fail "it is not said what was never entered"
}
if grep -q "never entered: the function map " never.txt; then fail "map was entered"; fi
"$command" check --driver ./never.so --seed 1 --runs 300 --out "" -j 2 --coverage | grep "^coverage" >jobs.txt
grep "^coverage" never.txt | cmp - jobs.txt || fail "what was entered depends on the number of jobs"
if "$command" check --driver ./driver.so --seed 1 --runs 50 --coverage --out "" >none.txt 2>&1; then
  fail "a driver without counters has coverage"
fi
grep -q "iommucheck cc --coverage" none.txt || fail "it is not said how counters come about"

# A driver of somebody else's, with processes. What is found in the middle of calls that wait ends the case, and
# what these store on their way out is nobody's: with some seeds it was told as stores that no hook had told, and
# the finding was none.
machine=gran4k=1,gran64k=1,msi=1,ssidsize=8,devices=0x1:8:stall/0x2:8:stall
"$command" cc -O1 -I "$source/include" -shared -o lazy.so "$source/tests/plugins/lazy_sva_driver.c"
"$command" check --driver ./lazy.so --machine $machine --seed 1 --runs 400 --out "" >lazy.txt || {
  cat lazy.txt
  fail "a driver with processes does not hold"
}
"$command" cc -O1 -DBUG=9 -I "$source/include" -shared -o stalled.so "$source/tests/plugins/lazy_sva_driver.c"
seeds=(20 23 26)
[ -z "${IOMMUCHECK_LONG:-}" ] || seeds=(20 21 22 23 24 25 26 27)
for seed in "${seeds[@]}"; do
  "$command" check --driver ./stalled.so --machine $machine --seed $seed --runs 1500 --findings 1 --out out >stalled.txt &&
    fail "seed $seed: an access that still waits is not found"
  grep -q "VIOLATION FAULT_ENDED" stalled.txt || {
    cat stalled.txt
    fail "seed $seed: what is found is not the access that still waits"
  }
done
printf 'cc: no store is lost\n'
