// SPDX-License-Identifier: MIT
// Users that keep their rules: what they have changed, each of their devices is told to forget, by
// the virtual StreamID that it has or is given (IHI 0070 3.21.1). Nothing of it may be left then.
#include "check/user_ops.h"

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::CommandWords;

namespace {

void forget_pages(const UserWords& words, const std::vector<u64>& pages, bool all, u64 how,
                  std::vector<CommandWords>& commands) {
  if (all) return commands.push_back(words.all_by(how));
  for (const u64 va : pages) commands.push_back(words.va(va));
}

}  // namespace

void UserOps::user_forgets(u64 parent, u64 domain, const UsersChange& change, u64 how) {
  constexpr std::size_t pages_max = 4;  // one by one; more go as all
  constexpr u64 page_bytes = UserMemory::page_bytes;
  const spec::sva::Interface& interface = monitor_.interface();
  const UserWords& words = users_->memory.words();
  // An entry that changed takes with it all that was reached by it.
  std::vector<u64> pages = users_->pages;
  if (!change.entry) {
    pages.clear();
    for (u64 i = 0; i < change.pages; ++i) pages.push_back(change.va + i * page_bytes);
  }
  const bool all = (pages.size() > pages_max && !change.table) || (how & 1) != 0;
  std::vector<u64> numbers;
  for (u32 device = 0; device < interface.device_count(); ++device) {
    const u64 its = interface.domain_of(device);
    if (its == 0 || interface.parent_of(its) != parent) continue;
    number_device(parent, device, device);
    if (!monitor_.findings().empty()) return;
    if (const auto number = interface.number_of(parent, device)) numbers.push_back(*number);
  }
  std::vector<CommandWords> commands;
  if (change.entry) {
    for (const u64 number : numbers) {
      commands.push_back(words.entry_by(number, *change.entry, how >> 16));
    }
  }
  if (change.entry || all) {
    forget_pages(words, pages, all, how >> 18, commands);
  } else {
    const bool ranges = monitor_.smmu().capabilities().ril;
    // Of a pointer by any of its addresses; it is no leaf.
    if (change.table) commands.push_back(words.va(change.va + (how >> 7 & 15) * page_bytes));
    words.pages(users_->memory.asid_of(change.root), change.va, change.pages, ranges, how >> 1,
                commands);
  }
  const auto pasid = change.entry.value_or(0) != 0 ? change.entry : std::nullopt;  // S1DSS = 2
  for (const u64 number : numbers) {
    for (const u64 va : pages) commands.push_back(words.device_by(number, pasid, va, how >> 11));
  }
  Call call{.kind = CallKind::cache_invalidate, .domain = domain};
  call.commands = commands;
  if (may_call(call)) make_call(call);
}

}  // namespace iommucheck::oracle
