// SPDX-License-Identifier: MIT
// A number for a trace that is the same on every machine, compiler and run, and that events,
// fields and values added to the alphabet later do not change: names count, not positions.
// Not cryptographic.
#pragma once

#include "trace/event.h"

namespace iommucheck::trace {

class TraceHash {
 public:
  void add(const Header& header);
  /// Agent, payload and origin count; so does the order of events.
  void add(const Event& event);
  u64 value() const;

 private:
  u64 state_ = 0x9e3779b97f4a7c15;
};

/// Of header and events.
u64 hash_of(const Trace& trace);

}  // namespace iommucheck::trace
