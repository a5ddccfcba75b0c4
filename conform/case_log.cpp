// SPDX-License-Identifier: MIT
#include "conform/case_log.h"

#include "conform/case_notes.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace reg = spec::reg;

void CaseLog::store(u64 pa, u64 value) {
  device_.store(pa, value);
  held_.store(pa, value);
  event(AgentId::cpu0, trace::Store{.pa = pa, .size = 8, .value = value});
  unordered_ = true;
}

void CaseLog::fill(u64 pa, u64 words, u64 value) {
  device_.fill(pa, words, value);
  held_.fill(pa, words, value);
  event(AgentId::cpu0, trace::Fill{.pa = pa, .words = words, .value = value});
  unordered_ = true;
}

/// Without a second page the indices are where the device has them; the trace has them in page 1.
u32 CaseLog::place_of(u32 offset) const {
  const bool moved = !device_.profile().has_page1 && reg::is_page1_index(offset);
  return moved ? offset - reg::page1 : offset;
}

void CaseLog::write(u32 offset, unsigned size, u64 value) {
  device_.mmio_write(place_of(offset), size, value);
  event(AgentId::cpu0,
        trace::MmioWrite{
            .offset = offset, .size = static_cast<u8>(size), .value = value, .ordered = true});
  unordered_ = false;
}

Ticket CaseLog::read(u32 offset, unsigned size) {
  const Ticket ticket = device_.mmio_read(place_of(offset), size);
  event(AgentId::cpu0, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = 0},
        ticket);
  return ticket;
}

void CaseLog::order() {
  if (unordered_) {
    event(AgentId::cpu0, trace::Barrier{.kind = trace::BarrierKind::full, .completes = true});
  }
  unordered_ = false;
}

bool CaseLog::settle() {
  if (auto ok = device_.settle(); !ok) {
    run_.death = ok.error().message;
    return false;
  }
  resolve();
  for (const spec::PageResponse& one : device_.take_page_responses()) {
    event(trace::smmu_agent(), note_of(one));
  }
  for (const Interrupt& one : device_.take_interrupts()) {
    event(trace::smmu_agent(), trace::Irq{.kind = one.kind});
  }
  return true;
}

/// Answers go where they were asked for.
void CaseLog::resolve() {
  if (run_.death.empty()) {
    for (const auto& [place, ticket] : waiting_) answer(run_.trace.events[place], ticket);
  }
  waiting_.clear();
}

void CaseLog::answer(trace::Event& asked, Ticket ticket) {
  if (auto* read = std::get_if<trace::MmioRead>(&asked.payload)) {
    read->value = device_.value(ticket);
  } else if (auto* dma = std::get_if<trace::Dma>(&asked.payload)) {
    const DmaSeen seen = device_.seen(ticket);
    dma->result = seen.reached   ? trace::DmaResult::ok
                  : seen.stalled ? trace::DmaResult::stall
                                 : trace::DmaResult::abort;
    dma->pa = seen.pa;
  } else if (auto* request = std::get_if<trace::AtsRequest>(&asked.payload)) {
    const AtsSeen seen = device_.answered(ticket);
    request->result = seen.result;
    if (seen.result == trace::AtsResult::success) {
      request->rights = seen.rights;
      if (seen.rights.read || seen.rights.write) {
        request->pa = seen.pa;
        request->length = seen.bytes;
      }
    }
  } else if (auto* load = std::get_if<trace::Load>(&asked.payload)) {
    load->value = device_.value(ticket);
  }
}

Run CaseLog::take(bool alive) {
  run_.answered = waiting_.empty() || alive ? run_.trace.events.size() : waiting_.front().place;
  resolve();
  if (!alive) {
    event(trace::environment_agent, trace::Note{.text = "the device died: " + run_.death});
  }
  return std::move(run_);
}

}  // namespace iommucheck::oracle
