// SPDX-License-Identifier: MIT
// What devices have written: a write, and dirty_read of what is around it.
#pragma once

#include "check/case_ops.h"
#include "check/space_ops.h"
#include "check/user_ops.h"

namespace iommucheck::oracle {

class DirtyOps final : public CaseOps {
 public:
  DirtyOps(const CaseContext& context, SpaceOps& spaces, UserOps& users)
      : CaseOps(context), spaces_(spaces), users_(users) {}

  void perform_dirty(const fuzz::Operation& operation);

 private:
  void ask_what_is_dirty(std::size_t index, const Space& space, fuzz::Mapped range, bool anew,
                         const fuzz::Operation& operation);
  void read_of_user(const Space& space, const fuzz::Operation& operation);
  void read_dirty(const Space& space, const spec::sva::Call& read, const fuzz::Mapped& range,
                  const fuzz::Operation& operation);
  void map_to_track(std::size_t index, const fuzz::Operation& operation);
  void attach_to_track(const Space& space, const fuzz::Operation& operation);
  bool write_there(const Space& space, u64 iova, const fuzz::Operation& operation);
  [[nodiscard]] std::optional<std::size_t> space_to_track(const fuzz::Operation& operation) const;

  SpaceOps& spaces_;
  UserOps& users_;
};

}  // namespace iommucheck::oracle
