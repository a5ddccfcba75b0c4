// SPDX-License-Identifier: MIT
// What the sequences of a part have shown, and from which of them the next ones are made. A part
// begins with nothing, and what is here follows from its sequences in their order: nothing of
// another part, of a time or of a process reaches it. The memory is shared, so that a worker that
// dies loses nothing of it, and so that its supervisor knows what was run.
#pragma once

#include <memory>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "base/types.h"
#include "check/sequence.h"

namespace iommucheck::oracle {

class Guide {
 public:
  static constexpr u64 part_size = 2048;  ///< sequences that there is room for
  static constexpr u32 features = 8192;

  /// environment if there is no memory.
  static Expected<Guide> create();

  // --- What was made: by their places in the part, in turn -------------------------------------

  [[nodiscard]] u64 made() const;
  /// Of a place below made(). A driver may have scribbled over it: whatever is there is one.
  void sequence(u64 place, Sequence& sequence) const;
  /// The next one.
  void add(const Sequence& sequence);
  /// Of these, so many were begun: entered.
  [[nodiscard]] u64 begun() const;

  // --- What they show --------------------------------------------------------------------------

  /// Of the sequence at that place is what follows, until leave(): nothing is noted before and
  /// behind.
  void enter(u64 place);
  void leave() { noting_ = false; }
  /// Behind so many operations. What a family has shown counts once, whoever of it did.
  void note(u64 feature, std::size_t operations);
  [[nodiscard]] bool is_noting() const { return noting_; }

  // --- Where to begin --------------------------------------------------------------------------

  /// The first operations of a sequence, up to what was rare in it.
  struct Rare {
    u64 place = 0;
    std::size_t operations = 0;
  };
  /// The rarer what it showed and the less often it was chosen, the sooner. Nothing: there is none.
  std::optional<Rare> rare(SplitMix64& words);

  [[nodiscard]] u64 count() const;  ///< of features that were seen

 private:
  struct Block;
  struct Unmap {
    void operator()(Block* block) const;
  };
  std::unique_ptr<Block, Unmap> block_;
  u64 place_ = 0;
  bool noting_ = false;
};

}  // namespace iommucheck::oracle
