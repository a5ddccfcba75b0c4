// SPDX-License-Identifier: MIT
// A machine as one line of text, both ways.
#include "check/machine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/bits.h"
#include "check/machine_fit.h"
#include "check/machine_limits.h"
#include "check/machine_objections.h"
#include "check/named_keys.h"

namespace iommucheck::oracle {

using spec::StallModel;
using spec::sva::DeviceSetup;

namespace {

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
  for (const std::string_view one : split_text(text, '/')) {
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
  const std::vector<std::string_view> parts = split_text(text, ':');
  if (parts.size() < 2) return bad();
  for (const std::string_view sid : split_text(parts[0], '+')) {
    const auto value = number(sid);
    if (!value || *value >= pow2(machine_limits::stream_bits)) return bad();
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
    } else if (group <= machine_limits::group) {
      device.group = static_cast<u32>(group);
    } else if (smmu < machine_limits::smmus) {
      device.iommu_number = static_cast<u32>(smmu);
    } else {
      return bad();
    }
  }
  return device;
}

std::string values_of(const spec::ProfileItem& item) {
  std::string text;
  for (const auto& value : item.values) {
    text += fmt::format("{}{}", text.empty() ? "" : " or ", value.name);
  }
  return text;
}

Expected<void> change_devices(Machine& machine, std::string_view text) {
  machine.devices.clear();
  for (const std::string_view one : split_text(text, '/')) {
    auto device = parse_device(one);
    if (!device) return std::unexpected(std::move(device.error()));
    machine.devices.push_back(std::move(*device));
  }
  return {};
}

/// What is one of two words.
struct TwoWordKey {
  std::string_view name, first, second;
  bool Machine::* is_set;
  bool by_first;
};
constexpr TwoWordKey two_word_keys[] = {{"boot", "dirty", "clean", &Machine::dirty, true},
                                        {"memory", "high", "low", &Machine::high_memory, true},
                                        {"guest", "0", "1", &Machine::guest, false}};

Expected<void> change_word(Machine& machine, const TwoWordKey& key, std::string_view value) {
  if (value != key.first && value != key.second) {
    return wrong(fmt::format("{} is {} or {}, not '{}'", key.name, key.first, key.second, value));
  }
  machine.*key.is_set = (value == key.first) == key.by_first;
  return {};
}

std::unexpected<Error> no_such_key(std::string_view name) {
  std::string names;
  for (const MachineKey& key : machine_keys()) names += std::string(key.name) + ", ";
  for (const spec::ProfileItem& item : spec::profile_items()) {
    names += std::string(item.name) + ", ";
  }
  return wrong(fmt::format(
      "there is no '{}'; there are {}stall, cmdq, memory, boot, guest, hooks and devices", name,
      names));
}

Expected<void> change_number(Machine& machine, std::string_view name, std::string_view value) {
  const auto parsed = number(value);
  const auto in = [&](u64 lowest, u64 highest) {
    return parsed && *parsed >= lowest && *parsed <= highest;
  };
  const auto between = [&](u64 lowest, u64 highest) {
    return wrong(
        fmt::format("{} is a number from {} to {}, not '{}'", name, lowest, highest, value));
  };
  if (name == "stall") {
    if (!in(0, 2)) return between(0, 2);
    machine.caps.stall_model = static_cast<StallModel>(*parsed);
    return {};
  }
  if (name == "cmdq") {
    if (!in(0, machine_limits::queue_lg2)) return between(0, machine_limits::queue_lg2);
    machine.cmdq_log2size = static_cast<u32>(*parsed);
    return {};
  }
  for (const MachineKey& key : machine_keys()) {
    if (key.name != name) continue;
    if (!in(key.lowest, key.highest)) return between(key.lowest, key.highest);
    key.set(machine.caps, static_cast<unsigned>(*parsed));
    return {};
  }
  return no_such_key(name);
}

Expected<void> change_one(Machine& machine, std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (name == "devices") return change_devices(machine, value);
  if (name == "hooks") {
    auto hooks = parse_hooks(value);
    if (!hooks) return std::unexpected(std::move(hooks.error()));
    machine.hooks = *hooks;
    return {};
  }
  const auto* words = std::ranges::find(two_word_keys, name, &TwoWordKey::name);
  if (words != std::end(two_word_keys)) return change_word(machine, *words, value);
  if (const spec::ProfileItem* item = spec::find_profile_item(name)) {
    const auto chosen = item->value_named(value);
    if (!chosen) return wrong(fmt::format("{} is {}, not '{}'", name, values_of(*item), value));
    item->set(machine.profile, *chosen);
    return {};
  }
  return change_number(machine, name, value);
}

}  // namespace

std::string machine_text(const Machine& machine) {
  const Machine usual = default_machine();
  std::vector<std::string> parts;
  for (const MachineKey& key : machine_keys()) {
    const unsigned value = key.get(machine.caps);
    if (value != key.get(usual.caps)) parts.push_back(fmt::format("{}={}", key.name, value));
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
  const bool names_devices = names_one_of(text, {"devices"});
  for (const std::string_view one : split_text(text, ',')) {
    if (auto changed = change_one(machine, one); !changed) return changed;
  }
  if (!names_one_of(text, {"memory"})) {
    machine.high_memory &= machine.caps.oas_lg2 > machine_limits::low_memory_bits;
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
  if (const std::string why = objection_to(machine); !why.empty()) return wrong(why);
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

}  // namespace iommucheck::oracle
