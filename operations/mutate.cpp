// SPDX-License-Identifier: MIT
#include "operations/mutate.h"

#include <algorithm>

#include "operations/draw.h"

namespace iommucheck::fuzz {
namespace {

using Operations = std::vector<Operation>;

Operations::iterator at(Operations& operations, std::size_t i) {
  return operations.begin() + static_cast<std::ptrdiff_t>(i);
}

void insert(Operations& operations, const Operation& operation, Draw& draw) {
  if (operations.size() == operations_max) return;
  operations.insert(at(operations, draw.below(operations.size() + 1)), operation);
}

void change_field(Operation& operation, Draw& draw) {
  // Fields as the distribution has them: taken from another random operation of the kind.
  const auto fields = operation_fields();
  for (int tries = 0; tries < 8; ++tries) {
    const FieldInfo& field = fields[draw.below(fields.size())];
    if (!uses(operation.kind, field)) continue;
    operation.*field.member = random_operation(operation.kind, draw.word()).*field.member;
    return;
  }
}

void step(Operations& operations, Draw& draw) {
  if (operations.empty()) {
    operations.push_back(random_operation(draw.word()));
    return;
  }
  const std::size_t i = draw.below(operations.size());
  switch (draw.below(8)) {
    case 0:
    case 1: insert(operations, random_operation(draw.word()), draw); break;
    case 2: {
      const Operation copy = operations[i];
      insert(operations, copy, draw);
      break;
    }
    case 3:
      if (operations.size() > 1) operations.erase(at(operations, i));
      break;
    case 4: std::swap(operations[i], operations[draw.below(operations.size())]); break;
    case 5: operations[i] = random_operation(draw.word()); break;
    default: change_field(operations[i], draw); break;
  }
}

}  // namespace

Operations mutate(Operations operations, u64 seed) {
  Draw draw(seed);
  if (operations.size() > operations_max) operations.resize(operations_max);
  for (std::size_t n = 1 + draw.below(4); n > 0; --n) step(operations, draw);
  return operations;
}

Operations cross(std::span<const Operation> first, std::span<const Operation> second, u64 seed) {
  Draw draw(seed);
  const std::size_t head = draw.below(first.size() + 1);
  const std::size_t tail = draw.below(second.size() + 1);
  Operations operations(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(head));
  operations.insert(operations.end(), second.end() - static_cast<std::ptrdiff_t>(tail),
                    second.end());
  if (operations.size() > operations_max) operations.resize(operations_max);
  return operations;
}

}  // namespace iommucheck::fuzz
