// SPDX-License-Identifier: MIT
// What an SMMU sends to endpoints: one invalidation for each CMD_ATC_INV, as the command says it,
// and no CMD_SYNC behind it is complete before the endpoint has answered. IHI 0070 4.5.1, 4.7.3.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "conform/case.h"
#include "conform/device_finding.h"
#include "spec/rules.h"
#include "spec/smmu/command.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class EndpointRules {
 public:
  explicit EndpointRules(const spec::Smmu& smmu) : smmu_(smmu) {}

  /// From reset on. `shown`: invalidations of the device are seen at all.
  void begin(const QueueLayout& queues, bool shown);
  /// The next event, which `memory` and the SMMU know already.
  std::optional<Finding> feed(const trace::Event& event, const spec::Memory& memory);
  /// Of the case: CMD_SYNCs that had to wait; invalidations that came.
  [[nodiscard]] u64 waits() const { return waits_; }
  [[nodiscard]] u64 came() const { return came_; }

 private:
  enum class Asks : u8 {
    nothing,  ///< of an endpoint
    perhaps,  ///< SMMUEN was 0 or changing, or the command leaves it open
    surely,
  };
  struct Sent {
    u64 place = 0;  ///< in the queue, with the wrap
    spec::Command command;
    Asks asks = Asks::nothing;
    bool answered = false;
    bool ignored = false;  ///< SMMUEN is surely 0 since it was exposed
  };
  void enabled();
  void exposed(u64 prod, const spec::Memory& memory);
  std::optional<Finding> consumed(u64 cons);
  std::optional<Finding> stopped();
  [[nodiscard]] bool error_active() const {
    return ((gerror_ ^ gerrorn_) & spec::gerror::cmdq_err) != 0;
  }
  void not_waited_for();
  std::optional<Finding> came(const trace::AtcInvalidated& event);
  [[nodiscard]] bool matches(const Sent& sent, const trace::AtcInvalidated& event) const;
  [[nodiscard]] Asks asks(const spec::Command& command) const;

  const spec::Smmu& smmu_;
  QueueLayout queues_;
  bool shown_ = false;
  std::deque<Sent> sent_;  // exposed and not known to be consumed, in order
  std::deque<Sent> open_;  // consumed CMD_ATC_INVs, until they are answered
  u64 prod_ = 0, cons_ = 0;
  u64 gerror_ = 0, gerrorn_ = 0, last_error_ = 0;
  bool disabled_ = true;      ///< SMMUEN is 0, and CR0ACK has shown it
  bool error_known_ = false;  ///< GERROR had shown an error when last_error_ was read
  bool timed_out_ = false;    ///< the time of endpoints was over in this case
  u64 waits_ = 0, came_ = 0;
};

}  // namespace iommucheck::oracle
