// SPDX-License-Identifier: MIT
// What caches hold of STEs, CDs and their descriptors and memory no longer says: how it comes to be
// when words stop being visible, what commands remove of it and when, and what a descriptor that
// goes leaves below it. SEMANTICS 2, 3. Each says which streams are concerned; what these form from
// then on, says Configuration.
#pragma once

#include <vector>

#include "spec/smmu/fetches.h"
#include "spec/smmu/fills.h"
#include "spec/smmu/known_streams.h"
#include "spec/smmu/scopes.h"

namespace iommucheck::spec {

class ConfigFills {
 public:
  ConfigFills(const Capabilities& caps, const Profile& profile, const Controls& controls,
              Memory& memory, const Commands& commands, const Scopes& scopes,
              const KnownStreams& streams, const Findings& findings, Fetches& fetches,
              ConfigCache& config)
      : caps_(caps),
        profile_(profile),
        controls_(controls),
        memory_(memory),
        commands_(commands),
        scopes_(scopes),
        streams_(streams),
        findings_(findings),
        fetches_(fetches),
        config_(config) {}

  // ---- what comes -------------------------------------------------------------------------------
  /// An old version of a word is no longer visible, among `all` that vanish at once.
  void vanish(const Vanished& what, const std::vector<Vanished>& all);
  /// All that can be fetched may be cached, whatever happens to its memory from now on. Where that
  /// is all that is cached it is listed later, by list_all(): mostly a CFGI_ALL comes before.
  void keep_all();
  /// Before anything but a CFGI_ALL happens to it: words of configuration become items.
  void list_all();
  /// CR0.ATSCHK as it is may be cached with each STE: it stays possible for a stream until its
  /// CFGI. IHI 0070 6.3.9.2.
  void keep_atschk();

  // ---- what commands remove ---------------------------------------------------------------------
  /// A CFGI that may act.
  void kill(const InFlight& command, StreamParts& streams);
  /// The group is complete. `arrays`: first streams of L1STDs that are gone.
  void complete(Group group, StreamParts& streams, std::vector<u32>& arrays);
  /// Commands were lost: what they alone were to remove lives on.
  void revive(StreamParts& streams);

 private:
  /// `at`: the event until which it could be fetched. `index`, of all cached words, where so many
  /// come that it pays.
  void cache(const Region& region, const Vanished& what, const std::vector<Vanished>& all,
             EventIndex at, ConfigIndex* index);
  void cache_words(const ConfigItem& tags, const Vanished& what, const std::vector<Vanished>& all,
                   ConfigIndex* index);
  void cache_structure(const ConfigItem& tags);
  void leave_below(const ConfigItem& item, const std::vector<const Command*>& commands,
                   StreamParts& streams);
  [[nodiscard]] bool may_be_fetched_again(const ConfigItem& item,
                                          const std::vector<u32>& descriptors,
                                          const InFlight& command) const;
  [[nodiscard]] bool leads_to(const ConfigItem& descriptor, u64 word,
                              const ConfigItem& below) const;
  [[nodiscard]] Group fate(const ConfigItem& item, u64 via) const;
  void add_streams(const ConfigItem& item, StreamParts& streams);

  const Capabilities& caps_;
  const Profile& profile_;
  const Controls& controls_;
  Memory& memory_;
  const Commands& commands_;
  const Scopes& scopes_;
  const KnownStreams& streams_;
  const Findings& findings_;
  Fetches& fetches_;
  ConfigCache& config_;
};

}  // namespace iommucheck::spec
