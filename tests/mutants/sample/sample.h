// SPDX-License-Identifier: MIT
// Woven by the weaver's own test: sample.mutants says how.
#pragma once

/// Limits `value`, in any type of number.
template <class T>
constexpr T limited(T value, T most) {
  if (value > most) return most;
  return value + T(0);
}

constexpr int sum_of_squares(int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) {
    sum += i * i;
  }
  return sum;
}
