// SPDX-License-Identifier: MIT
// Random tests of spans of STEs (STE.CONT): hints that come and go, STEs of a span that are changed
// beside each other, CFGI of some or of all of them.
#include <algorithm>

#include "litmus/lines_generator.h"
#include "litmus/random.h"

namespace iommucheck::litmus {
namespace {

class SpanGenerator final : public LinesGenerator {
 public:
  SpanGenerator(u64 seed, unsigned size) : LinesGenerator(seed ^ 0xc047'5947, size) {}

 private:
  void init() override {
    init_.emplace_back("use std");
    four_ = one_in(3);
    const std::string hint = four_ ? " cont=2" : " cont=1";
    const bool all = !one_in(4);
    for (u64 sid = 8; sid < (four_ ? 12U : 10U); ++sid) {
      const bool other = one_in(12);
      const std::string what = other ? of({"cfg=abort", "cfg=bypass", "v=0"}) : "cfg=s1 cd=C1";
      const bool states = all || one_in(2);
      init_.push_back("ste " + std::to_string(sid) + " " + what + (states ? hint : ""));
    }
    if (one_in(3)) init_.push_back("ste 12 cfg=s1 cd=C1" + of({"", " cont=1", " cont=3"}));
  }

  std::string sid() {
    const u64 n = 8 + below(four_ ? 4 : 2);
    return std::to_string(n);
  }
  std::string change() {
    return of({"cfg=abort", "cfg=abort", "cfg=bypass", "cfg=s1 cd=C1", "v=0", "cont=1", "cont=0"});
  }
  std::string cfgi() {
    if (one_in(8)) return "CFGI_ALL";
    if (one_in(4)) return "CFGI_STE_RANGE 8 range=" + of({"0", "1", "1", "2"});
    return "CFGI_STE " + sid() + " leaf=1";
  }

  /// Of an update in place, most of what it takes.
  Lines scheme() override {
    Lines out;
    const u64 last = four_ ? 12 : 10;
    if (!one_in(4)) {
      for (u64 n = 8; n < last; ++n) {
        if (!one_in(6)) out.push_back("store ste " + std::to_string(n) + " cont=0");
      }
      out.push_back("do CFGI_STE_RANGE 8 range=" + std::string(four_ ? "1" : "0"));
      if (one_in(4)) out.back() = "do " + cfgi();
    }
    const std::string what = change();
    if (one_in(4)) {  // alike in memory afterwards, whatever is cached
      for (u64 n = 8; n < last; ++n) out.push_back("store ste " + std::to_string(n) + " " + what);
    } else {
      out.push_back("store ste " + sid() + " " + what);
    }
    if (!one_in(3)) out.push_back("do " + cfgi());
    return out;
  }

  void disturb(Lines& steps) override {
    if (steps.empty() || !one_in(3)) return;
    const auto at = static_cast<std::ptrdiff_t>(below(steps.size()));
    if (one_in(2)) {
      steps.erase(steps.begin() + at);
    } else {
      std::rotate(steps.begin(), steps.begin() + at, steps.begin() + at + 1);
    }
  }

  std::string access() override {
    return "access " + (one_in(5) ? of({"12", "13", "1"}) : sid()) + " 0x1000" +
           of({" r", " r", " w"}) + " ->\n";
  }

  bool four_ = false;
};

}  // namespace

std::string random_span_text(u64 seed, unsigned size) { return SpanGenerator(seed, size).text(); }

Test random_span_test(u64 seed, unsigned size) { return test_of(random_span_text(seed, size)); }

}  // namespace iommucheck::litmus
