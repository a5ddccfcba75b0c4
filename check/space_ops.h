// SPDX-License-Identifier: MIT
// Operations on domains and private address spaces, and accesses of devices.
#pragma once

#include "check/case_ops.h"

namespace iommucheck::oracle {

class SpaceOps final : public CaseOps {
 public:
  using CaseOps::CaseOps;

  void perform_alloc(const fuzz::Operation& operation);
  void perform_access(const fuzz::Operation& operation);
  /// What its call returned; ok where there was none.
  spec::sva::Status perform_on_space(const fuzz::Operation& operation);

  void note_domain(const spec::sva::Observed& observed);
  void note_result(std::size_t index, const spec::sva::Call& call,
                   const spec::sva::Observed& observed);
  std::size_t pick_space(const fuzz::Operation& operation);
  [[nodiscard]] fuzz::SpaceView processes_view() const;
  [[nodiscard]] fuzz::SpaceView space_of(const Space& space) const;
  fuzz::SpaceView reached_by(u32 device, spec::sva::Substream at);
  [[nodiscard]] std::vector<u32> sendable(u32 device) const;
  void forget_what_is_gone();
  /// Addresses are aimed as if domains had no more than that, whatever the driver says.
  void aim_within(const spec::sva::DomainFacts& facts) { aim_ = facts; }

  // Those that somebody beside the IOMMU walks.
  void prepare_walkers(const spec::sva::Call& call);
  [[nodiscard]] u64 table_of(const Space& space) const;

 private:
  void take_every_asid(const spec::sva::Call& alloc);
  void map_before_it_moves(const fuzz::Operation& operation, u32 device);
  void meet_all(const std::vector<spec::sva::Observed>& domains);
  [[nodiscard]] fuzz::SpaceView empty_view(unsigned output_bits) const;
  [[nodiscard]] CallersMemory memory_of(unsigned output_bits) const;
  void perform_map_sg(const Space& of, spec::sva::Call& call);
  spec::Access access_of(const fuzz::Operation& operation);
  [[nodiscard]] u64 accesses_to_overflow(const fuzz::Operation& operation) const;
  bool interrupts_now(const fuzz::Operation& operation, bool recorded);
  [[nodiscard]] bool fits(const fuzz::Operation& operation, std::size_t index) const;
  static void note_mapped(Space& space, u64 iova, u64 bytes);
  static void note_left(Space& space, u64 iova, u64 bytes);
  static void note_unmapped(Space& space, u64 iova, u64 bytes);
  [[nodiscard]] u64 elsewhere(const Space& space, u64 pa) const;
  /// The context bank of the device has its table.
  [[nodiscard]] bool is_walked_by(const Space& space, u32 device) const;

  std::vector<fuzz::Mapped> process_mappings_;  // of the space that an operation is about
  std::optional<spec::sva::DomainFacts> aim_;
};

}  // namespace iommucheck::oracle
