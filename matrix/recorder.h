// SPDX-License-Identifier: MIT
// The worker's half of cases_of_driver(): runs sequences in lockstep and writes on a tape what the
// driver did.
#pragma once

#include <functional>

#include "check/lockstep.h"
#include "check/sequence.h"
#include "conform/dut/device.h"
#include "matrix/tape.h"

namespace iommucheck::oracle {

/// Records of the tape. Steps are four words each.
enum class Taped : u64 {
  refused,      ///< why the driver does not come up on such a machine; nothing else follows
  failed,       ///< the same, for another reason
  boot_steps,   ///< of every case
  boot_queues,  ///< cmdq, eventq, priq, and their three sizes
  sequence,     ///< its number: a case begins
  steps,
  finding,  ///< rule, kind and text, in lines; of the boot, if no sequence has begun
  cut,      ///< why the case ends, if not for that
  end,      ///< of a case: steps that are its, calls
};

struct RecorderOptions {
  const iommucheck_driver* driver = nullptr;
  LockstepOptions lockstep;
  const DeviceIdentity* device = nullptr;
  u64 seed = 1;
  /// The sequence of that number, for a driver of these abilities (claims.h).
  std::function<Sequence(u64 number, u64 abilities)> sequence;
  u64 first = 0, end = 0;  ///< numbers
};

/// `begins` is told of each sequence.
void record_sequences(const RecorderOptions& options, Tape& tape,
                      const std::function<void(u64 number)>& begins);

}  // namespace iommucheck::oracle
