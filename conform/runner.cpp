// SPDX-License-Identifier: MIT
#include "conform/runner.h"

#include "conform/case_commands.h"
#include "conform/case_endpoints.h"
#include "conform/case_engines.h"
#include "conform/case_header.h"
#include "conform/case_log.h"
#include "conform/case_notes.h"
#include "conform/case_output_queues.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

/// So many words that changed by themselves are told of a case.
constexpr std::size_t changed_words_max = 4;

class Runner {
 public:
  Runner(DeviceUnderTest& device, const Case& what)
      : case_(what),
        log_(device),
        endpoints_(log_),
        commands_(log_, endpoints_, what.queues),
        queues_(log_, what.queues),
        engines_(log_) {}

  Run take() {
    const bool alive = run_steps() && end();
    Run run = log_.take(alive);
    run.trace.header = case_header(case_, log_.device());
    return run;
  }

 private:
  bool run_steps() {
    for (std::size_t i = 0; i < case_.steps.size(); ++i) {
      log_.begin_step(i);
      if (!run_step(case_.steps[i])) return false;
      if (interrupts_ && !log_.settle()) return false;
    }
    log_.begin_step(case_.steps.size());
    return true;
  }

  /// What comes late has had its time.
  bool end() {
    bool alive = true;
    // Of a queue that lies where no memory is nothing can be read.
    const DeviceIdentity& identity = log_.identity();
    const bool absent = case_.queues.eventq - identity.absent_pa < identity.absent_bytes;
    for (unsigned i = 0; i < 3 && alive && !absent; ++i) {
      alive = queues_.poll_events(false) && queues_.poll_pages(false);
    }
    log_.read(reg::gerror, 4);
    // Who reads CMDQ_CONS once for each CMD_SYNC has not seen that it stands still. An error that
    // stops it is told by that, and not as progress that fails.
    if (alive && identity.far) alive = commands_.look_until_done(false);
    // CERROR_ATC_INV_SYNC is sure once GERROR has shown that there is an error.
    if (identity.ats) log_.read(reg::cmdq_cons, 4);
    return alive && log_.settle() && compare_memory();
  }

  /// What the case stored is there still, but for records in the event queue.
  /// A record is as it was when it was read, and where none was yet the queue is as it began.
  bool compare_memory() {
    struct Asked {
      u64 pa, value;
      Ticket ticket;
    };
    std::vector<Asked> asked;
    log_.held().visit([&](u64 pa, u64 value) {
      asked.push_back({pa, queues_.as_read(pa).value_or(value), log_.device().load(pa)});
    });
    if (!log_.settle()) return false;
    std::size_t told = 0;
    for (const Asked& one : asked) {
      const u64 value = log_.value(one.ticket);
      if (value == one.value || told++ == changed_words_max) continue;
      log_.event(AgentId::cpu0, trace::Load{.pa = one.pa, .size = 8, .value = value});
    }
    return true;
  }

  bool run_step(const Step& step) {
    switch (step.kind) {
      case StepKind::store: log_.store(step.a, step.b); return true;
      case StepKind::fill: log_.fill(step.a, step.b, step.c); return true;
      case StepKind::write: return write(step);
      case StepKind::read: return read(static_cast<u32>(step.a), static_cast<unsigned>(step.c));
      case StepKind::command: return commands_.command(step.a, step.b, step.c == 0);
      case StepKind::drain: return commands_.drain(step.a);
      case StepKind::barrier: log_.order(); return true;
      case StepKind::await:
        return await(static_cast<u32>(step.a), static_cast<unsigned>(step.c), step.b);
      case StepKind::sync: return commands_.sync();
      case StepKind::access: engines_.access(step); return true;
      case StepKind::request: engines_.request(step); return true;
      case StepKind::answer: return endpoints_.answer_one();
      case StepKind::silence: return endpoints_.silence();
      case StepKind::poll: return queues_.poll_events(step.a != 0);
      case StepKind::mend: return commands_.mend(step.a, step.b);
      case StepKind::resume:
        return commands_.resume(queues_.take_stalled(), step.a != 0, step.b != 0);
      case StepKind::page_request: return engines_.page_request(step);
      case StepKind::page_poll: return queues_.poll_pages(step.a != 0);
      case StepKind::save:
        log_.device().save_restore();
        log_.event(trace::environment_agent, trace::Note{.text = saved_note});
        return true;
      case StepKind::look:
        log_.event(AgentId::cpu0, trace::Load{.pa = step.a, .size = 8}, log_.device().load(step.a));
        return true;
    }
    return true;
  }

  /// Interrupts are known when the device has settled: those of before are told before what enables
  /// or disables them.
  bool write(const Step& step) {
    const auto offset = static_cast<u32>(step.a);
    if (offset == reg::irq_ctrl && log_.identity().wires_interrupts && !log_.settle()) return false;
    log_.write(offset, static_cast<unsigned>(step.c), step.b);
    commands_.written(offset, step.b);
    queues_.written(offset, step.b);
    if (offset == reg::cr0) cr0_ = step.b;
    if (offset == reg::irq_ctrl) {
      interrupts_ |= step.b != 0;
      irq_ctrl_ = step.b;
    }
    return true;
  }

  /// What was asked for by a write is done: no field may be altered again before. IHI 0070 6.3.9,
  /// 6.3.14.1, 6.3.16.
  [[nodiscard]] bool is_updated(u32 offset, u64 value) const {
    switch (offset) {
      case reg::cr0ack: return value == cr0_;
      case reg::irq_ctrlack: {
        const auto caps = spec::parse_capabilities(log_.identity().id);
        return ((value ^ irq_ctrl_) & spec::irq_ctrl_fields(caps)) == 0;
      }
      case reg::gbpa: return (value & spec::gbpa::update) == 0;
      default: return true;
    }
  }
  /// It is polled, as a driver does, where the device needs time.
  bool read(u32 offset, unsigned size) {
    Ticket ticket = log_.read(offset, size);
    const bool updates = offset == reg::cr0ack || offset == reg::irq_ctrlack || offset == reg::gbpa;
    if (!updates || log_.identity().prompt) return true;
    for (unsigned i = 1; i < reads_max; ++i) {
      if (!log_.settle()) return false;
      if (is_updated(offset, log_.value(ticket))) break;
      ticket = log_.read(offset, size);
    }
    return true;
  }

  bool await(u32 offset, unsigned size, u64 value) {
    for (unsigned i = 0; i < reads_max; ++i) {
      const Ticket ticket = log_.read(offset, size);
      if (log_.identity().prompt) return true;
      if (!log_.settle()) return false;
      if (log_.value(ticket) == value) break;
    }
    return true;
  }

  const Case& case_;
  CaseLog log_;
  CaseEndpoints endpoints_;
  CaseCommands commands_;
  CaseOutputQueues queues_;
  CaseEngines engines_;
  u64 cr0_ = 0, irq_ctrl_ = 0;
  /// Some were enabled: each step is waited for, so that what caused one is known.
  bool interrupts_ = false;
};

}  // namespace

Expected<Run> run_case(DeviceUnderTest& device, const Case& what) {
  if (auto ok = device.reset(); !ok) return std::unexpected(ok.error());
  return Runner(device, what).take();
}

}  // namespace iommucheck::oracle
