// SPDX-License-Identifier: MIT
// A part of the interface: the state, which interface.h has, of one subject after another.
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

class InterfacePart {
 public:
  explicit InterfacePart(InterfaceState& state) : state_(state) {}

 protected:
  InterfaceState& state() { return state_; }
  [[nodiscard]] const InterfaceState& state() const { return state_; }

 private:
  InterfaceState& state_;
};

}  // namespace iommucheck::spec::sva
