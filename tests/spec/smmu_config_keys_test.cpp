// SPDX-License-Identifier: MIT
// Numbers of cached words by a key = a vector of keys, through pushes, removals and undo.
#include "spec/smmu/config_keys.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace iommucheck::smmu_config_keys_test {
namespace {

/// What for_each is to find, in its order.
std::vector<u32> numbers_of(const std::vector<u64>& keys, u64 key) {
  std::vector<u32> found;
  for (u32 i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) found.push_back(i);
  }
  return found;
}

void expect_same(const spec::ConfigKeys& keys, const std::vector<u64>& model, u64 key_count) {
  for (u64 key = 0; key < key_count; ++key) {
    std::vector<u32> found;
    keys.for_each(key, [&](u32 number) { found.push_back(number); });
    RC_ASSERT(found == numbers_of(model, key));
  }
}

// More keys than chains, so that several share one, and few, so that a chain has one key alone.
RC_GTEST_PROP(ConfigKeys, AreThoseOfAVector, ()) {
  const u64 key_count = *rc::gen::element<u64>(1, 3, 300);
  Trail trail;
  spec::ConfigKeys keys;
  std::vector<u64> model;
  Trail::Mark mark = trail.mark();
  std::vector<u64> marked;
  const int steps = *rc::gen::inRange(0, 120);
  for (int step = 0; step < steps; ++step) {
    const int what = *rc::gen::inRange(0, 16);
    if (what == 0) {
      mark = trail.mark();
      marked = model;
    } else if (what == 1) {
      trail.undo_to(mark);
      model = marked;
    } else if (what < 6 && !model.empty()) {
      const u32 number = *rc::gen::inRange<u32>(0, static_cast<u32>(model.size()));
      keys.remove_unordered(trail, number);
      model[number] = model.back();
      model.pop_back();
    } else {
      const u64 key = *rc::gen::inRange<u64>(0, key_count);
      keys.push(trail, key);
      model.push_back(key);
    }
  }
  expect_same(keys, model, key_count);
}

}  // namespace
}  // namespace iommucheck::smmu_config_keys_test
