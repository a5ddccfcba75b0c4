// SPDX-License-Identifier: MIT
// What a driver may do in a random case besides mapping and invalidating: interrupts, registers,
// errors of the command queue, a first level of the stream table.
#pragma once

#include <random>

#include "conform/case.h"

namespace iommucheck::oracle {

class RandomExtras {
 public:
  /// `sender`: the engine that the case begins with.
  RandomExtras(CaseBuilder& builder, std::mt19937_64& engine, unsigned sender)
      : builder_(builder), engine_(engine), sender_(sender) {}

  /// Whether there is one before the next step.
  bool due() { return chance(13); }
  /// One step, or a few that belong together. `may_write`: to low addresses.
  void step(bool may_write);
  /// With a stream table of two levels: the L1STD of all StreamIDs of the device, with an array of
  /// its own.
  void first_level();

 private:
  u64 pick(u64 n) { return engine_() % n; }
  bool chance(u64 n) { return pick(n) == 0; }
  void interrupts();
  void signalling_sync();
  void read_back();
  void guarded_write();
  void illegal_command(bool may_write);
  void prefetch();
  void change_first_level();

  CaseBuilder& builder_;
  std::mt19937_64& engine_;
  unsigned sender_;
  u64 place_ = 0, array_ = 0;  // of the sender's 64 STEs, where the stream table has two levels
};

}  // namespace iommucheck::oracle
