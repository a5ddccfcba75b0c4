// SPDX-License-Identifier: MIT
#include "scenario/run/driver_subject.h"
#include "trace/agent.h"

namespace iommucheck::oracle::stories {

void DriverSubject::UserSink::store(u64 pa, u64 value) {
  subject_.monitor_->store(trace::environment_agent, pa, value);
}

void DriverSubject::UserSink::barrier() { subject_.monitor_->barrier(trace::environment_agent); }

void DriverSubject::UserSink::table_made(u64 parent, u64 root) {
  subject_.monitor_->user_table_made(parent, root, UserMemory::input_bits);
}

void DriverSubject::UserSink::maps(u64 parent, u64 root, u64 va, u64 ipa, u32 prot) {
  subject_.monitor_->user_maps(parent, root, va, UserMemory::page_bytes, ipa, prot);
}

void DriverSubject::UserSink::unmaps(u64 parent, u64 root, u64 va) {
  subject_.monitor_->user_unmaps(parent, root, va, UserMemory::page_bytes);
}

void DriverSubject::UserSink::sets_entry(u64 parent, u64 entry,
                                         const spec::sva::UserEntry& content) {
  subject_.monitor_->user_sets_entry(parent, entry, content);
}

}  // namespace iommucheck::oracle::stories
