// SPDX-License-Identifier: MIT
#include "spec/smmu/command_stops.h"

namespace iommucheck::spec {

void CommandStops::set_stuck(bool stuck) {
  ground_.set(stuck_, stuck ? 1 : 0);
  ground_.set(end_, 0);
  ground_.set(sync_, 0);
}

void CommandStops::stop_at_command(u64 n, u64 exposed) {
  ground_.set(sync_, 0);
  ground_.set(end_, exposed + n);
}

void CommandStops::stop_at_sync(u64 n) {
  ground_.set(end_, 0);
  ground_.set(sync_, n);
}

CommandStops::Stop CommandStops::take(u64 exposed) {
  Stop left{.sync = sync_};
  if (end_ != 0) left.command = end_ > exposed ? end_ - exposed : 1;
  ground_.set(end_, 0);
  ground_.set(sync_, 0);
  return left;
}

void CommandStops::note_sync(u64 position) {
  if (sync_ == 0) return;
  ground_.set(sync_, sync_ - 1);
  if (sync_ == 0) ground_.set(end_, position + 1);
}

}  // namespace iommucheck::spec
