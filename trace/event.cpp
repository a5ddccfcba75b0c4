// SPDX-License-Identifier: MIT
#include "trace/event.h"

namespace iommucheck::trace {

template <class Variant>
Sealed<Variant>::Sealed() = default;
template <class Variant>
Sealed<Variant>::Sealed(const Sealed&) = default;
template <class Variant>
Sealed<Variant>::Sealed(Sealed&&) noexcept = default;
template <class Variant>
Sealed<Variant>& Sealed<Variant>::operator=(const Sealed&) = default;
template <class Variant>
Sealed<Variant>& Sealed<Variant>::operator=(Sealed&&) noexcept = default;
template <class Variant>
Sealed<Variant>::~Sealed() = default;

template <class Variant>
bool Sealed<Variant>::operator==(const Sealed& other) const {
  return static_cast<const Variant&>(*this) == static_cast<const Variant&>(other);
}

template class Sealed<CallVariant>;
template class Sealed<PayloadVariant>;

}  // namespace iommucheck::trace
