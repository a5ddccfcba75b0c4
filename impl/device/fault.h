// SPDX-License-Identifier: MIT
// Accesses as they come in, and what a translation has against one. IHI 0070 7.3.
#pragma once

#include "impl/device/words.h"

namespace iommucheck::device {

enum class Type : u8 { read = 0, write = 1, execute = 2 };

/// What permissions are asked for. A write is data, whatever INSTCFG says.
struct Kind {
  Type type = Type::read;
  bool privileged = false;
};

/// Rights, one bit for each Kind: those of unprivileged ones, and three bits above the others.
namespace right {
inline constexpr unsigned privileged = 3;
constexpr u32 of(Kind kind) {
  return 1U << (static_cast<unsigned>(kind.type) + (kind.privileged ? privileged : 0));
}
inline constexpr u32 all = 0x3f;
}  // namespace right

/// CLASS of a record: what was being translated.
enum class Class : u8 { cd = 0, table = 1, input = 2 };

struct Fault {
  Event event = Event::none;
  bool stage2 = false;
  Class what = Class::input;
  bool descriptor_read = true;  ///< TTRnW
  u64 ipa = 0;
  u64 fetch = 0;  ///< FetchAddr
};

}  // namespace iommucheck::device
