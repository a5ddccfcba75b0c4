// SPDX-License-Identifier: MIT
#include "conform/divergence.h"

#include <algorithm>
#include <utility>

#include "report/finding_kind_text.h"
#include "report/finding_text.h"

namespace iommucheck::oracle {

Divergence::Divergence(Finding finding, std::size_t place)
    : Finding(std::move(finding)), event(place) {
  statement = headline(*this);
  promised.clear();
  called = kind.empty() ? without_numbers(statement) : text_of(kind);
}

void add_distinct(std::vector<Divergence>& found, Divergence one) {
  const auto same = [&](const Divergence& other) { return other.same(one); };
  if (std::ranges::none_of(found, same)) found.push_back(std::move(one));
}

}  // namespace iommucheck::oracle
