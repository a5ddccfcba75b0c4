// SPDX-License-Identifier: MIT
#include "check/user_ops.h"

#include <algorithm>

#include "base/random.h"

namespace iommucheck::oracle {

using fuzz::OperationKind;
using fuzz::UserKind;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::CommandWords;
using spec::sva::DomainKind;
using spec::sva::UserEntryKind;

namespace {

constexpr u32 entries_lg2 = 2;
constexpr std::size_t tables_max = 3;

/// One bit of those that are the user's to choose: V, Config, S1Fmt, S1CDMax; S1DSS, S1CIR, S1COR,
/// S1CSH, S1STALLD, EATS.
void change_choice(std::array<u64, 2>& structure, u64 how) {
  constexpr u8 of_word0[] = {0, 1, 2, 3, 4, 5, 59, 60, 61, 62, 63};
  constexpr u8 of_word1[] = {0, 1, 2, 3, 4, 5, 6, 7, 27, 28, 29};
  const auto& bits = (how & 1) == 0 ? of_word0 : of_word1;
  structure[how & 1] ^= u64{1} << bits[(how >> 1) % std::size(bits)];
}

/// More of the few bits that an operation has.
u64 spread(u64 seed) {
  SplitMix64 words(seed);
  return words.next();
}

}  // namespace

bool UserOps::has_room_for_user() const {
  if (!options_.place || !users_) return true;
  return users_->memory.next_end() <= options_.place->users_pa + options_.place->users_bytes;
}

/// Another stage 2 domain, with a user's memory in it. 0: there is none.
u64 UserOps::make_parent() {
  const Call alloc{.kind = CallKind::domain_alloc,
                   .domain_kind = static_cast<u32>(DomainKind::paging_s2)};
  if (!may_call(alloc) || !has_room_for_user()) return 0;
  const spec::sva::Observed made = make_call(alloc);
  spaces_.note_domain(made);
  if (made.status != spec::sva::Status::ok || !monitor_.findings().empty()) return 0;
  if (!users_) users_ = std::make_unique<Users>(monitor_, host_.users_pa());
  const Call memory{.kind = CallKind::map,
                    .domain = made.value,
                    .iova = UserMemory::first_ipa,
                    .pa = users_->memory.add_user(made.value),
                    .size = UserMemory::bytes,
                    .prot = spec::sva::prot_read | spec::sva::prot_write};
  if (!may_call(memory) || make_call(memory).status != spec::sva::Status::ok) {
    users_->memory.remove_user(made.value);  // whose structures nothing leads to
    return 0;
  }
  return monitor_.findings().empty() ? made.value : 0;
}

/// The stage 2 domain that the operation is about, made if there is none.
std::optional<std::size_t> UserOps::parent_of_users(const fuzz::Operation& operation) {
  std::vector<std::size_t> parents;
  const auto look = [&] {
    for (std::size_t i = 0; i < case_.spaces.size(); ++i) {
      if (users_ && users_->memory.is_user(case_.spaces[i].handle)) parents.push_back(i);
    }
  };
  look();
  if (!parents.empty()) return parents[operation.domain % parents.size()];
  if (case_.spaces.size() + 2 > spaces_max || make_parent() == 0) return std::nullopt;
  look();
  if (parents.empty()) return std::nullopt;
  fuzz::Operation map{.kind = OperationKind::map};
  map.domain = static_cast<u16>(parents[0]);
  map.variant = static_cast<u16>(fuzz::Pick::selected);
  map.window = static_cast<u16>(fuzz::Window::low);
  map.page = first_output / UserMemory::page_bytes;
  map.size = static_cast<u16>(fuzz::Size::k32);
  spaces_.perform_on_space(map);
  return parents[0];
}

/// A user's domain over the parent, made and with a device on it if there is none. 0: it cannot be.
u64 UserOps::users_domain(u64 parent, const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  UserMemory& memory = users_->memory;
  std::vector<u64> known;
  for (const Space& space : case_.spaces) {
    if (!space.io_mm && !space.task && interface.parent_of(space.handle) == parent)
      known.push_back(space.handle);
  }
  const u64 how = spread(operation.choices);
  const bool another = known.size() == 1 && (how & 7) == 0;
  if (!known.empty() && !another) return known[operation.domain % known.size()];
  if (case_.spaces.size() >= spaces_max) return 0;
  const bool has_entries = memory.words().has_entries();
  const bool has_pasids = memory.words().has_pasids();
  if (users_->tables.empty() && !has_pasids) {
    users_->tables.push_back(memory.new_table());
    memory.map(users_->tables[0], 0, first_output, spec::sva::prot_read | spec::sva::prot_write);
    users_->pages.push_back(0);
  } else if (users_->tables.empty()) {
    users_->tables.push_back(memory.new_table());
    if (has_entries) users_->entry = memory.new_entries(1);
    users_->entries = memory.new_entries(u64{1} << entries_lg2);
    const spec::sva::UserEntry first{.kind = UserEntryKind::table, .root = users_->tables[0]};
    if (has_entries) memory.set_entry(users_->entry, 0, first);
    memory.set_entry(users_->entries, 0, first);
    memory.map(users_->tables[0], 0, first_output, spec::sva::prot_read | spec::sva::prot_write);
    users_->pages.push_back(0);
  }
  const bool pasids = has_pasids && (how >> 3 & 1) != 0;
  Call call{.kind = CallKind::domain_alloc};
  call.parent = parent;
  call.domain_kind = static_cast<u32>(pasids ? DomainKind::nested_pasid : DomainKind::nested);
  call.structure = pasids ? memory.route_to_entries(users_->entries, entries_lg2)
                          : memory.words().route_to(
                                has_entries ? users_->entry
                                            : users_->tables[(how >> 16) % users_->tables.size()]);
  // EATS: those of its devices that can ask for translations may.
  if (has_entries && (how >> 40 & 1) != 0) call.structure[1] |= u64{1} << 28;
  // A user that has not come up yet, or has shut down: its IOMMU passes all, or nothing.
  if ((how >> 4 & 7) == 2 && has_entries) {
    call.domain_kind = static_cast<u32>(DomainKind::nested);
    call.structure = memory.words().route_without_tables((how >> 8 & 1) != 0);
  }
  if ((how >> 4 & 15) == 0) call.structure[how >> 8 & 1] ^= u64{1} << (how >> 9 & 63);
  if ((how >> 4 & 3) == 1 && has_entries) change_choice(call.structure, how >> 8);
  if (!may_call(call)) return 0;
  const spec::sva::Observed made = make_call(call);
  spaces_.note_domain(made);
  if (made.status != spec::sva::Status::ok || !monitor_.findings().empty()) return 0;
  const Call attach{.kind = CallKind::attach, .domain = made.value, .device = device_of(operation)};
  if (may_call(attach)) make_call(attach);
  return made.value;
}

/// Of its table, or an entry of its PASID table; three of four times told as its rules ask for.
void UserOps::user_writes(u64 parent, u64 domain, const fuzz::Operation& operation) {
  UserMemory& memory = users_->memory;
  if (!memory.is_user(parent) || users_->tables.empty()) return;
  const u64 how = spread(operation.choices + 1);
  const bool keeps_rules = (how >> 40 & 3) != 0;
  if (users_->tables.size() < tables_max && (how & 7) == 0) {
    if (const u64 made = memory.new_table(); made != 0) users_->tables.push_back(made);
  }
  const u64 root = users_->tables[operation.mapping % users_->tables.size()];
  const bool of_entry = static_cast<UserKind>(operation.variant) == UserKind::entry;
  if (of_entry && memory.words().has_pasids()) {
    constexpr UserEntryKind kinds[] = {UserEntryKind::table, UserEntryKind::table,
                                       UserEntryKind::empty, UserEntryKind::garbage,
                                       UserEntryKind::outside};
    const bool one = (how >> 3 & 3) == 0 && memory.words().has_entries();
    const u64 entries = one ? users_->entry : users_->entries;
    const u64 number = one ? 0 : operation.pa_page % (u64{1} << entries_lg2);
    memory.set_entry(entries, number,
                     {.kind = kinds[(how >> 8) % std::size(kinds)],
                      .root = root,
                      .stalls = !machine_ && (how >> 16 & 3) == 0});
    if (keeps_rules) user_forgets(parent, domain, {.entry = number}, how >> 42);
    return;
  }
  constexpr u64 page_bytes = UserMemory::page_bytes, users_pages = 16;
  const u64 first = operation.page % users_pages;
  const u64 more = (how >> 60 & 3) == 0 ? 1 + (how >> 62 & 3) : 0;
  const UsersChange change{
      .root = root, .va = first * page_bytes, .pages = std::min(1 + more, users_pages - first)};
  if ((how >> 50 & 3) == 0 && memory.take_out(root, 0)) {
    const UsersChange all{.root = root, .pages = users_pages, .table = true};
    if (keeps_rules) user_forgets(parent, domain, all, how >> 42);
    return;
  }
  for (u64 i = 0; i < change.pages; ++i) {
    const u64 va = change.va + i * page_bytes;
    if (std::ranges::find(users_->pages, va) == users_->pages.end()) users_->pages.push_back(va);
    if ((how >> 3 & 3) == 0) {
      memory.unmap(root, va);
    } else {
      const u64 ipa = first_output + (u64{operation.pa_page} + i) * page_bytes;
      const u32 rights = spec::sva::prot_read | ((how >> 5 & 1) != 0 ? spec::sva::prot_write : 0);
      memory.map(root, va, ipa, rights);
    }
  }
  if (keeps_rules) user_forgets(parent, domain, change, how >> 42);
}

void UserOps::user_commands(u64 domain, const fuzz::Operation& operation) {
  SplitMix64 words(u64{operation.choices} << 16 | u64{operation.page} << 8 | operation.mapping);
  std::vector<CommandWords> commands(words.below(5));
  for (CommandWords& one : commands) {
    one = users_->memory.words().drawn(words.next(), users_->tables);
  }
  Call call{.kind = CallKind::cache_invalidate, .domain = domain};
  call.commands = commands;
  if (may_call(call)) make_call(call);
}

/// One of a device on a user's domain, as it may meet by now.
/// By one of the device's streams. False: it has none.
bool UserOps::sends(u32 device, spec::Access access, const fuzz::Operation& operation) {
  const auto& streams = monitor_.interface().stream_ids(device);
  if (streams.empty()) return false;
  access.sid = streams[operation.choices % streams.size()];
  caller_.send(access);
  return true;
}

void UserOps::user_accesses(const fuzz::Operation& operation) {
  const auto page = page_of(operation);
  if (!page) return;
  spec::Access access{.va = *page};
  if ((operation.choices >> 4 & 1) != 0) access.type = spec::AccessType::write;
  access.ssv = !machine_ && (operation.choices >> 5 & 3) == 0;
  if (access.ssv) access.ssid = operation.pa_page % (u32{1} << entries_lg2);
  sends(device_of(operation), access, operation);
}

bool UserOps::accesses(u64 parent, u64 va, bool writes, const fuzz::Operation& operation) {
  const auto device = users_device(parent, operation, false);
  if (!device) return false;
  spec::Access access{.va = va};
  if (writes) access.type = spec::AccessType::write;
  return sends(*device, access, operation);
}

std::optional<u64> UserOps::page_to_write(const fuzz::Operation& operation) const {
  if (!any()) return std::nullopt;
  std::vector<u64> pages;
  for (const u64 root : users_->tables) {
    const auto of_root =
        users_->memory.pages_to_write(root, first_output, first_outputs * UserMemory::page_bytes);
    pages.insert(pages.end(), of_root.begin(), of_root.end());
  }
  if (pages.empty()) return page_of(operation);
  return pages[operation.page % pages.size()];
}

/// What their devices may meet is what is known of their tables.
void UserOps::look_at_users() {
  if (machine_) return;  // that is looked at with all else
  const spec::sva::Interface& interface = monitor_.interface();
  for (u32 device = 0; device < interface.device_count(); ++device) {
    const u64 domain = interface.domain_of(device);
    if (domain == 0 || interface.parent_of(domain) == 0) continue;
    const u32 bits = std::min(entries_lg2, interface.pasid_bits_of_user(domain));
    for (const u32 sid : interface.stream_ids(device)) {
      for (const u64 va : users_->pages) {
        if (!monitor_.findings().empty()) return;
        monitor_.check_users_access(sid, {}, va);
        for (u32 pasid = 1; pasid < (u32{1} << bits); ++pasid) {
          monitor_.check_users_access(sid, spec::sva::substream(pasid), va);
        }
      }
    }
  }
}

/// Now and then of a device that goes and comes back, by which the user has no number for it.
void UserOps::user_numbers(u64 parent, const fuzz::Operation& operation) {
  const u32 device = device_of(operation);
  Call call{.kind = CallKind::vdevice, .domain = parent, .device = device};
  call.number = operation.pa_page % 4;
  if (!may_call(call)) return;
  make_call(call);
  const bool goes = (operation.choices & 7) == 7 && !machine_ && claims(Claim::moves);
  const bool can_go = monitor_.interface().domain_of(device) != 0 && host_.waiting().empty();
  if (!goes || !can_go || !monitor_.findings().empty()) return;
  host_.remove(device);
  if (monitor_.findings().empty() && host_.waiting().empty()) host_.add(device);
  if (monitor_.findings().empty() && may_call(call)) make_call(call);
}

void UserOps::perform_user(const fuzz::Operation& operation) {
  const spec::Capabilities& caps = monitor_.smmu().capabilities();
  const bool users = machine_ ? machine_->user_words() != nullptr
                              : caps.s1p && caps.s2p && caps.gran4k;  // which users' tables have
  // A user's commands and records are followed of one SMMU.
  if (!users || !host_.has(CallKind::cache_invalidate) || monitor_.smmu_count() != 1) return;
  const auto at = parent_of_users(operation);
  if (!at || !monitor_.findings().empty()) return;
  const u64 parent = case_.spaces[*at].handle;
  const u64 domain = users_domain(parent, operation);
  if (domain == 0 || !monitor_.findings().empty()) return;
  switch (static_cast<UserKind>(operation.variant)) {
    case UserKind::commands: user_commands(domain, operation); break;
    case UserKind::access: user_accesses(operation); break;
    case UserKind::events:
      user_events(parent, operation);
      if (monitor_.findings().empty()) user_faults(parent, operation);
      break;
    case UserKind::number: user_numbers(parent, operation); break;
    default: user_writes(parent, domain, operation);
  }
  if (monitor_.findings().empty()) look_at_users();
}

void UserOps::forget_what_is_gone() {
  if (!users_) return;
  users_->memory.remove_users_if(
      [&](u64 parent) { return !monitor_.interface().is_stage2(parent); });
}

}  // namespace iommucheck::oracle
