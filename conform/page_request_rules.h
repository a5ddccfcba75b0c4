// SPDX-License-Identifier: MIT
// Page requests: each message that an engine sends is recorded in the PRI queue, answered by the
// SMMU itself or ignored, as the state of the queue allows, and each CMD_PRI_RESP is sent to its
// endpoint. What is allowed is spec/smmu/page_request.h's. IHI 0070 4.5.2, 8.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/device_finding.h"
#include "conform/dut/device.h"
#include "spec/rules.h"
#include "spec/smmu/page_request.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class PageRequestRules {
 public:
  PageRequestRules(const DeviceIdentity& device, const spec::Smmu& smmu);

  /// From reset on.
  void begin(const QueueLayout& queues);
  /// The next event, which `memory` and the SMMU know already. Behind the first mistake of a case
  /// tester and device are in different states, and nothing more is said.
  std::optional<Finding> feed(const trace::Event& event, const spec::Memory& memory);
  /// The case is over: what did not come now does not come.
  std::optional<Finding> finish();

  /// Of the case, each of which could have been wrong: records that came, messages that met a full
  /// queue or an overflow, responses that came or had to come.
  [[nodiscard]] u64 records() const { return records_; }
  [[nodiscard]] u64 overflows() const { return overflows_; }
  [[nodiscard]] u64 responses() const { return responses_; }

 private:
  /// What a yes or no may be: bit 0 no, bit 1 yes.
  using Maybe = u8;
  static constexpr Maybe no = 1, yes = 2, perhaps = 3;
  static Maybe known(bool is) { return is ? yes : no; }

  struct Message {
    spec::PageRequest request;
    std::vector<spec::PageRequestOutcome> may;
    u64 polls = 0;  ///< looks at PRIQ_PROD before it came
    bool recorded = false, answered = false;
    [[nodiscard]] bool may_end(spec::PageRequestEnd end) const;
    [[nodiscard]] bool must_end(spec::PageRequestEnd end) const;
    [[nodiscard]] bool is_over() const { return recorded || answered; }
  };
  /// A command that was exposed.
  struct Command {
    std::optional<spec::PageResponse> response{};  ///< that the command sends, if it does
    Maybe sends = no;                              ///< no: it is illegal, or SMMUEN = 0
    bool consumed = false;                         ///< then it has to have been sent
    bool sent = false;
    u64 polls = 0;
  };

  void write(const trace::MmioWrite& write, const spec::Memory& memory);
  std::optional<Finding> read(const trace::MmioRead& read);
  void exposed(u64 prod, const spec::Memory& memory);
  void consumed(u64 cons);
  std::optional<Finding> prod_shown(u64 prod);
  void cons_written(u64 cons);
  void arrived(const trace::PageRequest& sent, const spec::Memory& memory);
  std::optional<Finding> recorded(const spec::PageRequestWords& words);
  std::optional<Finding> answered(const spec::PageResponse& response);
  [[nodiscard]] Finding wrong_record(const spec::PageRequestWords& words) const;
  [[nodiscard]] Finding wrong_response(const spec::PageResponse& response) const;
  [[nodiscard]] std::string_view why_unasked(const spec::PageResponse& response) const;
  [[nodiscard]] std::optional<Finding> missing() const;
  [[nodiscard]] Maybe enabled() const;
  [[nodiscard]] std::vector<spec::PageRequestOutcome> outcomes(const spec::PageRequest& request,
                                                               const spec::Memory& memory) const;
  [[nodiscard]] bool is_queue(u64 pa) const;

  const spec::Smmu& smmu_;
  spec::Capabilities caps_;
  bool shown_;  ///< the device's engines send page requests
  bool prompt_;
  u64 absent_pa_, absent_bytes_;

  QueueLayout queues_;
  std::vector<Message> messages_;
  std::deque<Command> commands_;  // exposed and not known to be consumed, in order
  std::vector<Command> open_;     // consumed CMD_PRI_RESPs
  u64 cmd_prod_ = 0, cmd_cons_ = 0;
  u64 cr0_ = 0, cr0ack_ = 0;
  u64 gerror_ = 0, gerrorn_ = 0;
  u64 cons_ = 0;
  u64 least_ = 0,
      most_ = 0;  // records that the queue has, and those that may still be on their way
  u64 flag_ = 0, ack_ = 0,
      shown_flag_ = 0;               // OVFLG as it has to be, OVACKFLG, OVFLG as it was read
  u64 flag_since_ = 0;               // looks at PRIQ_PROD before it had to toggle
  bool unsure_ = false;              // of how many there are, and of OVFLG
  bool order_unsure_ = false;        // which of two equal messages a record is of
  bool aborts_ = false;              // the queue lies where no memory is
  bool structures_changed_ = false;  // with SMMUEN = 1: another STE may be cached
  bool told_ = false;
  u64 polls_ = 0;
  u64 records_ = 0, overflows_ = 0, responses_ = 0;
};

}  // namespace iommucheck::oracle
