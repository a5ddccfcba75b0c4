// SPDX-License-Identifier: MIT
#include "conform/case_commands.h"

#include "base/bits.h"
#include "spec/smmu/command.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace reg = spec::reg;

void CaseCommands::written(u32 offset, u64 value) {
  if (offset == reg::cmdq_base) prod_ = cons_ = exposed_ = 0;
  if (offset == reg::cmdq_prod) prod_ = exposed_ = value;
  if (offset == reg::cmdq_cons) cons_ = value;
}

bool CaseCommands::command(u64 low, u64 high, bool exposes) {
  const unsigned lg2 = queues_.cmdq_lg2;
  if (spec::queue_used<u64>(lg2, prod_, cons_) == pow2(lg2)) {
    expose();
    if (!look_at_cons()) return false;
    if (spec::queue_used<u64>(lg2, prod_, cons_) == pow2(lg2)) return true;  // stopped
  }
  store_command(spec::queue_index<u64>(lg2, prod_), low, high);
  prod_ = spec::queue_next<u64>(lg2, prod_);
  if (exposes) expose();
  return true;
}

void CaseCommands::expose() {
  if (exposed_ == prod_) return;
  log_.write(reg::cmdq_prod, 4, prod_);
  exposed_ = prod_;
}

void CaseCommands::store_command(u64 index, u64 low, u64 high) {
  const u64 slot = queues_.cmdq + 16 * index;
  log_.store(slot, low);
  log_.store(slot + 8, high);
}

bool CaseCommands::look_at_cons() {
  const Ticket ticket = log_.read(reg::cmdq_cons, 4);
  if (!log_.settle()) return false;
  cons_ = spec::queue_bits<u64>(queues_.cmdq_lg2, log_.value(ticket));
  return true;
}

bool CaseCommands::look_until_done(bool answering) {
  for (unsigned i = 0; i < reads_max; ++i) {
    if (!look_at_cons()) return false;
    if (cons_ == prod_) break;
    if (answering && !endpoints_.answer_all()) return false;
  }
  return true;
}

bool CaseCommands::sync() {
  const spec::CommandWords words = spec::encode_command(spec::cmd_sync());
  return command(words.dw0, words.dw1, true) && drain(0);
}

bool CaseCommands::drain(u64 most) {
  expose();
  if (log_.identity().far) {
    log_.read(reg::cmdq_cons, 4);
    cons_ = prod_;  // if not, the answer shows it to the judge
    return true;
  }
  for (unsigned i = 0; i < reads_max; ++i) {
    if (!look_at_cons()) return false;
    const u64 left = spec::queue_used<u64>(queues_.cmdq_lg2, prod_, cons_);
    if (left == 0) break;
    // It may wait for endpoints, which have answered nothing yet.
    if (!endpoints_.answer_all()) return false;
    if (left <= most) break;
  }
  return true;
}

/// As a driver does: the queue goes on without another write of CMDQ_PROD. IHI 0070 7.1.
bool CaseCommands::mend(u64 low, u64 high) {
  if (!endpoints_.answer_all()) return false;
  const Ticket gerror = log_.read(reg::gerror, 4);
  const Ticket gerrorn = log_.read(reg::gerrorn, 4);
  if (!log_.settle()) return false;
  const u64 active = log_.value(gerror) ^ log_.value(gerrorn);
  if ((active & spec::gerror::cmdq_err) == 0) return true;
  if (!look_at_cons()) return false;  // that the error is active says that it is at the command
  store_command(spec::queue_index<u64>(queues_.cmdq_lg2, cons_), low, high);
  log_.write(reg::gerrorn, 4, log_.value(gerror));
  // A CMD_ATC_INV behind it is read only now.
  return look_until_done(true);
}

/// Only what a record has shown may be named, and once. IHI 0070 4.7.1.
bool CaseCommands::resume(const std::vector<std::pair<u32, u16>>& stalled, bool ac, bool ab) {
  if (stalled.empty()) return true;
  for (const auto& [sid, stag] : stalled) {
    spec::Command one;
    one.op = spec::Opcode::resume;
    one.sid = sid;
    one.stag = stag;
    one.ac = ac;
    one.ab = ab;
    const spec::CommandWords words = spec::encode_command(one);
    if (!command(words.dw0, words.dw1, true)) return false;
  }
  return sync();
}

}  // namespace iommucheck::oracle
