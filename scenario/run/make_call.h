// SPDX-License-Identifier: MIT
// A call of a scenario as one of the interface, and its results compared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "monitor/user_words.h"
#include "scenario/format/ast.h"
#include "scenario/run/names.h"

namespace iommucheck::oracle::stories {

/// A call with what its spans point to.
struct MadeCall {
  spec::sva::Call call{};
  spec::sva::CallLists lists;

  [[nodiscard]] spec::sva::Call get() const {
    spec::sva::Call copy = call;
    lists.give(copy);
    return copy;
  }
};

/// The kind of the interface's call of that name; nullopt: it is one of the environment.
std::optional<spec::sva::CallKind> kind_of(std::string_view call);

/// The error says which name has no value.
Expected<MadeCall> make_call(const scenario::Invoke& invoke, const World& world,
                             const Names& names);

/// What a subject that chooses is to choose.
Wanted wanted_of(const scenario::Values& results, const Names& names, spec::sva::CallKind kind);

std::optional<spec::sva::Status> status_of(std::string_view name);

/// Whether the value beside `ok` is a PASID, an address.
bool gives_pasid(spec::sva::CallKind kind);
bool gives_address(spec::sva::CallKind kind);

/// Whether one of the alternatives is what came out. `names` learns PASIDs; `words`: of the users,
/// if there are any.
bool matches(const scenario::Values& results, const Answer& answer, spec::sva::CallKind kind,
             Names& names, const UserWords* words);
/// Of a call that may do what it likes, apart from failing.
bool succeeded(const Answer& answer);

std::string text_of(const Answer& answer, spec::sva::CallKind kind, const Names& names,
                    const UserWords* words);

}  // namespace iommucheck::oracle::stories
