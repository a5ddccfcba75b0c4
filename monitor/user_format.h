// SPDX-License-Identifier: MIT
// What a user may write for an IOMMU of its own, as the host's: its route, and commands of 16
// bytes; and the event records that it reads. INTERFACE "Nested".
#pragma once

#include "spec/smmu/registers.h"
#include "spec/sva/user_format.h"

namespace iommucheck::oracle {

/// Words 0 and 1 of an STE; IHI 0070 4, 5.2, 7.3.
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

/// The second IOMMU's (spec/two/format.h). A route is the first word of an entry, and none of its
/// tables is an entry's. Commands:
///   word 0   kind in bits 5:0; log2 of the pages of a range in 11:6, 52: all addresses; of
///            drop_range the root of a table in 51:12, 0: of each; of drop_device a PASID in 31:12
///            and the user's number of the device in 63:32
///   word 1   the first address; of drop_device bit 0: it has a PASID
class TwoUserFormat final : public spec::sva::UserFormat {
 public:
  [[nodiscard]] std::optional<spec::sva::UserRoute> route(
      const std::array<u64, 2>& structure) const override;
  [[nodiscard]] spec::sva::UserCommand command(const spec::sva::CommandWords& words) const override;
  [[nodiscard]] std::optional<spec::sva::EventWords> event(const spec::sva::EventWords& record,
                                                           u64 number) const override;
};

}  // namespace iommucheck::oracle
