// SPDX-License-Identifier: MIT
// What the sequences of a family are made of: some kinds of operations and some troubles of the
// hardware, not all. What needs three calls of the same few kinds, or a failure in each of two
// calls that follow each other, is rare among all that there is, and common where the rest is left
// out.
#pragma once

#include <array>
#include <span>

#include "base/random.h"
#include "base/types.h"
#include "operations/operation.h"

namespace iommucheck::oracle {

class Mix {
 public:
  struct Weight {
    fuzz::OperationKind kind;
    u32 weight;
  };

  /// One bit for each kind of operation.
  using Kinds = u64;
  static constexpr Kinds all = ~Kinds{0};
  /// Those that do something with a driver of these abilities (claims.h); of none: all.
  static Kinds useful(u64 abilities);

  /// Of everything, of a theme, or of some groups of kinds and some kinds of each, all of them
  /// among `kinds`. Each sort of trouble, time-outs and short memory, is left out, comes now and
  /// then, or at every other operation.
  static Mix drawn(SplitMix64& words, Kinds kinds = all);

  /// The next operation; takes two numbers of `words`.
  [[nodiscard]] fuzz::Operation next(SplitMix64& words) const;
  /// Whether hardware may take its time, or stop.
  [[nodiscard]] bool has_time_outs() const { return time_outs_ != Often::never; }

 private:
  enum class Often : u8 { never, as_words, dense };
  explicit Mix(Kinds kinds);  // all of them, as often as words have it
  [[nodiscard]] bool has(fuzz::OperationKind kind) const {
    return (kinds_ >> static_cast<unsigned>(kind) & 1) != 0;
  }
  void take(std::span<const Weight> kinds);
  void take_groups(SplitMix64& words);
  static fuzz::Operation time_out(u64 word, u64 draw);
  [[nodiscard]] fuzz::Operation of_a_user(u64 word, u64 draw) const;

  Kinds kinds_;
  std::array<u16, static_cast<std::size_t>(fuzz::OperationKind::count)> weights_{};
  u32 total_ = 0;
  Often time_outs_ = Often::as_words;
  Often short_memory_ = Often::as_words;
  bool of_users_ = false;      ///< every other operation is of the user of a stage 2 domain
  bool fills_tables_ = false;  ///< some maps fill a table, which a later unmap takes out
};

}  // namespace iommucheck::oracle
