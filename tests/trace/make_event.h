// SPDX-License-Identifier: MIT
// Well-formed events of every kind with every field drawn from a seed, for round trips.
#pragma once

#include "tests/trace/draw.h"
#include "trace/event.h"

namespace iommucheck::trace {

class EventMaker {
 public:
  explicit EventMaker(u64 seed) : draw_(seed) {}

  Event event();
  Event event(EventKind kind);
  Call call(CallName name);
  Header header();
  Draw& draw() { return draw_; }

 private:
  Draw draw_;
};

}  // namespace iommucheck::trace
