// SPDX-License-Identifier: MIT
// What a driver whose calls nobody reports still has to keep. In a recording it is not known when a
// change is meant to be complete, so a stale thing that an access may meet is no violation yet: the
// invalidation may still be on its way. It becomes one when the driver stores to the same word
// again, still without an invalidation that covers it, or when the recording ends although the
// driver has waited for other commands since the access.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spec/smmu/caches.h"
#include "spec/smmu/recordings.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class RecordingRules {
 public:
  /// `caches` outlives it.
  explicit RecordingRules(const spec::Caches& caches) : caches_(caches) {}

  struct Late {
    spec::Rule rule;
    EventIndex at = 0;  ///< the event that broke it: an access or a store, maybe long ago
    std::string text;
    bool undetermined = false;  ///< `text` is the missing fact
  };

  /// Around a store of the driver to [pa, pa + bytes).
  void before_store(u64 pa, u64 bytes);
  void after_store(u64 pa, u64 bytes, EventIndex now);
  /// An access that was observed.
  void accessed(const spec::Access& access, EventIndex now);
  /// Commands were exposed or completed.
  void commands_changed();
  /// The recording ends.
  void ends();

  /// What was found since it was asked last.
  std::vector<Late> take() { return std::exchange(found_, {}); }

  /// How often each rule was asked, and of these could have been broken.
  struct Count {
    u64 asked = 0;
    u64 discriminating = 0;
  };
  [[nodiscard]] const std::map<spec::Rule, Count>& counts() const { return counts_; }

 private:
  using Content = std::array<u64, spec::ste_words>;
  /// An access that may have met something stale.
  struct Hazard {
    bool configuration = false;
    spec::Item item;        ///< one entry of a translation
    spec::ConfigItem word;  ///< of a configuration structure
    EventIndex at = 0;
    u64 group = 0;  ///< of the next command then
    std::string text;
  };
  [[nodiscard]] bool is_open(const Hazard& hazard) const;
  void add(Hazard hazard);
  void found(const Hazard& hazard, const std::string& how);
  void accessed_configuration(const spec::Access& access, EventIndex now);
  [[nodiscard]] std::optional<Content> whole(const spec::PlacedStructure& structure) const;
  void note_whole(const spec::PlacedStructure& structure);
  void keep_stale_l1stds();
  void check_mixture(const spec::PlacedStructure& structure, EventIndex now);

  static constexpr std::size_t hazards_max = 4096;

  const spec::Caches& caches_;
  std::vector<Hazard> hazards_;
  std::map<u64, std::vector<Content>> wholes_;  ///< by place: what memory said lately
  struct L1StdChange {
    u64 place = 0;
    EventIndex at = 0;
  };
  std::vector<L1StdChange> l1stds_;  ///< made valid, and no invalidation covered it yet
  std::vector<Late> found_;
  std::map<spec::Rule, Count> counts_;
  u64 items_ = 0;    ///< that lived after the last command
  u64 changes_ = 0;  ///< stores to structures that hardware may fetch, since the last command
};

}  // namespace iommucheck::oracle
