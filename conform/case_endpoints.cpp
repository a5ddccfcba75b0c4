// SPDX-License-Identifier: MIT
#include "conform/case_endpoints.h"

#include "conform/case_notes.h"

namespace iommucheck::oracle {

/// What endpoints were sent by now.
bool CaseEndpoints::gather_invalidations() {
  if (!log_.identity().ats) return true;
  if (!log_.settle()) return false;
  for (const AtcInvalidation& one : log_.device().take_invalidations()) sent_.push_back(one);
  return true;
}

bool CaseEndpoints::answer_one() {
  if (!gather_invalidations()) return false;
  if (!sent_.empty()) answer_first();
  return true;
}

bool CaseEndpoints::answer_all() {
  if (!gather_invalidations()) return false;
  while (!sent_.empty()) answer_first();
  return true;
}

void CaseEndpoints::answer_first() {
  const AtcInvalidation one = sent_.front();
  sent_.pop_front();
  trace::AtcInvalidated done{.sid = one.sid, .iova = one.address, .length = one.bytes};
  done.ssid = one.substream ? trace::substream(*one.substream) : trace::no_substream;
  if (one.substream) done.global = one.global;
  log_.event(engine_of(one.sid), done);
  log_.device().invalidated(one.tag);
}

bool CaseEndpoints::silence() {
  if (!gather_invalidations()) return false;
  if (sent_.empty()) return true;
  sent_.clear();
  log_.event(trace::environment_agent, trace::Note{.text = silence_note});
  log_.device().invalidations_time_out();
  return true;
}

AgentId CaseEndpoints::engine_of(u32 sid) const {
  const std::vector<u32>& sids = log_.identity().sids;
  for (std::size_t i = 0; i < sids.size(); ++i) {
    if (sids[i] == sid) return trace::device_agent(static_cast<u16>(i));
  }
  return trace::device_agent(0);
}

}  // namespace iommucheck::oracle
