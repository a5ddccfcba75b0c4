// SPDX-License-Identifier: MIT
// What everything in the monitor stands on: the three states that share one trail, what a case has
// left beside them, and whoever watches the events.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "monitor/case_state.h"
#include "monitor/device_rules.h"
#include "monitor/hardware_judge.h"
#include "monitor/recording_rules.h"
#include "monitor/setup.h"
#include "monitor/user_format.h"
#include "spec/smmu/smmu.h"
#include "spec/sva/interface.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class MonitorState {
 public:
  MonitorState(const MonitorState&) = delete;
  MonitorState& operator=(const MonitorState&) = delete;

  [[nodiscard]] const Setup& setup() const { return setup_; }
  Trail& trail() { return caches_.trail(); }
  spec::Caches& caches() { return caches_; }
  spec::Smmu& smmu() { return smmu_; }
  spec::sva::Interface& interface() { return interface_; }
  [[nodiscard]] const spec::sva::Interface& interface() const { return interface_; }
  [[nodiscard]] EventIndex now() const { return case_.now; }

  /// Of several SMMUs (Setup::registers_each) one is followed here: the device's streams. None: it
  /// is behind another.
  [[nodiscard]] std::span<const u32> streams_here(u32 device) const;

  /// Null: an SMMUv3's.
  [[nodiscard]] HardwareJudge* hardware() const { return hardware_.get(); }
  /// Null where calls are known.
  [[nodiscard]] const RecordingRules* recording_rules() const { return recording_.get(); }
  /// Null unless Setup says that a device is judged.
  [[nodiscard]] DeviceRules* device_rules() { return device_rules_.get(); }

  // Observers of the events, in order; null on the hot path.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void event(const trace::Event& event) = 0;
  };
  void set_sink(Sink* sink) { sink_ = sink; }

  using StalledAccess = CaseState::StalledAccess;
  static constexpr u32 request_bit = CaseState::request_bit;

 protected:
  explicit MonitorState(const Setup& setup);
  ~MonitorState() = default;

  using Case = CaseState;
  /// Who accesses: a stream of a device, at its RID's space or at a PASID; or a walker beside the
  /// SMMU, whose number is `device`.
  struct Place {
    u32 device = 0;
    u32 sid = 0;
    spec::sva::Substream at;
    bool walker = false;
  };
  [[nodiscard]] bool is_here(u32 device) const;
  /// That sends it here; device_count(): none does.
  [[nodiscard]] u32 device_here(u32 sid) const;
  [[nodiscard]] bool is_nobodys(u32 sid) const;
  [[nodiscard]] Where where(const Place& place) const;
  /// ": the command queue has stopped …", or empty.
  [[nodiscard]] std::string_view why_nothing_is_consumed() const;
  [[nodiscard]] static spec::Access access_at(const Place& place, u64 va);

  void tick() {
    ++case_.now;
    caches_.set_now(case_.now);
  }
  template <class Payload>
  void emit(AgentId by, const Payload& payload) {
    if (sink_ != nullptr) sink_->event(trace::Event{by, payload, std::nullopt});
  }
  /// The number that traces have for a domain.
  trace::DomainId domain_id(u64 handle);

  Setup setup_;
  spec::Caches caches_;
  spec::Smmu smmu_;

 private:
  Smmuv3UserFormat user_format_;  // where the hardware has none of its own

 protected:
  spec::sva::Interface interface_;
  Case case_;
  std::unique_ptr<HardwareJudge> hardware_;    // null: an SMMUv3's
  std::unique_ptr<RecordingRules> recording_;  // null where calls are known
  std::unique_ptr<DeviceRules> device_rules_;  // null unless a device is judged
  Sink* sink_ = nullptr;
};

}  // namespace iommucheck::oracle
