// SPDX-License-Identifier: MIT
// The four promises: what hardware may do is compared with what the interface promises, where
// something changed, window by window. SEMANTICS 5.
#pragma once

#include <vector>

#include "monitor/interval_promises.h"

namespace iommucheck::oracle {

class Promises : public IntervalPromises {
 public:
  /// Compares everything that is reachable with everything that is promised.
  void check_whole_space();
  /// Compares at every store and not once a window (debugging; same verdict).
  void probe_each_store(bool on) { probe_each_store_ = on; }

  /// What the calls so far promise to an access: one or the other. Empty where nothing is judged by
  /// promises.
  [[nodiscard]] std::vector<Promised> promised(u32 sid, spec::sva::Substream at, u64 va) const;
  /// No access of the stream is promised to get anywhere: blocked, or nothing at this PASID.
  [[nodiscard]] bool promises_nothing(u32 sid, spec::sva::Substream at) const;
  /// A leaf that memory has at `va` is not what is promised there.
  [[nodiscard]] bool breaks_promise(u32 sid, spec::sva::Substream at, u64 va,
                                    const spec::Leaf<u64>& leaf) const;

 protected:
  using IntervalPromises::IntervalPromises;

  /// A process's tables are judged when the environment has told what it changed.
  [[nodiscard]] bool probes(AgentId by) const {
    return probe_each_store_ && by != trace::environment_agent;
  }
  [[nodiscard]] bool probes_each_store() const { return probe_each_store_; }
  void window_ends();
  /// What changed is compared when the call is over.
  void remember_changes();
  void check_stream(const spec::StreamPart& part);
  [[nodiscard]] bool reaches_tables(const Place& place) const;
  void check_place(const Place& place);

 private:
  void check_changes();
  void check_device(u32 device);
  bool check_option(const Place& place, const spec::StreamOption& option,
                    const spec::sva::Alternatives& allowed);

  bool probe_each_store_ = false;
};

}  // namespace iommucheck::oracle
