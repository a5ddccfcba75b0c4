// SPDX-License-Identifier: MIT
// What a migration takes along. A byte image of the registers, with what they belong to.
#include <bit>
#include <cstring>

#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

struct Head {
  u32 magic = 0x534d5533;  // "3UMS"
  u32 version = 1;
  IdWords id{};
  u32 registers_bytes = 0;
};

}  // namespace

std::size_t Smmu::save(std::span<std::byte, state_bytes> to) {
  static_assert(std::is_trivially_copyable_v<Registers>);
  static_assert(sizeof(Head) + sizeof(Registers) <= state_bytes);
  const std::lock_guard control(control_);
  const std::lock_guard outputs(outputs_);
  Head head;
  head.id = id_;
  head.registers_bytes = sizeof(Registers);
  std::memcpy(to.data(), &head, sizeof head);
  std::memcpy(to.data() + sizeof head, &r_, sizeof r_);
  return sizeof head + sizeof r_;
}

bool Smmu::restore(std::span<const std::byte> from) {
  Head head, own;
  own.id = id_;
  if (from.size() != sizeof head + sizeof(Registers)) return false;
  std::memcpy(&head, from.data(), sizeof head);
  if (head.magic != own.magic || head.version != own.version || head.id != own.id ||
      head.registers_bytes != sizeof(Registers)) {
    return false;
  }
  reset();
  const std::lock_guard control(control_);
  {
    const std::lock_guard outputs(outputs_);
    std::memcpy(static_cast<void*>(&r_), from.data() + sizeof head, sizeof r_);
    // What no machine leaves behind is none of the image's to bring.
    r_.cr0 &= cr0_fields();
    r_.open_count = 0;
    for (const u64 tags : r_.open) r_.open_count += static_cast<u32>(std::popcount(tags));
    for (std::size_t i = features_.stall_max; i < stalls_most; ++i) r_.stalls[i] = {};
    publish();
  }
  run_commands(work_at_once);
  return true;
}

}  // namespace iommucheck::device
