// SPDX-License-Identifier: MIT
// What a user may write for an SMMUv3 of its own, where the host has one: words 0 and 1 of an STE,
// and commands of 16 bytes; and the event records that it reads. INTERFACE "Nested"; IHI 0070 4,
// 5.2, 7.3.
#pragma once

#include "spec/smmu/registers.h"
#include "spec/sva/user_format.h"

namespace iommucheck::oracle {

class Smmuv3UserFormat final : public spec::sva::UserFormat {
 public:
  explicit Smmuv3UserFormat(const spec::Capabilities& caps) : caps_(caps) {}
  [[nodiscard]] std::optional<spec::sva::UserRoute> route(
      const std::array<u64, 2>& structure) const override;
  [[nodiscard]] spec::sva::UserCommand command(const spec::sva::CommandWords& words) const override;
  [[nodiscard]] std::optional<spec::sva::EventWords> event(const spec::sva::EventWords& record,
                                                           u64 number) const override;

 private:
  spec::Capabilities caps_;
};

}  // namespace iommucheck::oracle
