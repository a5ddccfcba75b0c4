// SPDX-License-Identifier: MIT
#include "litmus/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "litmus/dice.h"
#include "litmus/parser.h"

namespace iommucheck::litmus {
namespace {

using Lines = std::vector<std::string>;

class Generator {
 public:
  Generator(u64 seed, unsigned size)
      : dice_(seed),
        ats_dice_(seed ^ 0xa5a5a5a5),
        queue_dice_(seed ^ 0x12345678),
        more_dice_(seed ^ 0x3c3c3c3d),
        field_dice_(seed ^ 0x0f1e2d3c),
        ends_dice_(seed ^ 0x6b8b4567),
        size_(size),
        ats_(ats_dice_.one_in(3)),
        more_(static_cast<More>(std::min<u64>(more_dice_.below(16), u64{8}))) {}

  std::string text() {
    prelude_ = dice_.of({"std", "std", "two", "two", "pasid"});
    if (more_ == More::two_level_cds) prelude_ = "pasid";
    if (more_ == More::aset) prelude_ = "two";
    std::string out = "test random\ninit use " + prelude_ + "\n";
    init();
    Lines steps;
    if (reset_) steps = start();
    while (steps.size() < 2 || (steps.size() < size_ && dice_.one_in(3))) {
      for (const std::string& line : scheme()) steps.push_back(line);
    }
    more(steps);
    cached_fields(steps);
    ends_of_faults(steps);
    disturb(steps);
    if (steps.size() > size_) steps.resize(size_);
    if (ats_) {
      init_ats();
      invalidate_atcs(steps);
    }
    if (queue_dice_.one_in(5)) switch_queue(steps);
    for (const std::string& line : init_) out += "init " + line + "\n";
    for (const std::string& line : steps) out += "run " + line + "\n";
    for (u64 i = 1 + dice_.below(3); i > 0; --i) out += access();
    return out;
  }

 private:
  // ---- starting states ----
  void init() {
    const bool std_like = prelude_ != "pasid";
    if (dice_.one_in(4)) init_.push_back("bbml " + dice_.of({"1", "2"}));
    if (dice_.one_in(16)) init_.push_back("atom 16");
    if (dice_.one_in(3)) init_.push_back("word B 1 " + leaf("P1"));
    if (dice_.one_in(5)) init_.push_back("word B 2 " + leaf("P2"));
    if (dice_.one_in(4)) {
      init_.push_back("word B3 0 page K#0 rw");
      init_.push_back("word B3 1 page K#1 rw");
    }
    group_ = dice_.one_in(8);
    if (group_) init_.push_back("cont B 16 G rw" + dice_.of({"", "", " g"}));
    httu_ = std_like && dice_.one_in(5);
    if (httu_) {
      if (dice_.one_in(2)) init_.push_back("word B 1 page P1 ro" + dice_.of({" af0", " dbm"}));
      init_.push_back("cd C1 asid=5 ttb=R ha=1" + dice_.of({"", " hd=1"}));
    }
    if (std_like && dice_.one_in(10)) init_.push_back("ste 1 cfg=s1 cd=C1 strw=el2");
    if (prelude_ == "two" && dice_.one_in(8)) init_.push_back("ste 2 cfg=s1 cd=C2 vmid=1");
    if (prelude_ == "pasid") {
      init_.push_back("cd D.2 v=0" + dice_.of({"", "", " asid=7", " asid=8 ttb=S"}));
    }
    incoherent_ = dice_.one_in(12);
    if (incoherent_) init_.push_back("coherent 0");
    reset_ = dice_.one_in(20);
    if (reset_) init_.push_back("reset");
  }

  std::string leaf(const std::string& page) {
    return "page " + page + dice_.of({" rw", " rw", " ro"}) +
           dice_.of({"", "", "", "", " g", " af0", " dbm", " dev"});
  }

  // ---- subjects of their own, each in a part of the tests; their own dice, like ATS ----
  enum class More : u8 {
    aset,
    roots,
    rights,
    haft,
    two_level_streams,
    two_level_cds,
    ranges,
    atschk,
    none
  };

  void more(Lines& steps) {
    switch (more_) {
      case More::aset: return more_aset(steps);
      case More::roots: return more_roots(steps);
      case More::rights: return more_rights(steps);
      case More::haft: return more_haft(steps);
      case More::two_level_streams: return more_streams(steps);
      case More::two_level_cds: return more_cds(steps);
      case More::ranges: return more_ranges(steps);
      case More::atschk: return more_atschk(steps);
      case More::none: break;
    }
  }
  void put(Lines& steps, const std::string& line) {
    const auto at = static_cast<std::ptrdiff_t>(more_dice_.below(steps.size() + 1));
    steps.insert(steps.begin() + at, line);
  }
  /// Of the line of init that begins so, or a new one.
  std::string& init_line(const std::string& begin, const std::string& otherwise) {
    const auto found = std::ranges::find_if(
        init_, [&](const std::string& line) { return line.starts_with(begin); });
    if (found != init_.end()) return *found;
    init_.push_back(begin + otherwise);
    return init_.back();
  }
  void more_aset(Lines& steps) {
    init_line("cd C2 ", "asid=6 ttb=" + more_dice_.of({"S", "S", "R"})) += " aset=1";
    if (more_dice_.one_in(2)) init_line("word B 1 ", "page P1 rw g");
    if (more_dice_.one_in(2)) init_line("word SB 1 ", "0");
    for (u64 i = more_dice_.below(3); i > 0; --i) {
      put(steps,
          more_dice_.of({"store cd C1 aset=1", "store cd C1 aset=1", "store cd C2 aset=0",
                         "store cd C2 asid=5", "do CFGI_CD 2 0 leaf=1", "do CFGI_CD 1 0 leaf=1"}));
    }
  }
  void more_roots(Lines& steps) {
    const std::string end = prelude_ == "pasid" ? more_dice_.of({"ste 1 v=0", "cd D.0 v=0"})
                                                : more_dice_.of({"ste 1 v=0", "cd C1 v=0"});
    Lines out{"store " + end};
    if (!more_dice_.one_in(4)) {
      out.push_back(more_dice_.of({"do CFGI_STE 1 leaf=1", "do CFGI_CD 1 0 leaf=1",
                                   "do CFGI_STE 1 leaf=1 ; TLBI_NH_ASID asid=5"}));
    }
    if (more_dice_.one_in(3)) out.emplace_back("do TLBI_NH_ASID asid=5");
    out.push_back("free " + more_dice_.of({"R", "R", "R", "A"}));
    if (more_dice_.one_in(3)) out.emplace_back("do TLBI_NH_ALL");
    steps.insert(more_dice_.one_in(2) ? steps.begin() : steps.end(), out.begin(), out.end());
  }
  std::string rights() {
    return more_dice_.of({"ro", "rw"}) + more_dice_.of({"", " priv", " uxn", " pxn", " priv uxn"});
  }
  void more_rights(Lines& steps) {
    if (prelude_ != "pasid") {
      init_line("ste 1 ", "cfg=s1 cd=C1") +=
          more_dice_.of({"", " priv=priv", " priv=unpriv", " inst=inst", " inst=data priv=priv"});
    }
    init_line("word B 1 ", "page P1 " + rights());
    if (more_dice_.one_in(2)) put(steps, "store word B 1 page P1 " + rights());
    if (more_dice_.one_in(3)) {
      put(steps, "store ste 1 " + more_dice_.of({"priv=in", "priv=priv", "inst=inst"}));
      if (more_dice_.one_in(2)) put(steps, "do CFGI_STE 1 leaf=1");
    }
  }
  void more_haft(Lines& steps) {
    if (prelude_ == "pasid") return;
    init_line("cd C1 ", "asid=5 ttb=R ha=1") += " haft=1";
    if (init_line("cd C1 ", "").find("ha=1") == std::string::npos)
      init_line("cd C1 ", "") += " ha=1";
    init_line(more_dice_.of({"word A 0 ", "word R 0 "}), "")
        .append(init_.back().starts_with("word A") ? "table B af0" : "table A af0");
    if (prelude_ == "two" && more_dice_.one_in(2)) init_line("cd C2 ", "asid=6 ttb=R");
    if (more_dice_.one_in(2)) {
      put(steps,
          more_dice_.of({"store", "rmw"}) + " word A 0 table B" + more_dice_.of({"", " af0"}));
    }
  }
  void more_streams(Lines& steps) {
    if (prelude_ == "pasid" || ats_) return;
    init_.emplace_back("strtab T fmt=2lvl");
    init_.push_back("l1std T 0 span=" + more_dice_.of({"7", "7", "3", "2", "0"}) + " l2=L");
    init_.emplace_back("ste 1 table=L2 " + more_dice_.of({"cfg=bypass", "cfg=s1 cd=C1"}));
    for (u64 i = 1 + more_dice_.below(3); i > 0; --i) {
      put(steps,
          "store l1std T 0 " + more_dice_.of({"span=0", "span=2", "span=7", "l2=L2", "l2=L"}));
      if (more_dice_.one_in(2)) {
        put(steps,
            "do CFGI_STE " + more_dice_.of({"1", "2"}) + more_dice_.of({" leaf=0", " leaf=1"}));
      }
    }
    if (more_dice_.one_in(3)) put(steps, "store ste 1 " + more_dice_.of({"v=0", "cfg=bypass"}));
  }
  void more_cds(Lines& steps) {
    std::erase_if(init_, [](const std::string& line) { return line.starts_with("ste 1 "); });
    init_.emplace_back("ste 1 cfg=s1 cd=M cdmax=7 fmt=2lvl s1dss=2");
    init_.push_back("l1cd M 0 v=" + more_dice_.of({"1", "1", "0"}) + " l2=D");
    if (more_dice_.one_in(2)) init_.emplace_back("cd E.1 asid=9 ttb=S");
    for (u64 i = 1 + more_dice_.below(3); i > 0; --i) {
      put(steps, "store l1cd M 0 " + more_dice_.of({"v=0", "v=1", "l2=E", "l2=D"}));
      if (!more_dice_.one_in(3)) {
        put(steps, more_dice_.of({"do CFGI_CD 1 1 leaf=0", "do CFGI_CD 1 2 leaf=0",
                                  "do CFGI_CD 1 1 leaf=1", "do CFGI_CD_ALL 1"}));
      }
    }
  }
  void more_ranges(Lines& steps) {
    for (std::string& step : steps) {
      if (!step.starts_with("do CFGI_") || more_dice_.one_in(3)) continue;
      const auto rest = step.find(" ;");
      const std::string after = rest == std::string::npos ? "" : step.substr(rest);
      step = "do CFGI_STE_RANGE " + more_dice_.of({"0", "1", "2"}) +
             " range=" + more_dice_.of({"0", "1", "5", "14", "15", "31"}) + after;
    }
  }
  void more_atschk(Lines& steps) {
    if (more_dice_.one_in(2)) init_.emplace_back("atschk 1");
    put(steps, "reg atschk " + more_dice_.of({"0", "1"}));
    if (more_dice_.one_in(2)) put(steps, "do CFGI_STE 1 leaf=1");
    if (more_dice_.one_in(2)) put(steps, "store ste 1 eats=0");
  }

  // ---- fields of CDs that entries carry, and flags that hardware sets; dice of their own ----
  /// What stalls, and what becomes of accesses with SMMUEN = 0.
  void ends_of_faults(Lines& steps) {
    const auto put_in = [&](const std::string& line) {
      const auto at = static_cast<std::ptrdiff_t>(ends_dice_.below(steps.size() + 1));
      steps.insert(steps.begin() + at, line);
    };
    if (ends_dice_.one_in(12)) {
      init_.push_back("gbpa " + ends_dice_.of({"0", "1", "1"}));
      if (ends_dice_.one_in(2)) {
        put_in("reg gbpa " + ends_dice_.of({"0", "1"}) + ends_dice_.of({"", " noack"}));
      }
      put_in(ends_dice_.of({"smmuen 0", "smmuen 0", "smmuen 1"}));
    }
    if (!ends_dice_.one_in(12) || prelude_ == "pasid") return;
    init_line("cd C1 ", "asid=5 ttb=R") += ends_dice_.of({" s=1", " s=1", " s=0"});
    for (u64 i = ends_dice_.below(3); i > 0; --i) {
      put_in(ends_dice_.of({"store cd C1 s=1", "store cd C1 s=0", "store ste 1 s1stalld=1",
                            "do CFGI_CD 1 0 leaf=1", "do CFGI_STE 1 leaf=1", "do STALL_TERM 1"}));
    }
  }
  enum class Field : u8 { tag, range, e0pd, flags, none };

  void cached_fields(Lines& steps) {
    field_ = static_cast<Field>(std::min<u64>(field_dice_.below(32), u64{4}));
    if (prelude_ == "pasid" || (field_ == Field::tag && ats_)) field_ = Field::none;
    if (field_ == Field::none) return;
    if (field_ == Field::flags) return flags(steps);
    std::string& cd = init_line("cd C1 ", "asid=5 ttb=R");
    std::string change = "store cd C1 ";
    if (field_ == Field::tag) {
      cd += field_dice_.of({"", " tbi0=1", " tbi0=1"});
      change += field_dice_.of({"tbi0=0", "tbi0=0", "tbi0=1"});
    } else if (field_ == Field::e0pd) {
      cd += field_dice_.of({"", " e0pd0=1"});
      change += field_dice_.of({"e0pd0=0", "e0pd0=1"});
    } else {
      if (field_dice_.one_in(3)) cd += " t0sz=26";
      init_.emplace_back("word R 256 table A");  // and `cd` is no more
      change += field_dice_.of({"t0sz=26", "t0sz=26", "t0sz=25", "t0sz=34"});
    }
    Lines out{change};
    if (!field_dice_.one_in(4)) {
      out.push_back("do CFGI_CD 1 0 leaf=1" +
                    field_dice_.of({"", "", "", " ; TLBI_NH_ASID asid=5"}));
    }
    if (field_dice_.one_in(4)) {
      out.push_back("do " + field_dice_.of({"TLBI_NH_ASID asid=5", "TLBI_NH_VA asid=5 va=0x1000",
                                            "TLBI_NH_VA asid=5 va=0x4000001000"}));
    }
    const auto at = static_cast<std::ptrdiff_t>(field_dice_.below(steps.size() + 1));
    steps.insert(steps.begin() + at, out.begin(), out.end());
  }
  void flags(Lines& steps) {
    std::string& cd = init_line("cd C1 ", "asid=5 ttb=R");
    if (cd.find(" ha=1") == std::string::npos) cd += field_dice_.of({" ha=1", " ha=1 hd=1", ""});
    const bool updates = cd.find(" ha=1") != std::string::npos;
    if (updates && cd.find("haft") == std::string::npos && field_dice_.one_in(2)) cd += " haft=1";
    if (field_dice_.one_in(2)) init_line("word A 0 ", "") = "word A 0 table B af0";
    init_line("word B 1 ", "") =
        "word B 1 page P1" + field_dice_.of({" ro dbm", " ro dbm", " rw af0", " ro af0"});
    for (u64 i = 1 + field_dice_.below(2); i > 0; --i) {
      const auto at = static_cast<std::ptrdiff_t>(field_dice_.below(steps.size() + 1));
      const std::string how = field_dice_.of({"store", "store", "rmw"});
      steps.insert(
          steps.begin() + at,
          field_dice_.one_in(6)
              ? field_dice_.of({"zero A", "zero B", "store cd C1 ha=1", "store cd C1 hd=1"})
              : how + field_dice_.of({" word B 1 0", " word B 1 page P1 rw",
                                      " word B 1 page P1 ro dbm", " word A 0 0",
                                      " word A 0 table B", " word A 0 table B af0"}));
    }
  }

  // ---- ATS ----
  // Its own dice: a seed without ATS gives the test that it always gave.
  void init_ats() {
    for (const std::string sid : {"1", "2"}) {
      if (sid == "2" && (prelude_ != "two" || ats_dice_.one_in(2))) continue;
      const std::string ste = "ste " + sid + " ";
      const auto line = std::ranges::find_if(
          init_, [&](const std::string& text) { return text.starts_with(ste); });
      const std::string eats = ats_dice_.one_in(12) ? " eats=0" : " eats=1";
      if (line != init_.end()) {
        *line += eats;
      } else if (prelude_ == "pasid") {
        init_.push_back(ste + "cfg=s1 cd=D cdmax=4 s1dss=" + ats_dice_.of({"2", "2", "1", "0"}) +
                        eats);
      } else {
        init_.push_back(ste + "cfg=s1 cd=C" + sid + eats);
      }
      init_.push_back("ats " + sid);
    }
  }
  std::string atc_inv() {
    std::string who = prelude_ == "two" ? ats_dice_.of({"1", "1", "2"}) : "1";
    if (prelude_ == "pasid") who += ats_dice_.of({"", "", ".1", ".2", ".0"});
    return "ATC_INV " + who + " va=" +
           ats_dice_.of({"0x1000", "0x1000", "0x1000", "0", "0x2000", "0x200000", "0x201000"}) +
           " size=" + ats_dice_.of({"0", "0", "0", "1", "2", "9", "10", "18", "52", "52", "53"});
  }
  /// Behind some commands, or under their CMD_SYNC.
  void invalidate_atcs(Lines& steps) {
    if (ats_dice_.one_in(8)) {
      const auto at = static_cast<std::ptrdiff_t>(ats_dice_.below(steps.size() + 1));
      steps.insert(steps.begin() + at, "store ste 1 eats=" + ats_dice_.of({"0", "0", "1"}));
      if (!ats_dice_.one_in(3)) steps.insert(steps.begin() + at + 1, "do CFGI_STE 1 leaf=1");
    }
    if (ats_dice_.one_in(12)) {
      const auto at = static_cast<std::ptrdiff_t>(ats_dice_.below(steps.size() + 1));
      steps.insert(steps.begin() + at, "ats 1 0");
      if (!ats_dice_.one_in(3)) steps.insert(steps.end(), "ats 1 1");
    }
    unsigned budget = 3;
    for (std::size_t i = 0; i < steps.size() && budget != 0; ++i) {
      if (!steps[i].starts_with("do ") && !steps[i].starts_with("wait")) continue;
      if (ats_dice_.one_in(4)) continue;
      --budget;
      const bool together = ats_dice_.one_in(3) && steps[i].starts_with("do ");
      if (together) {
        steps[i] += " ; " + atc_inv();
      } else if (ats_dice_.one_in(6)) {
        steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                     {"cmd " + atc_inv(), "ring"});
        ++i;
      } else {
        steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(i) + 1, "do " + atc_inv());
        ++i;
      }
    }
  }

  // ---- commands ----
  std::string asid() { return dice_.of({"5", "5", "5", "5", "6", "7"}); }
  std::string leaf_bit() { return dice_.of({" leaf=1", " leaf=1", " leaf=0", ""}); }

  std::string tlbi(const std::string& va, bool whole) {
    switch (dice_.below(whole ? 7 : 12)) {
      case 0: return "TLBI_NH_ASID asid=" + asid();
      case 1: return dice_.of({"TLBI_NH_ALL", "TLBI_NSNH_ALL", "TLBI_EL2_ALL", "TLBI_S12_VMALL"});
      case 2: return "TLBI_NH_VAA va=" + va + leaf_bit();
      case 3: return "TLBI_NH_VA asid=" + asid() + " va=" + va + leaf_bit();
      case 4:
      case 5: return "TLBI_NH_VA asid=" + asid() + " va=0 tg=1 scale=9" + leaf_bit();
      case 6: return "TLBI_NH_VA asid=" + asid() + " va=" + va + hints() + leaf_bit();
      case 7: return "TLBI_EL2_VA va=" + va + leaf_bit();
      default: return "TLBI_NH_VA asid=5 va=" + va + " leaf=1";
    }
  }
  std::string hints() {
    return " tg=" + dice_.of({"1", "1", "1", "2"}) + " num=" + dice_.of({"0", "0", "1", "3"}) +
           " scale=" + dice_.of({"0", "1", "4"}) + " ttl=" + dice_.of({"0", "2", "3", "3"});
  }
  std::string cfgi() {
    switch (dice_.below(6)) {
      case 0: return "CFGI_STE " + sid() + leaf_bit();
      case 1: return "CFGI_CD_ALL " + sid();
      case 2: return "CFGI_ALL";
      default:
        return "CFGI_CD " + sid() + " " + (prelude_ == "pasid" ? dice_.of({"0", "1", "2"}) : "0") +
               leaf_bit();
    }
  }
  std::string sid() { return prelude_ == "two" ? dice_.of({"1", "1", "2"}) : "1"; }

  /// The command, complete or with something in its making gone wrong.
  Lines issue(const std::string& command) {
    switch (dice_.below(12)) {
      case 0: return {"cmd " + command, "ring", "cmd SYNC", "ring", "wait"};
      case 1: return {"cmd " + command, "ring"};
      case 2: return {"cmd SYNC", "cmd " + command, "ring", "wait"};
      case 3: return {"cmd " + command, "cmd SYNC", "barrier", "ring relaxed", "wait"};
      case 4: return {"cmd " + command, "cmd SYNC", "ring relaxed", "wait"};
      case 5: return {"do " + command + " ; " + tlbi("0x1000", false)};
      case 6: return {"do " + command + " ; " + cfgi()};
      default: return {"do " + command};
    }
  }

  // ---- what a driver does ----
  Lines scheme() {
    if (group_ && dice_.one_in(2)) return unmap_group();
    if (httu_ && dice_.one_in(3)) return change_leaf();
    switch (dice_.below(11)) {
      case 0:
      case 1: return unmap();
      case 2: return remap();
      case 3: return change_leaf();
      case 4:
      case 5: return unlink();
      case 6: return block();
      case 7: return link();
      case 8:
      case 9: return prelude_ == "pasid" ? pasid_cd() : reuse_asid();
      default: return dice_.one_in(2) ? stream() : toggle();
    }
  }

  static void append(Lines& to, const Lines& more) {
    to.insert(to.end(), more.begin(), more.end());
  }
  void maybe_barrier(Lines& to) {
    if (dice_.one_in(3)) to.emplace_back("barrier");
    if (incoherent_ && !dice_.one_in(3)) {
      to.emplace_back("clean " + dice_.of({"B 1", "A 0"}));
      to.emplace_back("barrier");
    }
  }

  Lines unmap() {
    const bool second = dice_.one_in(4);
    Lines out{second ? "store word B 2 0" : "store word B 1 0"};
    maybe_barrier(out);
    append(out, issue(tlbi(second ? "0x2000" : "0x1000", false)));
    if (!dice_.one_in(3)) out.emplace_back(second ? "release P2" : "release P1");
    return out;
  }
  Lines remap() {
    Lines out;
    if (!dice_.one_in(3)) {
      out.emplace_back("store word B 1 0");
      append(out, issue(tlbi("0x1000", false)));
    }
    out.emplace_back("store word B 1 " + leaf("N1"));
    if (dice_.one_in(2)) out.emplace_back("barrier");
    if (dice_.one_in(3)) append(out, issue(tlbi("0x1000", false)));
    if (dice_.one_in(2)) out.emplace_back("release P1");
    return out;
  }
  Lines change_leaf() {
    Lines out{dice_.of({"store", "store", "rmw"}) + " word B 1 " + leaf("P1")};
    maybe_barrier(out);
    if (dice_.one_in(2)) append(out, issue(tlbi("0x1000", false)));
    return out;
  }
  Lines unlink() {
    Lines out{"store word A 0 0"};
    maybe_barrier(out);
    append(out, issue(tlbi("0x1000", true)));
    if (!dice_.one_in(3)) out.emplace_back("free B");
    if (dice_.one_in(2)) out.emplace_back(dice_.of({"release P1", "release P2"}));
    if (dice_.one_in(2)) append(out, relink("B"));
    return out;
  }
  Lines relink(const std::string& table) {
    Lines out;
    if (!dice_.one_in(5)) out.emplace_back("zero " + table);
    if (!dice_.one_in(3)) out.emplace_back("store word " + table + " 1 page Q9 rw");
    if (!dice_.one_in(4)) out.emplace_back("barrier");
    const std::string parent = prelude_ == "std" ? "A" : dice_.of({"A", "SA"});
    out.emplace_back("store word " + parent + " 2 table " + table);
    if (!dice_.one_in(3)) out.emplace_back("barrier");
    return out;
  }
  Lines link() {
    Lines out;
    if (!dice_.one_in(4)) out.emplace_back("free N");
    append(out, relink("N"));
    return out;
  }
  Lines block() {
    Lines out;
    if (!dice_.one_in(3)) {
      out.emplace_back("store word A 1 0");
      append(out, issue(tlbi(dice_.of({"0x200000", "0x201000"}), false)));
    }
    if (dice_.one_in(3))
      out.emplace_back("release K#1");
    else if (!dice_.one_in(3))
      out.emplace_back("store word A 1 table B3");
    else
      out.emplace_back("store word A 1 block " + dice_.of({"K rw", "K ro", "J rw", "K rw dev"}));
    if (dice_.one_in(2)) out.emplace_back("barrier");
    return out;
  }
  Lines unmap_group() {
    Lines out;
    if (dice_.one_in(2))
      out.emplace_back("store word B 17 0");
    else
      out.emplace_back("clear B 16 16");
    append(out, issue(dice_.of({"TLBI_NH_VA asid=5 va=0x11000 leaf=1",
                                "TLBI_NH_VA asid=5 va=0x10000 tg=1 scale=4 ttl=3 leaf=1",
                                "TLBI_NH_ASID asid=5"})));
    out.emplace_back(dice_.of({"release G#1", "release G#2", "store word B 17 page G#1 rw"}));
    return out;
  }
  std::string cd_field() {
    return dice_.of({"v=0", "v=0", "v=1", "asid=6", "asid=7", "epd0=1", "epd0=0", "ttb=S", "ttb=R",
                     "mair=dev", "t0sz=12"});
  }
  Lines reuse_asid() {
    if (dice_.one_in(3)) {
      Lines out{"store cd C1 " + cd_field()};
      if (dice_.one_in(2)) append(out, issue(cfgi()));
      if (dice_.one_in(3)) out.emplace_back("store cd C1 " + cd_field());
      if (dice_.one_in(2)) append(out, issue(tlbi("0x1000", true)));
      return out;
    }
    Lines out{"store cd C1 v=0"};
    append(out, issue(cfgi()));
    append(out, issue("TLBI_NH_ASID asid=5"));
    if (prelude_ == "two") {
      append(out, {"store cd C2 v=0", "do CFGI_CD 2 0 leaf=1", "store cd C2 v=1 asid=5"});
    } else {
      append(out, {"store cd C1 ttb=S", "store cd C1 v=1"});
    }
    append(out, issue(cfgi()));
    return out;
  }
  Lines pasid_cd() {
    const std::string cd = "cd D." + dice_.of({"1", "2", "2"}) + " ";
    Lines out{"store " + cd + cd_field()};
    if (!dice_.one_in(3)) append(out, issue(cfgi()));
    out.emplace_back("store " + cd + dice_.of({"v=1 asid=8", "v=1 asid=7", "v=0", "ttb=R"}));
    if (dice_.one_in(2)) append(out, issue(cfgi()));
    return out;
  }
  Lines stream() {
    const std::string ste = "ste " + sid() + " ";
    Lines out{"store " + ste + dice_.of({"v=0", "cfg=abort", "cfg=bypass", "s1dss=0", "s1dss=1"})};
    if (!dice_.one_in(3)) append(out, issue(cfgi()));
    out.emplace_back("store " + ste +
                     dice_.of({"v=1 cfg=s1", "cfg=s1", "vmid=1", "vmid=0", "cdmax=1"}));
    if (!dice_.one_in(3)) append(out, issue(cfgi()));
    return out;
  }
  Lines toggle() {
    Lines out{dice_.of({"smmuen 0", "smmuen 0", "smmuen 0 noack"})};
    if (dice_.one_in(2)) out.emplace_back("store word B 1 0");
    if (dice_.one_in(2)) append(out, issue(dice_.of({"CFGI_ALL", "TLBI_NSNH_ALL"})));
    out.emplace_back(dice_.of({"smmuen 1", "smmuen 1", "smmuen 1 noack"}));
    return out;
  }

  /// The command queue is off for a moment, during which it may be emptied.
  void switch_queue(Lines& steps) {
    // Not every completion is waited for, so that there is something to lose.
    for (std::string& step : steps) {
      if (step == "wait" && queue_dice_.one_in(2)) step = "barrier";
    }
    auto at = static_cast<std::ptrdiff_t>(queue_dice_.below(steps.size() + 1));
    steps.insert(steps.begin() + at++, "cmdq off");
    const auto waits = [&](const std::string& step) {
      return step.find("wait") != std::string::npos || step.find("do ") != std::string::npos;
    };
    while (at < std::ssize(steps) && !waits(steps[static_cast<std::size_t>(at)]) &&
           queue_dice_.one_in(2)) {
      ++at;
    }
    if (!queue_dice_.one_in(3)) steps.insert(steps.begin() + at++, "cmdq reset");
    steps.insert(steps.begin() + at, "cmdq on");
  }

  Lines start() {
    if (dice_.one_in(2)) return {"do CFGI_ALL", "do TLBI_NSNH_ALL", "smmuen 1"};
    return {"do CFGI_ALL ; " + dice_.of({"TLBI_NH_ALL", "TLBI_NH_ASID asid=5", "TLBI_NSNH_ALL"}),
            dice_.of({"smmuen 1", "smmuen 1 noack"})};
  }

  /// Drops, swaps, doubles or moves to another CPU.
  void disturb(Lines& steps) {
    for (int i = 0; i < 2 && !steps.empty(); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(dice_.below(steps.size()));
      switch (dice_.below(8)) {
        case 0: steps.erase(steps.begin() + at); break;
        case 1: std::swap(steps[static_cast<std::size_t>(at)], steps[0]); break;
        case 2: {
          std::string& line = steps[static_cast<std::size_t>(at)];
          if (line.find("cpu1:") == std::string::npos) line = "cpu1: " + line;
          if (dice_.one_in(2)) steps.insert(steps.begin() + at + 1, "handoff cpu1 cpu0");
          break;
        }
        default: break;
      }
    }
  }

  std::string access() {
    const std::string who = prelude_ == "two"     ? dice_.of({"1", "1", "2"})
                            : prelude_ == "pasid" ? dice_.of({"1", "1.1", "1.2"})
                                                  : "1";
    std::string va = group_ && dice_.one_in(2)
                         ? dice_.of({"0x10000", "0x11000", "0x12000"})
                         : dice_.of({"0x1000", "0x1000", "0x1000", "0x2000", "0x3000", "0x200000",
                                     "0x201000", "0x401000"});
    std::string how = dice_.of({" r", " r", " w"});
    if (more_ == More::rights)
      how = more_dice_.of({" r", " w", " x", " r priv", " w priv", " x priv"});
    const bool by_ats = ats_ && !ats_dice_.one_in(4);
    if (field_ == Field::tag && field_dice_.one_in(2))
      va = "0x81" + std::string(16 - va.size(), '0') + va.substr(2);
    if (field_ == Field::range && field_dice_.one_in(2)) va = "0x4000001000";
    if (field_ == Field::e0pd && !how.ends_with("priv") && field_dice_.one_in(3)) how += " priv";
    return "access " + who + " " + va + how + (by_ats ? " ats" : "") + " ->\n";
  }

  Dice dice_;
  Dice ats_dice_;
  Dice queue_dice_;
  Dice more_dice_;
  Dice field_dice_;
  Dice ends_dice_;
  unsigned size_;
  bool ats_;
  More more_;
  Field field_ = Field::none;
  std::string prelude_;
  Lines init_;
  bool group_ = false;
  bool incoherent_ = false;
  bool reset_ = false;
  bool httu_ = false;
};

}  // namespace

std::string random_text(u64 seed, unsigned size) { return Generator(seed, size).text(); }

Test test_of(const std::string& text) {
  auto file = parse(text, "<random>");
  // The generator writes the format; what it cannot parse is a mistake in it, and tests run it.
  if (!file || file->tests.size() != 1) {
    fmt::print(stderr, "a random test: {}\n{}", file ? "no test" : file.error().message, text);
    std::abort();
  }
  return std::move(file->tests[0]);
}

Test random_test(u64 seed, unsigned size) { return test_of(random_text(seed, size)); }

}  // namespace iommucheck::litmus
