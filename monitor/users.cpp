// SPDX-License-Identifier: MIT
// What users of stage 2 domains write into their own memory. INTERFACE "Nested".
#include "monitor/call_conversion.h"
#include "monitor/monitor.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

trace::DomainId Monitor::domain_id(u64 handle) {
  return trace::DomainId{numbers_.domains.number(handle)};
}

void Monitor::user_table_made(u64 parent, u64 root, u32 input_bits) {
  tick();
  emit(trace::environment_agent,
       trace::UserTable{.parent = domain_id(parent), .root = root, .input_bits = input_bits});
  interface_.user_table_made(parent, root, input_bits);
}

void Monitor::user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot) {
  tick();
  emit(trace::environment_agent, trace::UserMap{.parent = domain_id(parent),
                                                .root = root,
                                                .va = va,
                                                .length = bytes,
                                                .ipa = ipa,
                                                .rights = rights_of(prot)});
  interface_.user_maps(parent, root, va, bytes, ipa, prot);
  window_ends();
}

void Monitor::user_unmaps(u64 parent, u64 root, u64 va, u64 bytes) {
  tick();
  emit(trace::environment_agent, trace::UserMap{.parent = domain_id(parent),
                                                .root = root,
                                                .va = va,
                                                .length = bytes,
                                                .ipa = std::nullopt,
                                                .rights = {}});
  interface_.user_unmaps(parent, root, va, bytes);
  window_ends();
}

void Monitor::user_sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content) {
  tick();
  trace::UserEntry event{.parent = domain_id(parent),
                         .entry = entry,
                         .kind = static_cast<trace::UserEntryKind>(content.kind),
                         .root = std::nullopt,
                         .asid = std::nullopt};
  if (content.kind == spec::sva::UserEntryKind::table) {
    event.root = content.root;
    event.asid = content.asid;
  }
  emit(trace::environment_agent, event);
  interface_.user_sets_entry(parent, entry, content);
  window_ends();
}

}  // namespace iommucheck::oracle
