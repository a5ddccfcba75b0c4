// SPDX-License-Identifier: MIT
// What was found of a device under test, what was missing to judge it, and how often each of its
// rules was asked.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "monitor/finding.h"

namespace iommucheck::oracle {

/// Over cases.
struct DeviceNumbers {
  std::array<u64, spec::rule_numbers> asked{};
  std::array<u64, spec::rule_numbers> discriminating{};
  u64 accesses = 0;
  u64 any = 0;            ///< of these, accesses to which anything may happen
  u64 open = 0;           ///< of these, ones with several allowed outcomes
  u64 stale_allowed = 0;  ///< of these, ones that memory no longer explains, and that are allowed
  u64 undetermined = 0;   ///< of these, ones that are neither accepted nor refused
  u64 records = 0;
  DeviceNumbers& operator+=(const DeviceNumbers& more);
};

class DeviceFindings {
 public:
  Finding& find(spec::Rule rule, DeviceKind kind, std::string text);
  Finding& find(spec::Rule rule, std::string what, std::string text) {
    return find(rule, DeviceKind{.what = std::move(what)}, std::move(text));
  }
  /// About what became of an access: of the one that so many came before.
  void find_of(u32 which, spec::Rule rule, DeviceKind kind, std::string text);
  void find_of(u32 which, spec::Rule rule, std::string what, std::string text) {
    find_of(which, rule, DeviceKind{.what = std::move(what)}, std::move(text));
  }
  void undetermined(std::string missing);
  void ask(spec::Rule rule, bool discriminating);

  /// Not taken yet.
  [[nodiscard]] std::size_t count() const { return state_.found.size(); }
  std::vector<Finding> take() { return std::exchange(state_.found, {}); }
  std::vector<std::string> take_missing() { return std::exchange(state_.missing, {}); }
  [[nodiscard]] DeviceNumbers& numbers() { return numbers_; }
  [[nodiscard]] const DeviceNumbers& numbers() const { return numbers_; }
  void begin_case() { state_ = {}; }

 private:
  struct State {
    std::vector<Finding> found;
    std::vector<std::string> missing;
  };
  State state_;
  DeviceNumbers numbers_;
};

}  // namespace iommucheck::oracle
