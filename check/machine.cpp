// SPDX-License-Identifier: MIT
#include "check/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <numeric>
#include <set>
#include <span>
#include <variant>

#include "base/bits.h"
#include "guest/guest_setup.h"
#include "monitor/drawn_smmu.h"
#include "monitor/monitor.h"
#include "spec/smmu/id_registers.h"

namespace iommucheck::oracle {

namespace {

using spec::Capabilities;
using spec::StallModel;
using spec::sva::DeviceSetup;

constexpr std::size_t devices_max = 4;  // as many as an operation can name
constexpr u64 smmus_max = devices_max;
constexpr u32 queue_lg2_max = 19;
constexpr u32 stream_bits_max = 20;  // of a device's StreamIDs: a table for them fits the window
constexpr u32 pasid_bits_max = 8;    // of a device that is drawn
constexpr u32 group_max = 1000;
constexpr u32 low_memory_bits = 32;  // so many address bits have no memory but the low one

/// A number that a text may set: a field of Capabilities, or what stands for one.
struct Key {
  std::string_view name;
  std::variant<bool Capabilities::*, unsigned Capabilities::*> field;
  unsigned lowest = 0, highest = 1;
};

constexpr Key keys[] = {
    {"minor", &Capabilities::minor, 0, 3},
    {"cohacc", &Capabilities::cohacc},
    {"btm", &Capabilities::btm},
    {"ril", &Capabilities::ril},
    {"bbml", &Capabilities::bbml, 0, 2},
    {"httu", &Capabilities::httu, 0, 2},
    {"cd2l", &Capabilities::cd2l},
    {"st2l", &Capabilities::two_level_stream_table},
    {"asid16", &Capabilities::asid16},
    {"vmid16", &Capabilities::vmid16},
    {"s1p", &Capabilities::s1p},
    {"s2p", &Capabilities::s2p},
    {"hyp", &Capabilities::hyp},
    {"ats", &Capabilities::ats},
    {"pri", &Capabilities::pri},
    {"msi", &Capabilities::msi},
    {"term", &Capabilities::term_model},
    {"ttendian", &Capabilities::ttendian, 0, 2},
    {"had", &Capabilities::had},
    {"xnx", &Capabilities::xnx},
    {"stt", &Capabilities::stt},
    {"e0pd", &Capabilities::e0pd},
    {"fwb", &Capabilities::fwb},
    {"gran4k", &Capabilities::gran4k},
    {"gran16k", &Capabilities::gran16k},
    {"gran64k", &Capabilities::gran64k},
    {"ssidsize", &Capabilities::ssidsize, 0, 20},
    {"sidsize", &Capabilities::sidsize, 1, 32},
    {"cmdqs", &Capabilities::cmdqs, 1, queue_lg2_max},
    {"eventqs", &Capabilities::eventqs, 1, queue_lg2_max},
    {"priqs", &Capabilities::priqs, 0, queue_lg2_max},
    {"oas", &Capabilities::oas_lg2, 32, 48},
};

unsigned get(const Capabilities& caps, const Key& key) {
  if (const auto* number = std::get_if<unsigned Capabilities::*>(&key.field)) {
    return caps.*(*number);
  }
  return caps.*std::get<bool Capabilities::*>(key.field) ? 1 : 0;
}

void set(Capabilities& caps, const Key& key, unsigned value) {
  if (const auto* number = std::get_if<unsigned Capabilities::*>(&key.field)) {
    caps.*(*number) = value;
  } else {
    caps.*std::get<bool Capabilities::*>(key.field) = value != 0;
  }
}

// ---- text ---------------------------------------------------------------------------------------

// SID[+SID...]:PASID_BITS[:ats][:stall][:pri][:group=N][:smmu=K], with / between devices.
std::string devices_text(const std::vector<DeviceSetup>& devices) {
  std::string text;
  for (const DeviceSetup& device : devices) {
    text += fmt::format("{}{:#x}:{}", text.empty() ? "" : "/", fmt::join(device.stream_ids, "+"),
                        device.ssid_bits);
    if (device.ats) text += ":ats";
    if (device.stall) text += ":stall";
    if (device.pri) text += ":pri";
    if (device.group != DeviceSetup::alone) text += fmt::format(":group={}", device.group);
    if (device.iommu_number != 0) text += fmt::format(":smmu={}", device.iommu_number);
  }
  return text;
}

std::vector<std::string_view> split(std::string_view text, char between) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(between);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<u64> number(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  u64 value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

struct HookKey {
  std::string_view name;
  bool spec::sva::Hooks::* is_there;
};
constexpr HookKey hook_keys[] = {{"-mm_alloc", &spec::sva::Hooks::mm_alloc},
                                 {"-mm_free", &spec::sva::Hooks::mm_free},
                                 {"-mm_attach", &spec::sva::Hooks::mm_attach},
                                 {"-mm_detach", &spec::sva::Hooks::mm_detach}};

/// "-mm_alloc/-mm_free": those that are missing.
std::string hooks_text(const spec::sva::Hooks& hooks) {
  std::string text;
  for (const HookKey& key : hook_keys) {
    if (hooks.*key.is_there) continue;
    text += fmt::format("{}{}", text.empty() ? "" : "/", key.name);
  }
  return text;
}

std::unexpected<Error> wrong(std::string what) {
  return fail(ErrorCode::bad_input, "machine: " + std::move(what));
}

Expected<spec::sva::Hooks> parse_hooks(std::string_view text) {
  spec::sva::Hooks hooks;
  for (const std::string_view one : split(text, '/')) {
    const auto* key = std::ranges::find(hook_keys, one, &HookKey::name);
    if (key == std::end(hook_keys)) {
      return wrong(
          fmt::format("hooks are taken away as -mm_alloc, -mm_free, -mm_attach and "
                      "-mm_detach with / between, not as '{}'",
                      one));
    }
    hooks.*key->is_there = false;
  }
  return hooks;
}

Expected<DeviceSetup> parse_device(std::string_view text) {
  constexpr const char* form = "SID[+SID]:PASID_BITS[:ats][:stall][:pri][:group=N][:smmu=K]";
  const auto bad = [&] { return wrong(fmt::format("device '{}' is not {}", text, form)); };
  DeviceSetup device;
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() < 2) return bad();
  for (const std::string_view sid : split(parts[0], '+')) {
    const auto value = number(sid);
    if (!value || *value >= pow2(stream_bits_max)) return bad();
    device.stream_ids.push_back(static_cast<u32>(*value));
  }
  const auto pasid_bits = number(parts[1]);
  if (!pasid_bits || *pasid_bits > 20) return bad();
  device.ssid_bits = static_cast<u32>(*pasid_bits);
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const std::string_view part = parts[i];
    constexpr u64 none = ~u64{0};
    const u64 group = part.starts_with("group=") ? number(part.substr(6)).value_or(none) : none;
    const u64 smmu = part.starts_with("smmu=") ? number(part.substr(5)).value_or(none) : none;
    if (part == "ats") {
      device.ats = true;
    } else if (part == "stall") {
      device.stall = true;
    } else if (part == "pri") {
      device.pri = true;
    } else if (group <= group_max) {
      device.group = static_cast<u32>(group);
    } else if (smmu < smmus_max) {
      device.iommu_number = static_cast<u32>(smmu);
    } else {
      return bad();
    }
  }
  return device;
}

/// What is followed of several SMMUs.
std::string objection_to_several(const Machine& machine) {
  std::set<u32> smmus;
  for (const DeviceSetup& device : machine.devices) {
    smmus.insert(device.iommu_number);
    if (device.stall || device.pri) return "beside another SMMU devices neither stall nor have pri";
    for (const DeviceSetup& other : machine.devices) {
      const bool together = device.group != DeviceSetup::alone && device.group == other.group;
      if (together && device.iommu_number != other.iommu_number) {
        return fmt::format("group {} is behind two SMMUs", device.group);
      }
    }
  }
  if (smmus.size() != *smmus.rbegin() + 1)
    return "SMMUs have the numbers from 0 on (smmu=0, 1, ...)";
  if (machine.caps.httu != 0) return "beside another SMMU there is no HTTU (httu=0)";
  if (machine.dirty || machine.guest) return "several SMMUs are nobody's before, and no guest's";
  return {};
}

/// Empty, or why there can be no such machine.
std::string objection(const Machine& machine) {
  const Capabilities& caps = machine.caps;
  if (spec::address_size_lg2(spec::address_size_encoding(caps.oas_lg2)) != caps.oas_lg2) {
    return "oas is one of 32, 36, 40, 42, 44 and 48";
  }
  if (machine.devices.empty() || machine.devices.size() > devices_max) {
    return fmt::format("{} devices; there are 1 to {}", machine.devices.size(), devices_max);
  }
  std::set<u32> seen;
  for (const DeviceSetup& device : machine.devices) {
    for (const u32 sid : device.stream_ids) {
      if (!seen.insert(sid).second) return fmt::format("StreamID {:#x} stands twice", sid);
      if ((u64{sid} >> caps.sidsize) != 0) {
        return fmt::format("StreamID {:#x} has more than sidsize={} bits", sid, caps.sidsize);
      }
    }
    if (device.ats && !caps.ats) return "a device has ats where the SMMU has not (ats=0)";
    if (device.stall && caps.stall_model == StallModel::never) {
      return "a device can stall where the SMMU cannot (stall=1)";
    }
    if (device.pri && !caps.pri) return "a device has pri where the SMMU has not (pri=0)";
    if (device.pri && !device.ats) return "a device has pri and not ats";
    if (device.pri && device.stall) return "a device stalls, or has pri";
  }
  if (machine.high_memory && caps.oas_lg2 <= low_memory_bits) {
    return "memory=high needs oas=36 at least";
  }
  if (machine.has_several_smmus()) return objection_to_several(machine);
  const auto wrong_ids = spec::id_inconsistencies(spec::make_id_registers(caps));
  if (wrong_ids.empty()) return {};
  return fmt::format("no SMMU is like that: {} (IHI 0070 {})", wrong_ids.front().text,
                     wrong_ids.front().section);
}

std::string values_of(const spec::ProfileItem& item) {
  std::string text;
  for (const auto& value : item.values) {
    text += fmt::format("{}{}", text.empty() ? "" : " or ", value.name);
  }
  return text;
}

Expected<void> change_one(Machine& machine, std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (name == "devices") {
    machine.devices.clear();
    for (const std::string_view one : split(value, '/')) {
      auto device = parse_device(one);
      if (!device) return std::unexpected(std::move(device.error()));
      machine.devices.push_back(std::move(*device));
    }
    return {};
  }
  if (name == "boot") {
    if (value != "dirty" && value != "clean") {
      return wrong(fmt::format("boot is dirty or clean, not '{}'", value));
    }
    machine.dirty = value == "dirty";
    return {};
  }
  if (name == "memory") {
    if (value != "high" && value != "low") {
      return wrong(fmt::format("memory is high or low, not '{}'", value));
    }
    machine.high_memory = value == "high";
    return {};
  }
  if (name == "guest") {
    if (value != "0" && value != "1") return wrong(fmt::format("guest is 0 or 1, not '{}'", value));
    machine.guest = value == "1";
    return {};
  }
  if (name == "hooks") {
    auto hooks = parse_hooks(value);
    if (!hooks) return std::unexpected(std::move(hooks.error()));
    machine.hooks = *hooks;
    return {};
  }
  const auto parsed = number(value);
  const auto in = [&](u64 lowest, u64 highest) {
    return parsed && *parsed >= lowest && *parsed <= highest;
  };
  const auto between = [&](u64 lowest, u64 highest) {
    return wrong(
        fmt::format("{} is a number from {} to {}, not '{}'", name, lowest, highest, value));
  };
  if (const spec::ProfileItem* item = spec::find_profile_item(name)) {
    const auto chosen = item->value_named(value);
    if (!chosen) return wrong(fmt::format("{} is {}, not '{}'", name, values_of(*item), value));
    item->set(machine.profile, *chosen);
    return {};
  }
  if (name == "stall") {
    if (!in(0, 2)) return between(0, 2);
    machine.caps.stall_model = static_cast<StallModel>(*parsed);
    return {};
  }
  if (name == "cmdq") {
    if (!in(0, queue_lg2_max)) return between(0, queue_lg2_max);
    machine.cmdq_log2size = static_cast<u32>(*parsed);
    return {};
  }
  for (const Key& key : keys) {
    if (key.name != name) continue;
    if (!in(key.lowest, key.highest)) return between(key.lowest, key.highest);
    set(machine.caps, key, static_cast<unsigned>(*parsed));
    return {};
  }
  std::string names;
  for (const Key& key : keys) names += std::string(key.name) + ", ";
  for (const spec::ProfileItem& item : spec::profile_items()) {
    names += std::string(item.name) + ", ";
  }
  return wrong(fmt::format(
      "there is no '{}'; there are {}stall, cmdq, memory, boot, guest, hooks and devices", name,
      names));
}

bool is_allowed(const Machine& machine) {
  return spec::id_inconsistencies(spec::make_id_registers(machine.caps)).empty();
}

/// A StreamID of more than eight bits, which is more than a linear table or a byte has.
bool is_wide(const Machine& machine) {
  return std::ranges::any_of(machine.devices, [](const DeviceSetup& device) {
    return std::ranges::any_of(device.stream_ids, [](u32 sid) { return sid > 0xff; });
  });
}

/// A StreamID that makes a large table of one level.
bool is_far(const Machine& machine) {
  return std::ranges::any_of(machine.devices, [](const DeviceSetup& device) {
    return std::ranges::any_of(device.stream_ids, [](u32 sid) { return sid > 0x7ff; });
  });
}

/// What the SMMU does not have, no device claims.
void drop_what_is_not_there(Machine& machine) {
  if (!machine.caps.s1p) {
    // PASIDs, and faults that wait for an answer, are of stage 1.
    machine.caps.ssidsize = 0;
    machine.caps.had = machine.caps.e0pd = machine.caps.hyp = false;
    for (DeviceSetup& device : machine.devices) {
      device.stall = device.pri = false;
      device.ssid_bits = 0;
    }
  }
  for (DeviceSetup& device : machine.devices) {
    device.ats &= machine.caps.ats;
    device.stall &= machine.caps.stall_model != StallModel::never;
    device.pri &= machine.caps.pri && device.ats;
  }
}

/// Devices that nobody named have StreamIDs that the SMMU has.
void fit_stream_ids(Machine& machine) {
  const u64 largest = low_mask(u64{machine.caps.sidsize});
  std::set<u32> taken;
  for (const DeviceSetup& device : machine.devices) {
    for (const u32 sid : device.stream_ids) {
      if (sid <= largest) taken.insert(sid);
    }
  }
  for (DeviceSetup& device : machine.devices) {
    for (u32& sid : device.stream_ids) {
      if (sid <= largest) continue;
      u64 other = sid & largest;
      for (u64 tries = 0; tries <= largest && taken.contains(static_cast<u32>(other)); ++tries) {
        other = (other + 1) & largest;
      }
      sid = static_cast<u32>(other);  // of too few, objection() says so
      taken.insert(sid);
    }
  }
}

/// Whether the changes say what becomes of one of the keys.
bool names_one_of(std::string_view changes, std::initializer_list<std::string_view> wanted) {
  return std::ranges::any_of(split(changes, ','), [&](std::string_view change) {
    return std::ranges::find(wanted, change.substr(0, change.find('='))) != wanted.end();
  });
}

/// What its version makes mandatory the SMMU has, and nothing that comes with later ones, unless
/// `text` says what it has. IHI 0070 2.9, 6.3.1, 6.3.2 (SIDSIZE), 6.3.4.
void fit_the_version(Capabilities& caps, std::string_view text) {
  const auto free = [&](std::string_view key) { return !names_one_of(text, {key}); };
  if (caps.minor == 0) {
    if (free("xnx")) caps.xnx = false;
    if (free("ril")) caps.ril = false;
    if (free("bbml")) caps.bbml = 0;
    if (free("fwb")) caps.fwb = false;
    if (free("stt")) caps.stt = false;
  }
  if (caps.minor < 2 && free("e0pd")) caps.e0pd = false;
  if (caps.hyp && caps.s1p && free("s2p")) caps.s2p = true;
  constexpr unsigned widest_of_one_level = 6;
  if (!caps.two_level_stream_table && free("sidsize") && caps.sidsize > widest_of_one_level) {
    caps.sidsize = widest_of_one_level;
  }
  if (caps.minor >= 1 && caps.s1p && free("had")) caps.had = true;
  if (caps.minor >= 1 && caps.s2p && free("xnx")) caps.xnx = true;
  if (caps.minor >= 2 && free("ril")) caps.ril = true;
  if (caps.minor >= 2 && caps.bbml == 0 && free("bbml")) caps.bbml = 1;
  if (caps.minor >= 2 && free("fwb")) caps.fwb = true;
  if (caps.minor >= 2 && caps.s1p && caps.s2p && free("hyp")) caps.hyp = true;
  if (caps.minor >= 3 && free("e0pd")) caps.e0pd = true;
}

/// What the devices claim the SMMU has, unless `text` says what it has.
void fit_the_devices(Machine& machine, std::string_view text) {
  const auto free = [&](std::string_view key) { return text.find(key) == std::string_view::npos; };
  Capabilities& caps = machine.caps;
  for (const DeviceSetup& device : machine.devices) {
    if ((device.ats || device.pri) && free("ats=")) caps.ats = true;
    if (device.pri && free("pri=")) {
      caps.pri = true;
      if (free("priqs=") && caps.priqs == 0) caps.priqs = 4;
    }
    if (device.stall && free("stall=") && caps.stall_model == StallModel::never) {
      caps.stall_model = StallModel::both;
    }
    for (const u32 sid : device.stream_ids) {
      if (!free("sidsize=")) continue;
      caps.sidsize = std::max(caps.sidsize, static_cast<unsigned>(std::bit_width(sid)));
      // IHI 0070 6.3.1: so many StreamIDs have tables of two levels.
      if (caps.sidsize >= 7 && free("st2l=")) caps.two_level_stream_table = true;
    }
  }
}

/// StreamIDs are apart where the tables for that stay small; with `far` thousands of level 1
/// descriptors lie between them, which costs time.
u32 drawn_stream_id(Draw& draw, const Capabilities& caps, bool far, std::set<u32>& taken) {
  const u32 most = caps.two_level_stream_table ? (far ? stream_bits_max : 11) : 10;
  const u32 widest = std::min<u32>(caps.sidsize, most);
  for (;;) {
    const u32 bits = draw.from(1, widest);
    const u32 sid = draw.below(u32{1} << bits);
    if (taken.insert(sid).second) return sid;
  }
}

/// Of those that ask for translations some ask for pages. By a draw of its own, so that nothing
/// else of a machine depends on it.
void draw_page_requests(Machine& machine, u64 seed) {
  Draw draw(seed ^ 0x5052'4951);
  if (!machine.caps.ats || !machine.caps.s1p || draw.one_in(2)) return;
  bool any = false;
  for (DeviceSetup& device : machine.devices) {
    const bool asks = draw.one_in(2);
    if (!asks || !device.ats || device.ssid_bits == 0) continue;
    any = device.pri = true;
    device.stall = false;
  }
  machine.caps.pri = any;
  machine.caps.priqs = any ? draw.of({1, 2, 4, 8}) : 0;
}

/// Completion of a CMD_SYNC by message. By a draw of its own, too.
void draw_messages(Machine& machine, u64 seed) {
  machine.caps.msi = Draw(seed ^ 0x4d53'4900).one_in(2);
}

/// Memory may be anywhere. Likewise.
void draw_memory(Machine& machine, u64 seed) {
  const bool high = Draw(seed ^ 0x4d45'4d48).one_in(2);
  machine.high_memory = high && machine.caps.oas_lg2 > low_memory_bits;
}

/// CPUs' broadcasts are heard, unless the driver sets CR2.PTM. Likewise.
void draw_broadcasts(Machine& machine, u64 seed) {
  machine.caps.btm = Draw(seed ^ 0x4254'4d00).one_in(4);
}

}  // namespace

bool Machine::has_groups() const {
  std::set<u32> seen;
  return std::ranges::any_of(devices, [&](const DeviceSetup& device) {
    return device.group != DeviceSetup::alone && !seen.insert(device.group).second;
  });
}

Machine default_machine() {
  Machine machine;
  machine.caps = spec::parse_capabilities(default_id_registers());
  machine.cmdq_log2size = 6;
  machine.devices = {{.stream_ids = {1}, .ssid_bits = 8, .stall = true},
                     {.stream_ids = {2, 3}, .ssid_bits = 5, .ats = true},
                     {.stream_ids = {4}},
                     {.stream_ids = {5}, .ssid_bits = 3, .ats = true, .stall = true}};
  return machine;
}

namespace {

/// What machines of a campaign differ in. The default machine has none of them, and of two each is
/// there without the other, and both are, on one of those beside it (covering_columns).
enum class Trait : u8 {
  incoherent,         ///< COHACC = 0
  no_ranges,          ///< RIL = 0
  bbml,               ///< not 0
  one_level_cds,      ///< CD2L = 0
  one_level_streams,  ///< ST_LEVEL = 0
  high_pasids,        ///< above 511
  asid8,
  no_ats,
  no_stalls,
  few_commands,  ///< a queue of 8 or 16
  few_events,    ///< one of 4 or 8
  narrow,        ///< less than 44 address bits
  stage2,
  httu,
  terminates,   ///< TERM_MODEL = 1
  group,        ///< of the first two devices
  two_streams,  ///< of the first device
  no_hooks,     ///< mm_alloc or mm_free is not there
  left_on,      ///< by whoever had the SMMU before (boot=dirty)
  count
};
using Traits = u32;  // a bit each

constexpr bool has(Traits traits, Trait trait) { return bit(traits, static_cast<unsigned>(trait)); }

/// Those that leave less to be asked of a driver, or that some are not for.
constexpr Trait poor[] = {Trait::no_ats, Trait::no_stalls, Trait::no_hooks, Trait::incoherent};

/// Any two traits need sets of machines that meet, and of which none is part of the other, beside
/// a machine without either. Three of seven for each that is poor, no machine in all of them...
constexpr u32 poor_columns[] = {0b0000111, 0b0011001, 0b0101010, 0b0110100};
static_assert(std::size(poor) == std::size(poor_columns));

/// ... and another four of seven for each of the others.
std::vector<u32> covering_columns() {
  std::vector<u32> columns;
  for (u32 set = 0; set < u32{1} << MachinePlan::drawn_count; ++set) {
    const bool fits = std::ranges::all_of(
        poor_columns, [&](u32 its) { return (set & its) != 0 && (set & its) != its; });
    if (fits && std::popcount(set) == 4) columns.push_back(set);
  }
  return columns;
}

/// Of each drawn machine. Which is which, and which trait is on which, is the seed's.
std::array<Traits, MachinePlan::drawn_count> drawn_traits(Draw& draw) {
  const auto shuffle = [&](auto& list) {
    for (u32 left = static_cast<u32>(list.size()); left > 1; --left) {
      std::swap(list[left - 1], list[draw.below(left)]);
    }
  };
  std::vector<u32> columns = covering_columns();
  shuffle(columns);
  std::array<u32, MachinePlan::drawn_count> places{};
  std::iota(places.begin(), places.end(), 0U);
  shuffle(places);
  std::array<Traits, MachinePlan::drawn_count> traits{};
  std::size_t next = 0;
  for (u32 trait = 0; trait < static_cast<u32>(Trait::count); ++trait) {
    const auto* rare = std::ranges::find(poor, static_cast<Trait>(trait));
    const u32 column =
        rare == std::end(poor) ? columns[next++] : poor_columns[rare - std::begin(poor)];
    for (u32 machine = 0; machine < MachinePlan::drawn_count; ++machine) {
      traits[places[machine]] |= ((column >> machine) & 1) << trait;
    }
  }
  return traits;
}

/// Versions have what they must: RIL and BBML from SMMUv3.2 on, either from SMMUv3.1 on.
void set_version(Capabilities& caps, Traits traits, Draw& draw) {
  const bool ranges = !has(traits, Trait::no_ranges);
  const bool bbml = has(traits, Trait::bbml);
  const u32 lowest = ranges || bbml ? 1 : 0;
  caps.minor = draw.from(lowest, ranges && bbml ? 3 : 1);
  caps.ril = ranges;
  caps.bbml = bbml ? draw.from(1, 2) : 0;
  caps.had = caps.xnx = caps.minor >= 1;
  caps.fwb = caps.minor >= 2;
  caps.e0pd = caps.minor >= 3;
  caps.stt = caps.minor >= 1 && draw.one_in(3);
  caps.s2p = has(traits, Trait::stage2);
  caps.vmid16 = caps.s2p && draw.one_in(2);
  caps.hyp = caps.s2p && (caps.minor >= 2 || draw.one_in(3));
}

void set_sizes(Machine& machine, Traits traits, Draw& draw) {
  Capabilities& caps = machine.caps;
  caps.ssidsize = has(traits, Trait::high_pasids) ? draw.of({10, 11, caps.cd2l ? 20U : 10U})
                                                  : draw.of({0, 1, 3, 6, 7, 8, 8, 8});
  const bool two_levels = !has(traits, Trait::one_level_streams);
  caps.two_level_stream_table = two_levels;
  caps.sidsize = two_levels ? draw.of({7, 8, 16, 20, 32}) : draw.from(4, 6);
  caps.cmdqs = draw.from(5, 8);
  machine.cmdq_log2size = draw.one_in(2) ? 0 : draw.from(5, 8);
  if (has(traits, Trait::few_commands)) {
    // Wanted by the platform, or all that there is.
    u32& lg2 = draw.one_in(2) ? machine.cmdq_log2size : caps.cmdqs;
    lg2 = draw.of({3, 3, 4});
  }
  caps.eventqs = has(traits, Trait::few_events) ? draw.from(2, 3) : draw.from(4, 7);
  caps.oas_lg2 = has(traits, Trait::narrow) ? draw.of({32, 36, 40, 42}) : draw.of({44, 48});
}

/// The first one can do what the SMMU can; the others some of it, or more.
void set_devices(Machine& machine, Traits traits, Draw& draw) {
  constexpr u32 high_bits = 11;  // two leaves of CDs of 64 KiB; more cost time, and show nothing
  const u32 most = has(traits, Trait::high_pasids) ? high_bits : pasid_bits_max;
  const u32 widest = std::min<u32>(machine.caps.ssidsize, most);
  const bool far = draw.one_in(3);
  const u32 count = draw.from(2, devices_max);
  std::set<u32> taken;
  machine.devices.clear();
  for (u32 i = 0; i < count; ++i) {
    DeviceSetup device;
    const u32 streams = i != 0                            ? draw.of({1, 1, 1, 2, 3})
                        : has(traits, Trait::two_streams) ? draw.of({2, 2, 3})
                                                          : 1;
    for (u32 n = 0; n < streams; ++n) {
      device.stream_ids.push_back(drawn_stream_id(draw, machine.caps, far, taken));
    }
    device.ssid_bits = i == 0 ? widest
                       : widest == 0
                           ? draw.of({0, 0, 4})
                           : draw.of({0, widest, std::min<u32>(widest + 2, most), 1, 3, 5});
    device.ats = i == 0 || draw.one_in(2);
    device.stall = i == 0 ? !draw.one_in(3) : draw.one_in(2);
    if (i < 2 && has(traits, Trait::group)) device.group = 1;
    machine.devices.push_back(std::move(device));
  }
  drop_what_is_not_there(machine);
}

Machine machine_with(Traits traits, Draw& draw) {
  Machine machine;
  Capabilities& caps = machine.caps;
  caps = drawn_capabilities(draw);
  set_version(caps, traits, draw);
  caps.cohacc = !has(traits, Trait::incoherent);
  caps.cd2l = !has(traits, Trait::one_level_cds);
  caps.asid16 = !has(traits, Trait::asid8);
  caps.ats = !has(traits, Trait::no_ats);
  caps.stall_model =
      has(traits, Trait::no_stalls) ? spec::StallModel::never : spec::StallModel::both;
  caps.term_model = has(traits, Trait::terminates);
  caps.httu = has(traits, Trait::httu) ? draw.from(1, 2) : 0;
  set_sizes(machine, traits, draw);
  set_devices(machine, traits, draw);
  if (has(traits, Trait::no_hooks)) {
    // Whoever has no use for them leaves address spaces to the core; one alone is a mistake.
    const u32 left = draw.of({0, 0, 0, 0, 0, 1, 1, 2});
    machine.hooks.mm_alloc = left == 1;
    machine.hooks.mm_free = left == 2;
    // Without one of these nobody is ever bound.
    machine.hooks.mm_attach = !draw.one_in(8);
    machine.hooks.mm_detach = !draw.one_in(8);
  }
  machine.dirty = has(traits, Trait::left_on);
  return machine;
}

/// A value that a trait has seldom, and that asks most of a driver.
struct Extreme {
  Trait trait;
  std::string_view key;  ///< of a change that would name it
  bool (*has)(const Machine&);
  void (*set)(Machine&);
};
constexpr Extreme extremes[] = {
    {Trait::bbml, "bbml", [](const Machine& m) { return m.caps.bbml == 2; },
     [](Machine& m) { m.caps.bbml = 2; }},
    {Trait::httu, "httu", [](const Machine& m) { return m.caps.httu == 2; },
     [](Machine& m) { m.caps.httu = 2; }},
    {Trait::few_commands, "cmdqs", [](const Machine& m) { return m.caps.cmdqs == 3; },
     [](Machine& m) { m.caps.cmdqs = 3; }},
    {Trait::no_ranges, "ril", [](const Machine& m) { return !m.caps.ril; }, [](Machine&) {}},
};

/// What is drawn apart from traits, where no change names it.
void draw_the_rest(Machine& machine, std::string_view changes, u64 seed) {
  if (!names_one_of(changes, {"devices", "ats", "pri", "priqs", "ssidsize"})) {
    draw_page_requests(machine, seed);
  }
  if (!names_one_of(changes, {"msi"})) draw_messages(machine, seed);
  if (!names_one_of(changes, {"btm"})) draw_broadcasts(machine, seed);
  if (!names_one_of(changes, {"memory"})) draw_memory(machine, seed);
}

/// In every other plan one machine has no granule of 4 KiB, and so nobody is bound to a process
/// there, nor has a user tables of its own.
void draw_granules(std::span<Machine> machines, std::string_view changes, u64 seed) {
  if (names_one_of(changes, {"gran4k", "gran16k", "gran64k"})) return;
  Draw draw(seed ^ 0x4752'414e);
  if (draw.one_in(2)) return;
  Capabilities& caps = machines[draw.below(static_cast<u32>(machines.size()))].caps;
  const u32 there = draw.from(1, 3);
  caps.gran4k = false;
  caps.gran16k = bit(there, 0);
  caps.gran64k = bit(there, 1);
}

/// A StreamID beyond 16 bits shows what is cut to them: one machine has one, where one has a table
/// of two levels.
void draw_wide_stream(std::span<Machine> machines, std::string_view changes, u64 seed) {
  constexpr unsigned cut = 16;
  if (names_one_of(changes, {"devices"})) return;
  const bool any_size = !names_one_of(changes, {"sidsize"});
  std::vector<Machine*> can;
  for (Machine& machine : machines) {
    const Capabilities& caps = machine.caps;
    const bool fits = caps.sidsize > cut || any_size;
    if (caps.two_level_stream_table && fits) can.push_back(&machine);
    for (const DeviceSetup& device : machine.devices) {
      const auto is_wide = [](u32 sid) { return sid >> cut != 0; };
      if (std::ranges::any_of(device.stream_ids, is_wide)) return;
    }
  }
  if (can.empty()) return;
  Draw draw(seed ^ 0x5749'4445);
  Machine& one = *can[draw.below(static_cast<u32>(can.size()))];
  one.caps.sidsize = std::max(one.caps.sidsize, cut + 4);
  one.devices[draw.below(static_cast<u32>(one.devices.size()))].stream_ids.back() |= 1U << cut;
}

/// A table sized by the logarithm of one StreamID less has no place for a highest one that is a
/// power of two: one machine has such a one, where there is room.
void draw_round_stream(std::span<Machine> machines, std::string_view changes, u64 seed) {
  constexpr u32 least = 64, most_of_one_level = 1024, most = 1U << 16;
  if (names_one_of(changes, {"devices"})) return;
  const auto highest = [](Machine& machine) {
    u32* found = &machine.devices.front().stream_ids.front();
    for (DeviceSetup& device : machine.devices) {
      for (u32& sid : device.stream_ids) found = sid > *found ? &sid : found;
    }
    return found;
  };
  std::vector<Machine*> can;
  for (Machine& machine : machines) {
    const u64 round = std::bit_ceil(std::max(u64{*highest(machine)}, u64{least}));
    const u64 room = machine.caps.two_level_stream_table ? most : most_of_one_level;
    if (round <= room && round >> machine.caps.sidsize == 0) can.push_back(&machine);
  }
  if (can.empty()) return;
  Draw draw(seed ^ 0x524f'554e);
  u32& sid = *highest(*can[draw.below(static_cast<u32>(can.size()))]);
  sid = std::bit_ceil(std::max(sid, least));
}

/// Traits meet on one machine (covering_columns), their values where the dice have it so. Each
/// two extremes, too, in every other plan. By a draw of its own, as those below.
void meet_extremes(std::span<Machine> machines, std::span<const Traits> traits,
                   std::string_view changes, u64 seed) {
  Draw draw(seed ^ 0x4578'7472);
  for (const Extreme& a : extremes) {
    for (const Extreme& b : extremes) {
      if (a.trait >= b.trait || draw.one_in(2)) continue;
      if (names_one_of(changes, {a.key, b.key})) continue;
      const auto both = [&](const Machine& m) { return a.has(m) && b.has(m); };
      if (std::ranges::any_of(machines, both)) continue;
      for (std::size_t i = 0; i < machines.size(); ++i) {
        if (!has(traits[i], a.trait) || !has(traits[i], b.trait)) continue;
        Machine extreme = machines[i];
        a.set(extreme);
        b.set(extreme);
        if (!changes.empty() && !is_allowed(extreme)) continue;
        machines[i] = std::move(extreme);
        break;
      }
    }
  }
}

constexpr Traits all_features = (u32{1} << static_cast<u32>(Trait::count)) - 1;

/// What a driver may need, and what it may be needed without: of each trait that leaves an SMMU
/// poorer a part goes, of each that leaves it richer a part comes; with the last rank, all. Before
/// that each of them has one that leaves it poorer: what a driver of few machines is for is met so.
Traits with_more(Traits traits, u32 rank, u32 index, Draw& draw) {
  constexpr Trait poorer[] = {Trait::incoherent, Trait::no_ranges,    Trait::one_level_cds,
                              Trait::asid8,      Trait::no_ats,       Trait::one_level_streams,
                              Trait::no_stalls,  Trait::few_commands, Trait::few_events,
                              Trait::narrow,     Trait::terminates,   Trait::no_hooks};
  constexpr Trait richer[] = {Trait::stage2, Trait::httu};
  const auto stays = [&] { return rank < MachinePlan::stand_ins && draw.one_in(u32{1} << rank); };
  for (const Trait trait : poorer) {
    if (!stays()) traits &= ~(Traits{1} << static_cast<u32>(trait));
  }
  for (const Trait trait : richer) {
    if (!stays()) traits |= Traits{1} << static_cast<u32>(trait);
  }
  const std::size_t kept =
      (index + (MachinePlan::drawn_count + 1) * (rank - 1)) % std::size(poorer);
  if (rank < MachinePlan::stand_ins) traits |= Traits{1} << static_cast<u32>(poorer[kept]);
  return traits;
}

/// The machine with the changes; another one that the architecture allows with them, if that is
/// soon found; whatever traits it has, if those that it was to have do not go with them.
Expected<void> fit(Machine& machine, Traits traits, std::string_view changes, Draw& draw) {
  if (changes.empty()) return {};
  constexpr u32 tries = 100;
  constexpr u32 tries_as_planned = 20;
  Expected<void> changed = change_machine(machine, changes);
  for (u32 n = 0; n < tries && (!changed || !is_allowed(machine)); ++n) {
    machine = machine_with(n < tries_as_planned ? traits : draw.below(all_features), draw);
    changed = change_machine(machine, changes);
  }
  return changed;
}

}  // namespace

Machine drawn_machine(u64 seed) {
  Draw draw(seed);
  Machine machine;
  machine.caps = drawn_capabilities(draw);
  machine.cmdq_log2size = draw.one_in(2) ? 0 : draw.from(3, 8);
  std::set<u32> taken;
  const bool far = draw.one_in(8);
  const u32 count = draw.from(2, devices_max);
  // Tables for more PASIDs than that cost time, and show nothing else.
  const u32 widest = std::min<u32>(machine.caps.ssidsize, pasid_bits_max);
  for (u32 i = 0; i < count; ++i) {
    DeviceSetup device;
    const u32 streams = draw.of({1, 1, 1, 2, 3});
    for (u32 n = 0; n < streams; ++n) {
      device.stream_ids.push_back(drawn_stream_id(draw, machine.caps, far, taken));
    }
    // The first one can do what the SMMU can; the others some of it, or more.
    device.ssid_bits =
        i == 0 ? widest : draw.of({0, widest, std::min<u32>(widest + 2, pasid_bits_max), 3, 5});
    if (widest == 0) device.ssid_bits = draw.of({0, 0, 4});
    device.ats = draw.one_in(2);
    device.stall = draw.one_in(2);
    machine.devices.push_back(std::move(device));
  }
  drop_what_is_not_there(machine);
  draw_page_requests(machine, seed);
  draw_messages(machine, seed);
  draw_broadcasts(machine, seed);
  draw_memory(machine, seed);
  // Whoever has no use for them leaves address spaces to the core.
  machine.hooks.mm_alloc = machine.hooks.mm_free = !draw.one_in(3);
  return machine;
}

std::string machine_text(const Machine& machine) {
  const Machine usual = default_machine();
  std::vector<std::string> parts;
  for (const Key& key : keys) {
    const unsigned value = get(machine.caps, key);
    if (value != get(usual.caps, key)) parts.push_back(fmt::format("{}={}", key.name, value));
  }
  if (machine.caps.stall_model != usual.caps.stall_model) {
    parts.push_back(fmt::format("stall={}", static_cast<unsigned>(machine.caps.stall_model)));
  }
  if (machine.cmdq_log2size != usual.cmdq_log2size) {
    parts.push_back(fmt::format("cmdq={}", machine.cmdq_log2size));
  }
  for (const spec::ProfileItem& item : spec::profile_items()) {
    const unsigned value = item.get(machine.profile);
    if (value != 0) parts.push_back(fmt::format("{}={}", item.name, item.values[value].name));
  }
  if (machine.high_memory) parts.emplace_back("memory=high");
  if (machine.guest) parts.emplace_back("guest=1");
  if (machine.dirty) parts.emplace_back("boot=dirty");
  if (const std::string hooks = hooks_text(machine.hooks); !hooks.empty()) {
    parts.push_back("hooks=" + hooks);
  }
  const std::string devices = devices_text(machine.devices);
  if (devices != devices_text(usual.devices)) parts.push_back("devices=" + devices);
  return parts.empty() ? "default" : fmt::format("{}", fmt::join(parts, ","));
}

Expected<void> change_machine(Machine& machine, std::string_view text) {
  const bool names_devices = text.find("devices=") != std::string_view::npos;
  for (const std::string_view one : split(text, ',')) {
    if (auto changed = change_one(machine, one); !changed) return changed;
  }
  if (text.find("memory=") == std::string_view::npos) {
    machine.high_memory &= machine.caps.oas_lg2 > low_memory_bits;
  }
  // Devices that nobody named follow what the SMMU has become, and it has what those need that
  // somebody named.
  if (names_devices) {
    fit_the_devices(machine, text);
  } else {
    drop_what_is_not_there(machine);
  }
  fit_the_version(machine.caps, text);
  if (!names_devices) fit_stream_ids(machine);
  if (const std::string why = objection(machine); !why.empty()) return wrong(why);
  return {};
}

Expected<Machine> parse_machine(std::string_view text) {
  const std::size_t comma = text.find(',');
  const std::string_view first = text.substr(0, comma);
  const bool has_base = first == "default" || first.starts_with("drawn");
  Machine machine = default_machine();
  if (first.starts_with("drawn")) {
    const auto seed = first.starts_with("drawn:") ? number(first.substr(6)) : std::nullopt;
    if (!seed) return wrong(fmt::format("'{}': a machine is drawn from a seed, drawn:SEED", first));
    machine = drawn_machine(*seed);
  }
  if (has_base && comma == std::string_view::npos) return machine;
  if (has_base) text.remove_prefix(comma + 1);
  if (auto changed = change_machine(machine, text); !changed) {
    return std::unexpected(std::move(changed.error()));
  }
  return machine;
}

Machine machine_of_backend(Machine machine) {
  constexpr u32 wide_bits = 12;  // on both sides of what one page of a table may hold
  const Machine usual = default_machine();
  machine.caps = usual.caps;
  machine.profile = {};
  machine.caps.ssidsize = 20;
  machine.caps.httu = 2;
  machine.cmdq_log2size = 0;
  machine.dirty = machine.guest = machine.high_memory = false;
  for (DeviceSetup& device : machine.devices) {
    if (device.ssid_bits == pasid_bits_max) device.ssid_bits = wide_bits;
    device.pri |= device.stall && device.ats;
    device.stall = device.stall && !device.pri;
  }
  return machine;
}

bool Machine::has_several_smmus() const {
  return std::ranges::any_of(devices, [](const auto& its) { return its.iommu_number != 0; });
}

Machine machine_of_two(Machine machine) {
  const std::size_t half = (machine.devices.size() + 1) / 2;
  std::set<u32> groups;  // of the first half
  for (std::size_t i = 0; i < machine.devices.size(); ++i) {
    DeviceSetup& device = machine.devices[i];
    device.stall = device.pri = false;
    if (i < half) groups.insert(device.group);
    const bool with_others = device.group != DeviceSetup::alone && groups.contains(device.group);
    device.iommu_number = i < half || with_others ? 0 : 1;
  }
  machine.caps.httu = 0;
  machine.dirty = false;
  return machine;
}

Machine machine_of_guest(Machine machine) {
  machine.guest = true;
  machine.caps = guest_capabilities(machine.caps);
  machine.devices = guest_devices(std::move(machine.devices), machine.caps);
  machine.dirty = machine.high_memory = false;
  return machine;
}

Expected<MachinePlan> MachinePlan::parse(std::string_view text, u64 seed) {
  MachinePlan plan;
  if (text != "drawn" && !text.starts_with("drawn,")) {
    auto machine = parse_machine(text);
    if (!machine) return std::unexpected(std::move(machine.error()));
    plan.machines_.push_back(std::move(*machine));
    return plan;
  }
  plan.groups_are_drawn_ = text.find("group=") == std::string_view::npos;
  plan.dirty_is_drawn_ = text.find("boot=") == std::string_view::npos;
  plan.smmus_are_drawn_ = text.find("smmu=") == std::string_view::npos;
  const std::string_view changes = text == "drawn" ? std::string_view() : text.substr(6);
  Draw draw(~seed);
  const auto traits = drawn_traits(draw);
  for (u32 i = 0; i <= drawn_count; ++i) {
    Machine machine = i == 0 ? default_machine() : machine_with(traits[i - 1], draw);
    auto done = i != 0            ? fit(machine, traits[i - 1], changes, draw)
                : changes.empty() ? Expected<void>()
                                  : change_machine(machine, changes);
    if (!done) return std::unexpected(std::move(done.error()));
    plan.machines_.push_back(std::move(machine));
  }
  // One at least, of those that have the tables for it. Who names something gets it by chance.
  for (u32 n = 0; n < 100 && text == "drawn" && std::ranges::none_of(plan.machines_, is_wide);
       ++n) {
    for (u32 i = 1; i <= drawn_count; ++i) {
      if (has(traits[i - 1], Trait::one_level_streams)) continue;
      plan.machines_[i] = machine_with(traits[i - 1], draw);
    }
  }
  meet_extremes(std::span(plan.machines_).subspan(1), traits, changes, seed);
  for (u32 i = 1; i <= drawn_count; ++i) draw_the_rest(plan.machines_[i], changes, seed + i);
  draw_granules(std::span(plan.machines_).subspan(1), changes, seed);
  draw_wide_stream(std::span(plan.machines_).subspan(1), changes, seed);
  draw_round_stream(std::span(plan.machines_).subspan(1), changes, seed);
  // By a draw of their own: who refuses nothing meets what it would without them.
  Draw further(seed ^ 0x5354'4249);
  for (u32 rank = 1; rank <= stand_ins; ++rank) {
    for (u32 i = 0; i <= drawn_count; ++i) {
      const Traits wanted =
          with_more(i == 0 ? further.below(all_features) : traits[i - 1], rank, i, further);
      // A linear table for StreamIDs far apart takes long, and a driver meets several of these.
      Machine machine = machine_with(wanted, further);
      for (u32 n = 0; n < 20 && is_far(machine); ++n) machine = machine_with(wanted, further);
      if (auto done = fit(machine, wanted, changes, further); !done) {
        return std::unexpected(std::move(done.error()));
      }
      draw_the_rest(machine, changes, seed + plan.count_of_all());
      plan.standing_by_.push_back(std::move(machine));
    }
  }
  return plan;
}

Machine MachinePlan::met(u32 index, const MetBy& driver) const {
  Machine machine = at(index);
  if (groups_are_drawn_ && driver.not_claimed.has(Claim::groups)) {
    for (DeviceSetup& device : machine.devices) device.group = DeviceSetup::alone;
  }
  if (dirty_is_drawn_) machine.dirty &= driver.takes_over;
  if (!driver.drives_each) {
    for (DeviceSetup& device : machine.devices) device.iommu_number = 0;
  } else if (smmus_are_drawn_ && index % 2 == 1 && !machine.guest) {
    machine = machine_of_two(std::move(machine));
  }
  return machine.guest ? machine_of_guest(std::move(machine)) : machine;
}

u32 MachinePlan::index_of(u64 sequence, u64 refused) const {
  const u64 count = machines_.size();
  const u64 wanted = sequence / sequences_each % count;
  for (u64 index = wanted; index < count_of_all(); index += count) {
    if (!bit(refused, static_cast<unsigned>(index))) return static_cast<u32>(index);
  }
  for (u64 n = 0; n < count; ++n) {
    const u64 index = (wanted + n) % count;
    if (!bit(refused, static_cast<unsigned>(index))) return static_cast<u32>(index);
  }
  // Only those that stand by for others are left.
  for (u64 index = count; index < count_of_all(); ++index) {
    if (!bit(refused, static_cast<unsigned>(index))) return static_cast<u32>(index);
  }
  return static_cast<u32>(wanted);
}

std::vector<std::string> traits_not_met(std::span<const Machine> planned,
                                        std::span<const Machine> met) {
  struct Named {
    const char* name;
    bool (*is_of)(const Machine&);
  };
  constexpr unsigned few_commands = 4, few_events = 3, narrow = 44;
  static constexpr Named all[] = {
      {"COHACC = 0", [](const Machine& m) { return !m.caps.cohacc; }},
      {"COHACC = 1", [](const Machine& m) { return m.caps.cohacc; }},
      {"RIL = 0", [](const Machine& m) { return !m.caps.ril; }},
      {"RIL = 1", [](const Machine& m) { return m.caps.ril; }},
      {"CD2L = 0", [](const Machine& m) { return !m.caps.cd2l; }},
      {"ST_LEVEL = 0", [](const Machine& m) { return !m.caps.two_level_stream_table; }},
      {"ST_LEVEL = 1", [](const Machine& m) { return m.caps.two_level_stream_table; }},
      {"ASIDs of 8 bits", [](const Machine& m) { return !m.caps.asid16; }},
      {"ATS = 0", [](const Machine& m) { return !m.caps.ats; }},
      {"ATS = 1", [](const Machine& m) { return m.caps.ats; }},
      {"stalls", [](const Machine& m) { return m.caps.stall_model != spec::StallModel::never; }},
      {"no stalls", [](const Machine& m) { return m.caps.stall_model == spec::StallModel::never; }},
      {"a command queue of at most 16",
       [](const Machine& m) { return m.caps.cmdqs <= few_commands; }},
      {"an event queue of at most 8",
       [](const Machine& m) { return m.caps.eventqs <= few_events; }},
      {"addresses of less than 44 bits", [](const Machine& m) { return m.caps.oas_lg2 < narrow; }},
      {"table memory far up", [](const Machine& m) { return m.high_memory; }},
      {"stage 2", [](const Machine& m) { return m.caps.s2p; }},
      {"HTTU", [](const Machine& m) { return m.caps.httu != 0; }},
      {"a device with several StreamIDs",
       [](const Machine& m) {
         return std::ranges::any_of(m.devices,
                                    [](const DeviceSetup& d) { return d.stream_ids.size() > 1; });
       }},
      {"an SMMU that somebody left on", [](const Machine& m) { return m.dirty; }}};
  std::vector<std::string> names;
  for (const Named& one : all) {
    if (std::ranges::any_of(planned, one.is_of) && std::ranges::none_of(met, one.is_of)) {
      names.emplace_back(one.name);
    }
  }
  return names;
}

CallersMemory callers_memory(const Capabilities& caps) {
  constexpr u64 gib = u64{1} << 30;
  // The driver's window and the processes' tables are at 2 GiB, or above all this (table_memory).
  if (caps.oas_lg2 <= 32) return {.base = gib, .regions = 2};
  if (caps.oas_lg2 <= 36) return {.base = 16 * gib, .regions = 8};
  return {.base = 64 * gib, .regions = 8};
}

u64 table_memory(const Machine& machine) {
  const u64 usual = Setup{}.window_pa;
  // Three quarters of what there is, which is above the callers' for each output size.
  return machine.high_memory ? (u64{3} << (machine.caps.oas_lg2 - 2)) + usual : usual;
}

}  // namespace iommucheck::oracle
