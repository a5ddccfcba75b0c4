// SPDX-License-Identifier: MIT
// Every "it could be either" is a choice, and choices are one class: whoever enumerates, draws,
// replays or decides by bytes implements pick(). Alternative 0 always makes progress.
#pragma once

#include "base/types.h"

namespace iommucheck::spec {

/// Where a choice is made; traces and reports name it.
enum class ChoiceSite : u8 {
  acknowledge,    ///< CR0ACK, IRQ_CTRLACK: 0 now, 1 at a later poll, 2 one field of CR0
  gbpa_update,    ///< GBPA.Update: 0 clear now, 1 later
  consume,        ///< CMDQ_CONS: 0 everything, 1 nothing yet, 2 one command
  command_error,  ///< 0 none, 1 CERROR_ABT, 2 CERROR_ATC_INV_SYNC; drawn where a driver is ready
                  ///< for it
  outcome,        ///< which of the allowed outcomes a device's access has
  mark,           ///< a flag of the descriptor that it used: 0 at once, 1 late
  message,        ///< the message of a CMD_SYNC that is complete: 0 now, 1 at a later look
};

/// Alternatives of command_error.
inline constexpr u32 no_command_error = 0, choice_of_cerror_atc_inv_sync = 2;

class Choices {
 public:
  virtual ~Choices() = default;
  /// One of 0 .. n-1; 0 without asking where there is no alternative.
  u32 choose(ChoiceSite site, u32 n) { return n <= 1 ? 0 : pick(site, n); }

 protected:
  virtual u32 pick(ChoiceSite site, u32 n) = 0;
};

/// Always alternative 0.
class FirstChoice final : public Choices {
 protected:
  u32 pick(ChoiceSite /*site*/, u32 /*n*/) override { return 0; }
};

}  // namespace iommucheck::spec
