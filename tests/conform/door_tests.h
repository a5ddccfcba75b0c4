// SPDX-License-Identifier: MIT
// What tests of devices behind the door have in common: how one is opened, and what a run said.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "conform/conform.h"
#include "conform/dut/door_device.h"
#include "tests/conform/run_options.h"
#include "tests/places.h"

namespace iommucheck::oracle::door_tests {

inline std::string over_stdio(const std::string& plugin) {
  return "exec:exec " + test::in_build("devices/serve_plugin ") + plugin;
}

/// A variable of the environment that devices read, for as long as this lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

inline ConformOptions some(u64 cases) { return options_of(7, cases); }

inline std::unique_ptr<DoorDevice> opened(const std::string& name, double hang_seconds = 20) {
  auto device = DoorDevice::start({.device = name, .seed = 7, .hang_seconds = hang_seconds});
  EXPECT_TRUE(device) << device.error().message;
  return device ? std::move(*device) : nullptr;
}

inline std::string error_of(const std::string& name) {
  auto device = open_device(name, 1, 20);
  return device ? "it came up" : device.error().message;
}

using Kinds = std::set<std::pair<std::string, std::string>>;
inline Kinds kinds(const ConformResult& result) {
  Kinds all;
  for (const FoundDivergence& found : result.divergences) {
    all.emplace(spec::rule_name(found.divergence.rule), found.divergence.called);
  }
  return all;
}

inline std::array<u64, 9> numbers(const ConformResult& r) {
  return {r.directed, r.random, r.accesses,     r.records, r.stale_allowed,
          r.open,     r.any,    r.undetermined, r.deaths};
}

}  // namespace iommucheck::oracle::door_tests
