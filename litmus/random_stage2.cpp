// SPDX-License-Identifier: MIT
// Random tests of streams that stage 2 alone translates: one or two of them, of one VMID or two, or
// beside one a stream of stage 1, whose tables may be its.
#include <algorithm>

#include "litmus/lines_generator.h"
#include "litmus/random.h"

namespace iommucheck::litmus {
namespace {

class Stage2Generator final : public LinesGenerator {
 public:
  Stage2Generator(u64 seed, unsigned size) : LinesGenerator(seed ^ 0x5132'5132, size) {}

 private:
  /// Start level and T0SZ: one table, a part of one, several side by side.
  enum class Shape : u8 { plain, four_levels, side_by_side, level2, short_root };

  // ---- starting states ----
  void init() override {
    shape_ = one_in(2) ? Shape::plain : static_cast<Shape>(below(5));
    httu_ = one_in(4);
    ats_ = one_in(5);
    pair_ = one_in(2);
    if (httu_)
      flags_ = of({" s2ha=1", " s2ha=1 s2hd=1", " s2ha=1 s2hd=1 s2haft=1", " s2ha=1 s2haft=1"});
    if (one_in(4)) init_.push_back("bbml " + of({"1", "2"}));
    init_.push_back("ste 4 cfg=s2 vmid=9 s2ttb=G" + format() + flags_ + (ats_ ? " eats=1" : ""));
    if (pair_) {
      const std::string of_another = of({" vmid=9 s2ttb=G", " vmid=9 s2ttb=G", " vmid=8 s2ttb=H",
                                         " vmid=8 s2ttb=G", " vmid=9 s2ttb=H"});
      init_.push_back("ste 5 cfg=s2" + of_another + format() + flags_);
    }
    beside_ = !pair_ && one_in(4);
    if (beside_) {
      init_.push_back("ste 1 cfg=s1 cd=C1 vmid=" + of({"9", "9", "0"}));
      init_.push_back("cd C1 asid=5 ttb=" + of({"R", "G", "G"}) + of({"", "", " ha=1"}));
      init_.push_back("word R 0 table " + of({"A", "GA"}));
      init_.emplace_back("word A 0 table B");
      init_.emplace_back("word B 7 page P7 rw" + of({"", " g"}));
    }
    for (const std::string root : {"G", "H"}) tables(root);
    group_ = one_in(8);
    if (group_) init_.emplace_back("cont GB 16 Y rw");
    if (one_in(10)) init_.push_back("vmw " + of({"1", "2"}));
    if (ats_) init_.emplace_back("ats 4");
    incoherent_ = one_in(14);
    if (incoherent_) init_.emplace_back("coherent 0");
    reset_ = one_in(16);
    if (reset_) init_.emplace_back("reset");
  }
  std::string format() const {
    switch (shape_) {
      case Shape::plain: return "";
      case Shape::four_levels: return " s2t0sz=20 s2sl=0";
      case Shape::side_by_side: return " s2t0sz=23 s2sl=1";
      case Shape::level2: return " s2t0sz=32 s2sl=2";
      case Shape::short_root: return " s2t0sz=31 s2sl=1";
    }
    return "";
  }
  void tables(const std::string& root) {
    const std::string a = root + "A";
    const std::string b = root + "B";
    if (shape_ == Shape::four_levels) {
      init_.push_back("word " + root + " 0 table " + root + "0");
      init_.push_back("word " + root + "0 0 table " + a);
    } else if (shape_ != Shape::level2) {
      init_.push_back("word " + root + " 0 table " + a);
    }
    if (shape_ == Shape::side_by_side) {
      init_.push_back("word " + root + of({" 512", " 1024", " 513"}) + " table " +
                      (one_in(2) ? a : root + "X"));
      init_.push_back("word " + root + "X 0 table " + b);
    }
    const std::string middle = shape_ == Shape::level2 ? root : a;
    init_.push_back("word " + middle + " 0 table " + b + (httu_ && one_in(4) ? " af0" : ""));
    init_.push_back("word " + b + " 7 " + (root == "G" ? leaf("M7") : "page Q7 rw"));
    if (one_in(3)) init_.push_back("word " + b + " 8 page M8 rw");
    if (one_in(3)) init_.push_back("word " + middle + " 1 block K rw");
    if (shape_ == Shape::level2 && one_in(2)) {
      init_.push_back("word " + root + " 1025 table " + b);
    }
  }
  std::string middle() const { return shape_ == Shape::level2 ? "G" : "GA"; }

  std::string leaf(const std::string& page) {
    return "page " + page + of({" rw", " rw", " rw", " ro"}) +
           of({"", "", "", "", " af0", " dbm", " xn", beside_ ? "" : " dev"});
  }

  // ---- commands ----
  std::string tlbi(const std::string& va, bool tables) {
    const std::string vmid = of({"vmid=9", "vmid=9", "vmid=9", "vmid=9", "vmid=8", "vmid=0"});
    const std::string leaf =
        tables ? of({" leaf=0", " leaf=0", " leaf=1"}) : of({" leaf=1", " leaf=0"});
    switch (below(14)) {
      case 0: return "TLBI_S12_VMALL " + vmid;
      case 1: return "TLBI_NSNH_ALL";
      case 2: return "TLBI_NH_ALL " + vmid;
      case 3: return "TLBI_NH_VA asid=5 " + vmid + " va=" + va + leaf;
      case 4: return "TLBI_NH_VAA " + vmid + " va=" + va + leaf;
      case 5: return "TLBI_EL2_ALL";
      case 6:
        return "TLBI_S2_IPA " + vmid + " va=" + of({"0", "0x4000", "0x7000"}) +
               " tg=1 num=" + of({"0", "3", "7", "31"}) + " scale=" + of({"0", "4", "9"}) +
               " ttl=" + of({"0", "3", "2"}) + leaf;
      case 7: return "TLBI_S2_IPA " + vmid + " va=" + of({"0x6000", "0", "0x8000"}) + leaf;
      case 8: return "TLBI_S12_VMALL vmid=9";
      default: return "TLBI_S2_IPA vmid=9 va=" + va + leaf;
    }
  }
  std::string cfgi() {
    return of({"CFGI_STE 4 leaf=1", "CFGI_STE 4 leaf=1", "CFGI_STE 5 leaf=1", "CFGI_ALL",
               "CFGI_CD_ALL 4"});
  }
  Lines issue(const std::string& command) {
    switch (below(12)) {
      case 0: return {"cmd " + command, "ring", "cmd SYNC", "ring", "wait"};
      case 1: return {"cmd " + command, "ring"};
      case 2: return {"cmd SYNC", "cmd " + command, "ring", "wait"};
      case 3: return {"cmd " + command, "cmd SYNC", "barrier", "ring relaxed", "wait"};
      case 4: return {"cmd " + command, "cmd SYNC", "ring relaxed", "wait"};
      case 5: return {"do " + command + " ; " + tlbi("0x7000", false)};
      case 6: return {"do " + command + " ; " + cfgi()};
      case 7:
        if (ats_) return {"do " + command, "do ATC_INV 4 va=0x7000 size=" + of({"0", "52"})};
        [[fallthrough]];
      default: return {"do " + command};
    }
  }

  // ---- what a hypervisor does ----
  Lines begin() override {
    if (!reset_) return {};
    Lines steps;
    steps.push_back("do CFGI_ALL" + of({"", " ; TLBI_NSNH_ALL"}));
    steps.push_back("do " + of({"TLBI_NSNH_ALL", "TLBI_S12_VMALL vmid=9", "TLBI_NH_ALL vmid=9"}));
    steps.push_back(of({"smmuen 1", "smmuen 1", "smmuen 1 noack"}));
    return steps;
  }
  Lines scheme() override {
    if (group_ && one_in(2)) return unmap_group();
    if (httu_ && one_in(3)) return change_leaf();
    switch (below(10)) {
      case 0:
      case 1: return unmap();
      case 2: return remap();
      case 3: return change_leaf();
      case 4:
      case 5: return unlink();
      case 6: return block();
      case 7:
      case 8: return stream();
      default: return toggle();
    }
  }
  void maybe_barrier(Lines& to) {
    if (one_in(3)) to.emplace_back("barrier");
    if (incoherent_ && !one_in(3)) append(to, {"clean " + of({"GB 7", "GA 0"}), "barrier"});
  }
  Lines unmap() {
    Lines out{"store word GB 7 0"};
    maybe_barrier(out);
    append(out, issue(tlbi("0x7000", false)));
    if (!one_in(3)) out.emplace_back("release M7");
    return out;
  }
  Lines remap() {
    Lines out;
    if (!one_in(3)) {
      out.emplace_back("store word GB 7 0");
      append(out, issue(tlbi("0x7000", false)));
    }
    out.push_back("store word GB 7 " + leaf("N7"));
    if (one_in(2)) out.emplace_back("barrier");
    if (one_in(3)) append(out, issue(tlbi("0x7000", false)));
    if (one_in(2)) out.emplace_back("release M7");
    return out;
  }
  Lines change_leaf() {
    Lines out{of({"store", "store", "rmw"}) + " word GB 7 " + leaf("M7")};
    maybe_barrier(out);
    if (one_in(2)) append(out, issue(tlbi("0x7000", false)));
    return out;
  }
  Lines unlink() {
    Lines out{"store word " + middle() + " 0 0"};
    maybe_barrier(out);
    append(out, issue(tlbi("0x7000", true)));
    if (!one_in(3)) out.push_back("free " + of({"GB", "GB", "GB", "G"}));
    if (one_in(2)) out.emplace_back("release M7");
    if (one_in(2)) return out;
    if (!one_in(5)) out.emplace_back("zero GB");
    if (!one_in(3)) out.emplace_back("store word GB 1 page Q9 rw");
    if (!one_in(4)) out.emplace_back("barrier");
    out.push_back("store word " + middle() + " 2 table GB");
    return out;
  }
  Lines block() {
    Lines out;
    if (!one_in(3)) {
      out.push_back("store word " + middle() + " 1 0");
      append(out, issue(tlbi(of({"0x200000", "0x201000"}), false)));
    }
    out.push_back("store word " + middle() + " 1 " +
                  of({"block K rw", "block K ro", "block J rw", "table GB", "block K rw nt"}));
    if (one_in(2)) out.emplace_back("barrier");
    if (one_in(4)) out.emplace_back("release K#1");
    return out;
  }
  Lines unmap_group() {
    Lines out;
    out.push_back(of({"store word GB 17 0", "clear GB 16 16"}));
    append(out, issue(of({"TLBI_S2_IPA vmid=9 va=0x11000 leaf=1",
                          "TLBI_S2_IPA vmid=9 va=0x10000 tg=1 scale=4 ttl=3 leaf=1",
                          "TLBI_S12_VMALL vmid=9"})));
    out.push_back(of({"release Y#1", "release Y#2", "store word GB 17 page Y#1 rw"}));
    return out;
  }
  Lines stream() {
    const std::string ste = "ste " + std::string(pair_ && one_in(2) ? "5" : "4") + " ";
    Lines out{"store " + ste +
              of({"v=0", "cfg=abort", "cfg=bypass", "s2ttb=H", "vmid=8", "s2t0sz=26", "s2sl=2",
                  "s2ha=1", "s2ha=0", "eats=0"})};
    if (!one_in(3)) append(out, issue(cfgi()));
    if (one_in(2)) append(out, issue(tlbi("0x7000", true)));
    out.push_back("store " + ste +
                  of({"v=1", "cfg=s2", "cfg=s2", "s2ttb=G", "s2ttb=H", "vmid=9", "vmid=8"}));
    if (!one_in(3)) append(out, issue(cfgi()));
    if (one_in(3)) append(out, issue(tlbi("0x7000", true)));
    return out;
  }
  Lines toggle() {
    toggled_ = true;
    Lines out{of({"smmuen 0", "smmuen 0", "smmuen 0 noack"})};
    if (one_in(2)) out.emplace_back("store word GB 7 0");
    if (one_in(2)) append(out, issue(of({"CFGI_ALL", "TLBI_NSNH_ALL", "TLBI_S12_VMALL vmid=9"})));
    out.push_back(of({"smmuen 1", "smmuen 1", "smmuen 1 noack"}));
    return out;
  }

  /// Drops, swaps, or moves to another CPU.
  void disturb(Lines& steps) override {
    for (int i = 0; i < 2 && !steps.empty(); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(below(steps.size()));
      std::string& line = steps[static_cast<std::size_t>(at)];
      switch (below(8)) {
        case 0: steps.erase(steps.begin() + at); break;
        case 1: std::swap(line, steps[0]); break;
        case 2:
          if (line.find("cpu1:") == std::string::npos) line = "cpu1: " + line;
          if (one_in(2)) steps.insert(steps.begin() + at + 1, "handoff cpu1 cpu0");
          break;
        default: break;
      }
    }
  }

  std::string access() override {
    std::string who = pair_ ? of({"4", "4", "5"}) : "4";
    if (beside_ && one_in(3)) who = "1";
    std::string va = of({"0x7000", "0x7000", "0x7000", "0x8000", "0x1000", "0x200000", "0x201000",
                         "0x207000", "0x407000"});
    if (group_ && one_in(2)) va = of({"0x10000", "0x11000", "0x12000"});
    if (shape_ == Shape::side_by_side && one_in(2)) {
      va = of({"0x8000007000", "0x10000007000", "0x8040007000"});
    }
    if (shape_ == Shape::level2 && one_in(3)) va = "0x80207000";
    if (shape_ == Shape::short_root && one_in(3)) va = "0x200007000";
    const bool far = !toggled_ && !reset_ && one_in(16);
    if (far) va = of({"0x8000000000", "0x4000000000007000", "0x1000000007000"});
    std::string how = of({" r", " r", " w", " w", " x"});
    if (one_in(6)) how += " priv";
    const bool by_ats = ats_ && who == "4" && !far && one_in(2);
    return "access " + who + " " + va + how + (by_ats ? " ats" : "") + " ->\n";
  }

  std::string flags_;
  Shape shape_ = Shape::plain;
  bool httu_ = false;
  bool ats_ = false;
  bool pair_ = false;
  bool beside_ = false;
  bool group_ = false;
  bool incoherent_ = false;
  bool reset_ = false;
  bool toggled_ = false;  // while SMMUEN changes GBPA decides, too
};

}  // namespace

std::string random_stage2_text(u64 seed, unsigned size) {
  return Stage2Generator(seed, size).text();
}

Test random_stage2_test(u64 seed, unsigned size) { return test_of(random_stage2_text(seed, size)); }

}  // namespace iommucheck::litmus
