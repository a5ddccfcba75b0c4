// SPDX-License-Identifier: MIT
// Records of output queues field by field: what differs between one that is expected and one that
// was observed. A record has words `dw`, and in `fixed` the bits that must be as in them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/bits.h"
#include "spec/smmu/event_record.h"

namespace iommucheck::spec {

/// Bits [hi:lo] of a word.
struct RecordField {
  unsigned word, hi, lo;
  std::string_view name;
};

template <class Record>
bool fixed_bits_match(const Record& expected, const decltype(Record::dw)& observed) {
  u64 difference = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    difference |= (expected.dw[i] ^ observed[i]) & expected.fixed[i];
  }
  return difference == 0;
}

/// From the first word on; "a reserved bit" for what is none of `fields`: it has to be 0.
template <class Record>
std::vector<FieldDifference> field_differences(std::span<const RecordField> fields,
                                               const Record& expected,
                                               const decltype(Record::dw)& observed) {
  std::vector<FieldDifference> found;
  for (unsigned word = 0; word < observed.size(); ++word) {
    u64 different = (expected.dw[word] ^ observed[word]) & expected.fixed[word];
    for (const RecordField& n : fields) {
      if (n.word != word || (different & mask(n.hi, n.lo)) == 0) continue;
      found.push_back(
          {n.name, bits(observed[word], n.hi, n.lo), bits(expected.dw[word], n.hi, n.lo)});
      different &= ~mask(n.hi, n.lo);
    }
    if (different != 0) found.push_back({"a reserved bit", observed[word] & different, 0});
  }
  return found;
}

}  // namespace iommucheck::spec
