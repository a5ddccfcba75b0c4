// SPDX-License-Identifier: MIT
// Delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input"), with
// removal of complements only: sequences have 64 operations at most. Every step accepted makes
// (number of operations, sum of the places of their kinds, sum of fields) smaller, so it ends.
#include "check/shrink.h"

#include <algorithm>
#include <bit>

namespace iommucheck::oracle {
namespace {

using fuzz::FieldInfo;
using fuzz::Operation;
using fuzz::OperationKind;
using Operations = std::vector<Operation>;

/// Kinds that an operation is replaced by where they do as well, the simplest first: a bind that
/// did no more than attach is an attach, and whatever did no more than make a domain makes it.
constexpr OperationKind simple_kinds[] = {
    OperationKind::domain_alloc, OperationKind::attach, OperationKind::map,
    OperationKind::unmap,        OperationKind::detach, OperationKind::iotlb_sync,
    OperationKind::bind,         OperationKind::unbind, OperationKind::access};

class Shrinker {
 public:
  Shrinker(Operations operations, const StillFails& still_fails, const ShrinkBudget& budget)
      : operations_(std::move(operations)), still_fails_(still_fails), budget_(budget) {}

  ShrinkResult run() {
    ShrinkResult result;
    result.reproduced = fails(operations_);
    bool changed = result.reproduced;
    while (changed && !exhausted_) {
      changed = remove_chunks();
      changed |= remove_pairs();
      changed |= simplify_kinds();
      changed |= simplify();
    }
    result.minimal = result.reproduced && !exhausted_;
    result.operations = std::move(operations_);
    result.runs = runs_;
    return result;
  }

 private:
  bool fails(const Operations& candidate) {
    if (exhausted_ || runs_ == budget_.runs_max || (budget_.stop && budget_.stop())) {
      exhausted_ = true;
      return false;
    }
    ++runs_;
    return still_fails_(candidate);
  }

  bool accept(Operations candidate) {
    if (!fails(candidate)) return false;
    operations_ = std::move(candidate);
    return true;
  }

  /// From the end: what comes after the failure goes at once.
  bool remove_chunks() {
    bool any = false;
    std::size_t chunk = std::bit_ceil(std::max<std::size_t>(operations_.size(), 1));
    while (chunk != 0 && !exhausted_) {
      bool removed = false;
      for (std::size_t end = operations_.size(); end > 0 && !exhausted_;) {
        const std::size_t begin = end - std::min(end, chunk);
        Operations candidate(operations_.begin(), operations_.begin() + as_offset(begin));
        candidate.insert(candidate.end(), operations_.begin() + as_offset(end), operations_.end());
        removed |= accept(std::move(candidate));
        end = begin;
      }
      any |= removed;
      if (chunk > 1 || !removed) chunk /= 2;
    }
    return any;
  }

  /// A map and its unmap, an alloc and its free: neither can go alone.
  bool remove_pairs() {
    constexpr std::size_t pairs_up_to = 24;
    if (operations_.size() > pairs_up_to) return false;
    bool any = false;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      for (std::size_t j = i + 1; j < operations_.size() && !exhausted_; ++j) {
        Operations candidate = operations_;
        candidate.erase(candidate.begin() + as_offset(j));
        candidate.erase(candidate.begin() + as_offset(i));
        if (!accept(std::move(candidate))) continue;
        any = true;
        j = i;
      }
    }
    return any;
  }

  /// What its fields say of objects and addresses stays; what they choose is another thing there.
  bool simplify_kind(std::size_t i) {
    for (const OperationKind kind : simple_kinds) {
      if (kind == operations_[i].kind) return false;  // the others are no simpler
      Operations candidate = operations_;
      candidate[i].kind = kind;
      candidate[i].variant = candidate[i].choices = 0;
      candidate[i] = fuzz::normalised(candidate[i]);
      if (accept(std::move(candidate))) return true;
    }
    return false;
  }

  bool simplify_kinds() {
    bool any = false;
    for (std::size_t i = 0; i < operations_.size() && !exhausted_; ++i) any |= simplify_kind(i);
    return any;
  }

  bool try_value(std::size_t i, const FieldInfo& field, u16 value) {
    Operations candidate = operations_;
    candidate[i].*field.member = value;
    return accept(std::move(candidate));
  }

  bool simplify_field(std::size_t i, const FieldInfo& field) {
    const u16 original = operations_[i].*field.member;
    if (original == 0) return false;
    if (try_value(i, field, 0)) return true;
    if (field.width <= 6) {
      for (u16 value = 1; value < original; ++value) {
        if (try_value(i, field, value)) return true;
      }
      return false;
    }
    // Choices are independent bits: the fewer the better.
    for (unsigned n = field.width; n-- > 0;) {
      const u16 value = operations_[i].*field.member;
      if ((value >> n & 1) != 0) try_value(i, field, static_cast<u16>(value & ~(1U << n)));
    }
    return operations_[i].*field.member != original;
  }

  bool simplify() {
    bool any = false;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      for (const FieldInfo& field : fuzz::operation_fields()) any |= simplify_field(i, field);
    }
    return any;
  }

  static std::ptrdiff_t as_offset(std::size_t n) { return static_cast<std::ptrdiff_t>(n); }

  Operations operations_;
  const StillFails& still_fails_;
  const ShrinkBudget& budget_;
  u64 runs_ = 0;
  bool exhausted_ = false;
};

}  // namespace

ShrinkResult shrink(Operations operations, const StillFails& still_fails,
                    const ShrinkBudget& budget) {
  for (Operation& operation : operations) operation = fuzz::normalised(operation);
  return Shrinker(std::move(operations), still_fails, budget).run();
}

}  // namespace iommucheck::oracle
