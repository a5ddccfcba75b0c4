// SPDX-License-Identifier: MIT
#include "monitor/device_registers.h"

#include <string>

#include "spec/rules/commands.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

namespace rule = spec::rule;
namespace reg = spec::reg;

/// "In finite time".
constexpr unsigned reads_until_late = 8;

}  // namespace

void DeviceRegisters::late(unsigned& reads, const char* what) {
  findings_.ask(rule::REGISTER_PROGRESS, true);
  if (++reads != reads_until_late) return;
  findings_.find(rule::REGISTER_PROGRESS, std::string(what) + " does not follow",
                 std::string(what) + " does not show what was asked within " +
                     std::to_string(reads_until_late) + " reads");
}

void DeviceRegisters::write(u32 offset, u64 value) {
  if (offset == reg::cr0) state_.cr0 = 0;
  // An acknowledged error lets the queue go on by itself, as PROD does. IHI 0070 7.1.
  if (offset == reg::cmdq_prod || offset == reg::gerrorn) state_.cons = 0;
  if (offset == reg::gerrorn) {
    state_.gerrorn = value;
    state_.gerror = 0;
    state_.error_shown = false;
  }
  if (offset == reg::gbpa) state_.gbpa = 0;
}

void DeviceRegisters::read(u32 offset, u64 value) {
  if (offset == reg::cr0ack && value != smmu_.cr0()) late(state_.cr0, "CR0ACK");
  if (offset == reg::gbpa && (value & spec::gbpa::update) != 0) late(state_.gbpa, "GBPA.Update");
  if (offset == reg::cmdq_cons) cons_read(value);
  // The code is there first, the error follows. IHI 0070 7.1.
  if (offset == reg::gerror && state_.error_shown && smmu_.stopped_by_error() &&
      ((value ^ state_.gerrorn) & spec::gerror::cmdq_err) == 0) {
    late(state_.gerror, "GERROR.CMDQ_ERR");
  }
}

void DeviceRegisters::cons_read(u64 value) {
  findings_.ask(rule::CMD_ORDER, true);
  // Commands may be consumed one by one: it waits where nothing moves.
  if (value != state_.last_cons) state_.cons = 0;
  state_.last_cons = value;
  const bool there = (value & spec::queue_index_mask) == smmu_.commands_end();
  if (!there && (smmu_.cr0() & spec::cr0::cmdqen) != 0) late(state_.cons, "CMDQ_CONS");
  if (there) findings_.ask(rule::REGISTER_PROGRESS, true);
  state_.error_shown =
      there && smmu_.stopped_by_error() && spec::cmdq_cons_err(static_cast<u32>(value)) != 0;
  // It is at the command, and has still to say what is wrong with it.
  if (there && smmu_.stopped_by_error() && !state_.error_shown) late(state_.cons, "CMDQ_CONS.ERR");
}

}  // namespace iommucheck::oracle
