// SPDX-License-Identifier: MIT
// Users of stage 2 domains: what they write into their own memory, what becomes of their devices'
// accesses, and what their commands and routes have made of caches and STEs. INTERFACE "Nested".
#pragma once

#include <optional>

#include "monitor/fetch_attributes.h"

namespace iommucheck::oracle {

class UsersJudge : public FetchAttributes {
 public:
  // What the user of a stage 2 domain, by its handle, writes into its own memory, beside the
  // stores.
  void user_table_made(u64 parent, const spec::sva::UserTable& table);
  void user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot);
  void user_unmaps(u64 parent, u64 root, u64 va, u64 bytes);
  /// With the table that has all of it, which stays as it is.
  void user_takes_out(u64 parent, u64 root, u64 va, u64 bytes);
  void user_sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content);
  /// An access through a user's own route against what is known of that. Nothing is known: right.
  /// user_probed: the same, told by the trace.
  void check_users_access(u32 sid, spec::sva::Substream at, u64 va);
  void user_probed(u32 sid, spec::sva::Substream at, u64 va);
  /// The SMMU translates there by stage 1 of a user's, and caches what it has fetched of that.
  /// `words` gets the addresses of what it has read for that; may be null.
  void user_fetched(u32 sid, spec::sva::Substream at, u64 va, std::vector<u64>* words = nullptr);

 protected:
  using FetchAttributes::FetchAttributes;

  void check_users_atcs(const spec::sva::Observed& observed);
  void check_users_routes(u64 domain);

 private:
  void users_memory_is_told();
  struct UsersOutcome {
    spec::AccessType type{};
    spec::Outcome outcome;
    spec::sva::Alternatives allowed;
  };
  /// An outcome that nothing says that is known of the user.
  std::optional<UsersOutcome> wrong_of_user(const Place& place, u64 va);
  void check_users_atc(const spec::Command& given, u32 device);
};

}  // namespace iommucheck::oracle
