// SPDX-License-Identifier: MIT
#include "spec/smmu/consumption.h"

#include <algorithm>

namespace iommucheck::spec {

void Consumption::look(Choices& choices) {
  queue_.look_at_cons();
  if (const u64 ahead = queue_.ahead(); ahead != 0) {
    queue_.observe_total(queue_.consumed_total() + ahead);
  }
  const u64 commands = commands_of_look(choices);
  if (commands == 0 || draw_error(choices) || refuse_sync(commands)) return;
  queue_.observe_total(queue_.consumed_total() + commands);
}

void Consumption::look_unseen(Choices& choices) {
  const u64 commands = commands_of_look(choices);
  if (commands == 0 || refuse_sync(commands)) return;
  queue_.consume_unseen(commands);
}

/// So many commands from CMDQ_CONS on are consumed by this look; 0: no more than before.
u64 Consumption::commands_of_look(Choices& choices) {
  const u64 ahead = queue_.ahead();
  const u64 exposed = queue_used(queue_.geometry().lg2, queue_.exposed(), queue_.cons());
  const u64 open = stops_.limit(exposed, queue_.consumed_total());
  if (open <= ahead || !controls_.enables(cr0::cmdqen) || stops_.is_stuck()) return 0;
  u32 chosen = 0;
  if (!progress_.look(ChoiceSite::consume, 3, choices, chosen)) return 0;
  const u64 paced = progress_.paced_commands();
  return chosen == 2 ? ahead + 1 : std::min(open, paced == 0 ? open : ahead + paced);
}

/// 1, the next command is not read; 2, the next CMD_SYNC waits for an endpoint in vain.
bool Consumption::draw_error(Choices& choices) {
  if (!draws_errors_ || errors_.command_error()) return false;
  // What has been seen of a command is that those before it were consumed.
  if (queue_.acted_total() > queue_.consumed_total()) return false;
  const unsigned lg2 = queue_.geometry().lg2;
  u64 sync = queue_.cons();
  while (sync != queue_.exposed() &&
         !refusals_.may_stop_at(sync, static_cast<u64>(CommandError::atc_inv_sync))) {
    sync = queue_next(lg2, sync);
  }
  const bool waits = sync != queue_.exposed();
  const u32 chosen = choices.choose(ChoiceSite::command_error, waits ? 3 : 2);
  if (chosen == 0) return false;
  const CommandError code = chosen == 1 ? CommandError::abt : CommandError::atc_inv_sync;
  queue_.stop_at(chosen == 1 ? queue_.cons() : sync, static_cast<u64>(code));
  errors_.toggle(gerror::cmdq_err);
  return true;
}

/// Whether one of the next `commands` is the CMD_SYNC that an endpoint is to fail.
bool Consumption::refuse_sync(u64 commands) {
  if (errors_.command_error()) return false;
  constexpr auto code = static_cast<u64>(CommandError::atc_inv_sync);
  const unsigned lg2 = queue_.geometry().lg2;
  u64 at = queue_.cons();
  for (u64 n = 0; n < commands && stops_.a_sync_fails(); ++n, at = queue_next(lg2, at)) {
    // One behind it has acted, or it is known to be consumed.
    const bool passed =
        queue_.consumed_total() + n < std::max(queue_.acted_total(), queue_.done_total());
    if (passed || !refusals_.may_stop_at(at, code) || !stops_.pass_sync()) continue;
    queue_.stop_at(at, code);
    errors_.toggle(gerror::cmdq_err);
    return true;
  }
  return false;
}

}  // namespace iommucheck::spec
