// SPDX-License-Identifier: MIT
#include "conform/case_of_trace.h"

#include <optional>
#include <utility>
#include <variant>

#include "conform/case_header.h"
#include "conform/case_notes.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

/// Number of the engine that has that StreamID.
u64 engine_of(const trace::Trace& trace, u32 sid) {
  for (const trace::DeviceInfo& info : trace.header.devices.value_or(trace::Devices{})) {
    if (!info.sids.empty() && info.sids.front() == sid) return static_cast<u64>(info.device);
  }
  return 0;
}

u64 substream_word(const std::optional<trace::Substream>& ssid) {
  if (!ssid || !ssid->valid) return 0;
  return step_substream | (u64{ssid->value} << step_substream_place);
}

Step access_step(const trace::Trace& trace, const trace::Dma& dma) {
  u64 word = engine_of(trace, dma.sid) | substream_word(dma.ssid);
  const u64 writes = dma.direction == trace::Direction::write ? 1 : 0;
  if (dma.direction == trace::Direction::execute) word |= step_instruction;
  if (dma.privileged.value_or(false)) word |= step_privileged;
  if (dma.kind == trace::TransactionKind::translated) word |= step_translated;
  return {StepKind::access, dma.iova, writes, word};
}

Step request_step(const trace::Trace& trace, const trace::AtsRequest& request) {
  u64 word = engine_of(trace, request.sid) | substream_word(request.ssid);
  if (request.privileged.value_or(false)) word |= step_privileged;
  const u64 writes = request.no_write.value_or(true) ? 0 : 1;
  return {StepKind::request, request.iova, writes, word};
}

/// The step that sends it.
Step page_request_step(const trace::Trace& trace, const trace::PageRequest& request) {
  Step step{.kind = StepKind::page_request,
            .a = request.iova,
            .b = request.page_group & page_index,
            .c = engine_of(trace, request.sid)};
  const trace::Rights rights = request.rights.value_or(trace::Rights{});
  if (request.last) step.b |= page_last;
  if (rights.read) step.b |= page_read;
  if (rights.write) step.b |= page_write;
  if (rights.execute) step.b |= page_execute;
  if (request.privileged.value_or(false)) step.b |= page_privileged;
  step.c |= substream_word(request.ssid);
  return step;
}

/// What the header says: nothing but the steps is missing then.
Expected<Case> case_without_steps(const trace::Header& header, const std::string& name) {
  Case result;
  result.name = name;
  if (header.about) {
    const auto asks = header.about->find("asks");
    if (asks != header.about->end()) result.asks = asks->second;
  }
  const auto queues = queues_of(header);
  if (!queues) {
    return fail(ErrorCode::bad_input, name +
                                          ": is no trace of conform (its header does not say "
                                          "where the queues are, and how large)");
  }
  result.queues = *queues;
  result.boot_commands = boot_commands_of(header);
  return result;
}

/// Event by event. What a step does by itself behind its first event is no step of its own.
class StepReader {
 public:
  StepReader(const trace::Trace& trace, Case& what) : trace_(trace), case_(what) {}

  /// What is wrong with the event; nothing: it is taken.
  const char* add(const trace::Event& event) {
    wrong_ = nullptr;
    trace::visit([this](const auto& payload) { take(payload); }, event.payload);
    return wrong_;
  }

 private:
  void push(const Step& step) {
    case_.steps.push_back(step);
    polling_ = false;
  }

  void take(const trace::Store& store) {
    if (store.size != 8 || !store.value || store.pa % 8 != 0) {
      wrong_ = "a store that is no aligned word";
      return;
    }
    push({StepKind::store, store.pa, *store.value});
  }
  void take(const trace::Fill& fill) { push({StepKind::fill, fill.pa, fill.words, fill.value}); }
  void take(const trace::Load& load) {
    if (load.size != 8 || load.pa % 8 != 0) {
      wrong_ = "a load that is no aligned word";
      return;
    }
    push({StepKind::look, load.pa});
  }
  void take(const trace::MmioWrite& write) {
    if (polling_ && write.offset == reg::eventq_cons) return;  // poll does that itself
    if (polling_ && write.offset == reg::priq_cons) {
      if (((write.value ^ prod_) & spec::queue_overflow_flag) != 0) case_.steps.back().a = 1;
      return;
    }
    push({StepKind::write, write.offset, write.value, write.size});
  }
  void take(const trace::MmioRead& read) {
    if (read.offset == reg::priq_prod) {
      prod_ = read.value;
      push({StepKind::page_poll});
    } else if (read.offset == reg::eventq_prod) {
      push({StepKind::poll});
    } else {
      push({StepKind::read, read.offset, 0, read.size});
    }
    polling_ = read.offset == reg::eventq_prod || read.offset == reg::priq_prod;
  }
  void take(const trace::Dma& dma) { push(access_step(trace_, dma)); }
  void take(const trace::AtsRequest& request) { push(request_step(trace_, request)); }
  void take(const trace::PageRequest& request) { push(page_request_step(trace_, request)); }
  void take(const trace::AtcInvalidated& /*done*/) { push({StepKind::answer}); }
  void take(const trace::Barrier& /*barrier*/) { push({StepKind::barrier}); }
  void take(const trace::Note& note) {
    if (response_in(note)) return;
    polling_ = false;
    if (note.text == saved_note) push({StepKind::save});
    if (note.text == silence_note) push({StepKind::silence});
  }
  void take(const trace::EventRecorded& /*record*/) {}
  void take(const trace::PageRequestQueued& /*record*/) {}
  template <class Payload>
  void take(const Payload& /*payload*/) {
    polling_ = false;
  }

  const trace::Trace& trace_;
  Case& case_;
  const char* wrong_ = nullptr;
  bool polling_ = false;
  u64 prod_ = 0;  // as it was read last, of the page request queue
};

}  // namespace

Expected<Case> case_of(const trace::Trace& trace, const std::string& name) {
  auto result = case_without_steps(trace.header, name);
  if (!result) return result;
  StepReader steps(trace, *result);
  for (const trace::Event& event : trace.events) {
    if (const char* wrong = steps.add(event)) {
      return fail(ErrorCode::bad_input, name + ": " + wrong);
    }
  }
  return result;
}

}  // namespace iommucheck::oracle
