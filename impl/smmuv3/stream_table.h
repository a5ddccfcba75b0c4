// SPDX-License-Identifier: MIT
// The stream table: every stream blocked silently until a device is attached. IHI 0070 3.3, 5.1.
// Linear where it fits one page, two levels of 64 where the SMMU has them and more stream IDs.
#pragma once

#include "base/types.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/registers.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl {

class StreamTable {
 public:
  /// Allocates and fills the first level for stream IDs up to `max_stream_id`, which the SMMU must
  /// have. False: no memory. The SMMU does not know it yet.
  bool create(const Platform& platform, const Features& features, u32 max_stream_id);
  void destroy(const Platform& platform);
  bool created() const { return base_ != 0; }

  /// Writes STRTAB_BASE and STRTAB_BASE_CFG, while SMMUEN is 0 and acknowledged.
  void program(const Platform& platform) const;

  enum class Added : u8 {
    present,  ///< nothing changed
    linked,   ///< an L1STD did: CFGI_STE with Leaf = 0 and CMD_SYNC must follow
    no_memory,
  };
  /// Makes sure that there is a (blocked) STE for `stream_id`.
  Added add(const Platform& platform, u32 stream_id);

  u64 word(const Platform& platform, u32 stream_id, unsigned number) const {
    return platform.words(entry(platform, stream_id))[number];
  }
  /// One 64-bit store; CFGI_STE and CMD_SYNC must follow.
  void set_word(const Platform& platform, u32 stream_id, unsigned number, u64 word) const {
    const u64 pa = entry(platform, stream_id) + number * sizeof word;
    platform.store64(pa, word);
    platform.clean(pa, sizeof word);
  }

  /// Word 1 of a blocked STE: what the device can do. True if it was another one: CFGI_STE and
  /// CMD_SYNC must follow before word 0 changes.
  bool set_word1(const Platform& platform, u32 stream_id, u64 word) const {
    const u64 pa = entry(platform, stream_id) + sizeof word;
    if (*platform.words(pa) == word) return false;
    platform.store64(pa, word);
    platform.clean(pa, sizeof word);
    return true;
  }

 private:
  u64 entry(const Platform& platform, u32 stream_id) const;
  u64 bytes() const;
  u64 new_leaf(const Platform& platform, u64 entries, u64 bytes) const;

  u64 base_ = 0;
  u64 word1_ = 0;
  u32 lg2_ = 0;  // of the stream IDs covered
  bool two_level_ = false;
};

}  // namespace iommucheck::impl
