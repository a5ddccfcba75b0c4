// SPDX-License-Identifier: MIT
// What a case shows, for the guide: few enough things that few are new. Which call gave which
// answer, under which trouble; in which situation; and which rules an operation could have broken.
#include <bit>
#include <utility>

#include "base/random.h"
#include "check/guide.h"
#include "check/lockstep.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::Observed;
using spec::sva::Status;

enum class Shown : u64 { call, call_within, rule, rule_within };

u64 feature(Shown sort, u64 what, u64 within = 0) {
  return SplitMix64::mixed(what) ^ within << 8 ^ static_cast<u64>(sort);
}

/// What has happened in the case, in bits of situation().
struct Past {
  static constexpr u32 timed_out = 0x1;
  static constexpr u32 short_memory = 0x2;
  static constexpr u32 hook_failed = 0x4;
  static constexpr u32 removed = 0x8;
  static constexpr u32 exited = 0x10;
  static constexpr u32 paced = 0x20;
};

/// Visits the number of each bit that is set.
template <class Visit>
void for_each_bit(u32 set, Visit visit) {
  for (; set != 0; set &= set - 1) visit(static_cast<u64>(std::countr_zero(set)));
}

}  // namespace

/// A bit for each thing of few that calls meet.
u32 Lockstep::situation() const {
  u32 set = past_;
  const auto add = [&](unsigned number, bool is_so) { set |= is_so ? u32{1} << number : 0; };
  add(8, !host_.handlers().empty());
  add(9, !host_.waiting().empty());
  add(10, !groups_.empty());
  add(11, !queues_.empty());
  add(12, !svm_tasks_.empty());
  add(13, !plain_pasids_.empty());
  add(14, bonds_.size() > 1);
  for (const Space& space : spaces_) {
    add(15, space.gathered);
    add(16, space.io_mm);
    add(17, space.dynamic);
    add(18, space.task);
  }
  return set;
}

/// The trouble that the next call is to meet.
u32 Lockstep::trouble() const {
  if (next_.stuck) return *next_.stuck == 0 ? 1 : 2;
  if (hardware_.stop.command != 0 || hardware_.stop.sync != 0) return 3;
  return failing_ == 0 ? 0 : failing_ <= fuzz::fail_max ? 4 : 5;
}

/// From the first finding on, told or known, nothing is noted: what comes behind differs.
bool Lockstep::is_guiding() const {
  return guide_ != nullptr && guide_->is_noting() && monitor_.findings().empty() &&
         passed_over_.of_case().empty();
}

void Lockstep::note_call(const Call& call, const DriverHost::Progress& progress, u32 within,
                         u32 trouble) {
  const Observed& observed = progress.observed;
  const Status status = progress.waits ? Status::ok : observed.status;
  if (status == Status::etimedout) past_ |= Past::timed_out;
  if (status == Status::enomem) past_ |= Past::short_memory;
  if (status == Status::eio) past_ |= Past::hook_failed;
  if (call.kind == spec::sva::CallKind::recover && status == Status::ok) past_ &= ~Past::timed_out;
  if (!is_guiding()) return;
  const u64 share = observed.value == 0 ? 0 : observed.value == call.size ? 1 : 2;
  const u64 what = static_cast<u64>(call.kind) | static_cast<u64>(static_cast<u32>(status)) << 8 |
                   share << 40 | u64{trouble} << 44 | u64{progress.waits ? 1U : 0U} << 48;
  guide_->note(feature(Shown::call, what), performed_);
  for_each_bit(within,
               [&](u64 bit) { guide_->note(feature(Shown::call_within, what, bit), performed_); });
}

/// What could have been broken since the last look.
void Lockstep::count_rules(bool noted, const fuzz::Operation& operation) {
  const Statistics& statistics = monitor_.statistics();
  const auto& by_caches = monitor_.caches().exercised;
  const auto& by_interface = monitor_.interface().exercised();
  const u32 within = noted ? situation() : 0;
  for (std::size_t i = 0; i < counted_.size(); ++i) {
    const u64 now = statistics.rules[i] + by_caches[i] + by_interface[i];
    if (now == std::exchange(counted_[i], now) || !noted) continue;
    const u64 what = i | static_cast<u64>(operation.kind) << 8;
    guide_->note(feature(Shown::rule, what), performed_);
    for_each_bit(within,
                 [&](u64 bit) { guide_->note(feature(Shown::rule_within, i, bit), performed_); });
  }
}

void Lockstep::note_operation(const fuzz::Operation& operation) {
  switch (operation.kind) {
    case fuzz::OperationKind::remove: past_ |= Past::removed; break;
    case fuzz::OperationKind::process_exit: past_ |= Past::exited; break;
    case fuzz::OperationKind::hardware: past_ |= Past::paced; break;
    default: break;
  }
  if (is_guiding()) count_rules(true, operation);
}

}  // namespace iommucheck::oracle
