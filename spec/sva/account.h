// SPDX-License-Identifier: MIT
// What is held, for a caller who has to give it back, and the whole state as text.
#pragma once

#include <string>
#include <vector>

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

std::vector<Leak> leaks(const InterfaceState& s);
std::string leak_text(const Leak& leak);
Held held(const InterfaceState& s);
std::string dump(const InterfaceState& s);
std::string dump_with_history(const InterfaceState& s);

}  // namespace iommucheck::spec::sva
