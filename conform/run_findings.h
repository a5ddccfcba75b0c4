// SPDX-License-Identifier: MIT
// The findings of a run: of each kind the first that shows again is made short and written, what
// comes after it is counted.
#pragma once

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "conform/asked_device.h"
#include "conform/confirm.h"
#include "conform/found_divergence.h"
#include "conform/found_files.h"
#include "conform/known_cases.h"
#include "conform/known_of_device.h"

namespace iommucheck::oracle {

class RunFindings {
 public:
  RunFindings(AskedDevice& device, const KnownOfDevice& known, const FoundFiles& files)
      : device_(device), confirmer_(device), known_(known), files_(files) {}

  /// A directed case was run as it is.
  void ran(const std::string& name) { shown_.ran(name); }
  /// A divergence that a case showed; `directed`: that ran() was told of.
  Expected<void> note(const Case& what, const Divergence& found, bool directed);
  /// Of cases made of others, to ask again or to make a finding short. The first of a kind is a
  /// finding like any other: the device is to survive whatever a case leaves out.
  Expected<void> note_deaths();
  /// A divergence that a trace showed.
  void note_replayed(const Divergence& found, const std::string& path);

  /// The finding that it is one more of. An access that needs two features says nothing new where
  /// the device is known to do that with one of them.
  [[nodiscard]] FoundDivergence* found_before(const Case& what, const Divergence& found,
                                              bool directed);
  [[nodiscard]] std::vector<FoundDivergence>& all() { return all_; }
  /// What was seen and did not show again in its case alone.
  [[nodiscard]] std::vector<FoundDivergence>& not_reproduced() { return not_reproduced_; }
  /// The shortest cases of new ones, by their place among all.
  [[nodiscard]] const std::map<std::size_t, Case>& shortest() const { return shortest_; }
  /// How many cases broke each rule, by its number.
  [[nodiscard]] const std::array<u64, spec::rule_numbers>& broken() const { return broken_; }
  /// Which directed case shows which known divergence, as it is now.
  [[nodiscard]] const KnownCases& shown() const { return shown_; }

 private:
  /// It is worded as what is known by that entry, and comes in a case that was right about that.
  [[nodiscard]] bool is_elsewhere(const Case& what, const std::string& known_id) const {
    return !known_id.empty() && known_.was_right(what.name, known_id);
  }
  Expected<void> note_not_reproduced(FoundDivergence fresh);
  /// What another case has confirmed in the meantime.
  void forget_not_reproduced(FoundDivergence& confirmed);

  AskedDevice& device_;
  Confirmer confirmer_;
  const KnownOfDevice& known_;
  const FoundFiles& files_;
  std::vector<FoundDivergence> all_;
  std::vector<FoundDivergence> not_reproduced_;
  /// Of a kind that has not shown again: how many cases were tried.
  std::map<std::pair<spec::Rule, std::string>, u32> unconfirmed_;
  std::map<std::size_t, Case> shortest_;
  std::array<u64, spec::rule_numbers> broken_{};
  KnownCases shown_;
};

}  // namespace iommucheck::oracle
