// SPDX-License-Identifier: MIT
// What keeps a PASID from being given to somebody else: one word for each number, and the steps
// that it may take. The driver runs these functions on 64-bit integers, a proof on symbolic words
// (proofs/pasid_steps.cpp). SEMANTICS 5 "PASID leaves quarantine", INTERFACE "PASID numbers",
// "Exit".
//
// A number is free while its word is 0. Whoever takes it is its one holder; after the holder let it
// go (`leaving`) it is in quarantine until nothing is left of it: no device that has not said
// "done", no context descriptor, no invalidation that may not have acted, no fault that waits.
#pragma once

#include "base/types.h"
#include "base/word.h"

namespace iommucheck::impl::pasid {

/// Bits of the word; exactly one of the first three is set while the number is not free.
inline constexpr u64 plain = 1;          // from pasid_alloc: nothing behind it
inline constexpr u64 process = 2;        // a process's address space
inline constexpr u64 private_space = 4;  // an address space of its own
inline constexpr u64 leaving = 8;        // the holder let it go

/// Counters of the word.
struct Count {
  unsigned lsb;
  unsigned bits;
};
inline constexpr Count devices = {4, 16};   // bonds whose device has not said "done"
inline constexpr Count entries = {20, 12};  // context descriptors with V = 1
inline constexpr Count open = {32, 16};    // descriptors cleared, and not yet known to be forgotten
inline constexpr Count faults = {48, 16};  // stalled, and not yet resumed

template <Word W>
constexpr W count(W state, Count c) {
  return field(state, c.lsb + c.bits - 1, c.lsb);
}

template <Word W>
constexpr Flag<W> is_free(W state) {
  return is_zero(state);
}

template <Word W>
constexpr Flag<W> has(W state, u64 bits) {
  return !is_zero(state & W(bits));
}

/// The state after a step; where the step is not allowed, the state before, and ok is false.
template <Word W>
struct Step {
  W state;
  Flag<W> ok;
};

/// Free, if the holder let it go and nothing is left of it.
template <Word W>
constexpr W settled(W state) {
  const Flag<W> all_done = is_zero(count(state, devices));
  const Flag<W> no_entry = is_zero(count(state, entries));
  const Flag<W> no_doubt = is_zero(count(state, open));
  const Flag<W> no_fault = is_zero(count(state, faults));
  const Flag<W> over = has(state, leaving) & all_done & no_entry & no_doubt & no_fault;
  return select(over, W(0), state);
}

template <Word W>
constexpr Step<W> step(Flag<W> ok, W before, W after) {
  return {select(ok, after, before), ok};
}

template <Word W>
constexpr Flag<W> room(W state, Count c) {
  return less(count(state, c), W((u64{1} << c.bits) - 1));
}

template <Word W>
constexpr W one(Count c) {
  return W(u64{1} << c.lsb);
}

/// Somebody becomes the holder; `kind` is one of plain, process, private_space.
template <Word W>
constexpr Step<W> take(W state, u64 kind) {
  return step(is_free(state), state, state | W(kind));
}

/// The holder lets it go. What is left of it ends by the steps below.
template <Word W>
constexpr Step<W> release(W state) {
  const Flag<W> ok = (!is_free(state)) & (!has(state, leaving));
  return step(ok, state, settled(state | W(leaving)));
}

/// A device is bound: it counts until it has said "done".
template <Word W>
constexpr Step<W> bind(W state) {
  const Flag<W> ok = has(state, process) & (!has(state, leaving)) & room(state, devices);
  return step(ok, state, state + one<W>(devices));
}
template <Word W>
constexpr Step<W> done(W state) {
  const Flag<W> ok = !is_zero(count(state, devices));
  return step(ok, state, settled(state - one<W>(devices)));
}

/// A context descriptor is about to become valid at this number.
template <Word W>
constexpr Step<W> enter(W state) {
  const Flag<W> held = has(state, process | private_space) & (!has(state, leaving));
  return step(held & room(state, entries), state, state + one<W>(entries));
}
/// It is invalid in memory; caches may hold it, and what was filled through it.
template <Word W>
constexpr Step<W> clear(W state) {
  const Flag<W> ok = (!is_zero(count(state, entries))) & room(state, open);
  return step(ok, state, state - one<W>(entries) + one<W>(open));
}
/// All caches have forgotten one that was cleared.
template <Word W>
constexpr Step<W> forgotten(W state) {
  const Flag<W> ok = !is_zero(count(state, open));
  return step(ok, state, settled(state - one<W>(open)));
}

/// A record of a stalled access was read; it has been answered.
template <Word W>
constexpr Step<W> fault(W state) {
  const Flag<W> ok = has(state, process | private_space) & room(state, faults);
  return step(ok, state, state + one<W>(faults));
}
template <Word W>
constexpr Step<W> answered(W state) {
  const Flag<W> ok = !is_zero(count(state, faults));
  return step(ok, state, settled(state - one<W>(faults)));
}

}  // namespace iommucheck::impl::pasid
