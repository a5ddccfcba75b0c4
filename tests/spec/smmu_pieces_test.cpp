// SPDX-License-Identifier: MIT
// The pieces of a tag's space say of every address what collect() finds there.
#include "spec/smmu/pieces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <tuple>

#include "tests/spec/smmu_caches_support.h"

namespace iommucheck::spec::smmu_pieces_test {
namespace {

/// What a look-up that meets these candidates at the address may do.
struct Meets {
  std::set<std::tuple<u64, u64, bool, bool>> translations;  // output, attributes, rights
  bool fault = false;
  bool unknown = false;
  bool conflict = false;
  friend bool operator==(const Meets&, const Meets&) = default;
};

Meets meets(const Caches& caches, const std::vector<Candidate>& found, u64 va) {
  Meets all;
  all.fault = found.empty();
  for (const Candidate& c : found) {
    all.unknown |= c.kind == Candidate::Kind::unknown;
    all.fault |= c.kind == Candidate::Kind::fault;
    if (c.kind != Candidate::Kind::leaf) continue;
    all.translations.insert({c.leaf.output + (va - c.va), c.leaf.attr,
                             c.leaf.unprivileged.write.value, c.leaf.unprivileged.execute.value});
  }
  all.conflict = caches.lookups().in_conflict(found);
  return all;
}

class World {
 public:
  World(u64 seed, const Capabilities& caps, const CdFields& fields) : m_(caps), random_(seed) {
    // Three tables of the last level, and one that the last entry of another middle table leads to.
    m_.put(SmallMachine::middle + 8, table(1) | 3);
    m_.put(SmallMachine::middle + 8 * 3, table(2) | 3);
    m_.put(SmallMachine::root + 8 * 5, middle2 | 3);
    m_.put(middle2 + 8 * 511, table(3) | 3);
    m_.ste(0, make_stage1_ste({.s1contextptr = SmallMachine::cds}));
    m_.cd(0, make_cd(fields));
    m_.enable();
    std::vector<StreamOption> options;
    EXPECT_TRUE(m_.caches.fetches().stream_options(0, 0, false, options));
    EXPECT_EQ(options.size(), 1U);
    tag_ = options.front().tag;
  }

  void change() {
    switch (below(12)) {
      case 0: m_.caches.barrier(AgentId::cpu0); break;
      case 1: m_.run({.op = Opcode::tlbi_nh_all}); break;
      case 2:
        m_.run({.op = Opcode::tlbi_nh_va, .asid = 5, .address = u64{below(1024)} << 12});
        break;
      case 3: store_group(); break;
      case 4: store(SmallMachine::middle + 8 * below(6), below(2) != 0 ? block() : 0); break;
      case 5: store(SmallMachine::middle + 8 * below(4), table(below(3)) | 3); break;
      case 6: store(middle2 + 8 * (510 + below(2)), below(2) != 0 ? table(3) | 3 : 0); break;
      default: store(entry(), below(3) != 0 ? leaf(below(8)) : 0); break;
    }
  }

  void compare() {
    std::vector<Candidate> found;
    std::vector<Candidate> exact;
    Pieces pieces(m_.caches.lookups(), tag_, found);
    u64 va = 0;
    for (unsigned number = 0; number < 20000; ++number) {
      const u64 limit = below(2) != 0 ? ~u64{0} : va + below(1U << 14);
      pieces.move_to(va, limit);
      ASSERT_LE(va, pieces.last());
      std::vector<u64> probes{va, pieces.last(), va + (pieces.last() - va) / 2};
      for (unsigned i = 0; i < 6; ++i) probes.push_back(inside(va, pieces.last()));
      for (const u64 probe : probes) {
        exact.clear();
        m_.caches.lookups().collect(tag_, probe, exact);
        ASSERT_EQ(meets(m_.caches, pieces.found(), probe), meets(m_.caches, exact, probe))
            << std::hex << "at " << probe << " of " << va << " to " << pieces.last();
      }
      if (pieces.last() == ~u64{0}) return;
      va = pieces.last() + 1;
    }
    FAIL() << "pieces without end";
  }

 private:
  static constexpr u64 middle2 = SmallMachine::root + 0x5000;
  static u64 table(unsigned number) { return SmallMachine::root + 0x6000 + number * 0x1000; }

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  /// Often one of a boundary of pages or tables.
  u64 inside(u64 first, u64 last) {
    const u64 span = last - first;
    const u64 offset = span == ~u64{0} ? random_() : random_() % (span + 1);
    const u64 place = first + offset;
    const u64 aligned = align_down(place, below(2) != 0 ? 12 : 21);
    return aligned >= first ? aligned : place;
  }
  u64 entry() {
    const u64 page = below(5) == 0 ? SmallMachine::leaves : table(below(4));
    return page + 8 * (below(3) == 0 ? 512 - 1 - below(40) : below(40));
  }
  u64 leaf(unsigned number) {
    u64 value = SmallMachine::rw_leaf | (SmallMachine::page + number * 0x1000);
    if (below(8) == 0) value &= ~descriptor_bits::af;
    if (below(8) == 0) value |= descriptor_bits::ap2;
    if (below(24) == 0) value |= descriptor_bits::contiguous;
    return value;
  }
  u64 block() { return (SmallMachine::rw_leaf & ~u64{2}) | u64{1 + below(3)} << 30; }
  void store(u64 pa, u64 value) {
    m_.step();
    m_.caches.store(AgentId::cpu0, pa, value);
    if (below(4) != 0) m_.caches.barrier(AgentId::cpu0);
  }
  /// A contiguous group, or neighbours of consecutive pages; sometimes a member is left out.
  void store_group() {
    const u64 page = table(below(4)) + 8 * 16 * u64{below(32)};
    const u64 hint = below(3) != 0 ? descriptor_bits::contiguous : 0;
    const unsigned left_out = below(3) == 0 ? below(16) : 16;
    for (unsigned i = 0; i < 16; ++i) {
      m_.step();
      const u64 value = (SmallMachine::rw_leaf | hint) + SmallMachine::page + 0x100000 + i * 0x1000;
      if (i != left_out) m_.caches.store(AgentId::cpu0, page + 8 * i, value);
    }
    m_.caches.barrier(AgentId::cpu0);
  }

  SmallMachine m_;
  std::mt19937_64 random_;
  u32 tag_ = 0;
};

void compare_many(const Capabilities& caps, const CdFields& fields) {
  for (u64 seed = 1; seed <= 12; ++seed) {
    World world(seed, caps, fields);
    for (unsigned i = 0; i < 60; ++i) {
      world.change();
      if (i % 6 == 5) world.compare();
      if (testing::Test::HasFatalFailure()) {
        ADD_FAILURE() << "seed " << seed << ", change " << i;
        return;
      }
    }
  }
}

Capabilities caps_of(unsigned bbml, unsigned httu) {
  Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.aarch64 = caps.asid16 = caps.cohacc = caps.gran4k = true;
  caps.sidsize = 16;
  caps.oas_lg2 = 48;
  caps.bbml = bbml;
  caps.httu = httu;
  return caps;
}

CdFields fields(bool ha) { return {.ttb0 = SmallMachine::root, .asid = 5, .t0sz = 25, .ha = ha}; }

TEST(SmmuPieces, AreWhatCollectFinds) { compare_many(caps_of(0, 0), fields(false)); }
TEST(SmmuPieces, WithBlocksInPlaceOfTables) { compare_many(caps_of(2, 0), fields(false)); }
TEST(SmmuPieces, WithTheAccessFlagSetByHardware) { compare_many(caps_of(1, 2), fields(true)); }

/// Empty entries of neighbouring tables are one piece, and so is what lies beyond the input size.
TEST(SmmuPieces, EmptyTablesAreOnePiece) {
  SmallMachine m(caps_of(0, 0));
  m.ste(0, make_stage1_ste({.s1contextptr = SmallMachine::cds}));
  m.cd(0, make_cd(fields(false)));
  m.enable();
  std::vector<StreamOption> options;
  ASSERT_TRUE(m.caches.fetches().stream_options(0, 0, false, options));
  std::vector<Candidate> found;
  Pieces pieces(m.caches.lookups(), options.front().tag, found);
  std::vector<u64> ends;
  for (u64 va = 0; va < u64{1} << 39; va = pieces.last() + 1) {
    pieces.move_to(va, ~u64{0});
    ends.push_back(pieces.last());
  }
  // The hole below the two pages, the pages, and what is behind them up to the input size.
  const std::vector<u64> expected{0xfff, 0x2fff, low_mask(u64{39})};
  EXPECT_EQ(ends, expected);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_pieces_test
