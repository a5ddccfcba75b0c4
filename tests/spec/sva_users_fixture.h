// SPDX-License-Identifier: MIT
// The interface alone, with users whose words mean what `Format` says.
#pragma once

#include <gtest/gtest.h>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

using Machine = Setup;  // testing::Test has a Setup of its own

/// Records whose word 0 is below 0x100 are a user's, and come with the number above it.
class Told : public UserFormat {
 public:
  [[nodiscard]] UserCommand command(const CommandWords& /*words*/) const override { return {}; }
  [[nodiscard]] std::optional<EventWords> event(const EventWords& record,
                                                u64 number) const override {
    if (record[0] >= 0x100) return std::nullopt;
    return EventWords{record[0] | number << 32, 0, 0, 0};
  }
};

template <class Format>
class WithUsers : public testing::Test {
 protected:
  explicit WithUsers(Machine machine = two_devices()) : state(trail, told_of(machine, format)) {}

  static Machine two_devices() {
    Machine machine;
    machine.devices = {{.stream_ids = {1}}, {.stream_ids = {2}}};
    return machine;
  }
  void ok(const Call& call, u64 value = 0) {
    const Verdict verdict = state.apply(call, {.status = Status::ok, .value = value});
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }

  Format format;
  Trail trail;
  Interface state;

 private:
  static Machine& told_of(Machine& machine, const Format& format) {
    machine.user_format = &format;
    return machine;
  }
};

}  // namespace iommucheck::spec::sva
