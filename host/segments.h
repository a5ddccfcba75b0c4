// SPDX-License-Identifier: MIT
// The static variables of a loaded object. A driver is to keep its state in the arena; one that
// does not is put back all the same, so that a case does not depend on the cases before it.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck::oracle {

/// Writable load segments (.data, .bss) without what the dynamic linker made read-only.
/// Thread-local variables, memory of malloc and libraries that the object brings with it are not
/// part of it.
class Segments {
 public:
  /// Those of the object that `address` lies in, saved as they are now. bad_input if there is none.
  static Expected<Segments> of(const void* address);

  /// Remembers the contents of now.
  void save();
  /// Puts back what save() saw; writes only words that differ. True if any did.
  bool restore();
  std::size_t bytes() const;

 private:
  struct Segment {
    u64* begin;
    std::vector<u64> saved;
  };
  std::vector<Segment> segments_;
};

}  // namespace iommucheck::oracle
