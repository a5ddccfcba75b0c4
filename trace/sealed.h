// SPDX-License-Identifier: MIT
// A std::variant that is made, copied, moved, compared and ended in trace/event.cpp alone. With
// sixty alternatives each of these is large, and every file that holds an event would make its own.
// For the same reason it is visited by visit() of call.h and event.h, which are switches.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

namespace iommucheck::trace {

template <class T, class Variant>
inline constexpr bool is_alternative = false;
template <class T, class... Alternatives>
inline constexpr bool is_alternative<T, std::variant<Alternatives...>> =
    (std::is_same_v<T, Alternatives> || ...);

template <class Variant>
class Sealed : public Variant {
 public:
  using Base = Variant;

  Sealed();
  Sealed(const Sealed& other);
  Sealed(Sealed&& other) noexcept;
  Sealed& operator=(const Sealed& other);
  Sealed& operator=(Sealed&& other) noexcept;
  ~Sealed();
  template <class T>
    requires is_alternative<T, Variant>
  Sealed(T value);

  bool operator==(const Sealed& other) const;
  /// Becomes alternative number `index`, with all its members at their defaults.
  void make(std::size_t index);
};

}  // namespace iommucheck::trace
