// SPDX-License-Identifier: MIT
// Random tests of tables of 16 and 64 KiB, of either stage: walks that begin at each level, tables
// that fill several pages, groups of either size, TLBIs with and without TG; beside them a stream
// of another granule, whose tables may be the same pages.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "litmus/lines_generator.h"
#include "litmus/random.h"

namespace iommucheck::litmus {
namespace {

class GranuleGenerator final : public LinesGenerator {
 public:
  GranuleGenerator(u64 seed, unsigned size) : LinesGenerator(seed ^ 0x16'64'16'64, size) {}

 private:
  // ---- geometry ----
  [[nodiscard]] unsigned page_lg2() const { return kib_ == 16 ? 14 : 16; }
  [[nodiscard]] unsigned shift(unsigned level) const {
    return page_lg2() + (3 - level) * (page_lg2() - 3);
  }
  struct Shape {
    unsigned start;
    unsigned tsz;
  };
  /// A whole table, parts of one, one that begins at the last level, and at stage 2 some side by
  /// side.
  Shape shape() {
    static constexpr Shape stage1_16[] = {{2, 28}, {1, 25}, {1, 17}, {0, 16}, {2, 38}, {3, 39}};
    static constexpr Shape stage1_64[] = {{2, 25}, {2, 22}, {1, 16}, {2, 34}, {3, 35}, {1, 19}};
    static constexpr Shape stage2_16[] = {{2, 28}, {2, 26}, {1, 25}, {3, 38}, {3, 35}, {2, 38}};
    static constexpr Shape stage2_64[] = {{2, 25}, {2, 34}, {1, 16}, {3, 34}, {3, 35}, {2, 22}};
    const Shape* shapes =
        kib_ == 16 ? (stage2_ ? stage2_16 : stage1_16) : (stage2_ ? stage2_64 : stage1_64);
    return one_in(2) ? shapes[0] : shapes[below(6)];
  }
  [[nodiscard]] std::string table(unsigned level) const {
    static constexpr const char* below[] = {"", "Y", "A", "B"};
    return level == shape_.start ? "G" : fmt::format("G{}", below[level]);
  }
  [[nodiscard]] std::string last() const { return table(3); }
  /// Entry `index` of the last table, and of the middle one.
  [[nodiscard]] u64 page_at(u64 index) const { return index << shift(3); }
  [[nodiscard]] u64 block_at(u64 index) const { return index << shift(2); }
  [[nodiscard]] bool has_middle() const { return shape_.start <= 2; }

  // ---- starting states ----
  void init() override {
    kib_ = one_in(2) ? 16 : 64;
    stage2_ = one_in(2);
    shape_ = shape();
    page_ = std::initializer_list<u64>{7, 519, 1100, 2047}.begin()[below(4)];
    httu_ = one_in(5);
    beside_ = one_in(2);
    if (one_in(4)) init_.push_back("bbml " + of({"1", "2"}));
    if (stage2_) {
      init_.push_back(fmt::format("ste 4 cfg=s2 vmid=9 s2ttb=G s2tg={} s2sl={} s2t0sz={}{}", kib_,
                                  shape_.start, shape_.tsz, httu_ ? " s2ha=1 s2hd=1" : ""));
    } else {
      init_.emplace_back("ste 4 cfg=s1 cd=C1 vmid=9");
      init_.push_back(fmt::format("cd C1 asid=5 ttb=G tg0={} t0sz={}{}", kib_, shape_.tsz,
                                  httu_ ? " ha=1 hd=1" : ""));
    }
    for (unsigned level = shape_.start; level < 3; ++level) {
      init_.push_back(fmt::format("word {} {} table {}", table(level), 0, table(level + 1)));
    }
    init_.push_back(fmt::format("word {} {} {}", last(), page_, leaf("M7")));
    if (one_in(3)) init_.push_back(fmt::format("word {} 8 page M8 rw", last()));
    if (has_middle() && one_in(3)) init_.push_back("word " + table(2) + " 1 block K rw");
    group_ = one_in(16);
    if (group_) init_.push_back(fmt::format("cont {} 128 V rw n={}", last(), group_words()));
    blocks_ = kib_ == 16 && has_middle() && shape_.tsz < 30 && one_in(10);
    if (blocks_) init_.push_back("cont " + table(2) + " 32 W rw n=32 block=2048");
    if (beside_) init_beside();
    if (one_in(16)) init_.emplace_back("coherent 0");
  }
  [[nodiscard]] unsigned group_words() const { return kib_ == 16 ? 128 : 32; }

  /// Another stream, of another granule or stage, mostly over the same pages.
  void init_beside() {
    // Where it is the root of another granule a group would lead to pages of that one.
    const bool middle = !group_ && !blocks_ && one_in(2);
    const std::string root = one_in(3) ? "H" : middle ? last() : "G";
    const bool other_stage = stage2_ != one_in(3);
    static constexpr const char* plain = " tg0=4 t0sz=25";
    if (!other_stage) {
      init_.push_back("ste 5 cfg=s1 cd=C2 vmid=9");
      init_.push_back("cd C2 asid=" + of({"6", "6", "5"}) + " ttb=" + root +
                      (one_in(2) ? plain : of({" tg0=16 t0sz=28", " tg0=64 t0sz=25"})));
      if (init_.back().find("asid=6") != std::string::npos && one_in(3)) {
        init_.back() += " epd1=0 ttb1=G tg1=64 t1sz=25";
      }
    } else {
      init_.push_back("ste 5 cfg=s2 vmid=" + of({"9", "8"}) + " s2ttb=" + root +
                      of({" s2tg=4 s2sl=1 s2t0sz=25", " s2tg=16 s2sl=2 s2t0sz=28",
                          " s2tg=64 s2sl=2 s2t0sz=25"}));
    }
    if (root == "H") {
      init_.push_back("word H 0 table " + of({"HA", "G"}) + "");
      init_.push_back("word HA 0 table " + of({"HB", last().c_str()}));
      init_.emplace_back("word HB 7 page M7 rw");
    }
  }
  /// Global ones where there is no other stream: inside of another's block they are in conflict
  /// with it, which the engine looks for at the block's first address (docs/semantics.md, 4).
  std::string leaf(const std::string& page) {
    return "page " + page + of({" rw", " rw", " rw", " ro"}) +
           of({"", "", "", "", " af0", " dbm",
               stage2_   ? " xn"
               : beside_ ? ""
                         : " g"});
  }

  // ---- commands ----
  std::string ranged(u64 at) {
    const u64 aligned = one_in(3) ? at & ~(page_at(8) - 1) : at;
    return fmt::format("va={:#x} tg={} num={} scale={} ttl={}", aligned,
                       one_in(4)    ? of({"1", "2", "3"})
                       : kib_ == 16 ? "2"
                                    : "3",
                       of({"0", "0", "1", "7", "31"}), of({"0", "0", "1", "5"}),
                       of({"0", "3", "3", "2", "1"}));
  }
  std::string tlbi(u64 at, bool tables) {
    const std::string vmid = of({" vmid=9", " vmid=9", " vmid=9", " vmid=8"});
    const std::string leaf =
        tables ? of({" leaf=0", " leaf=0", " leaf=1"}) : of({" leaf=1", " leaf=0"});
    const u64 inside = at + (one_in(2) ? 0 : 0x3000);
    const std::string where =
        one_in(2) ? ranged(at) : fmt::format("va={:#x}", one_in(8) ? at ^ 0x10000 : inside);
    switch (below(12)) {
      case 0: return "TLBI_S12_VMALL" + vmid;
      case 1: return "TLBI_NSNH_ALL";
      case 2: return "TLBI_NH_ALL" + vmid;
      case 3: return "TLBI_NH_VAA" + vmid + " " + where + leaf;
      case 4: return "TLBI_NH_ASID asid=" + of({"5", "6"}) + vmid;
      default: break;
    }
    if (stage2_) return "TLBI_S2_IPA vmid=9 " + where + leaf;
    return "TLBI_NH_VA asid=5 vmid=9 " + where + leaf;
  }
  std::string cfgi() {
    return of({"CFGI_STE 4 leaf=1", "CFGI_STE 4 leaf=0", "CFGI_STE 5 leaf=1", "CFGI_ALL",
               "CFGI_CD_ALL 4", "CFGI_CD 4 0 leaf=1"});
  }
  Lines issue(const std::string& command) {
    switch (below(10)) {
      case 0: return {"cmd " + command, "ring", "cmd SYNC", "ring", "wait"};
      case 1: return {"cmd " + command, "ring"};
      case 2: return {"cmd SYNC", "cmd " + command, "ring", "wait"};
      case 3: return {"cmd " + command, "cmd SYNC", "ring relaxed", "wait"};
      case 4: return {"do " + command + " ; " + tlbi(page_at(page_), false)};
      case 5: return {"do " + command + " ; " + cfgi()};
      default: return {"do " + command};
    }
  }

  // ---- what a driver does ----
  Lines scheme() override {
    if ((group_ || blocks_) && one_in(2)) return unmap_group();
    if (httu_ && one_in(3)) return change_leaf();
    switch (below(10)) {
      case 0:
      case 1: return unmap();
      case 2: return remap();
      case 3: return change_leaf();
      case 4:
      case 5:
      case 6: return has_middle() ? unlink() : unmap();
      case 7: return has_middle() ? block() : remap();
      case 8: return beside_ && !stage2_ ? change_leaf() : reconfigure();
      default: return toggle();
    }
  }
  [[nodiscard]] std::string word() const { return fmt::format("word {} {} ", last(), page_); }
  Lines unmap() {
    Lines out{"store " + word() + "0"};
    if (one_in(3)) out.emplace_back("barrier");
    append(out, issue(tlbi(page_at(page_), false)));
    if (!one_in(3)) out.emplace_back("release M7");
    return out;
  }
  Lines remap() {
    Lines out;
    if (!one_in(3)) {
      out.push_back("store " + word() + "0");
      append(out, issue(tlbi(page_at(page_), false)));
    }
    out.push_back("store " + word() + leaf("N7"));
    if (one_in(2)) out.emplace_back("barrier");
    if (one_in(3)) append(out, issue(tlbi(page_at(page_), false)));
    if (one_in(2)) out.emplace_back("release M7");
    return out;
  }
  Lines change_leaf() {
    Lines out{of({"store ", "store ", "rmw "}) + word() + leaf("M7")};
    if (one_in(3)) out.emplace_back("barrier");
    if (one_in(2)) append(out, issue(tlbi(page_at(page_), false)));
    return out;
  }
  Lines unlink() {
    Lines out{"store word " + table(2) + " 0 0"};
    if (one_in(3)) out.emplace_back("barrier");
    append(out, issue(tlbi(page_at(page_), true)));
    if (!one_in(3)) out.push_back("free " + (one_in(4) ? std::string("G") : last()));
    if (one_in(2)) out.emplace_back("release M7");
    if (one_in(2)) return out;
    if (!one_in(5)) out.push_back("zero " + last());
    if (!one_in(3)) out.push_back(fmt::format("store word {} 600 page Q9 rw", last()));
    if (!one_in(4)) out.emplace_back("barrier");
    out.push_back("store word " + table(2) + " 1 table " + last());
    return out;
  }
  Lines block() {
    Lines out;
    if (!one_in(3)) {
      out.push_back("store word " + table(2) + " 1 0");
      append(out, issue(tlbi(block_at(1) + (one_in(2) ? 0 : 0x4000), false)));
    }
    out.push_back("store word " + table(2) + " 1 " +
                  of({"block K rw", "block K ro", "block J rw", "block K rw nt"}));
    if (one_in(3)) out.back() = "store word " + table(2) + " 1 table " + last();
    if (one_in(2)) out.emplace_back("barrier");
    if (one_in(4)) out.emplace_back("release K#1");
    return out;
  }
  Lines unmap_group() {
    Lines out;
    if (blocks_ && (!group_ || one_in(2))) {
      out.push_back(one_in(2) ? "store word " + table(2) + " 33 0"
                              : "clear " + table(2) + " 32 32");
      append(out, issue(tlbi(block_at(one_in(3) ? 32 : 33), false)));
      out.emplace_back("release W#2049");
      return out;
    }
    out.push_back(one_in(2) ? fmt::format("store word {} 129 0", last())
                            : fmt::format("clear {} 128 {}", last(), group_words()));
    append(out, issue(tlbi(page_at(one_in(3) ? 128 : 129), false)));
    out.push_back(of({"release V#1", "release V#2"}));
    if (one_in(4)) out.back() = fmt::format("store word {} 129 page V#1 rw", last());
    return out;
  }
  /// The granule, the size of the address space, the root. Not beside another stream: words that
  /// were table descriptors may be pages then, and these are global.
  Lines reconfigure() {
    const std::string what = stage2_ ? "ste 4 " : "cd C1 ";
    const bool any_granule = shape_.start == 2 && (shape_.tsz == 25 || shape_.tsz == 28);
    const std::string field = !stage2_      ? of({"tg0=4", "tg0=16", "tg0=64", "t0sz=27", "ttb=H"})
                              : any_granule ? of({"s2tg=16", "s2tg=64", "s2t0sz=26", "s2ttb=H"})
                                            : "s2ttb=H";
    const std::string invalid = "store " + what + "v=0";
    Lines out;
    if (!one_in(3)) {
      out.push_back(invalid);
      if (!one_in(3)) append(out, issue(cfgi()));
      if (one_in(2)) append(out, issue(tlbi(page_at(page_), true)));
    }
    out.push_back("store " + what + field);
    if (!one_in(3)) append(out, issue(cfgi()));
    if (one_in(3)) append(out, issue(tlbi(page_at(page_), true)));
    if (out.front() == invalid) out.push_back("store " + what + "v=1");
    return out;
  }
  Lines toggle() {
    Lines out{of({"smmuen 0", "smmuen 0 noack"})};
    if (one_in(2)) out.push_back("store " + word() + "0");
    if (one_in(2)) append(out, issue(of({"CFGI_ALL", "TLBI_NSNH_ALL", "TLBI_S12_VMALL vmid=9"})));
    out.push_back(of({"smmuen 1", "smmuen 1 noack"}));
    return out;
  }

  /// Drops or swaps.
  void disturb(Lines& steps) override {
    for (int i = 0; i < 2 && !steps.empty(); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(below(steps.size()));
      switch (below(8)) {
        case 0: steps.erase(steps.begin() + at); break;
        case 1: std::swap(steps[static_cast<std::size_t>(at)], steps[0]); break;
        default: break;
      }
    }
  }

  std::string access() override {
    u64 va = page_at(page_) + (one_in(2) ? 0 : u64{0x3000});
    if (one_in(4)) va = page_at(one_in(2) ? 8 : 600);
    if (has_middle() && one_in(4)) va = block_at(1) + (one_in(2) ? 0 : page_at(600));
    if ((group_ || blocks_) && one_in(2)) va = page_at(128 + below(3));
    if (blocks_ && one_in(2)) va = block_at(32 + below(3));
    std::string who = "4";
    if (beside_ && one_in(3)) {
      who = "5";
      if (one_in(2)) va = 0x7000;
    }
    // A table descriptor that is read as a page of stage 2 lets nobody read, which of the readings
    // alone says of execution.
    const bool executes = !stage2_ && who == "4";
    const std::string how =
        of({" r", " r", " w", executes ? " x" : " r"}) + (one_in(6) ? " priv" : "");
    return fmt::format("access {} {:#x}{} ->\n", who, va, how);
  }

  unsigned kib_ = 16;
  Shape shape_{};
  u64 page_ = 7;  ///< entry of the last table that things happen to
  bool stage2_ = false;
  bool httu_ = false;
  bool group_ = false;
  bool blocks_ = false;
  bool beside_ = false;
};

}  // namespace

std::string random_granule_text(u64 seed, unsigned size) {
  return GranuleGenerator(seed, size).text();
}

Test random_granule_test(u64 seed, unsigned size) {
  return test_of(random_granule_text(seed, size));
}

}  // namespace iommucheck::litmus
