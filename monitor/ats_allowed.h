// SPDX-License-Identifier: MIT
// What requests of ATS may be answered, and what accesses may meet that say they are translated, by
// what is known of a device under test now. IHI 0070 3.9.1.
#pragma once

#include <optional>
#include <vector>

#include "monitor/nested_probes.h"
#include "monitor/table_reader.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class AtsAllowed {
 public:
  /// Of the case so far.
  struct Known {
    bool changed = false;         ///< something, since SMMUEN = 1
    bool disabled = false;        ///< SMMUEN = 0, and CR0ACK has shown it
    bool atschk_changed = false;  ///< so that another one may be cached with an STE
  };
  AtsAllowed(spec::Caches& caches, const spec::Smmu& smmu, const NestedProbes& probes,
             AbsentMemory absent, Known known)
      : caches_(caches), smmu_(smmu), probes_(probes), absent_(absent), known_(known) {}

  struct Answer {
    trace::AtsResult result{};
    spec::EventType event = spec::EventType::none;  ///< its record; none: it has none
    spec::Rule rule{};
  };

  /// False: it cannot be judged.
  bool translated(const spec::Access& access, std::vector<spec::Outcome>& allowed) const;
  /// `any` answer may be given; none: it cannot be judged.
  std::vector<Answer> answers(const spec::Access& access, bool& any) const;
  /// What a right for such an access leads to, or that it is denied.
  [[nodiscard]] std::vector<spec::Outcome> granted(spec::Access access) const;

 private:
  [[nodiscard]] spec::SmmuState state_now() const;
  [[nodiscard]] std::optional<spec::Outcome> plain_answer(const spec::Access& access) const;
  [[nodiscard]] std::optional<spec::Outcome> plain_translated(const spec::Access& access,
                                                              bool& aborts) const;
  [[nodiscard]] bool aborts(const spec::Access& access) const;
  bool add_split(const spec::Access& access, std::vector<spec::Outcome>& allowed) const;
  [[nodiscard]] bool is_contained(const spec::Access& access) const;
  [[nodiscard]] std::vector<spec::Outcome> met_by_both(spec::Access access) const;
  [[nodiscard]] std::vector<spec::Outcome> granted_by_both(const spec::Access& access) const;

  spec::Caches& caches_;
  const spec::Smmu& smmu_;
  const NestedProbes& probes_;
  AbsentMemory absent_;
  Known known_;
};

}  // namespace iommucheck::oracle
