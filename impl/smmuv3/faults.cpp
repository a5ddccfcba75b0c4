// SPDX-License-Identifier: MIT
// What the two queues of faults have in common: when they are read, whose a fault is, and how it is
// answered. IHI 0070 3.12, 8; arch 5.4, 6.
#include <algorithm>

#include "base/bits.h"
#include "impl/smmuv3/fault_number.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

void Smmu::read_faults(FaultSink& sink) {
  // Until it is empty: the queue sends an interrupt for a record that comes to it empty, and none
  // for what came since PROD was read, nor for stalls that waited behind a full queue for place.
  while (events_.drain(sink) + requests_.drain(sink) != 0) {
  }
}

bool Smmu::came_from(const Fault& fault, u32 device) const {
  const u64 stream_id = (fault.id & ~is_request) >> stream_lsb;
  bool its = false;
  for_each_stream(device, [&](u64 sid) { its |= sid == stream_id; });
  return its;
}

u32 Smmu::faults_max() const {
  const u32 stalls = features_.stall_model == 0 ? features_.stall_max : 0;
  return features_.page_requests ? std::max(stalls, u32{1} << 9) : stalls;
}

/// Consumption is enough for a RESUME (arch 5.4), and for a PRI_RESP; it waits for no invalidation.
/// One that is in the ring is not sent twice: by then its name may be that of another access.
Answered Smmu::send_answer(const Command& command) {
  bool placed = false;
  if (commands_.sync_alone(platform_, command, placed) != SyncResult::timed_out) {
    return Answered::done;
  }
  return placed ? Answered::on_its_way : Answered::no;
}

bool Smmu::wait_for_answers() { return commands_.sync_apart(platform_) != SyncResult::timed_out; }

Answered Smmu::answer(const Fault& fault, Response response) {
  const u64 stream_id = (fault.id & ~is_request) >> stream_lsb;
  const u64 name = bits(fault.id, stream_lsb - 1, 0);
  if ((fault.id & is_request) == 0) {
    return send_answer(command::resume<u64>(stream_id, name, response == Response::success));
  }
  const u64 code = response == Response::success   ? command::pri_resp_success
                   : response == Response::failure ? command::pri_resp_failure
                                                   : command::pri_resp_invalid;
  if (fault.pasid == no_pasid) {
    return send_answer(command::pri_resp_without_pasid<u64>(stream_id, name, code));
  }
  return send_answer(command::pri_resp<u64>(stream_id, fault.pasid, name, code));
}

}  // namespace iommucheck::impl
