// SPDX-License-Identifier: MIT
// The memory of users of stage 2 domains, in which their own tables and PASID tables (CDs) lie:
// what a guest keeps. Every user has a copy of one image at the same IPAs, so that its places are
// known before there is a domain. INTERFACE "Nested".
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "host/page_descriptor.h"
#include "host/user_words.h"
#include "spec/smmu/registers.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

class UserMemory {
 public:
  static constexpr u64 first_ipa = u64{1} << 30;
  static constexpr u64 bytes = u64{1} << 20;
  static constexpr u64 page_bytes = 4096;

  /// Whoever is told what is written, as the memory of a user and as its meaning.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void store(u64 pa, u64 value) = 0;
    /// Zeros.
    virtual void clear(u64 pa, u64 bytes) = 0;
    /// What was stored is there before what follows.
    virtual void barrier() = 0;
    /// What the tables say at `va` is about to change: whoever may cache it may have it until then.
    virtual void before(u64 va) = 0;
    virtual void table_made(u64 parent, const spec::sva::UserTable& table) = 0;
    virtual void maps(u64 parent, u64 root, u64 va, u64 ipa, u32 prot) = 0;
    virtual void unmaps(u64 parent, u64 root, u64 va) = 0;
    /// All of [va, va + bytes), with the table that has it.
    virtual void takes_out(u64 parent, u64 root, u64 va, u64 bytes) = 0;
    virtual void sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content) = 0;
  };

  /// Physical memory for it begins at `pa`, which nobody else uses.
  UserMemory(Sink& sink, u64 pa, const spec::Capabilities& caps, const UserWords& words);
  [[nodiscard]] const UserWords& words() const { return words_; }
  /// Of the user's own addresses.
  [[nodiscard]] u32 input_bits() const { return 12 + 9 * words_.levels(); }

  /// The user of a new stage 2 domain. What its caller has to map at first_ipa, `bytes`, rw: the
  /// physical address.
  u64 add_user(u64 parent);
  /// The memory of the next user ends there.
  [[nodiscard]] u64 next_end() const { return next_pa_ + bytes; }
  void remove_user(u64 parent) { users_.erase(parent); }
  /// Those of parents that are gone.
  template <class IsGone>
  void remove_users_if(IsGone is_gone) {
    std::erase_if(users_, [&](const auto& user) { return is_gone(user.first); });
  }
  [[nodiscard]] bool is_user(u64 parent) const { return users_.contains(parent); }

  // Places are IPAs; 0, false: the memory is full, or there is no such place.

  /// An empty table.
  u64 new_table();
  /// Of a table: its entries have it.
  [[nodiscard]] u64 asid_of(u64 root) const;
  // Entries (CDs) there are where the words have any.

  /// `count` of them, all of them empty.
  u64 new_entries(u64 count);
  /// A page of 4 KiB; what was there is replaced.
  bool map(u64 root, u64 va, u64 ipa, u32 prot);
  bool unmap(u64 root, u64 va);
  /// The table of the last level that has the address: nothing leads to it any more, it stays as it
  /// is, and is not used again. The first address that it had.
  std::optional<u64> take_out(u64 root, u64 va);
  /// Bytes that such a table has.
  static constexpr u64 table_reach = page_bytes * 512;
  /// Those that it maps to [ipa, ipa + length), and lets be written.
  [[nodiscard]] std::vector<u64> pages_to_write(u64 root, u64 ipa, u64 length) const;
  /// To a table: without V first, then with it. Empty: without V.
  bool set_entry(u64 first, u64 number, const spec::sva::UserEntry& content);
  /// What the user's own STE says: words 0 and 1, of so many CDs.
  [[nodiscard]] static std::array<u64, 2> structure(u64 first, u32 count_lg2);
  /// The same by the user's words.
  [[nodiscard]] std::array<u64, 2> route_to_entries(u64 first, u32 count_lg2) const {
    return words_.has_entries() ? structure(first, count_lg2)
                                : words_.route_to_entries(first, count_lg2);
  }

 private:
  u64 new_pages(u64 count);
  void empty_pages(u64 pa, u64 size);
  [[nodiscard]] u64 entry_bytes() const;
  bool set_words_of_entry(u64 at, spec::sva::UserEntry content);
  [[nodiscard]] u64 leaf(u64 va, u64 ipa, u32 prot) const;
  void tell_table(u64 parent, u64 pa, u64 root);
  [[nodiscard]] u64 read(u64 ipa) const { return image_[(ipa - first_ipa) / 8]; }
  void write(u64 ipa, u64 value);
  void fetched_by(u64 root);
  /// Of that level; 0: there is none, and none was made.
  u64 slot_of(u64 root, u64 va, bool make, unsigned of_level = page::last_level);
  template <class Tell>
  void tell(Tell tell_one);

  Sink& sink_;
  const UserWords& words_;
  u64 next_pa_;
  u64 output_size_;
  bool asid16_;
  spec::StallModel stalls_;
  unsigned httu_;  // flags that the user lets hardware set: 1 access, 2 dirty state, too
  std::vector<u64> image_;
  u64 next_ = first_ipa;
  std::map<u64, u64> users_;  // parent, and where its memory is
  std::vector<u64> tables_;
  struct Page {
    u64 ipa = 0;
    u32 prot = 0;
  };
  std::map<std::pair<u64, u64>, Page> pages_;      // of (root, va)
  std::map<u64, spec::sva::UserEntry> entries_{};  // by place
};

}  // namespace iommucheck::oracle
