// SPDX-License-Identifier: MIT
// What a command surely removes of what caches hold: coverage.h, for the things that the engine
// lists. When it does so, says commands.h.
#pragma once

#include <vector>

#include "spec/smmu/atc.h"
#include "spec/smmu/commands.h"

namespace iommucheck::spec {

/// One entry of an item; members of a contiguous group are entries of their own.
TlbTarget target_of(const Tag<u64>& tag, const Item& item);
ConfigTarget target_of(const ConfigItem& item);
AtcTarget target_of(const AtcOwner& owner, u64 va);

/// All entries of the item, which is filled under the tag. An unknown one is any leaf or pointer of
/// its slot, also a global one, so only what removes all of these counts.
bool removes(const Command& command, const Tag<u64>& tag, const Item& item, TlbiScope scope);
bool removes(const Command& command, const ConfigItem& item);
/// All that was filled under the tag, and global entries too where `globals`.
bool removes_all(const Command& command, const Tag<u64>& tag, bool globals, TlbiScope scope);

/// All combined entries that anything of stage 2 under the tag is in.
bool removes_combined(const Command& command, const Tag<u64>& tag, TlbiScope scope);

/// The entries of an item that a command removes: first and number, 0 if none.
struct RemovedPart {
  u64 first = 0;
  u64 count = 0;
};
RemovedPart removed_part(const Command& command, const Tag<u64>& tag, const Item& item,
                         TlbiScope scope);

/// Something of the ATC. `untagged_covers_pasids`: see Profile.
bool removes_some(const Command& command, const AtcOwner& owner, bool untagged_covers_pasids);
/// Input addresses that an ATC_INV is about; a Size above 52 has no certain span. Of an entry for
/// several top bytes see cut().
struct AtcSpan {
  u64 first = 0;
  u64 last = 0;
};
AtcSpan span_of(const Command& command);
/// An ATC_INV of every address, with and without a PASID where one without covers both.
bool covers_all(const Command& command);
/// Leaves of `item`, which is the owner's, what the command removes, and adds the others to `rest`;
/// false: it removes nothing.
bool cut(const Command& command, const AtcOwner& owner, bool untagged_covers_pasids, AtcItem& item,
         std::vector<AtcItem>& rest);

}  // namespace iommucheck::spec
