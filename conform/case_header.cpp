// SPDX-License-Identifier: MIT
#include "conform/case_header.h"

#include "conform/case_notes.h"
#include "monitor/trace_setup.h"

namespace iommucheck::oracle {

trace::Header case_header(const Case& what, const DeviceUnderTest& device) {
  const DeviceIdentity& identity = device.identity();
  trace::Header header;
  header.versions["iommucheck-conform"] = "1";
  header.versions[identity.name] = identity.version;
  header.about = trace::TextMap{{"case", what.name}};
  header.ram = trace::Ranges{{identity.data_pa, identity.data_bytes}};
  if (!what.asks.empty()) (*header.about)["asks"] = what.asks;
  header.profile = trace::Profile{
      {"device-under-test", true},
      {"cmdq", what.queues.cmdq},
      {"cmdq-lg2", u64{what.queues.cmdq_lg2}},
      {"eventq", what.queues.eventq},
      {"eventq-lg2", u64{what.queues.eventq_lg2}},
  };
  if (what.boot_commands != Case::boot_commands_default) {
    (*header.profile)[boot_commands_key] = u64{what.boot_commands};
  }
  if (what.queues.priq != 0) {
    (*header.profile)["priq"] = what.queues.priq;
    (*header.profile)["priq-lg2"] = u64{what.queues.priq_lg2};
  }
  if (identity.every_pa) (*header.profile)["every-pa"] = true;
  if (identity.wires_interrupts) (*header.profile)["wires-interrupts"] = true;
  if (identity.ats) (*header.profile)["ats"] = true;
  if (identity.pri) (*header.profile)["pri"] = true;
  if (identity.delegates) (*header.profile)["delegates"] = true;
  if (identity.absent_bytes != 0) {
    (*header.profile)["absent"] = identity.absent_pa;
    (*header.profile)["absent-bytes"] = identity.absent_bytes;
  }
  state_profile(header, device.judged_by());
  header.id_registers = registers_of(identity.id);
  trace::Devices devices;
  for (std::size_t i = 0; i < identity.sids.size(); ++i) {
    trace::DeviceInfo info;
    info.device = trace::DeviceId{static_cast<u32>(i)};
    info.sids = {identity.sids[i]};
    devices.push_back(info);
  }
  header.devices = devices;
  return header;
}

std::optional<QueueLayout> queues_of(const trace::Header& header) {
  for (const char* key : {"cmdq", "eventq", "cmdq-lg2", "eventq-lg2"}) {
    if (!has_profile_number(header, key)) return std::nullopt;
  }
  for (const char* key : {"cmdq-lg2", "eventq-lg2", "priq-lg2"}) {
    if (profile_number(header, key) > QueueLayout::lg2_max) return std::nullopt;
  }
  const auto lg2 = [&](const char* key) {
    return static_cast<unsigned>(profile_number(header, key));
  };
  return QueueLayout{profile_number(header, "cmdq"),
                     profile_number(header, "eventq"),
                     lg2("cmdq-lg2"),
                     lg2("eventq-lg2"),
                     profile_number(header, "priq"),
                     lg2("priq-lg2")};
}

std::size_t boot_commands_of(const trace::Header& header) {
  return has_profile_number(header, boot_commands_key) ? profile_number(header, boot_commands_key)
                                                       : Case::boot_commands_default;
}

}  // namespace iommucheck::oracle
