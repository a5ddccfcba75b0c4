// SPDX-License-Identifier: MIT
// What random operations come to, judged by a small model of the interface: at least half of the
// calls succeed and change something, and the places they touch crowd.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>

#include "base/bits.h"
#include "iommucheck/driver.h"
#include "operations/resolve.h"

namespace iommucheck::fuzz::operation_resolve_test {
namespace {

constexpr unsigned output_bits = 44;

struct ModelDomain {
  unsigned input_bits = 48;
  bool paging = true;
  std::map<u64, u64> mapped;  // iova to bytes
  bool gathered = false;
};

/// Domains, devices and maps as INTERFACE has them, without hardware.
class Model {
 public:
  /// True if the call succeeds and changes something.
  bool run(const Operation& operation) {
    using enum OperationKind;
    if (domains_.empty() && needs_domain(operation.kind)) domains_.emplace_back();
    switch (operation.kind) {
      case domain_alloc: return alloc(operation);
      case domain_free: return free(operation);
      case attach: return attach_device(operation);
      case detach: return detach_device(operation);
      case map: return map_range(operation);
      case unmap:
      case unmap_fast: return unmap_range(operation);
      case iotlb_sync:
      case flush_iotlb_all: return std::exchange(domains_[index(operation)].gathered, false);
      default: return false;
    }
  }
  std::size_t mappings() const {
    std::size_t count = 0;
    for (const auto& domain : domains_) count += domain.mapped.size();
    return count;
  }

 private:
  u64 fitting(const Operation& operation) const {
    using enum OperationKind;
    u64 set = 0;
    for (std::size_t i = 0; i < domains_.size(); ++i) {
      const ModelDomain& domain = domains_[i];
      bool fits = true;
      switch (operation.kind) {
        case map: fits = domain.paging; break;
        case unmap:
        case unmap_fast: fits = !domain.mapped.empty(); break;
        case iotlb_sync:
        case flush_iotlb_all: fits = domain.gathered; break;
        case domain_free: fits = idle(i); break;
        case attach: fits = device_[operation.device % 2] != i; break;
        case detach: fits = device_[operation.device % 2] == i; break;
        default: break;
      }
      if (fits) set |= u64{1} << i;
    }
    return set;
  }
  std::size_t index(const Operation& operation) const {
    return domain_index(operation, {.live = domains_.size(),
                                    .of_device = device_[operation.device % 2],
                                    .fitting = fitting(operation)});
  }
  Target target(const Operation& operation, const ModelDomain& domain) const {
    std::vector<Mapped> mapped;
    for (const auto& [iova, bytes] : domain.mapped) mapped.push_back({iova, bytes});
    return resolve(
        operation,
        {.input_bits = domain.input_bits, .output_bits = output_bits, .mappings = mapped});
  }
  bool alloc(const Operation& operation) {
    const DomainWanted wanted = domain_wanted(operation);
    if (wanted.input_bits > 48 || domains_.size() == 8) return false;
    domains_.push_back({.input_bits = wanted.input_bits == 0 ? 48 : wanted.input_bits,
                        .paging = wanted.kind == IOMMUCHECK_DOMAIN_PAGING,
                        .mapped = {}});
    return operation.fail == 0;
  }
  bool idle(std::size_t i) const { return device_[0] != i && device_[1] != i; }
  bool free(const Operation& operation) {
    const std::size_t i = index(operation);
    if (!idle(i)) return false;
    domains_.erase(domains_.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto& at : device_) {
      if (at && *at > i) --*at;
    }
    return true;
  }
  bool attach_device(const Operation& operation) {
    const std::size_t i = index(operation);
    auto& at = device_[operation.device % 2];
    if (at == i) return false;
    at = i;
    return true;
  }
  bool detach_device(const Operation& operation) {
    auto& at = device_[operation.device % 2];
    if (!at) return false;
    if (index(operation) != *at) return false;
    at.reset();
    return true;
  }
  bool map_range(const Operation& operation) {
    ModelDomain& domain = domains_[index(operation)];
    const auto [iova, bytes, pa] = target(operation, domain);
    if (!domain.paging || prot_flags(operation) == 0 || operation.fail == 1) return false;
    if ((iova | bytes | pa) % 4096 != 0 || bytes == 0) return false;
    const auto beyond = [bytes](u64 address, unsigned address_bits) {
      return address >= pow2(address_bits) || bytes > pow2(address_bits) - address;
    };
    if (beyond(iova, domain.input_bits) || beyond(pa, output_bits)) return false;
    const auto next = domain.mapped.lower_bound(iova);
    if (next != domain.mapped.end() && next->first < iova + bytes) return false;
    if (next != domain.mapped.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second > iova) return false;
    }
    domain.mapped[iova] = bytes;
    return true;
  }
  /// Mappings that begin in the range go, which is near enough for counting.
  bool unmap_range(const Operation& operation) {
    ModelDomain& domain = domains_[index(operation)];
    const auto [iova, bytes, pa] = target(operation, domain);
    (void)pa;
    if ((iova | bytes) % 4096 != 0 || bytes == 0) return false;
    auto at = domain.mapped.upper_bound(iova);
    if (at == domain.mapped.begin()) return false;
    --at;
    const auto [begin, length] = *at;
    if (begin + length <= iova) return false;
    domain.mapped.erase(at);
    if (begin < iova) domain.mapped[begin] = iova - begin;
    if (iova + bytes < begin + length) domain.mapped[iova + bytes] = begin + length - iova - bytes;
    domain.gathered |= operation.kind == OperationKind::unmap_fast;
    return true;
  }

  std::vector<ModelDomain> domains_;
  std::optional<std::size_t> device_[2];
};

struct Count {
  u64 calls = 0, effective = 0;
};

TEST(OperationDistribution, HalfOfTheCallsSucceedAndChangeSomething) {
  std::mt19937_64 random(2);
  std::map<std::string_view, Count> by_kind;
  Count all;
  u64 mappings = 0;
  constexpr int sequences = 4000;
  for (int i = 0; i < sequences; ++i) {
    Model model;
    for (int n = 0; n < 20; ++n) {
      const Operation operation = random_operation(random());
      // The model has domains and their mappings; the lockstep has the rest.
      if (operation.kind == OperationKind::access || operation.kind > OperationKind::detach)
        continue;
      const bool effective = model.run(operation);
      auto& count = by_kind[to_string(operation.kind)];
      ++count.calls;
      ++all.calls;
      count.effective += effective;
      all.effective += effective;
    }
    mappings += model.mappings();
  }
  for (const auto& [name, count] : by_kind) {
    RecordProperty(std::string(name), std::to_string(count.effective * 100 / count.calls));
    std::printf("%-16s %6lu calls, %2lu%% effective\n", std::string(name).c_str(), count.calls,
                count.effective * 100 / count.calls);
  }
  std::printf("all %lu%%, %.1f mappings at the end\n", all.effective * 100 / all.calls,
              static_cast<double>(mappings) / sequences);
  EXPECT_GE(all.effective * 2, all.calls);
  EXPECT_GE(by_kind["map"].effective * 2, by_kind["map"].calls);
}

RC_GTEST_PROP(OperationResolve, maps_are_bounded, (u64 word)) {
  Operation operation = random_operation(word);
  operation.kind = OperationKind::map;
  operation = normalised(operation);
  const Mapped mapped[] = {{0x1000, 0x1000}, {0x4000'0000, u64{1} << 40}};
  for (const u64 leaf_max : {u64{1} << 12, u64{1} << 21, u64{1} << 30}) {
    const SpaceView space{.leaf_max = leaf_max, .mappings = mapped};
    const Target target = resolve(operation, space);
    const u64 end = u64{1} << space.output_bits;
    if (target.pa % 4096 != 0 || target.pa >= end || target.bytes > end - target.pa) continue;
    // Leaves: 4 KiB ones up to a boundary, blocks, 4 KiB ones behind; all 4 KiB where not
    // congruent.
    const bool blocks = leaf_max > 4096 && target.pa % (1 << 21) == target.iova % (1 << 21);
    RC_ASSERT((blocks ? target.bytes >> 21 : target.bytes >> 12) <= 1100U);
  }
}

TEST(OperationResolve, Places) {
  const Mapped mapped[] = {{0x20'0000, 0x3000}, {0x8000, 0x1000}};
  const auto at = [&](std::string_view text, unsigned input_bits = 39) {
    const auto operation = parse_operation(text);
    if (!operation) ADD_FAILURE() << operation.error().message;
    return resolve(*operation,
                   {.input_bits = input_bits, .output_bits = output_bits, .mappings = mapped});
  };
  EXPECT_EQ(at("map page=3").iova, 0x3000U);
  EXPECT_EQ(at("map window=around_2m page=15 size=8K").iova, 0x1f'f000U);
  EXPECT_EQ(at("map window=around_1g page=16").iova, 0x4000'0000U);
  EXPECT_EQ(at("map window=around_512g page=15").iova, 0x7f'ffff'f000U);
  EXPECT_EQ(at("map window=around_512g page=17").iova, 0x1000U) << "modulo the input range";
  EXPECT_EQ(at("map window=high").iova, 0x7f'ffff'f000U);
  EXPECT_EQ(at("map window=odd page=1").iova, 0x80'0000'0000U);
  EXPECT_EQ(at("map window=odd").iova, ~u64{0xfff});
  EXPECT_EQ(at("map window=odd page=16").iova % 4096, 0x10U);
  EXPECT_EQ(at("map window=spots_1g page=2").iova, 0x8000'0000U);

  EXPECT_EQ(at("unmap aim=start mapping=1 size=whole").iova, 0x8000U);
  EXPECT_EQ(at("unmap aim=start mapping=2 size=whole").bytes, 0x3000U) << "modulo the mappings";
  EXPECT_EQ(at("unmap aim=inside page=5 size=whole").iova, 0x20'2000U);
  EXPECT_EQ(at("unmap aim=inside page=5 size=whole").bytes, 0x1000U) << "to the mapping's end";
  EXPECT_EQ(at("map aim=behind").iova, 0x20'3000U);
  EXPECT_EQ(at("unmap size=0").bytes, 0U);

  EXPECT_EQ(at("map window=spots_2m page=1 size=2M pa_page=1").pa, 0x10'8020'0000U);
  EXPECT_NE(at("map window=spots_1g page=1 size=1G pa=congruent_2m").pa % (1U << 30), 0U);
  EXPECT_EQ(at("map window=spots_1g page=1 size=1G pa=congruent_2m").pa % (1U << 21), 0U);
  EXPECT_NE(at("map window=spots_2m page=1 size=2M pa=page").pa % (1U << 21), 0U);
  EXPECT_EQ(at("map pa=odd").pa, pow2(output_bits) - 4096);
  EXPECT_EQ(at("map pa=odd pa_page=1").pa, pow2(output_bits));
}

/// Behind with an odd page: to what was taken away lately, and beside it.
TEST(OperationResolve, WhatWasTakenAwayIsComeBackTo) {
  const Mapped mapped[] = {{0x5000, 0x2000}, {0x9'0000, 0x1000}};
  const Mapped left[] = {{0x7000, 0x2000}};
  const auto at = [&](std::string_view text) {
    const auto operation = parse_operation(text);
    if (!operation) ADD_FAILURE() << operation.error().message;
    return resolve(
        *operation,
        {.input_bits = 39, .output_bits = output_bits, .mappings = mapped, .left = left});
  };
  EXPECT_EQ(at("map aim=behind page=5 size=whole").iova, 0x7000U);
  EXPECT_EQ(at("map aim=behind page=5 size=whole").bytes, 0x2000U);
  EXPECT_EQ(at("map aim=behind page=1 size=whole").iova, 0x6000U) << "over its beginning";
  EXPECT_EQ(at("map aim=behind page=3 size=whole").iova, 0x8000U) << "within it";
  EXPECT_EQ(at("map aim=behind page=4 size=whole").iova, 0x7000U) << "behind a mapping, as ever";
  EXPECT_EQ(at("unmap_fast aim=behind page=5 size=whole").iova, 0x5000U) << "its neighbour";
  EXPECT_EQ(at("unmap_fast aim=behind page=5 size=whole").bytes, 0x2000U);
}

/// Where the smallest page is larger, what is aligned to 4 KiB is aligned to it; the rest stays.
TEST(OperationResolve, RangesAreOfTheSpacesPages) {
  const auto at = [](std::string_view text) {
    const auto operation = parse_operation(text);
    if (!operation) ADD_FAILURE() << operation.error().message;
    return resolve(*operation, {.input_bits = 39,
                                .output_bits = output_bits,
                                .page = 0x1'0000,
                                .leaf_max = 0x1'0000,
                                .mappings = {}});
  };
  EXPECT_EQ(at("map page=19 size=8K").iova, 0x1'0000U);
  EXPECT_EQ(at("map page=19 size=8K").bytes, 0x1'0000U);
  EXPECT_EQ(at("map page=19 size=8K").pa % 0x1'0000, 0U);
  EXPECT_EQ(at("map window=odd page=16").iova % 4096, 0x10U);
  EXPECT_EQ(at("unmap size=0").bytes, 0U);
}

TEST(OperationResolve, RangesThatFitLieInTheMemoryNearby) {
  constexpr u64 near_pa = 0x40800000, near_bytes = 0x400000, m2 = 0x200000;
  const auto at = [&](const Operation& operation, u64 bytes) {
    const SpaceView far{.mappings = {}};
    const SpaceView near{.near_pa = near_pa, .near_bytes = bytes, .mappings = {}};
    return std::pair(resolve(operation, near).pa, resolve(operation, far).pa);
  };
  for (u16 page = 0; page < 8; ++page) {
    for (const Pa pa : {Pa::congruent_1g, Pa::congruent_2m, Pa::page}) {
      const Operation small{.kind = OperationKind::map,
                            .page = page,
                            .size = static_cast<u16>(Size::k64),
                            .pa = static_cast<u16>(pa),
                            .pa_page = page};
      const auto [near, far] = at(small, near_bytes);
      EXPECT_LE(near_pa, near);
      EXPECT_LE(near + 0x10000, near_pa + near_bytes);
      EXPECT_EQ(near % m2, far % m2) << "leaves may be as large as before";
      EXPECT_EQ(at(small, 0x1000).first, far) << "it does not fit";
    }
  }
}

TEST(OperationResolve, DomainsAreModuloTheLiving) {
  const auto index = [](u16 domain, Pick pick, DomainsView view) {
    return domain_index(
        {.kind = OperationKind::unmap, .domain = domain, .variant = static_cast<u16>(pick)}, view);
  };
  EXPECT_EQ(index(5, Pick::selected, {.live = 3, .of_device = {}}), 2U);
  EXPECT_EQ(index(domain_of_device, Pick::selected, {.live = 3, .of_device = 1}), 1U);
  EXPECT_EQ(index(domain_of_device, Pick::selected, {.live = 3, .of_device = {}}), 0U);
  EXPECT_EQ(index(5, Pick::fitting, {.live = 3, .of_device = {}, .fitting = 0b010}), 1U);
  EXPECT_EQ(index(5, Pick::selected, {.live = 3, .of_device = {}, .fitting = 0b010}), 2U);
  EXPECT_EQ(index(5, Pick::fitting, {.live = 3, .of_device = {}, .fitting = 0}), 2U);
}

}  // namespace
}  // namespace iommucheck::fuzz::operation_resolve_test
