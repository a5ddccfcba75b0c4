// SPDX-License-Identifier: MIT
// Calls, Invalidates and Releases in progress. All but the last begun wait, for an mm_exit handler.
#pragma once

#include <array>
#include <bit>
#include <utility>

#include "base/trail.h"
#include "base/types.h"
#include "spec/sva/records.h"

namespace iommucheck::spec::sva {

/// A call, an Invalidate or a Release in progress. 0: not followed (more than 64 at once): until it
/// ends no promise is judged.
struct Ticket {
  u32 number = 0;
};

class Tickets {
 public:
  static constexpr u32 max = 64;

  explicit Tickets(Trail& trail) : trail_(trail) {}

  Ticket open(const records::Pending& pending) {
    if (busy_ == ~u64{0}) {
      trail_.set(overflow_, overflow_ + 1);
      return {};
    }
    const auto slot = static_cast<u32>(std::countr_one(busy_));
    trail_.save_object(pending_[slot]);
    pending_[slot] = pending;
    trail_.set(busy_, busy_ | (u64{1} << slot));
    return {slot + 1};
  }
  /// Its record is left as it is until another one is opened. One that is not followed ends too.
  void close(Ticket ticket) {
    if (find(ticket) != nullptr) {
      trail_.set(busy_, busy_ & ~(u64{1} << (ticket.number - 1)));
    } else if (overflow_ != 0) {
      trail_.set(overflow_, overflow_ - 1);
    }
  }

  /// Null: not followed, or over.
  [[nodiscard]] const records::Pending* find(Ticket ticket) const {
    if (ticket.number == 0 || ticket.number > max) return nullptr;
    const bool is_open = ((busy_ >> (ticket.number - 1)) & 1) != 0;
    return is_open ? &pending_[ticket.number - 1] : nullptr;
  }
  /// The one that was opened now: saved already.
  [[nodiscard]] records::Pending& opened(Ticket ticket) { return pending_[ticket.number - 1]; }
  /// The last of those in progress, or none.
  [[nodiscard]] Ticket last() const { return {static_cast<u32>(std::bit_width(busy_))}; }
  [[nodiscard]] bool any() const { return busy_ != 0; }
  /// Some are not followed.
  [[nodiscard]] bool overflowed() const { return overflow_ != 0; }

  template <class Visit>
  void for_each(Visit visit) const {
    for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
      visit(pending_[static_cast<u32>(std::countr_zero(rest))]);
    }
  }
  /// edit(record) of each that is `wanted`.
  template <class Wanted, class Edit>
  void edit_if(Wanted wanted, Edit edit) {
    for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
      records::Pending& pending = pending_[static_cast<u32>(std::countr_zero(rest))];
      if (!wanted(std::as_const(pending))) continue;
      trail_.save_object(pending);
      edit(pending);
    }
  }

 private:
  Trail& trail_;
  u64 busy_ = 0;      // a bit each
  u64 overflow_ = 0;  // without a record
  std::array<records::Pending, max> pending_{};
};

}  // namespace iommucheck::spec::sva
