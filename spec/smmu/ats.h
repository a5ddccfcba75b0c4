// SPDX-License-Identifier: MIT
// What devices keep by ATS: by what their requests are answered now, and which entries stay behind
// when an answer goes. IHI 0070 3.9.1, 4.5.1; SEMANTICS 2, 3. Nothing here runs while no endpoint
// has ATS enabled. What accesses meet of it, says AtsAccesses.
#pragma once

#include <utility>
#include <vector>

#include "spec/smmu/fetches.h"
#include "spec/smmu/lookups.h"
#include "spec/smmu/table_graph.h"

namespace iommucheck::spec {

class Ats {
 public:
  Ats(const Capabilities& caps, const Controls& controls, const Regimes& regimes,
      const TlbItems& items, const FromReset& from_reset, const Lookups& lookups, Fetches& fetches,
      Findings& findings, Atcs& atcs)
      : caps_(caps),
        controls_(controls),
        regimes_(regimes),
        items_(items),
        from_reset_(from_reset),
        lookups_(lookups),
        fetches_(fetches),
        findings_(findings),
        atcs_(atcs) {}

  // ---- by what requests are answered (ats_sources.cpp) ------------------------------------------
  /// ATS enabled or disabled at the endpoint.
  void enable(u32 sid, bool on);
  /// Before what the part forms changes to `now`: entries stay behind of what answered requests
  /// until now.
  void reform(const StreamPart& part, const Fetches::Options& options, const FormedList& now);

  // ---- what stays behind (ats.cpp) --------------------------------------------------------------
  /// A TLB entry goes, with which requests were answered.
  void leave(const Item& item);
  /// A writable-clean descriptor stops being visible: from now on no request marks it dirty, though
  /// its TLB entries still answer requests that want no write.
  void leave_dirty(const TableGraph::Path& path, u64 origin, Content content, EventIndex stored_at);
  /// ATCs that anything may be in, since configuration or translations from before reset may live.
  [[nodiscard]] std::vector<u32> of_unknown() const;
  /// The group is complete, or nothing is fetched any more: of those some are that no longer.
  void leave_unknown(Group group, const std::vector<u32>& before);

 private:
  void sources_of(const StreamPart& part, const Fetches::Options& options,
                  const std::vector<u32>& numbers, Atcs::Sources& sources);
  void lose_source(const AtsSource& source);
  void leave_all(const AtsSource& source);
  void fill(const AtsSource& source, const Candidate& c, u64 bytes, Group until, u32 stored_at,
            bool unreplaced = false);
  static std::pair<u64, u64> word_for(const Candidate& c);
  [[nodiscard]] bool meets(const AtsSource& source, const Candidate& c) const;
  [[nodiscard]] bool grants_anything(const AtsSource& source, const Candidate& c) const;

  const Capabilities& caps_;
  const Controls& controls_;
  const Regimes& regimes_;
  const TlbItems& items_;
  const FromReset& from_reset_;
  const Lookups& lookups_;
  Fetches& fetches_;
  Findings& findings_;
  Atcs& atcs_;
  std::vector<u32> scratch_numbers_;
};

}  // namespace iommucheck::spec
