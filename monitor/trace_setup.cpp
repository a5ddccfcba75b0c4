// SPDX-License-Identifier: MIT
#include "monitor/trace_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/version.h"

namespace iommucheck::oracle {

namespace {

constexpr u64 window_max = u64{256} << 20;
constexpr u64 page_bytes = 4096;

bool reports(const trace::Header& header, trace::EventKind kind) {
  if (!header.not_reported) return true;
  const std::string_view name = trace::info(kind).name;
  return std::ranges::find(*header.not_reported, name) == header.not_reported->end();
}

/// What the header says of it; nothing: it says nothing, or what this version does not know.
std::optional<unsigned> stated(const trace::Profile& profile, const spec::ProfileItem& item) {
  const auto found = profile.find(std::string(item.name));
  if (found == profile.end()) return std::nullopt;
  const auto* value = std::get_if<std::string>(&found->second);
  return value == nullptr ? std::nullopt : item.value_named(*value);
}

/// One range of whole pages that is not too large: the memory that the driver was given.
bool is_window(const trace::Range& range) {
  return range.length != 0 && range.length <= window_max && range.base % page_bytes == 0 &&
         range.length % page_bytes == 0;
}

}  // namespace

void mark_cut(trace::Header& header, u64 events) {
  if (!header.about) header.about.emplace();
  (*header.about)["cut"] = std::to_string(events);
}

std::string backend_of(const trace::Header& header) {
  const bool named = header.about && header.about->contains(backend_key);
  return named ? header.about->at(backend_key) : "";
}

Expected<void> may_judge(const trace::Header& header, bool has_hardware) {
  if (const std::string backend = backend_of(header); !backend.empty() && !has_hardware) {
    return fail(ErrorCode::unsupported,
                fmt::format("it is of the backend {}, which has to be named with it", backend));
  }
  if (header.profile) {
    for (const spec::ProfileItem& item : spec::profile_items()) {
      if (!header.profile->contains(std::string(item.name))) continue;
      if (stated(*header.profile, item)) continue;
      return fail(ErrorCode::unsupported,
                  fmt::format("its profile has a {} that is not known", item.name));
    }
  }
  for (const trace::DeviceInfo& device : header.devices.value_or(trace::Devices{})) {
    const auto smmu = static_cast<u32>(device.iommu.value_or(trace::IommuId{}));
    if (!header.registers_each.value_or(false) || smmu < Setup::smmus_max) continue;
    return fail(ErrorCode::unsupported,
                fmt::format("device {} is behind SMMU {}: with registers_each {} are followed",
                            static_cast<u32>(device.device), smmu, Setup::smmus_max));
  }
  if (!header.about || !header.about->contains("cut")) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("the first {} events of the trace are missing (they were not kept): it "
                          "can be read, not judged",
                          header.about->at("cut")));
}

namespace {

spec::IdRegisters id_of(const trace::Header& header) {
  if (!header.id_registers) return default_id_registers();
  const auto value = [&](const std::string& name) {
    const auto found = header.id_registers->find(name);
    return found == header.id_registers->end() ? u32{0} : static_cast<u32>(found->second);
  };
  spec::IdRegisters id;
  for (unsigned i = 0; i < 6; ++i) id.idr[i] = value("IDR" + std::to_string(i));
  id.iidr = value("IIDR");
  id.aidr = value("AIDR");
  return id;
}

spec::sva::DeviceSetup device_setup_of(const trace::DeviceInfo& device) {
  spec::sva::DeviceSetup known;
  known.stream_ids = device.sids;
  if (device.group) known.group = *device.group;
  known.iommu_number = static_cast<u32>(device.iommu.value_or(trace::IommuId{}));
  const u32 pasids = std::min(device.pasids.value_or(0), spec::sva::pasid_limit);
  if (pasids != 0) known.ssid_bits = static_cast<u32>(std::bit_width(pasids - 1));
  known.ats = device.ats.value_or(false);
  known.stall = device.stall.value_or(false);
  known.pri = device.pri.value_or(false);
  known.svm = device.svm.value_or(true);
  known.explicit_maps = device.explicit_maps.value_or(true);
  return known;
}

/// What there is to know of a recording, by which events it has.
void set_what_is_known(Setup& setup, const trace::Header& header) {
  setup.calls_are_known = reports(header, trace::EventKind::Call);
  setup.commands_in_events = !setup.calls_are_known;
  setup.barriers_known = reports(header, trace::EventKind::Barrier);
  setup.invalidations_known = header.about && header.about->contains(invalidations_key);
  setup.assumed_clean = header.assumed_clean.value_or(false);
  const trace::Range* ram = header.ram && header.ram->size() == 1 ? &header.ram->front() : nullptr;
  if (header.profile && header.profile->contains("device-under-test")) {  // of conform
    setup.device_is_judged = true;
    setup.calls_are_known = setup.commands_in_events = false;
    setup.seen_everywhere = header.profile->contains("every-pa");
    if (ram != nullptr) {
      setup.seen_pa = ram->base;
      setup.seen_bytes = ram->length;
    }
  }
  if (setup.calls_are_known && ram != nullptr && is_window(*ram)) {
    setup.window_pa = ram->base;
    setup.window_bytes = ram->length;
  }
}

}  // namespace

Setup setup_of(const trace::Header& header) {
  Setup setup;
  setup.id = id_of(header);
  if (header.devices) {
    for (const trace::DeviceInfo& device : *header.devices) {
      setup.devices.push_back(device_setup_of(device));
    }
    setup.per_device_tables = header.tables_per_device.value_or(false);
    setup.registers_each = header.registers_each.value_or(false);
    setup.domains_span = header.domains_span.value_or(false);
  }
  if (header.hooks) {
    const auto has = [&](trace::HookKind hook) {
      return std::ranges::find(*header.hooks, trace::to_string(hook)) != header.hooks->end();
    };
    setup.hooks = {.mm_alloc = has(trace::HookKind::mm_alloc),
                   .mm_free = has(trace::HookKind::mm_free),
                   .mm_attach = has(trace::HookKind::mm_attach),
                   .mm_detach = has(trace::HookKind::mm_detach)};
  }
  if (header.about && header.about->contains(not_claimed_key)) {
    // A name that this version does not know is of another one: what it left out is judged.
    if (const auto known = NotClaimed::parse(header.about->at(not_claimed_key))) {
      setup.not_claimed = *known;
    }
  }
  if (header.profile) {
    for (const spec::ProfileItem& item : spec::profile_items()) {
      if (const auto value = stated(*header.profile, item)) item.set(setup.profile, *value);
    }
  }
  set_what_is_known(setup, header);
  return setup;
}

namespace {
const u64* number_in(const trace::Header& header, const char* key) {
  if (!header.profile) return nullptr;
  const auto found = header.profile->find(key);
  return found == header.profile->end() ? nullptr : std::get_if<u64>(&found->second);
}
}  // namespace

u64 profile_number(const trace::Header& header, const char* key) {
  const u64* number = number_in(header, key);
  return number == nullptr ? 0 : *number;
}

bool has_profile_number(const trace::Header& header, const char* key) {
  return number_in(header, key) != nullptr;
}

void tell_of_absent_memory(Monitor& monitor, u64 first, u64 bytes) {
  monitor.device_rules()->no_memory_at(first, bytes);
  monitor.smmu().no_memory_at(first, bytes);
  // Nothing is cached of what a fetch did not get: to the engine it is zero.
  for (u64 at = 0; at < bytes; at += 8) monitor.caches().assume(first + at, 0);
}

void tell_of_absent_memory(const trace::Header& header, Monitor& monitor) {
  if (!header.profile || monitor.device_rules() == nullptr) return;
  constexpr u64 bytes_max = u64{1} << 20;
  const u64 first = profile_number(header, "absent") & ~u64{7};
  const u64 bytes = std::min(profile_number(header, "absent-bytes"), bytes_max) & ~u64{7};
  tell_of_absent_memory(monitor, first, bytes);
}

trace::Registers registers_of(const spec::IdRegisters& id) {
  trace::Registers registers;
  for (unsigned i = 0; i < 6; ++i) registers["IDR" + std::to_string(i)] = id.idr[i];
  registers["IIDR"] = id.iidr;
  registers["AIDR"] = id.aidr;
  return registers;
}

void state_profile(trace::Header& header, const spec::Profile& profile) {
  for (const spec::ProfileItem& item : spec::profile_items()) {
    const unsigned value = item.get(profile);
    if (value == 0) continue;
    if (!header.profile) header.profile.emplace();
    (*header.profile)[std::string(item.name)] = std::string(item.values[value].name);
  }
}

trace::Header header_of(const Setup& setup, trace::TextMap about) {
  trace::Header header;
  header.versions["iommucheck"] = release_version;
  header.about = std::move(about);
  if (!setup.not_claimed.empty()) (*header.about)[not_claimed_key] = setup.not_claimed.text();
  header.id_registers = registers_of(setup.id);
  if (!spec::parse_capabilities(setup.id).cohacc && setup.invalidations_known) {
    (*header.about)[invalidations_key] = "told";
  }
  state_profile(header, setup.profile);
  header.ram = trace::Ranges{{setup.window_pa, setup.window_bytes}};
  trace::Devices devices;
  for (const spec::sva::DeviceSetup& about_it : setup.devices) {
    trace::DeviceInfo device;
    device.device = trace::DeviceId{static_cast<u32>(devices.size())};
    device.sids = about_it.stream_ids;
    if (about_it.group != spec::sva::DeviceSetup::alone) device.group = about_it.group;
    device.pasids = about_it.ssid_bits == 0 ? 0 : u32{1} << about_it.ssid_bits;
    if (about_it.iommu_number != 0) device.iommu = trace::IommuId{about_it.iommu_number};
    if (about_it.ats) device.ats = true;
    if (about_it.stall) device.stall = true;
    if (about_it.pri) device.pri = true;
    if (!about_it.svm) device.svm = false;
    if (!about_it.explicit_maps) device.explicit_maps = false;
    devices.push_back(device);
  }
  header.devices = devices;
  if (setup.per_device_tables) header.tables_per_device = true;
  if (setup.registers_each) header.registers_each = true;
  if (setup.domains_span) header.domains_span = true;
  if (setup.hooks) {
    const spec::sva::Hooks& has = *setup.hooks;
    trace::Names names;
    const auto add = [&](bool is_there, trace::HookKind hook) {
      if (is_there) names.emplace_back(trace::to_string(hook));
    };
    add(has.mm_alloc, trace::HookKind::mm_alloc);
    add(has.mm_free, trace::HookKind::mm_free);
    add(has.mm_attach, trace::HookKind::mm_attach);
    add(has.mm_detach, trace::HookKind::mm_detach);
    header.hooks = std::move(names);
  }
  return header;
}

}  // namespace iommucheck::oracle
