// SPDX-License-Identifier: MIT
#include "host/user_sink.h"

#include <algorithm>

#include "trace/agent.h"

namespace iommucheck::oracle {

void MonitoredUsers::store(u64 pa, u64 value) {
  monitor_.store(trace::environment_agent, pa, value);
}

void MonitoredUsers::clear(u64 pa, u64 bytes) {
  monitor_.fill(trace::environment_agent, pa, bytes / 8, 0);
}

void MonitoredUsers::barrier() { monitor_.barrier(trace::environment_agent); }

/// Every device on a route of a user's has just translated there, with and without a PASID. Other
/// hardware knows by itself what it may have cached.
void MonitoredUsers::before(u64 va) {
  if (monitor_.hardware() != nullptr) return;
  const spec::sva::Interface& interface = monitor_.interface();
  for (u32 device = 0; device < interface.device_count(); ++device) {
    const u64 domain = interface.domain_of(device);
    if (domain == 0 || interface.parent_of(domain) == 0) continue;
    for (const u32 sid : interface.stream_ids(device)) {
      monitor_.user_fetched(sid, {}, va);
      const u32 count = std::min(pasids_max, u32{1} << interface.pasid_bits_of_user(domain));
      for (u32 pasid = 1; pasid < count; ++pasid) {
        monitor_.user_fetched(sid, spec::sva::substream(pasid), va);
      }
    }
  }
}

void MonitoredUsers::table_made(u64 parent, const spec::sva::UserTable& table) {
  monitor_.user_table_made(parent, table);
}

void MonitoredUsers::maps(u64 parent, u64 root, u64 va, u64 ipa, u32 prot) {
  monitor_.user_maps(parent, root, va, UserMemory::page_bytes, ipa, prot);
}

void MonitoredUsers::unmaps(u64 parent, u64 root, u64 va) {
  monitor_.user_unmaps(parent, root, va, UserMemory::page_bytes);
}

void MonitoredUsers::takes_out(u64 parent, u64 root, u64 va, u64 bytes) {
  monitor_.user_takes_out(parent, root, va, bytes);
}

void MonitoredUsers::sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content) {
  monitor_.user_sets_entry(parent, entry, content);
}

}  // namespace iommucheck::oracle
