// SPDX-License-Identifier: MIT
#include "spec/sva/nested.h"

#include "spec/sva/attachments.h"
#include "spec/sva/layers.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u64 user_page_mask = 4095;

}  // namespace

UserRoute route_of(const InterfaceState& s, u32 domain) {
  if (s.user_format == nullptr) return {};
  return s.user_format->route(s.spaces[domain].structure).value_or(UserRoute{});
}

u32 find_table(const InterfaceState& s, u32 parent, u64 root) {
  u32 found = 0;
  for_each_table_of(s, parent, [&](u32 i) {
    if (s.spaces[i].structure[0] == root) found = i;
  });
  return found;
}

bool is_nested(const Space& space) { return is_nested(space.kind) && space.owner == Owner::domain; }

bool has_users_pasid_table(const InterfaceState& s, u32 domain) {
  return !s.routes_users && is_of_kind(s, domain, DomainKind::nested_pasid);
}

u32 parent_of(const InterfaceState& s, u32 domain) {
  return domain != 0 && is_nested(s.spaces[domain]) ? s.spaces[domain].domain : 0;
}

bool is_behind_stage2(const InterfaceState& s, u32 domain) {
  if (domain == 0) return false;
  const Space& space = s.spaces[domain];
  return is_nested(space) || space.kind == static_cast<u32>(DomainKind::paging_s2);
}

// --- domain_alloc ---

bool has_nested(const InterfaceState& s, u32 parent) {
  bool found = false;
  s.for_each_space([&](u32 i) {
    found |= is_nested(s.spaces[i]) && s.spaces[i].domain == parent &&
             s.spaces[i].life == records::living;
  });
  return found;
}

// --- vdevice ---

std::optional<u64> number_of(const InterfaceState& s, u32 parent, u32 device) {
  std::optional<u64> found;
  for_each_number(s, [&](u32 i) {
    const VirtualDevice& its = s.virtual_devices[i];
    if (its.parent == parent && its.device == device) found = its.number;
  });
  return found;
}

namespace {

template <class Which>
void forget_vdevices(InterfaceState& s, Which which) {
  for_each_number(s, [&](u32 i) {
    if (!which(s.virtual_devices[i])) return;
    s.virtual_devices.edit(s.trail, i).parent = 0;
    s.virtual_devices.release(s.trail, i);
  });
}

}  // namespace

void forget_vdevices_of_domain(InterfaceState& s, u32 parent) {
  forget_vdevices(s, [&](const VirtualDevice& its) { return its.parent == parent; });
}

void forget_vdevices_of_device(InterfaceState& s, u32 device) {
  forget_vdevices(s, [&](const VirtualDevice& its) { return its.device == device; });
}

// --- The user's memory ---

namespace {

/// The user's table if the range is one that it can hold.
u32 find_writable(const InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes) {
  const u32 table = find_table(s, s.find_stage2(parent), root);
  if (table == 0 || bytes == 0 || ((va | bytes) & user_page_mask) != 0) return 0;
  const u64 last = va + (bytes - 1);
  return last < va || beyond(last, s.spaces[table].input_bits) ? 0 : table;
}

void change(InterfaceState& s) { s.trail.set(s.changes, s.changes + 1); }

/// Whether something may cache what stands in the user's memory.
bool is_watched(const InterfaceState& s, u32 parent) { return s.spaces[parent].used != 0; }

/// Nothing outside of what the structure says is cached. IHI 0070 3.21.1.
bool may_lead_to(const UserRoute& route, u64 entry) {
  if (route.kind != UserRoute::Kind::stage1 || route.table) return false;
  const u64 bytes = u64{route.entry_bytes} << route.pasid_bits;
  return !route.linear || (entry >= route.entries && entry - route.entries < bytes);
}

/// Those that are on a route of the user's which leads to the entry, or may be.
u64 devices_led_to(const InterfaceState& s, u32 parent, u64 entry) {
  u64 bits = 0;
  for (u32 device = 0; device < s.devices.size(); ++device) {
    const u32 domain = s.devices[device].domain;
    const bool its = parent_of(s, domain) == parent && may_lead_to(route_of(s, domain), entry);
    if (its || s.devices[device].ghosts != 0) bits |= device_bit(device);
  }
  return bits;
}

}  // namespace

bool user_table_made(InterfaceState& s, u64 parent, const UserTable& table) {
  const u32 index = s.find_stage2(parent);
  if (index == 0 || table.bytes == 0 || find_table(s, index, table.root) != 0) return false;
  s.spaces.allocate(s.trail, {.page_sizes = user_page_mask + 1,
                              .added_first = table.first,
                              .added_last = table.first + (table.bytes - 1),
                              .kind = static_cast<u32>(DomainKind::paging),
                              .input_bits = table.input_bits,
                              .output_bits = 64,
                              .life = records::living,
                              .owner = Owner::user,
                              .table = table.pa,
                              .domain = index,
                              .structure = {table.root, 0}});
  return true;
}

bool user_unmaps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes) {
  const u32 table = find_writable(s, parent, root, va, bytes);
  if (table == 0) return false;
  change(s);
  const auto tag = static_cast<u32>(s.changes);
  const u64 last = va + (bytes - 1);
  if (is_watched(s, s.spaces[table].domain)) {
    s.forest.for_each(s.spaces[table].map, va, last,
                      [&](const Interval& piece) { keep_layer(s, table, piece, tag); });
  }
  s.forest.erase(s.spaces[table].map, va, last);
  return true;
}

/// Of several tables that were taken out the hull is kept.
bool user_takes_out(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes) {
  if (!user_unmaps(s, parent, root, va, bytes)) return false;
  const u32 table = find_table(s, s.find_stage2(parent), root);
  if (!is_watched(s, s.spaces[table].domain)) return true;
  Space& its = s.spaces.edit(s.trail, table);
  const bool another = its.taken_out != 0;
  const u64 last = va + (bytes - 1);
  its.taken_first = another ? std::min(its.taken_first, va) : va;
  its.taken_last = another ? std::max(its.taken_last, last) : last;
  its.taken_out = s.changes;
  return true;
}

bool user_maps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot) {
  if (!user_unmaps(s, parent, root, va, bytes)) return false;
  const u32 table = find_table(s, s.find_stage2(parent), root);
  return s.forest.insert(s.spaces[table].map, {va, va + (bytes - 1), ipa, prot, 0});
}

namespace {

/// Of a table that has more than one: no command by a number takes all that it has made.
constexpr u64 several_numbers = ~u64{0};

}  // namespace

bool user_sets_entry(InterfaceState& s, u64 parent, u64 entry, UserEntry content) {
  const u32 index = s.find_stage2(parent);
  const bool leads = content.kind == UserEntryKind::table;
  const u32 table = leads ? find_table(s, index, content.root) : 0;
  if (index == 0 || (leads && table == 0)) return false;
  change(s);
  for_each_context(s, index, [&](u32 i) {
    const UserContext& context = s.user_contexts[i];
    if (context.entry != entry || context.changes != 0) return;
    if (const u64 cached_by = devices_led_to(s, index, entry); cached_by != 0) {
      UserContext& old = s.user_contexts.edit(s.trail, i);
      old.changes = s.changes;
      old.cached_by = cached_by;
      return;
    }
    s.user_contexts.edit(s.trail, i).parent = 0;
    s.user_contexts.release(s.trail, i);
  });
  if (table != 0 && s.spaces[table].structure[1] != several_numbers) {
    s.spaces.edit(s.trail, table).structure[1] = content.asid;
  }
  s.user_contexts.allocate(s.trail, {.entry = entry,
                                     .parent = index,
                                     .table = table,
                                     .kind = content.kind,
                                     .stalls = content.stalls ? 1U : 0U});
  return true;
}

void forget_user_memory(InterfaceState& s, u32 parent) {
  s.for_each_user_event([&](u32 i) {
    if (s.user_events[i].parent != parent) return;
    s.user_events.edit(s.trail, i) = {};
    s.user_events.release(s.trail, i);
  });
  for_each_context(s, parent, [&](u32 i) {
    s.user_contexts.edit(s.trail, i).parent = 0;
    s.user_contexts.release(s.trail, i);
  });
  for_each_table_of(s, parent, [&](u32 i) {
    Space& table = s.spaces.edit(s.trail, i);
    s.forest.clear(table.map);
    clear_stale(s, i);
    table.life = records::unused;
    s.spaces.release(s.trail, i);
  });
}

// --- Promises ---

void note_users_route(InterfaceState& s, u32 domain) {
  const u32 parent = parent_of(s, domain);
  const UserRoute route = route_of(s, domain);
  if (parent == 0 || !route.number) return;
  if (!route.table) {
    bool known = false;
    for_each_context(s, parent, [&](u32 i) { known |= s.user_contexts[i].entry == route.entries; });
    if (!known) s.spaces.edit(s.trail, parent).structure[0] = 1;
    return;
  }
  const u32 table = find_table(s, parent, *route.table);
  bool mixed = table == 0 || s.spaces[table].input_bits != route.table_bits;
  for_each_table_of(s, parent, [&](u32 i) {
    const u64 number = s.spaces[i].structure[1];
    mixed |= i != table && (number == *route.number || number == several_numbers);
  });
  if (mixed) s.spaces.edit(s.trail, parent).structure[0] = 1;
  if (table == 0) return;
  u64& number = s.spaces.edit(s.trail, table).structure[1];
  number = number == 0 || number == *route.number ? *route.number : several_numbers;
}

bool are_numbers_mixed(const InterfaceState& s, u32 parent) {
  return s.spaces[parent].structure[0] != 0;
}

void note_users_device(InterfaceState& s, u32 domain) {
  const u32 parent = parent_of(s, domain);
  if (parent != 0 && s.spaces[parent].used == 0) s.spaces.edit(s.trail, parent).used = 1;
}

}  // namespace iommucheck::spec::sva
