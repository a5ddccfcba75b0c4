// SPDX-License-Identifier: MIT
// All that a question may read of the engine of caches, and nothing to change it by: for
// explanations (causes.h), for judges of recordings (recordings.h), for who lists what is there
// (visits.h), and for the recount of the state (consistent.h).
#pragma once

#include "spec/smmu/commands.h"
#include "spec/smmu/fetches.h"
#include "spec/smmu/known_streams.h"
#include "spec/smmu/lookups.h"
#include "spec/smmu/scopes.h"
#include "spec/smmu/table_graph.h"
#include "spec/smmu/told_pointers.h"

namespace iommucheck::spec {

struct CachesView {
  const Capabilities& caps;
  const Profile& profile;
  const Controls& controls;
  const Memory& memory;
  const Commands& commands;
  const Regimes& regimes;
  const TlbItems& items;
  const TableGraph& graph;
  const ConfigCache& config;
  const KnownStreams& streams;
  const Atcs& atcs;
  const Scopes& scopes;
  const Fetches& fetches;
  const Lookups& lookups;
  const Findings& findings;
  const ToldPointers& told_pointers;
};

/// Is the page a table that hardware may still walk (memory, or a cached pointer of any tag)?
inline bool is_walkable_table(const CachesView& of, u64 pa) {
  const Frame* frame = of.memory.find(pa);
  return frame != nullptr && frame->is_table();
}

/// Does a configuration structure that hardware may fetch lie in the page?
inline bool is_configuration(const CachesView& of, u64 pa) {
  const Frame* frame = of.memory.find(pa);
  return frame != nullptr && frame->config != 0 && of.controls.enabled();
}

}  // namespace iommucheck::spec
