// SPDX-License-Identifier: MIT
// One source, several interpretations: what is written over a Word runs on 64-bit integers and is
// proved on symbolic ones. `u64` is the executing word; proofs/symbolic.h has the symbolic one.
//
// Rules for code over a Word, so that it stays provable:
//   - conditions are Flag<W>, joined by & | ! only; each `if` on a Flag is one fork of a proof;
//   - values that depend on a condition are chosen by select(), never by `?:`;
//   - no loop bound and no array index comes from a word (levels and granules are plain C++).
#pragma once

#include <concepts>

#include "base/bits.h"

namespace iommucheck {

/// The condition of the executing word: a bool that converts back only where it is asked. Code over
/// a Word joins conditions by & and | only; the symbolic condition has no && and ||, since each of
/// their operands would be a fork, and proofs/instances.cpp compiles all such code with it.
struct Bool {
  bool value = false;

  constexpr Bool() = default;
  constexpr Bool(bool v) : value(v) {}  // NOLINT(google-explicit-constructor): literals read better
  template <class T>
  Bool(T) = delete;  // integers and pointers are no conditions

  constexpr explicit operator bool() const { return value; }
  constexpr Bool operator!() const { return !value; }
  friend constexpr Bool operator&(Bool a, Bool b) { return a.value && b.value; }
  friend constexpr Bool operator|(Bool a, Bool b) { return a.value || b.value; }
  friend constexpr bool operator==(Bool a, Bool b) = default;
};

/// Names the condition type of a word; specialised beside each word type.
template <class W>
struct WordTraits;

template <>
struct WordTraits<u64> {
  using Flag = Bool;
};

template <class W>
using Flag = typename WordTraits<W>::Flag;

// The primitive operations that differ between words. Comparisons are unsigned.
constexpr Bool equal(u64 a, u64 b) { return a == b; }
constexpr Bool less(u64 a, u64 b) { return a < b; }
constexpr Bool less_equal(u64 a, u64 b) { return a <= b; }
constexpr u64 select(Bool condition, u64 yes, u64 no) { return condition.value ? yes : no; }
constexpr Bool select(Bool condition, Bool yes, Bool no) { return condition.value ? yes : no; }
/// Shifts by a word; a distance of 64 or more gives 0.
constexpr u64 shift_left(u64 a, u64 distance) { return distance > 63 ? 0 : a << distance; }
constexpr u64 shift_right(u64 a, u64 distance) { return distance > 63 ? 0 : a >> distance; }

template <class W>
concept Word = std::constructible_from<W, u64> && requires(W a, W b, Flag<W> f, unsigned n) {
  { a + b } -> std::convertible_to<W>;
  { a - b } -> std::convertible_to<W>;
  { a& b } -> std::convertible_to<W>;
  { a | b } -> std::convertible_to<W>;
  { a ^ b } -> std::convertible_to<W>;
  { ~a } -> std::convertible_to<W>;
  { a << n } -> std::convertible_to<W>;
  { a >> n } -> std::convertible_to<W>;
  { equal(a, b) } -> std::same_as<Flag<W>>;
  { less(a, b) } -> std::same_as<Flag<W>>;
  { less_equal(a, b) } -> std::same_as<Flag<W>>;
  { select(f, a, b) } -> std::same_as<W>;
  { select(f, f, f) } -> std::same_as<Flag<W>>;
  { shift_left(a, b) } -> std::same_as<W>;
  { shift_right(a, b) } -> std::same_as<W>;
  { f& f } -> std::same_as<Flag<W>>;
  { f | f } -> std::same_as<Flag<W>>;
  { !f } -> std::same_as<Flag<W>>;
  static_cast<bool>(f);
};

/// Bits [hi:lo] of `word`, moved to bit 0.
template <Word W>
constexpr W field(W word, unsigned hi, unsigned lo) {
  return (word & W(mask(hi, lo))) >> lo;
}

/// Bits [hi:lo] of `word`, left where they are: addresses.
template <Word W>
constexpr W field_in_place(W word, unsigned hi, unsigned lo) {
  return word & W(mask(hi, lo));
}

template <Word W>
constexpr Flag<W> flag(W word, unsigned n) {
  return equal((word >> n) & W(1), W(1));
}

/// A word with the low `n` bits set; n >= 64 gives all ones.
template <Word W>
constexpr W low_mask(W n) {
  return shift_left(W(1), n) - W(1);
}

template <Word W>
constexpr Flag<W> is_zero(W word) {
  return equal(word, W(0));
}

/// `condition` asks for `consequence`. Evaluates both, as every operation on a Flag does.
template <class F>
constexpr F implies(F condition, F consequence) {
  return (!condition) | consequence;
}

template <Word W>
constexpr W minimum(W a, W b) {
  return select(less(a, b), a, b);
}

}  // namespace iommucheck
