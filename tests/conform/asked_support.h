// SPDX-License-Identifier: MIT
// What directed cases ask of fields of registers and commands: values that were written or sent and
// met by whatever shows it.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/conform.h"

namespace iommucheck::oracle::asked {

/// A field of a register or of a command, and which of its values are asked for: without any, each
/// bit 0 and 1, as of addresses and numbers. What is reserved, or more than ID registers claim, is
/// none.
struct FieldOf {
  std::string of;
  const char* name;
  unsigned hi, lo;
  std::vector<u64> values = {};
};
/// All values up to `last`; and all of a field of so many bits.
std::vector<u64> up_to(u64 last);
inline std::vector<u64> each(unsigned width) { return up_to(pow2(width) - 1); }

/// A cell that no case asks, and why.
struct Excused {
  const char* cell;
  const char* why;
};

/// What was met: "CR0.VMW = 3"; of fields whose bits are asked for "CMD_CFGI_CD.SubstreamID[12] =
/// 1".
class Cells {
 public:
  void note(const FieldOf& field, u64 word);
  /// Every cell of the fields is there, or excused and not there.
  void expect_asked(std::span<const FieldOf> fields, std::span<const Excused> excused) const;

 private:
  std::set<std::string> met_;
};

/// Of the device `fast`, which has everything.
std::vector<Case> directed_cases_of_everything(DeviceIdentity& identity);

}  // namespace iommucheck::oracle::asked
