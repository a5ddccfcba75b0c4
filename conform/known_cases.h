// SPDX-License-Identifier: MIT
// Which directed cases show which known divergences of a device, as they did when these became
// known: the same words in another case are another mistake. docs/conform.md.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "report/known.h"

namespace iommucheck::oracle {

class KnownCases {
 public:
  /// The list beside the traces of `known`; empty where there is none. Errors: bad_input, with the
  /// line.
  static Expected<KnownCases> of(const KnownFile& known);
  /// The case showed others then, and not that one. False of a case that the list does not name:
  /// nobody knows what it would have shown.
  [[nodiscard]] bool was_right(const std::string& name, const std::string& id) const;

  void ran(const std::string& name) { shown_[name]; }
  void shows(const std::string& name, const std::string& id) { shown_[name].insert(id); }
  /// A line for each case: its name, and behind a tab the ids.
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::set<std::string>> shown_;
};

}  // namespace iommucheck::oracle
