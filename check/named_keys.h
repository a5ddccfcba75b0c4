// SPDX-License-Identifier: MIT
// The keys of a machine's text, and which of them a text names.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

/// A number that a text may set: a field of Capabilities, or what stands for one.
struct MachineKey {
  std::string_view name;
  std::variant<bool spec::Capabilities::*, unsigned spec::Capabilities::*> field;
  unsigned lowest = 0, highest = 1;

  [[nodiscard]] unsigned get(const spec::Capabilities& caps) const;
  void set(spec::Capabilities& caps, unsigned value) const;
};

/// In the order in which a text has them. Keys that are no such numbers are in machine_text.cpp
/// alone.
std::span<const MachineKey> machine_keys();

/// Whether the changes, KEY=VALUE with commas between, say what becomes of one of the keys.
bool names_one_of(std::string_view changes, std::initializer_list<std::string_view> wanted);

/// What stands between these, which may be nothing: one part at least.
std::vector<std::string_view> split_text(std::string_view text, char between);

}  // namespace iommucheck::oracle
