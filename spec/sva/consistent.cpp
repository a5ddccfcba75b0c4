// SPDX-License-Identifier: MIT
// What must hold of what the calls have made, recounted from what it counts. A disagreement is a
// mistake of this program. Asked behind each operation of a case in builds with sanitizers or for
// fuzzing (Monitor::consistent).
#include <algorithm>

#include "base/text.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

namespace {

std::string other_count(std::string_view what, u64 counted, u64 kept) {
  if (counted == kept) return {};
  return std::string(what) + ": counted " + std::to_string(counted) + ", kept " +
         std::to_string(kept);
}

/// By space: who is on it, and whom a time-out left with a way to it.
struct SpaceCounts {
  std::vector<u32> devices, ghosts;

  explicit SpaceCounts(u32 spaces) : devices(spaces), ghosts(spaces) {}
  void add_ghosts(const InterfaceState& s, u32 list) {
    for (u32 g = list; g != 0; g = s.ghosts[g].next) ++ghosts[s.ghosts[g].domain];
  }
};

SpaceCounts count_spaces(const InterfaceState& s) {
  SpaceCounts counts(s.spaces.bound());
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (s.devices[i].domain != 0) ++counts.devices[s.devices[i].domain];
    counts.add_ghosts(s, s.devices[i].ghosts);
  }
  s.for_each_attachment([&](u32 i) {
    if (s.attachments[i].domain != 0) ++counts.devices[s.attachments[i].domain];
    counts.add_ghosts(s, s.attachments[i].ghosts);
  });
  s.for_each_bond([&](u32 i) { ++counts.devices[s.numbers[s.bonds[i].number].space]; });
  s.for_each_unseen([&](const Unseen& one) {
    const bool watched = one.space != 0 && s.spaces[one.space].owner == Owner::process;
    if (watched) ++counts.devices[one.space];
  });
  return counts;
}

std::string wrong_of_spaces(const InterfaceState& s) {
  const SpaceCounts counts = count_spaces(s);
  u64 tracked = 0;
  std::string wrong;
  s.for_each_space([&](u32 i) {
    const Space& space = s.spaces[i];
    tracked += space.tracked != 0 ? 1 : 0;
    const std::string name = "space " + std::to_string(i);
    if (wrong.empty()) wrong = other_count(name + ", devices", counts.devices[i], space.devices);
    if (wrong.empty()) wrong = other_count(name + ", ghosts", counts.ghosts[i], space.ghosts);
  });
  return wrong.empty() ? other_count("spaces that are tracked", tracked, s.tracked) : wrong;
}

/// Each number is found by its value, and its list has all bonds at it, and no others.
std::string wrong_of_numbers(const InterfaceState& s) {
  u64 listed = 0, bonds = 0;
  for (u32 i = 1; i < s.numbers.bound(); ++i) {
    const Number& number = s.numbers[i];
    if (s.forest.lookup(s.number_at, number.value).tag != i) continue;  // not in use
    for (u32 b = number.bonds; b != 0; b = s.bonds[b].next) {
      if (s.bonds[b].number != i || ++listed > s.bonds.bound()) {
        return "PASID " + hex(number.value) + " lists a bond of another";
      }
    }
  }
  s.for_each_bond([&](u32) { ++bonds; });
  return other_count("bonds in the lists of their PASIDs", listed, bonds);
}

}  // namespace

std::string InterfaceState::consistent() const {
  u64 silent_devices = 0;
  for (u32 i = 0; i < devices.size(); ++i) {
    silent_devices += devices[i].silence != records::Silence::none ? 1 : 0;
  }
  std::string wrong = other_count("devices that do not answer", silent_devices, silent);
  if (wrong.empty()) wrong = wrong_of_spaces(*this);
  return wrong.empty() ? wrong_of_numbers(*this) : wrong;
}

}  // namespace iommucheck::spec::sva
