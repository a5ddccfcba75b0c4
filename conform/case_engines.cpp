// SPDX-License-Identifier: MIT
#include "conform/case_engines.h"

#include "conform/lies_within.h"

namespace iommucheck::oracle {

unsigned CaseEngines::engine_in(const Step& step) const {
  return static_cast<unsigned>((step.c & step_engine) % log_.identity().sids.size());
}

/// An engine that moves data and is let pass untranslated would write over queues, structures and
/// tables there, and what the SMMU reads then is none that the case has stored.
bool CaseEngines::may_write(u64 address) const {
  return log_.identity().every_pa ||
         !lies_within(address, 4, log_.identity().structures_pa, log_.identity().structures_bytes);
}

void CaseEngines::access(const Step& step) {
  const DeviceIdentity& identity = log_.identity();
  const bool translated = (step.c & step_translated) != 0;
  if (translated && !identity.ats) return;
  log_.order();
  const unsigned engine = engine_in(step);
  const bool writes = step.b != 0 && may_write(step.a);
  DmaAttributes attributes;
  attributes.translated = translated;
  attributes.privileged = identity.sends_privileged && (step.c & step_privileged) != 0;
  attributes.instruction =
      identity.sends_instructions && !writes && (step.c & step_instruction) != 0;
  if (!translated && identity.sends_substreams && (step.c & step_substream) != 0) {
    attributes.substream = static_cast<u32>(step.c >> step_substream_place);
  }
  const Ticket ticket = log_.device().dma(engine, step.a & ~u64{3}, writes, attributes);
  trace::Dma dma;
  dma.sid = identity.sids[engine];
  dma.ssid = attributes.substream ? trace::substream(*attributes.substream) : trace::no_substream;
  dma.iova = step.a & ~u64{3};
  dma.direction = writes                   ? trace::Direction::write
                  : attributes.instruction ? trace::Direction::execute
                                           : trace::Direction::read;
  dma.privileged = attributes.privileged;
  dma.length = 4;
  dma.kind = translated ? trace::TransactionKind::translated : trace::TransactionKind::untranslated;
  dma.result = trace::DmaResult::abort;
  log_.event(trace::device_agent(static_cast<u16>(engine)), dma, ticket);
}

void CaseEngines::request(const Step& step) {
  const DeviceIdentity& identity = log_.identity();
  if (!identity.ats) return;
  log_.order();
  const unsigned engine = engine_in(step);
  DmaAttributes attributes;
  trace::AtsRequest request;
  if (identity.sends_substreams && (step.c & step_substream) != 0) {
    attributes.substream = static_cast<u32>(step.c >> step_substream_place);
    // Without a PASID a request is an unprivileged one. IHI 0070 13.7.
    attributes.privileged = identity.sends_privileged && (step.c & step_privileged) != 0;
  }
  request.sid = identity.sids[engine];
  request.ssid =
      attributes.substream ? trace::substream(*attributes.substream) : trace::no_substream;
  request.iova = step.a & ~u64{3};
  request.no_write = step.b == 0;
  request.execute = false;
  request.privileged = attributes.privileged;
  const Ticket ticket = log_.device().ats_request(engine, request.iova, step.b != 0, attributes);
  log_.event(trace::device_agent(static_cast<u16>(engine)), request, ticket);
}

/// What was sent before comes before it, and its own answer of the SMMU before the next one.
bool CaseEngines::page_request(const Step& step) {
  const DeviceIdentity& identity = log_.identity();
  if (!identity.pri) return true;
  if (!log_.settle()) return false;
  log_.order();
  const unsigned engine = engine_in(step);
  spec::PageRequest request{.sid = identity.sids[engine],
                            .address = step.a & ~u64{0xfff},
                            .prg_index = static_cast<u32>(step.b & page_index),
                            .last = (step.b & page_last) != 0,
                            .write = (step.b & page_write) != 0,
                            .read = (step.b & page_read) != 0};
  if (identity.sends_substreams && (step.c & step_substream) != 0) {
    request.ssid = static_cast<u32>(step.c >> step_substream_place);
    request.execute = (step.b & page_execute) != 0;
    request.privileged = (step.b & page_privileged) != 0;
  }
  trace::PageRequest sent{.sid = request.sid, .iova = request.address};
  sent.ssid = request.ssid ? trace::substream(*request.ssid) : trace::no_substream;
  sent.rights =
      trace::Rights{.read = request.read, .write = request.write, .execute = request.execute};
  sent.privileged = request.privileged;
  sent.page_group = static_cast<u16>(request.prg_index);
  sent.last = request.last;
  log_.event(trace::device_agent(static_cast<u16>(engine)), sent);
  log_.device().page_request(request);
  return log_.settle();
}

}  // namespace iommucheck::oracle
