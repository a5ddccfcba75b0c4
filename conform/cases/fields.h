// SPDX-License-Identifier: MIT
// Fields of STEs and CDs by name and place: what is gone through value by value, and what is looked
// up to see that it was. IHI 0070 5.2, 5.4; those of Secure state, MPAM, SNAM, permission
// indirection and AArch32 are not there.
#pragma once

#include "base/types.h"

namespace iommucheck::oracle {

struct Field {
  const char* name;
  u8 word, hi, lo;
  /// Says how memory is read, cached and shared, or how events are merged, and nothing of where an
  /// access goes.
  bool is_hint = false;
  [[nodiscard]] constexpr unsigned width() const { return hi - lo + 1U; }
};

inline constexpr Field fields_of_ste[] = {
    {"V", 0, 0, 0},
    {"Config", 0, 3, 1},
    {"S1Fmt", 0, 5, 4},
    {"S1CDMax", 0, 63, 59},
    {"S1DSS", 1, 1, 0},
    {"S1CIR", 1, 3, 2, true},
    {"S1COR", 1, 5, 4, true},
    {"S1CSH", 1, 7, 6, true},
    {"DRE", 1, 12, 12, true},
    {"CONT", 1, 14, 13, true},  // its low bits: larger spans cost the specification much
    {"DCP", 1, 17, 17, true},
    {"PPAR", 1, 18, 18, true},
    {"MEV", 1, 19, 19, true},
    {"S2FWB", 1, 25, 25},
    {"S1STALLD", 1, 27, 27},
    {"EATS", 1, 29, 28},
    {"STRW", 1, 31, 30},
    {"MemAttr", 1, 35, 32, true},
    {"MTCFG", 1, 36, 36, true},
    {"ALLOCCFG", 1, 40, 37, true},
    {"SHCFG", 1, 45, 44, true},
    {"NSCFG", 1, 47, 46, true},
    {"PRIVCFG", 1, 49, 48},
    {"INSTCFG", 1, 51, 50},
    {"S2VMID", 2, 15, 0},
    {"S2T0SZ", 2, 37, 32},
    {"S2SL0", 2, 39, 38},
    {"S2IR0", 2, 41, 40, true},
    {"S2OR0", 2, 43, 42, true},
    {"S2SH0", 2, 45, 44, true},
    {"S2TG", 2, 47, 46},
    {"S2PS", 2, 50, 48},
    {"S2AA64", 2, 51, 51},
    {"S2ENDI", 2, 52, 52},
    {"S2AFFD", 2, 53, 53},
    {"S2PTW", 2, 54, 54},
    {"S2HD", 2, 55, 55},
    {"S2HA", 2, 56, 56},
    {"S2S", 2, 57, 57},
    {"S2R", 2, 58, 58},
    {"S2HAFT", 2, 59, 59},
};

inline constexpr Field fields_of_cd[] = {
    {"T0SZ", 0, 5, 0},        {"TG0", 0, 7, 6},         {"IR0", 0, 9, 8, true},
    {"OR0", 0, 11, 10, true}, {"SH0", 0, 13, 12, true}, {"EPD0", 0, 14, 14},
    {"ENDI", 0, 15, 15},      {"T1SZ", 0, 21, 16},      {"TG1", 0, 23, 22},
    {"IR1", 0, 25, 24, true}, {"OR1", 0, 27, 26, true}, {"SH1", 0, 29, 28, true},
    {"EPD1", 0, 30, 30},      {"V", 0, 31, 31},         {"IPS", 0, 34, 32},
    {"AFFD", 0, 35, 35},      {"WXN", 0, 36, 36},       {"TBI0", 0, 38, 38},
    {"TBI1", 0, 39, 39},      {"PAN", 0, 40, 40},       {"AA64", 0, 41, 41},
    {"HD", 0, 42, 42},        {"HA", 0, 43, 43},        {"S", 0, 44, 44},
    {"R", 0, 45, 45},         {"A", 0, 46, 46},         {"ASET", 0, 47, 47},
    {"ASID", 0, 63, 48},      {"HAD0", 1, 1, 1},        {"E0PD0", 1, 2, 2},
    {"HAFT", 1, 3, 3},        {"EPAN", 1, 59, 59},      {"HAD1", 2, 1, 1},
    {"E0PD1", 2, 2, 2},
};

/// Each value of it is asked; of wider ones each bit, or what the cases about it choose.
inline constexpr unsigned width_of_each_value = 3;

}  // namespace iommucheck::oracle
