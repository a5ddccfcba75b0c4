// SPDX-License-Identifier: MIT
// Where the memory of a guest lies in that of its host: in pieces, in another order, and none where
// its own address says. What leaves one stage out is seen to do so.
#pragma once

#include <optional>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle {

class GuestMemory {
 public:
  /// `bytes` from `ipa` on, in pieces of a power of two; multiples of that.
  struct Region {
    u64 ipa = 0;
    u64 bytes = 0;
    u64 piece = 0;
    bool device = false;  ///< no RAM: its stage 2 says Device
  };
  struct Piece {
    u64 ipa = 0;
    u64 pa = 0;
    u64 bytes = 0;
    bool device = false;
  };

  /// From `pa` on.
  GuestMemory(const std::vector<Region>& regions, u64 pa);

  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }
  /// Nothing: the guest has no memory there, or nobody's page is the guest's.
  [[nodiscard]] std::optional<u64> physical(u64 ipa) const;
  [[nodiscard]] std::optional<u64> intermediate(u64 pa) const;

 private:
  struct Placed {
    Region region;
    u64 pa = 0;
  };
  std::vector<Placed> placed_;
  std::vector<Piece> pieces_;
};

}  // namespace iommucheck::oracle
