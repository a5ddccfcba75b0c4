// SPDX-License-Identifier: MIT
#include "trace/event.h"

namespace iommucheck::trace {

template <class Variant>
Sealed<Variant>::Sealed() = default;
template <class Variant>
Sealed<Variant>::Sealed(const Sealed&) = default;
template <class Variant>
Sealed<Variant>::Sealed(Sealed&&) noexcept = default;
// By a copy, so that what assigns an alternative is not compiled twice.
template <class Variant>
Sealed<Variant>& Sealed<Variant>::operator=(const Sealed& other) {
  return *this = Sealed(other);
}
template <class Variant>
Sealed<Variant>& Sealed<Variant>::operator=(Sealed&&) noexcept = default;
template <class Variant>
Sealed<Variant>::~Sealed() = default;
template <class Variant>
template <class T>
  requires is_alternative<T, Variant>
Sealed<Variant>::Sealed(T value) : Variant(std::in_place_type<T>, std::move(value)) {}

template <class Variant>
bool Sealed<Variant>::operator==(const Sealed& other) const {
  return static_cast<const Variant&>(*this) == static_cast<const Variant&>(other);
}

template <class Variant>
void Sealed<Variant>::make(std::size_t index) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    ((i == index ? void(this->template emplace<i>()) : void()), ...);
  }(std::make_index_sequence<std::variant_size_v<Variant>>{});
}

template class Sealed<CallVariant>;
template class Sealed<PayloadVariant>;
#define CALL(name, Struct, ...) template Sealed<CallVariant>::Sealed(calls::Struct);
#include "base/calls.def"
#undef CALL
#define TRACE_EVENT(Name, ...) template Sealed<PayloadVariant>::Sealed(Name);
#include "trace/events.def"
#undef TRACE_EVENT

}  // namespace iommucheck::trace
