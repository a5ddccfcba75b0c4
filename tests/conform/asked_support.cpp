// SPDX-License-Identifier: MIT
#include "asked_support.h"

#include <fmt/format.h>

namespace iommucheck::oracle::asked {

namespace {

std::string cell_of(const FieldOf& field, u64 value) {
  return fmt::format("{}.{} = {}", field.of, field.name, value);
}
std::string cell_of_bit(const FieldOf& field, unsigned place, u64 value) {
  return fmt::format("{}.{}[{}] = {}", field.of, field.name, place, value);
}

std::vector<std::string> cells_of(const FieldOf& field) {
  std::vector<std::string> cells;
  for (const u64 value : field.values) cells.push_back(cell_of(field, value));
  if (!cells.empty()) return cells;
  for (unsigned i = field.lo; i <= field.hi; ++i) {
    for (const u64 value : {0U, 1U}) cells.push_back(cell_of_bit(field, i, value));
  }
  return cells;
}

}  // namespace

std::vector<u64> up_to(u64 last) {
  std::vector<u64> all;
  for (u64 value = 0; value <= last; ++value) all.push_back(value);
  return all;
}

void Cells::note(const FieldOf& field, u64 word) {
  if (!field.values.empty()) {
    met_.insert(cell_of(field, bits(word, field.hi, field.lo)));
    return;
  }
  for (unsigned i = field.lo; i <= field.hi; ++i) {
    met_.insert(cell_of_bit(field, i, bits(word, i, i)));
  }
}

void Cells::expect_asked(std::span<const FieldOf> fields, std::span<const Excused> excused) const {
  std::set<std::string_view> reasons;
  for (const Excused& one : excused) {
    EXPECT_FALSE(met_.contains(one.cell)) << one.cell << " is asked: " << one.why;
    reasons.insert(one.cell);
  }
  std::set<std::string> all;
  for (const FieldOf& field : fields) {
    for (const std::string& cell : cells_of(field)) {
      all.insert(cell);
      if (reasons.contains(cell)) continue;
      EXPECT_TRUE(met_.contains(cell)) << cell << " is asked by no case";
    }
  }
  EXPECT_GT(all.size(), 500U);
  for (const Excused& one : excused)
    EXPECT_TRUE(all.contains(one.cell)) << one.cell << " is no cell";
}

std::vector<Case> directed_cases_of_everything(DeviceIdentity& identity) {
  const auto device = open_device("fast", 2, 5);
  EXPECT_TRUE(device) << device.error().message;
  if (!device) return {};
  identity = (*device)->identity();
  return directed_cases(identity);
}

}  // namespace iommucheck::oracle::asked
