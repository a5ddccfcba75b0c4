// SPDX-License-Identifier: MIT
// Random tests of streams in EL2, with and without E2H: by ASIDs, tagged addresses, ATS,
// broadcasts, and CR2.E2H that changes.
#include <algorithm>

#include "litmus/lines_generator.h"
#include "litmus/random.h"

namespace iommucheck::litmus {
namespace {

class El2Generator final : public LinesGenerator {
 public:
  El2Generator(u64 seed, unsigned size) : LinesGenerator(seed ^ 0xe12'e2e2, size) {}

 private:
  // ---- starting states ----
  void init() override {
    init_.emplace_back("use two");
    ats_ = one_in(3);
    tagged_ = one_in(3);
    broadcasts_ = one_in(4);
    if (!one_in(3)) init_.emplace_back("e2h 1");
    if (broadcasts_) init_.emplace_back("btm 1");
    if (one_in(5)) init_.push_back("bbml " + of({"1", "2"}));
    init_.push_back("ste 1 cfg=s1 cd=C1 strw=el2" + std::string(ats_ ? " eats=1" : ""));
    if (ats_) init_.emplace_back("ats 1");
    init_.push_back("ste 2 cfg=s1 cd=C2" + of({" strw=el2", " strw=el2", " strw=el1"}));
    init_.push_back("cd C1 asid=5 ttb=R" + tbi() + of({"", "", " aset=1", " epd0=1"}) + high());
    init_.push_back("cd C2 asid=" + of({"6", "6", "5"}) + " ttb=" + of({"S", "R", "R"}) + tbi());
    if (one_in(2)) init_.push_back("word B 1 page P1 " + flags());
    if (one_in(3)) init_.push_back("word SB 1 page Q1 " + flags());
    if (one_in(3)) init_.emplace_back("word B3 1 page K#1 rw");
  }
  std::string tbi() { return tagged_ ? of({" tbi0=1", " tbi0=1", ""}) : ""; }
  std::string high() {
    if (!one_in(3)) return "";
    init_.emplace_back("word RH 0 table HA");
    init_.emplace_back("word HA 0 table HB");
    init_.push_back("word HB 1 page H1 " + flags());
    return " epd1=0 ttb1=RH";
  }
  std::string flags() {
    return of({"rw", "rw", "ro"}) + of({"", "", "", " g", " g", " priv", " af0", " dev"});
  }

  // ---- commands ----
  std::string asid() { return of({"5", "5", "5", "6"}); }
  std::string va() {
    if (tagged_ && one_in(6)) return "0x8100000000001000";
    return of({"0x1000", "0x1000", "0x1000", "0x3000", "0x200000", "0xffffff8000001000"});
  }
  std::string leaf() { return of({" leaf=1", " leaf=1", " leaf=0"}); }
  std::string tlbi() {
    switch (below(9)) {
      case 0: return "TLBI_EL2_ALL";
      case 1: return "TLBI_EL2_ASID asid=" + asid();
      case 2: return "TLBI_EL2_VAA va=" + va() + leaf();
      case 3: return "TLBI_EL2_VA asid=" + asid() + " va=0 tg=1 scale=9" + leaf();
      case 4: return of({"TLBI_NSNH_ALL", "TLBI_NH_ALL", "TLBI_NH_VAA va=0x1000 leaf=1"});
      default: return "TLBI_EL2_VA asid=" + asid() + " va=" + va() + leaf();
    }
  }
  std::string cfgi() {
    return of({"CFGI_STE 1", "CFGI_STE 2", "CFGI_CD_ALL 1", "CFGI_CD 1 0 leaf=1", "CFGI_ALL"});
  }
  /// What CPUs broadcast may come beside commands that are in flight.
  Lines issue(const std::string& command) {
    if (broadcasts_ && command.starts_with("TLBI_EL2") && one_in(2)) {
      Lines out{"barrier", "bcast " + command + of({"", " e2h=1", " e2h=1"})};
      if (one_in(3)) {
        out.push_back("cmd " + (one_in(2) ? tlbi() : cfgi()));
        out.emplace_back("ring");
      }
      if (one_in(4)) out.push_back("bcast " + tlbi() + " e2h=1");
      out.emplace_back("dsb");
      return out;
    }
    switch (below(10)) {
      case 0: return {"cmd " + command, "ring"};
      case 1: return {"cmd " + command, "cmd SYNC", "ring relaxed", "wait"};
      case 2: return {"do " + command + " ; " + tlbi()};
      case 3: return {"do " + command + " ; " + cfgi()};
      default: return {"do " + command};
    }
  }

  // ---- what a driver does ----
  Lines scheme() override {
    switch (below(10)) {
      case 0:
      case 1:
      case 2: return unmap();
      case 3: return leaf_change();
      case 4: return unlink();
      case 5: return cd_change();
      case 6: return world();
      case 7:
        return ats_ ? Lines{"do ATC_INV 1 va=" + va() + of({" size=0", " size=52"})} : unmap();
      default: return toggle();
    }
  }
  Lines unmap() {
    const std::string word = of({"B 1", "B 1", "SB 1", "HB 1", "A 1"});
    Lines out{"store word " + word + " 0"};
    append(out, issue(tlbi()));
    if (ats_ && one_in(2)) out.push_back("do ATC_INV 1 va=" + va() + of({" size=0", " size=9"}));
    if (one_in(2)) out.push_back("release " + of({"P1", "P1", "Q1", "K#0"}));
    return out;
  }
  Lines leaf_change() {
    Lines out{of({"store", "rmw"}) + " word B 1 page " + of({"P1 ", "P1 ", "N1 "}) + flags()};
    if (one_in(2)) append(out, issue(tlbi()));
    return out;
  }
  Lines unlink() {
    Lines out{"store word A 0 0"};
    append(out, issue(tlbi()));
    if (one_in(2)) out.emplace_back("free B");
    return out;
  }
  Lines cd_change() {
    Lines out{"store cd " + of({"C1 ", "C1 ", "C2 "}) +
              of({"v=0", "v=1", "epd0=1", "epd0=0", "asid=6", "asid=7", "tbi0=0", "ttb=S"})};
    append(out, issue(cfgi()));
    if (one_in(2)) append(out, issue(tlbi()));
    return out;
  }
  Lines world() {
    Lines out{"store ste " + of({"1", "2"}) + of({" strw=el1", " strw=el2", " cfg=abort"})};
    append(out, issue(cfgi()));
    return out;
  }
  /// A change of E2H, with what it asks for or with less.
  Lines toggle() {
    Lines out{"smmuen 0"};
    const bool right = !one_in(3);
    if (right || one_in(2)) out.emplace_back("do CFGI_ALL");
    if (right) out.emplace_back("do TLBI_EL2_ALL");
    out.push_back("reg e2h " + of({"0", "1", "1"}));
    if (one_in(3)) out.emplace_back("store word B 1 0");
    if (!right && one_in(2)) append(out, issue(tlbi()));
    out.emplace_back("smmuen 1");
    return out;
  }

  void disturb(Lines& steps) override {
    if (steps.empty() || !one_in(3)) return;
    const auto at = static_cast<std::ptrdiff_t>(below(steps.size()));
    steps.erase(steps.begin() + at);
  }

  std::string access() override {
    const std::string who = of({"1", "1", "2"});
    std::string where = of({"0x1000", "0x1000", "0x3000", "0x200000", "0xffffff8000001000"});
    if (tagged_ && one_in(2)) where = of({"0x8100000000001000", "0x4200000000001000"});
    const bool by_ats = ats_ && who == "1" && !one_in(3);
    return "access " + who + " " + where + of({" r", " r", " w", " r priv"}) +
           (by_ats ? " ats" : "") + " ->\n";
  }

  bool ats_ = false;
  bool tagged_ = false;
  bool broadcasts_ = false;
};

}  // namespace

std::string random_el2_text(u64 seed, unsigned size) { return El2Generator(seed, size).text(); }

Test random_el2_test(u64 seed, unsigned size) { return test_of(random_el2_text(seed, size)); }

}  // namespace iommucheck::litmus
