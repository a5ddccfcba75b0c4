// SPDX-License-Identifier: MIT
// What a user writes for its own IOMMU, read as the hardware reads it: a vendor's business. The
// interface asks for the meaning alone. INTERFACE "Nested".
#pragma once

#include <array>
#include <optional>

#include "base/types.h"
#include "spec/sva/call.h"

namespace iommucheck::spec::sva {

/// Where the user's own route leads, behind which the parent's stage 2 stays.
struct UserRoute {
  enum class Kind : u8 { abort, bypass, stage1 };
  /// Of accesses without a PASID, where there is a PASID table.
  enum class First : u8 { terminate, bypass, entry_0 };
  Kind kind = Kind::abort;
  /// stage1: its table, an IPA, of so many bits of input, where the route itself leads there; else
  /// an entry does.
  std::optional<u64> table{};
  u32 table_bits = 0;
  /// By which number its translations are known; none: by its root. Of entries there is one where
  /// these have numbers that routes have, too.
  std::optional<u64> number{};
  u64 entries = 0;     ///< stage1: address of entry 0, an IPA
  u32 pasid_bits = 0;  ///< stage1: entries are 2^it; 0: one, of accesses without a PASID
  First first = First::entry_0;
  u32 entry_bytes = 0;
  bool linear = true;  ///< entry n is n * entry_bytes further on
  /// The user wants none of its faults to wait: an entry that asks for that is a bad one.
  bool never_waits = false;
  /// A PASID table of some size is stated where hardware looks at none: of either kind.
  bool table_is_ignored = false;
  /// It states what is reserved or ignored there, or what a host need not offer: done or EINVAL.
  bool may_be_refused = false;
};

/// One command of a user.
struct UserCommand {
  enum class Kind : u8 {
    forbidden,     ///< none that a user may give: EIO
    translations,  ///< of [first, last], of one ASID (or number) or of one table, or of all
    entry,         ///< of a PASID table: `pasid`, or all
    nothing_owed,  ///< of a device's own cache
  };
  Kind kind = Kind::forbidden;
  u64 first = 0;
  u64 last = ~u64{0};
  std::optional<u64> asid{};
  std::optional<u64> table{};  ///< by its root, an IPA
  bool leaves_only = false;    ///< pointers to tables may stay cached
  std::optional<u32> pasid{};
  std::optional<u64> stream{};  ///< by which number it names a device
  /// Where PASIDs are the host's: the device is the user's at `pasid`, or without one.
  bool at_pasid = false;
  /// It does nothing, or what it has is reserved and hardware ignores it: done or EIO.
  bool may_be_refused = false;
};

class UserFormat {
 public:
  virtual ~UserFormat() = default;
  /// nullopt: a field that the user may not choose, or what is ILLEGAL.
  [[nodiscard]] virtual std::optional<UserRoute> route(
      const std::array<u64, 2>& structure) const = 0;
  [[nodiscard]] virtual UserCommand command(const CommandWords& words) const = 0;
  /// What a user is told of a record of the event queue: by the number that it knows the device by,
  /// and of nothing else that is the host's. nullopt: all of it is the host's.
  [[nodiscard]] virtual std::optional<EventWords> event(const EventWords& /*record*/,
                                                        u64 /*number*/) const {
    return std::nullopt;
  }
};

}  // namespace iommucheck::spec::sva
