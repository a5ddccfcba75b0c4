// SPDX-License-Identifier: MIT
// Users of stage 2 domains: what they write into their own memory, their commands, their devices.
// Whatever that is, their devices stay within what the parent maps, which is judged at every event;
// and what a command has told to forget is forgotten, which is looked at here. INTERFACE "Nested".
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "check/case_ops.h"
#include "check/space_ops.h"
#include "host/user_sink.h"

namespace iommucheck::oracle {

class UserOps final : public CaseOps {
 public:
  /// IPA of what users map first; pages from there on are mapped in a parent.
  static constexpr u64 first_output = 0x10000;
  static constexpr u64 first_outputs = 8;

  UserOps(const CaseContext& context, SpaceOps& spaces) : CaseOps(context), spaces_(spaces) {}

  void perform_user(const fuzz::Operation& operation);
  /// There is a user in this case.
  [[nodiscard]] bool any() const { return users_ != nullptr; }
  void begin_case() { users_.reset(); }
  void forget_what_is_gone();
  std::optional<std::size_t> parent_of_users(const fuzz::Operation& operation);
  u64 users_domain(u64 parent, const fuzz::Operation& operation);
  /// It keeps tables, which hardware sets flags in.
  [[nodiscard]] bool has_tables() const { return any() && !users_->tables.empty(); }
  /// An address that it has spoken of.
  [[nodiscard]] std::optional<u64> page_of(const fuzz::Operation& operation) const {
    if (!any() || users_->pages.empty()) return std::nullopt;
    return users_->pages[operation.page % users_->pages.size()];
  }
  /// One that it has mapped to what a parent has mapped first, and may write; else any of those.
  [[nodiscard]] std::optional<u64> page_to_write(const fuzz::Operation& operation) const;
  /// An access at the address by a device of the parent's user. False: there is none.
  bool accesses(u64 parent, u64 va, bool writes, const fuzz::Operation& operation);

 private:
  [[nodiscard]] bool has_room_for_user() const;
  u64 make_parent();
  void user_writes(u64 parent, u64 domain, const fuzz::Operation& operation);
  /// What a user has changed: an entry of its PASID table, or pages from `va` on; `table`: by
  /// taking it out.
  struct UsersChange {
    std::optional<u64> entry = std::nullopt;
    u64 root = 0;
    u64 va = 0;
    u64 pages = 1;
    bool table = false;
  };
  void user_forgets(u64 parent, u64 domain, const UsersChange& change, u64 how);
  void user_commands(u64 domain, const fuzz::Operation& operation);
  void user_numbers(u64 parent, const fuzz::Operation& operation);
  void user_accesses(const fuzz::Operation& operation);
  bool sends(u32 device, spec::Access access, const fuzz::Operation& operation);
  void look_at_users();
  // user_ops_events.cpp: what they are told of
  void user_events(u64 parent, const fuzz::Operation& operation);
  [[nodiscard]] std::optional<u32> users_device(u64 parent, const fuzz::Operation& operation,
                                                bool that_stalls) const;
  u64 other_parent(u64 parent);
  void number_device(u64 parent, u32 device, u64 number);
  u64 open_events(u64 parent, u64 how);
  bool meets_events(u32 device, u64 how);
  void read_events(u64 queue, u64 most);
  // user_ops_faults.cpp: what waits for their answers
  void user_faults(u64 parent, const fuzz::Operation& operation);
  u64 open_faults(u64 domain, u64 how);
  void lead_to_what_stalls(u64 domain, u64 how);
  bool meets_faults(u32 device, u64 how);
  void read_fault(u64 queue, u64 how);
  void answer_fault(u64 how);

  /// What users of stage 2 domains keep in this case, once there is one.
  struct Users {
    explicit Users(Monitor& monitor, u64 pa)
        : sink(monitor),
          memory(sink, pa, monitor.smmu().capabilities(), *user_words(monitor.setup())) {}
    MonitoredUsers sink;
    UserMemory memory;
    std::vector<u64> tables;  ///< where they begin
    u64 entry = 0;            ///< of routes without PASIDs
    u64 entries = 0;          ///< of routes with PASIDs
    std::vector<u64> pages;   ///< addresses that they have spoken of
  };
  SpaceOps& spaces_;
  std::unique_ptr<Users> users_;
};

}  // namespace iommucheck::oracle
