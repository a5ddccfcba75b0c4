// SPDX-License-Identifier: MIT
// Where nothing has changed yet there is one outcome, and two readings of the manual that know
// nothing of each other: the literal model, and the pure functions of a transaction. Random tables
// of both stages, of every granule and size, legal or not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <set>

#include "base/bits.h"
#include "base/random.h"
#include "litmus/layout.h"
#include "litmus/parser.h"
#include "litmus/twin/twin.h"
#include "spec/smmu/transaction.h"
#include "tests/litmus/expectations_support.h"

namespace iommucheck::litmus::twin_transaction_test {
namespace {

using spec::OutcomeKind;
using TestCase = iommucheck::litmus::Test;

/// The device that the format assumes.
spec::SmmuState litmus_device(const Layout& laid) {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.vmid16 = true;
  caps.hyp = caps.had = caps.e0pd = caps.attr_perms_ovr = caps.cohacc = true;
  caps.gran4k = caps.gran16k = caps.gran64k = true;
  caps.httu = 3;
  caps.sidsize = 16;
  caps.ssidsize = 20;
  caps.oas_lg2 = 48;
  return {.caps = caps,
          .streams = {.base = laid.strtab_base, .log2size = 16, .sid_bits = 16},
          .smmuen = true};
}

/// Memory as init leaves it.
struct Source {
  std::map<u64, u64> words;
  std::optional<u64> read(spec::Structure /*whose*/, u64 pa) {
    const auto found = words.find(pa);
    return found == words.end() ? 0 : found->second;
  }
};

std::string text_of(const spec::Outcome& outcome, const Layout& laid) {
  switch (outcome.kind) {
    case OutcomeKind::any: return "any";
    case OutcomeKind::abort: return "abort";
    case OutcomeKind::bypass: return "bypass";
    case OutcomeKind::denied: return "denied";
    case OutcomeKind::within: return "within";
    case OutcomeKind::fault: return std::string(spec::event_name(outcome.event));
    case OutcomeKind::translation: break;
  }
  return laid.name_of(outcome.pa) + (outcome.dirty ? "!dirty" : "");
}

/// The type of memory of stage 2 is not the pure outcome's.
std::set<std::string> without_type(const std::set<std::string>& allowed) {
  std::set<std::string> plain;
  for (const std::string& one : allowed) {
    constexpr std::string_view device = ":dev";
    plain.insert(one.ends_with(device) ? one.substr(0, one.size() - device.size()) : one);
  }
  return plain;
}

/// Lines of a test, made from random numbers.
class Lines {
 public:
  explicit Lines(u64 seed) : random_(seed) {}

  std::string make() {
    switch (below(3)) {
      case 0: stage1_alone(); break;
      case 1: stage2_alone(); break;
      default: nested(); break;
    }
    std::string text = "test t\n";
    for (const std::string& line : init_) text += "init " + line + "\n";
    for (const std::string& line : accesses_) text += "access " + line + " -> ?\n";
    return text;
  }

 private:
  u64 below(u64 n) { return random_.next() % n; }
  bool once_in(u64 n) { return below(n) == 0; }

  struct Tree {
    std::string stage;  // begins the names of its tables
    unsigned granule = 12, start = 1, input = 39;
    unsigned shift(unsigned level) const { return granule + (3 - level) * (granule - 3); }
    u64 index(u64 address, unsigned level) const {
      const u64 inside = address & mask(input - 1, 0);
      return level == start ? inside >> shift(level)
                            : inside >> shift(level) & mask(granule - 4, 0);
    }
  };

  unsigned granule() { return std::array{12U, 14U, 16U}[below(3)]; }
  static u64 kib(unsigned granule) { return (u64{1} << granule) >> 10; }

  std::string leaf_flags(bool stage2) {
    std::string flags = once_in(4) ? " ro" : " rw";
    if (once_in(8)) flags += " af0";
    if (once_in(6)) flags += " dev";
    if (stage2 && once_in(6)) flags += " xn";
    if (!stage2 && once_in(6)) flags += " priv";
    if (!stage2 && once_in(8)) flags += " uxn";
    if (!stage2 && once_in(8)) flags += " pxn";
    return flags;
  }

  std::string table_at(const Tree& tree, unsigned level, u64 address) const {
    if (level == tree.start) return tree.stage + "0";
    return fmt::format("{}{}x{:x}", tree.stage, level,
                       (address & mask(tree.input - 1, 0)) >> tree.shift(level - 1));
  }

  /// The words that lead to the address; `page`: what stands in the last one, or anything.
  void lead_to(const Tree& tree, u64 address, const std::string& page, bool stage2) {
    for (unsigned level = tree.start; level <= 3; ++level) {
      const std::string table = table_at(tree, level, address);
      const u64 index = tree.index(address, level);
      if (!words_.insert({table, index}).second) continue;
      const std::string at = fmt::format("word {} {:#x} ", table, index);
      if (page.empty() && once_in(12)) return;  // nothing
      if (level == 3) {
        init_.push_back(at + (page.empty() ? "page P" + leaf_flags(stage2) : page));
        return;
      }
      const bool block = level == 2 || (level == 1 && tree.granule == 12);
      if (page.empty() && block && once_in(4)) {
        init_.push_back(at + "block K" + leaf_flags(stage2));
        return;
      }
      const bool flag = page.empty() && once_in(10);
      init_.push_back(at + "table " + table_at(tree, level + 1, address) + (flag ? " af0" : ""));
    }
  }

  void ask(u64 sid, u64 address) {
    for (const char* kind : {"r", "w", "x", "r priv", "x priv"}) {
      accesses_.push_back(fmt::format("{} {:#x} {}", sid, address, kind));
    }
  }

  // ---- stage 1 ----
  void stage1_alone() {
    Tree tree{.stage = "A", .granule = granule()};
    const bool high = once_in(2);
    const u64 tsz = once_in(10) ? below(64) : 16 + below(24);
    tree.input = static_cast<unsigned>(64 - std::clamp<u64>(tsz, 16, 39));
    tree.start = 4 - (tree.input - tree.granule + tree.granule - 4) / (tree.granule - 3);
    const bool tbi = once_in(3);
    std::string cd = fmt::format("cd C asid=5 ha={} haft={}", below(2), once_in(4) ? 1 : 0);
    cd += high ? fmt::format(" epd1={} ttb1=A0 t1sz={} tg1={} tbi1={}", once_in(8) ? 1 : 0, tsz,
                             kib(tree.granule), tbi ? 1 : 0)
               : fmt::format(" epd0={} ttb=A0 t0sz={} tg0={} tbi0={}", once_in(8) ? 1 : 0, tsz,
                             kib(tree.granule), tbi ? 1 : 0);
    init_.push_back("ste 1 cfg=s1 cd=C");
    init_.push_back(cd);
    const u64 inside = random_.next() & mask(tree.input - 1, 0);
    const u64 va = high ? inside | ~mask(tree.input - 1, 0) : inside;
    lead_to(tree, va, "", false);
    ask(1, va);
    ask(1, va ^ (u64{1} << below(64)));
    if (once_in(2)) ask(1, va ^ u64{0x5a} << 56);
  }

  // ---- stage 2 ----
  Tree stage2_tree(bool legal) {
    Tree tree{.stage = "G", .granule = granule()};
    for (;;) {
      tree.input = static_cast<unsigned>(25 + below(24));
      tree.start = static_cast<unsigned>(tree.granule == 12 ? below(4) : 1 + below(3));
      const unsigned low = tree.shift(tree.start);
      const bool fits = tree.input > low && tree.input <= low + tree.granule - 3 + 4;
      if (fits || (!legal && once_in(8))) return tree;
    }
  }
  std::string stage2_fields(const Tree& tree) {
    std::string text = fmt::format(" vmid=9 s2ttb=G0 s2t0sz={} s2sl={} s2tg={}", 64 - tree.input,
                                   tree.start, kib(tree.granule));
    const bool ha = once_in(2);
    if (ha) text += " s2ha=1";
    if (ha && once_in(2)) text += " s2haft=1";
    return text;
  }
  /// Tables of the start level are as long as the format has them.
  u64 short_index(const Tree& tree, u64 address) const {
    constexpr u64 words = 512;
    const unsigned low = tree.shift(tree.start);
    return low >= 48 ? address
                     : address & mask(std::min(47U, low + 8), 0) & (words * pow2(low) - 1);
  }

  void stage2_alone() {
    const Tree tree = stage2_tree(false);
    init_.push_back("ste 4 cfg=s2" + stage2_fields(tree));
    if (tree.input <= tree.shift(tree.start)) {
      ask(4, 0x1000);
      return;
    }
    const u64 ipa = short_index(tree, random_.next() & mask(tree.input - 1, 0));
    lead_to(tree, ipa, "", true);
    ask(4, ipa);
    ask(4, ipa ^ (u64{1} << below(52)));
  }

  // ---- nested ----
  void nested() {
    const Tree second = stage2_tree(true);
    Tree first{.stage = "A", .granule = 12};
    const u64 t0sz = 16 + below(24);
    first.input = static_cast<unsigned>(64 - t0sz);
    first.start = 4 - (first.input - 12 + 8) / 9;
    init_.push_back("ste 3 cfg=nest cd=@0x10" + stage2_fields(second));
    init_.push_back(fmt::format("cd C asid=4 ttb=@0x20 t0sz={} ha={}", t0sz, below(2)));
    const u64 va = random_.next() & mask(first.input - 1, 0);
    const auto map = [&](u64 page, const std::string& what) {
      if (once_in(20)) return;
      lead_to(second, page << 12,
              "page " + what + (once_in(10) ? " ro" : " rw") + (once_in(12) ? " af0" : ""), true);
    };
    map(0x10, "C");
    u64 next = 0x20;
    for (unsigned level = first.start; level <= 3; ++level) {
      const std::string table = fmt::format("A{}", level);
      map(next, table);
      next += 0x10;
      const std::string at = fmt::format("word {} {:#x} ", table, first.index(va, level));
      if (level < 3) {
        init_.push_back(at + fmt::format("table @{:#x}", next));
      } else {
        init_.push_back(at + fmt::format("page @{:#x}", next) + leaf_flags(false));
      }
    }
    map(next, "P");
    ask(3, va);
    ask(3, va ^ (u64{1} << below(48)));
  }

  SplitMix64 random_;
  std::vector<std::string> init_, accesses_;
  std::set<std::pair<std::string, u64>> words_;
};

spec::Access access_of(const litmus::Access& access) {
  spec::Access one{.sid = static_cast<u32>(access.stream.sid.value), .va = access.va.value};
  one.type = access.direction == Direction::read    ? spec::AccessType::read
             : access.direction == Direction::write ? spec::AccessType::write
                                                    : spec::AccessType::execute;
  one.privileged = access.privileged;
  return one;
}

TEST(LitmusTwin, OfUnchangedMemoryIsThePureTransaction) {
  const char* asked = std::getenv("IOMMUCHECK_LITMUS_CASES");
  const u64 tests = asked == nullptr ? 300 : std::strtoull(asked, nullptr, 10);
  std::map<std::string, u64> met;
  u64 judged = 0;
  u64 failures = 0;
  for (u64 seed = 0; seed < tests; ++seed) {
    const std::string text = Lines(seed).make();
    const auto file = parse(text);
    ASSERT_TRUE(file) << file.error().message << "\n" << text;
    const TestCase& test = file->tests.at(0);
    const auto laid = layout(test);
    if (!laid) continue;  // a table longer than the format has them
    const Judgement got = judge_literally(test);
    ASSERT_EQ(got.unsupported, "") << text;
    Source source;
    for (const MemoryWord& word : laid->memory) source.words[word.pa] = word.value;
    const spec::SmmuState state = litmus_device(*laid);
    for (std::size_t i = 0; i < test.accesses.size(); ++i) {
      const auto pure = spec::untranslated_transaction(source, state, access_of(test.accesses[i]));
      const std::string expected = text_of(pure, *laid);
      if (expected == "any") continue;
      ++judged;
      ++met[expected.substr(0, 1) == "P" || expected.substr(0, 1) == "K" ? "memory" : expected];
      if (without_type(got.allowed[i]) == std::set<std::string>{expected}) continue;
      if (++failures > 5) continue;
      ADD_FAILURE() << "seed " << seed << ", access " << i << ": pure " << expected
                    << ", literal model" << litmus::text(got.allowed[i]) << "\n"
                    << text;
    }
  }
  EXPECT_EQ(failures, 0U);
  EXPECT_GT(judged, tests * 8);
  for (const char* one :
       {"memory", "F_TRANSLATION", "F_PERMISSION", "F_ACCESS", "C_BAD_STE", "C_BAD_CD"}) {
    EXPECT_GT(met[one], 20U) << one;
  }
}

}  // namespace
}  // namespace iommucheck::litmus::twin_transaction_test
