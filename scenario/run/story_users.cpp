// SPDX-License-Identifier: MIT
// Users of stage 2 domains: upt, ucd, their own routes, their commands. INTERFACE "Nested".
#include <algorithm>

#include "scenario/run/story.h"

namespace iommucheck::oracle::stories {

using scenario::Value;
using spec::sva::CallKind;
using spec::sva::CommandWords;
using spec::sva::DomainKind;
using spec::sva::UserEntryKind;

namespace {

constexpr u32 kind_nested = static_cast<u32>(DomainKind::nested);
constexpr u32 kind_nested_pasid = static_cast<u32>(DomainKind::nested_pasid);
constexpr u32 kind_stage2 = static_cast<u32>(DomainKind::paging_s2);

u32 lg2_of(u64 count) {
  u32 lg2 = 1;
  while ((u64{1} << lg2) < count) ++lg2;
  return lg2;
}

Wanted wanted_success() {
  Wanted wanted;
  wanted.success = true;
  return wanted;
}

}  // namespace

// ---- the user's memory --------------------------------------------------------------------------

/// The table of that name, made when it is first spoken of. 0: there is no memory for it.
u64 Story::user_table(const std::string& name) {
  const auto known = user_tables_.find(name);
  if (known != user_tables_.end()) return known->second;
  return user_tables_[name] = subject_.users()->new_table();
}

/// A PASID table of that name: of all entries that the scenario speaks of.
Story::UserEntries& Story::user_entries(const std::string& name) {
  const auto known = user_entries_.find(name);
  if (known != user_entries_.end()) return known->second;
  u64 count = 2;
  for (const scenario::Step& step : scenario_.steps) {
    const auto* entry = std::get_if<scenario::UserEntry>(&step.what);
    if (entry == nullptr || entry->table.text != name) continue;
    count = std::max(count, names_.value(entry->pasid).value_or(0) + 1);
  }
  const u32 lg2 = lg2_of(count);
  UserEntries made{.at = subject_.users()->new_entries(u64{1} << lg2), .count_lg2 = lg2};
  return user_entries_[name] = made;
}

/// A queue is opened for the faults of a domain: then its user's entries ask that they wait.
bool Story::users_answer_faults() const {
  return std::ranges::any_of(scenario_.steps, [&](const scenario::Step& step) {
    const auto* invoke = std::get_if<scenario::Invoke>(&step.what);
    const bool opens = invoke != nullptr && invoke->call.text == "fault_queue_open";
    return opens && !invoke->arguments.empty() && !names_.device(invoke->arguments[0].word);
  });
}

/// The one entry of a structure without PASIDs that leads to the table.
u64 Story::user_entry_of(const std::string& table) {
  const auto known = user_entry_of_.find(table);
  if (known != user_entry_of_.end()) return known->second;
  const u64 root = user_table(table);
  const u64 entry = subject_.users()->new_entries(1);
  const spec::sva::UserEntry its{
      .kind = UserEntryKind::table, .root = root, .stalls = users_answer_faults()};
  subject_.users()->set_entry(entry, 0, its);
  return user_entry_of_[table] = entry;
}

bool Story::change_user_table(const scenario::Change& change, u32 prot) {
  if (subject_.users() == nullptr) return false;
  const u64 root = user_table(change.object.text);
  const u64 at = names_.value(change.at).value_or(0);
  if (change.kind == scenario::Change::Kind::upt_clear) return subject_.users()->unmap(root, at);
  return subject_.users()->map(root, at, names_.value(*change.to).value_or(0), prot);
}

void Story::step(const scenario::UserEntry& entry) {
  if (subject_.users() == nullptr) return needs_.push_back("ucd");
  if (!subject_.users()->words().has_pasids()) return;  // handing it over is refused
  const UserEntries& table = user_entries(entry.table.text);
  const u64 number = names_.value(entry.pasid).value_or(0);
  spec::sva::UserEntry content;
  if (entry.entry.text == "garbage") {
    content.kind = UserEntryKind::garbage;
  } else if (entry.entry.text == "outside") {
    content.kind = UserEntryKind::outside;
  } else if (entry.entry.text != "empty") {
    content = {.kind = UserEntryKind::table,
               .root = user_table(entry.entry.text),
               .stalls = users_answer_faults()};
  }
  // As docs/scenarios.md says: of an entry that is used V goes first, and what is cached of it.
  bool made = table.at != 0;
  if (made && content.kind == UserEntryKind::table) {
    made = subject_.users()->set_entry(table.at, number, {});
    if (made) invalidate_entry(entry.table.text, number);
  }
  made = made && subject_.users()->set_entry(table.at, number, content);
  if (!made) differ("an entry of the user's PASID table", "it has no place there");
}

/// By the user's command, at each device that it has on a domain with that table.
void Story::invalidate_entry(const std::string& table, u64 number) {
  const UserWords& words = subject_.users()->words();
  const auto its = domains_of_entries_.find(table);
  if (its == domains_of_entries_.end()) return;
  for (const u64 domain : its->second) {
    const u64 parent = subject_.interface().parent_of(domain);
    for (u32 device = 0; device < world_.devices.size(); ++device) {
      if (subject_.interface().domain_of(device) != domain) continue;
      const CommandWords command[] = {words.entry(number_of(parent, device), number)};
      const spec::sva::Call call{
          .kind = CallKind::cache_invalidate, .domain = domain, .commands = command};
      subject_.call(0, call, wanted_success(), {});
    }
  }
}

// ---- calls --------------------------------------------------------------------------------------

/// Some `ucd` writes its entries.
bool Story::is_pasid_table(const std::string& name) const {
  return std::ranges::any_of(scenario_.steps, [&](const scenario::Step& step) {
    const auto* entry = std::get_if<scenario::UserEntry>(&step.what);
    return entry != nullptr && entry->table.text == name;
  });
}

/// The structure that a nested domain is made of. With one entry (S1CDMax = 0) a PASID table is the
/// first of its entries, as the hardware reads it.
void Story::add_structure(const scenario::Invoke& invoke, spec::sva::Call& call) {
  const bool named = invoke.arguments.size() > 2 && subject_.users() != nullptr;
  if (!named) return;
  const std::string& name = invoke.arguments[2].word;
  if (call.domain_kind == kind_nested) {
    const UserWords& words = subject_.users()->words();
    const bool of_entries = is_pasid_table(name);
    if (of_entries && !words.has_entries()) {
      return needs_.push_back("domain_alloc(nested) of a PASID table");
    }
    call.structure = words.route_to(of_entries            ? user_entries(name).at
                                    : words.has_entries() ? user_entry_of(name)
                                                          : user_table(name));
  } else if (call.domain_kind == kind_nested_pasid && subject_.users()->words().has_pasids()) {
    const UserEntries& table = user_entries(name);
    call.structure = subject_.users()->route_to_entries(table.at, table.count_lg2);
  }
}

/// Some command of a user is about a device.
bool Story::user_names_devices() const {
  return std::ranges::any_of(scenario_.steps, [](const scenario::Step& step) {
    const auto* invoke = std::get_if<scenario::Invoke>(&step.what);
    if (invoke == nullptr || invoke->call.text != "cache_invalidate") return false;
    return std::ranges::any_of(invoke->arguments[1].items, [](const Value& command) {
      return command.word == "cd" || command.word == "atc";
    });
  });
}

/// How the scenario has the user call a device of the parent's, wherever it says so.
std::optional<u64> Story::number_said_for(u64 parent, u32 device) const {
  for (const scenario::Step& step : scenario_.steps) {
    const auto* invoke = std::get_if<scenario::Invoke>(&step.what);
    if (invoke == nullptr || invoke->call.text != "vdevice") continue;
    const bool its = names_.value(invoke->arguments[0]) == parent &&
                     world_.device(invoke->arguments[1].word) == device;
    if (its) return names_.value(invoke->arguments[2]);
  }
  return std::nullopt;
}

/// How the user calls a device of its domains. One of which the scenario says nothing gets a number
/// that it says of none.
u64 Story::number_of(u64 parent, u32 device) {
  if (const auto number = subject_.interface().number_of(parent, device)) return *number;
  if (const auto said = number_said_for(parent, device)) return *said;
  std::set<u64> taken;
  for (u32 other = 0; other < world_.devices.size(); ++other) {
    for (const auto number :
         {number_said_for(parent, other), subject_.interface().number_of(parent, other)}) {
      if (number) taken.insert(*number);
    }
  }
  u64 number = 0;
  while (taken.contains(number)) ++number;
  spec::sva::Call call{.kind = CallKind::vdevice, .domain = parent};
  call.device = device;
  call.number = number;
  subject_.call(0, call, wanted_success(), {});
  return number;
}

/// The first device that is on the domain.
u32 Story::device_on(u64 domain) const {
  for (u32 device = 0; device < world_.devices.size(); ++device) {
    if (subject_.interface().domain_of(device) == domain) return device;
  }
  return 0;
}

/// `[va(a), all, cd(pasid), ...]` as the user writes them.
void Story::add_commands(const Value& list, u64 domain, std::vector<CommandWords>& out) {
  const UserWords& words = subject_.users()->words();
  const u64 parent = subject_.interface().parent_of(domain);
  for (const Value& one : list.items) {
    const auto argument = [&](std::size_t i) {
      return i < one.items.size() ? names_.value(one.items[i]).value_or(0) : 0;
    };
    if (one.word == "va") {
      out.push_back(words.va(argument(0)));
    } else if (one.word == "all") {
      out.push_back(words.all());
    } else if (one.word == "cd") {
      out.push_back(words.entry(number_of(parent, device_on(domain)), argument(0)));
    } else if (one.word == "atc" && !one.items.empty()) {
      const u32 device = world_.device(one.items[0].word);
      const bool none = one.items.size() > 1 && one.items[1].is_word("none");
      const auto pasid = none ? std::nullopt : std::optional(argument(1));
      out.push_back(words.device(number_of(parent, device), pasid, argument(2)));
    } else if (one.word == "other_sid") {
      constexpr u64 nobodys = 0x7fff'ffff;
      out.push_back(words.has_entries() ? words.entry(nobodys, 0)
                                        : words.device(nobodys, std::nullopt, 0));
    } else if (one.word == "host_all") {
      out.push_back(words.all_of_host());
    } else if (one.word == "sync") {
      out.push_back(words.sync());
    } else if (one.word == "resume") {
      out.push_back(words.resume());
    } else {
      out.push_back(words.reserved());
    }
  }
}

/// The user of a new stage 2 domain has its memory mapped there; that of one that is gone, no more.
void Story::users_follow(const spec::sva::Call& call, const Answer& answer) {
  UserMemory* users = subject_.users();
  if (!succeeded(answer)) return;
  if (call.kind == CallKind::domain_free) {
    stage2_domains_.erase(call.domain);
    for (auto& [table, domains] : domains_of_entries_) domains.erase(call.domain);
  }
  if (call.kind == CallKind::domain_alloc && spec::sva::is_nested(call.domain_kind)) {
    for (const auto& [table, entries] : user_entries_) {
      const bool leads_there =
          call.domain_kind == kind_nested_pasid
              ? call.structure == users->route_to_entries(entries.at, entries.count_lg2)
              : call.structure == users->words().route_to(entries.at);
      if (leads_there) domains_of_entries_[table].insert(answer.observed.value);
    }
  }
  if (call.kind == CallKind::domain_alloc && call.domain_kind == kind_stage2) {
    stage2_domains_.insert(answer.observed.value);
  }
  if (users == nullptr) return;
  // Before somebody marks the state: a command by which it is named changes nothing then.
  const u64 parent = subject_.interface().parent_of(call.domain);
  if (call.kind == CallKind::attach && parent != 0 && user_names_devices()) {
    number_of(parent, call.device);
  }
  if (call.kind == CallKind::domain_free) return users->remove_user(call.domain);
  if (call.kind != CallKind::domain_alloc || call.domain_kind != kind_stage2) return;
  const spec::sva::Call map{.kind = CallKind::map,
                            .domain = answer.observed.value,
                            .iova = UserMemory::first_ipa,
                            .pa = users->add_user(answer.observed.value),
                            .size = UserMemory::bytes,
                            .prot = spec::sva::prot_read | spec::sva::prot_write};
  const Answer mapped = subject_.call(0, map, wanted_success(), {});
  if (!succeeded(mapped)) differ("the user's memory to be mapped", "map failed");
}

}  // namespace iommucheck::oracle::stories
