// SPDX-License-Identifier: MIT
#include "base/inline_vector.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "base/types.h"

namespace iommucheck::inline_vector_test {
namespace {

struct Element {
  u64 value = 0;
  bool flag = false;
  friend bool operator==(const Element&, const Element&) = default;
};
using List = InlineVector<Element, 2>;

bool same(const List& list, const std::vector<Element>& simple) {
  return list.size() == simple.size() && list.empty() == simple.empty() &&
         std::equal(list.begin(), list.end(), simple.begin(), simple.end());
}

RC_GTEST_PROP(InlineVector, IsAVector, (const std::vector<u8>& steps)) {
  List list;
  List kept;
  std::vector<Element> simple;
  std::vector<Element> simply_kept;
  for (const u8 step : steps) {
    const Element element{step, step % 3 == 0};
    switch (step % 8) {
      case 0:
        list.clear();
        simple.clear();
        break;
      case 1:
        kept = list;
        simply_kept = simple;
        break;
      case 2:
        list = kept;
        simple = simply_kept;
        break;
      case 3:
        if (simple.empty()) break;
        list.push_back(list[0]);  // an element of its own, also where it has to move
        simple.push_back(Element(simple[0]));
        break;
      default:
        list.push_back(element);
        simple.push_back(element);
        RC_ASSERT(list.back() == simple.back());
    }
    const List copy = list;
    RC_ASSERT(same(list, simple));
    RC_ASSERT(same(copy, simple));
    RC_ASSERT(same(kept, simply_kept));
  }
}

}  // namespace
}  // namespace iommucheck::inline_vector_test
