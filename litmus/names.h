// SPDX-License-Identifier: MIT
// Every name of memory that a test uses, and how it is used.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "litmus/ast.h"

namespace iommucheck::litmus {

struct NameUse {
  bool structure = false;  ///< a table of any kind: sized 4 KiB, or that of a CD or stream table
  bool cds = false;        ///< holds CDs, or their first level
  bool stes = false;       ///< holds STEs, or their first level
  bool pages = false;      ///< a block, a group, or written with `#n`
  bool led_to = false;     ///< something that the test lays down or writes leads there
  Place place;             ///< of the first use
};

/// Names of tables, CDs, pages and blocks, in order of the alphabet.
std::map<std::string, NameUse> names_in(const Test& test);

/// Calls `visit` for each object that the test lays down or stores.
void for_each_object(const Test& test, const std::function<void(const Object&)>& visit);

}  // namespace iommucheck::litmus
