// SPDX-License-Identifier: MIT
// What follows where configuration changes: where in memory structures lie that a fetch may lead
// to, and which streams form which regimes. SEMANTICS 2: "What a tag collects is regimes". What may
// be fetched is Fetches' matter, and what stays cached that of ConfigFills.
#pragma once

#include <vector>

#include "spec/smmu/config_fills.h"
#include "spec/smmu/formed_regimes.h"

namespace iommucheck::spec {

class Configuration {
 public:
  Configuration(const Capabilities& caps, const Controls& controls, Memory& memory,
                const Atcs& atcs, ConfigCache& config, Regimes& regimes, TableGraph& graph,
                KnownStreams& streams, SteSpans& spans, Changes& changes, Findings& findings,
                Fetches& fetches, ConfigFills& fills, Ats& ats, FormedRegimes& formed)
      : caps_(caps),
        controls_(controls),
        memory_(memory),
        atcs_(atcs),
        config_(config),
        regimes_(regimes),
        graph_(graph),
        streams_(streams),
        spans_(spans),
        changes_(changes),
        findings_(findings),
        fetches_(fetches),
        fills_(fills),
        ats_(ats),
        formed_(formed) {}

  // ---- memory -----------------------------------------------------------------------------------
  /// The word may be fetched anew, or otherwise.
  void reform_around(u64 pa);
  /// What of which streams depends on the word; arrays that an L1STD leads to are looked up anew.
  void add_streams_around(u64 pa, StreamParts& streams);

  // ---- registers --------------------------------------------------------------------------------
  /// From now on structures may be fetched: they are looked for in the stream table.
  void begin();
  /// Nothing can be fetched any more, and what could be is cached.
  void end();
  /// Before anything but a CFGI_ALL happens to that: ConfigFills::list_all().
  void list_all();
  /// Of every stream that was ever configured.
  void reform_all();

  // ---- commands ---------------------------------------------------------------------------------
  /// A CFGI that may act.
  void kill(const InFlight& command);
  void complete(Group group);
  /// Commands were lost: what they alone were to remove lives on.
  void revive();

  /// Everything that follows from the configuration of streams, or of some of their substreams.
  void reform(const StreamParts& parts);

 private:
  // regions.cpp
  void refresh_regions(u32 sid, const Fetches::SteOptions& stes);
  void refresh_l2_arrays(u32 first_sid);
  void add_region(const Region& region);
  void find_stream_table();
  void add_configured_streams(std::vector<u32>& sids) const;
  // configuration.cpp
  [[nodiscard]] bool may_be_valid(ConfigKind kind, u64 place) const;
  void note_change(const StreamParts& parts);
  void reform_noted(const StreamPart& part);
  void reform_whole(u32 sid);
  void reform_unseen(const StreamPart& part);
  void form(const StreamPart& part);
  void follow_span(u32 sid);
  void cds_to_form(const Fetches::SteOption& ste, const StreamPart& part,
                   std::vector<u32>& numbers) const;
  void form_stage2(u32 sid, const Fetches::SteOption& ste, FormedList& formed);
  void form_cd(u32 sid, u32 number, const Fetches::SteOption& ste, Fetches::Options& options,
               FormedList& formed);

  const Capabilities& caps_;
  const Controls& controls_;
  Memory& memory_;
  const Atcs& atcs_;
  ConfigCache& config_;
  Regimes& regimes_;
  TableGraph& graph_;
  KnownStreams& streams_;
  SteSpans& spans_;
  Changes& changes_;
  Findings& findings_;
  Fetches& fetches_;
  ConfigFills& fills_;
  Ats& ats_;
  FormedRegimes& formed_;
  std::vector<u32> scratch_numbers_;
  Fetches::Options scratch_options_;
};

}  // namespace iommucheck::spec
