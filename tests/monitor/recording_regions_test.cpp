// SPDX-License-Identifier: MIT
// Small recordings, made by hand, of what only recordings have: regions that come into sight and
// leave it, and accesses while something stale may be used.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "import/smmu_watch.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle::recording_regions_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

/// T0SZ 16, 4 KiB granule, EPD1, V, 48-bit output, AA64, ASID 1.
constexpr u64 stage1_cd = 0x1e204c0003510;

/// Lines of a recording. Stream 8 translates by ASID 1: tables at 0x11000 (level 0) to 0x14000,
/// an STE at 0x20200, its CD at 0x10000.
class Writer {
 public:
  Writer() {
    text_ = R"({"t":"hdr","format":"smmu-watch-1","smp":1,"sids":{"8":"a"}})"
            "\n";
    const auto read = [&](unsigned off, u64 v) {
      line("r", fmt::format(R"("off":"{:#x}","sz":4,"v":"{:#x}")", off, v));
    };
    read(0x0, 0xd40101a);
    read(0x4, 0x2730010);
    read(0xc, 0x1404);
    read(0x14, 0x74);
    write(0x80, 0x4000000000020000, 8);
    write(0x88, 8, 4);  // linear, 256 entries
    write(0x90, 0x4000000005000008, 8);
    write(0x98, 0, 4);
    write(0x9c, 0, 4);
    cr0(0x8);
    command(0x4, 0x1f);  // CFGI_ALL
    command(0x30, 0);    // TLBI_NSNH_ALL
    sync();
    cr0(0xd, [&] { track("STE", 0x20000, 0x4000); });
    store("STE", 0x20208, 0x0);
    store("STE", 0x20200, 0x1000b, [&] {
      track("CD", 0x10000, 64);
      init("CD", 0x10000, stage1_cd);
      init("CD", 0x10008, 0x11000);
      init("CD", 0x10018, 0xff);
      track("PT0", 0x11000, 4096);
    });
    command(0x800000003, 1);
    sync();
    store("PT0", 0x11000, 0x12003, [&] { track("PT1", 0x12000, 4096); });
    store("PT1", 0x12000, 0x13003, [&] { track("PT2", 0x13000, 4096); });
    link_leaves();
  }

  void link_leaves() {
    store("PT2", 0x13000, 0x14003, [&] { track("PT3", 0x14000, 4096); });
  }
  void map(u64 page, u64 pa) { store("PT3", 0x14000 + 8 * page, pa | 0xf43 | 0x800); }
  void unmap(u64 page) { store("PT3", 0x14000 + 8 * page, 0); }
  /// Leaf = 0: table descriptors go, too.
  void tlbi(u64 page) { command(0x1000000000012, page << 12); }
  void dma(u64 iova, u64 pa) {
    line("dma", fmt::format(R"("res":"ok","sid":8,"iova":"{:#x}","pa":"{:#x}")", iova, pa));
  }
  void write(unsigned off, u64 v, unsigned size) {
    line("w", fmt::format(R"("off":"{:#x}","sz":{},"v":"{:#x}")", off, size, v));
  }
  template <class Linked>
  void cr0(u64 value, Linked linked) {
    write(0x20, value, 4);
    linked();
    line("r", fmt::format(R"("off":"0x24","sz":4,"v":"{:#x}")", value));
  }
  void cr0(u64 value) {
    cr0(value, [] {});
  }
  void command(u64 low, u64 high) {
    write(0x98, prod_ + 1, 4);
    line("cmd", fmt::format(R"("slot":{},"lo":"{:#x}","hi":"{:#x}")", prod_, low, high));
    ++prod_;
  }
  void sync() {
    command(0x46, 0);
    line("r", fmt::format(R"("off":"0x9c","sz":4,"v":"{:#x}")", prod_));
  }
  void store(const char* kind, u64 pa, u64 value) {
    line("st", fmt::format(R"("k":"{}","pa":"{:#x}","sz":8,"v":"{:#x}","pc":"{:#x}")", kind, pa,
                           value, 0xffff800000000000 + line_));
  }
  template <class Linked>
  void store(const char* kind, u64 pa, u64 value, Linked linked) {
    store(kind, pa, value);
    linked();
  }
  void track(const char* kind, u64 pa, u64 bytes) {
    line("track", fmt::format(R"("k":"{}","pa":"{:#x}","len":{})", kind, pa, bytes));
  }
  void untrack(const char* kind, u64 pa) {
    line("untrack", fmt::format(R"("k":"{}","pa":"{:#x}")", kind, pa));
  }
  void init(const char* kind, u64 pa, u64 value) {
    line("init", fmt::format(R"("k":"{}","pa":"{:#x}","v":"{:#x}")", kind, pa, value));
  }

  ReplayResult judge() const {
    const auto trace = import_smmu_watch_text(text_, "made");
    EXPECT_TRUE(trace) << trace.error().message;
    return trace ? replay_trace(*trace) : ReplayResult{};
  }

 private:
  void line(const char* type, const std::string& rest) {
    const bool cpu = *type == 'w' || *type == 'r';
    text_ += fmt::format("{{\"i\":{},\"t\":\"{}\",{}{}}}\n", line_++, type, cpu ? "\"cpu\":0," : "",
                         rest);
  }
  std::string text_;
  u64 line_ = 0;
  u64 prod_ = 0;
};

std::string text_of(const ReplayResult& result) {
  std::string text;
  for (const Violation& violation : result.findings) {
    text += fmt::format("{}: {}\n", spec::rule_name(violation.rule), headline(violation));
    for (const std::string& each : evidence(violation)) text += "    " + each + "\n";
  }
  for (const MissingFact& missing : result.missing) {
    text += fmt::format("{} undetermined: {}\n", missing.events, missing.fact);
  }
  return text;
}

void expect_holds(const Writer& writer) {
  const ReplayResult result = writer.judge();
  EXPECT_EQ(result.flagged, 0u) << text_of(result);
  EXPECT_EQ(result.undetermined, 0u) << text_of(result);
}

void expect_broken(const Writer& writer, Rule rule, const std::string& words) {
  const ReplayResult result = writer.judge();
  ASSERT_FALSE(result.findings.empty());
  EXPECT_EQ(result.findings.front().rule, rule) << text_of(result);
  EXPECT_NE(text_of(result).find(words), std::string::npos) << text_of(result);
}

TEST(RecordingRegions, MapUseUnmap) {
  Writer w;
  w.map(1, 0x40000000);
  w.dma(0x1010, 0x40000010);
  w.unmap(1);
  w.tlbi(1);
  w.sync();
  w.map(1, 0x50000000);
  w.dma(0x1010, 0x50000010);
  expect_holds(w);
}

TEST(RecordingRegions, AnAccessBetweenClearAndInvalidationIsUnderWay) {
  Writer w;
  w.map(1, 0x40000000);
  w.unmap(1);
  w.dma(0x1010, 0x40000010);
  w.tlbi(1);
  w.sync();
  w.map(1, 0x50000000);
  expect_holds(w);
}

TEST(RecordingRegions, AnAccessThroughWhatIsNeverInvalidated) {
  Writer w;
  w.map(1, 0x40000000);
  w.unmap(1);
  w.dma(0x1010, 0x40000010);
  w.command(0x1000000000012, 0x9000);
  w.sync();
  expect_broken(w, rule::TRANSLATION_STALE_ACCESS, "until the end of the recording");
}

TEST(RecordingRegions, RemappedToTheSamePageWithoutInvalidation) {
  Writer w;
  w.map(1, 0x40000000);
  w.unmap(1);
  w.dma(0x1010, 0x40000010);
  w.map(1, 0x40000000);
  expect_broken(w, rule::TRANSLATION_STALE_ACCESS, "changed again");
}

TEST(RecordingRegions, TheEndMayComeTooEarlyToSay) {
  Writer w;
  w.map(1, 0x40000000);
  w.unmap(1);
  w.dma(0x1010, 0x40000010);
  const ReplayResult result = w.judge();
  EXPECT_EQ(result.flagged, 0u) << text_of(result);
  EXPECT_EQ(result.undetermined, 1u) << text_of(result);
}

TEST(RecordingRegions, SoftwareMayClearTheAccessFlagAtLeisure) {
  Writer w;
  w.map(1, 0x40000000);
  w.store("PT3", 0x14008, 0x40000b43);
  w.dma(0x1010, 0x40000010);
  w.store("PT3", 0x14008, 0x40000f43);
  w.sync();
  expect_holds(w);
}

TEST(RecordingRegions, ATablePageIsReusedAfterItsInvalidation) {
  Writer w;
  w.map(1, 0x40000000);
  w.store("PT2", 0x13000, 0, [&] { w.untrack("PT3", 0x14000); });
  w.tlbi(1);
  w.sync();
  w.store("PT2", 0x13008, 0x14003, [&] { w.track("PT3", 0x14000, 4096); });
  w.store("PT3", 0x14008, 0x60000f43);
  w.dma(0x201010, 0x60000010);
  expect_holds(w);
}

TEST(RecordingRegions, ATablePageIsReusedWhileAPointerToItMayBeCached) {
  Writer w;
  w.map(1, 0x40000000);
  w.store("PT2", 0x13000, 0, [&] { w.untrack("PT3", 0x14000); });
  w.command(0x1000000000012, 0x1001);  // Leaf = 1: pages only
  w.sync();
  w.store("PT2", 0x13008, 0x14003, [&] { w.track("PT3", 0x14000, 4096); });
  expect_broken(w, rule::TABLE_FREE, "a table for other addresses");
}

TEST(RecordingRegions, ATablePageBecomesAnotherKindOfTableTooEarly) {
  Writer w;
  w.map(1, 0x40000000);
  w.store("PT2", 0x13000, 0, [&] { w.untrack("PT3", 0x14000); });
  w.store("PT1", 0x12008, 0x14003, [&] { w.track("PT2", 0x14000, 4096); });
  expect_broken(w, rule::TABLE_FREE, "it became a PT2");
}

TEST(RecordingRegions, TheSamePageComesBackToItsPlace) {
  Writer w;
  w.map(1, 0x40000000);
  w.store("PT2", 0x13000, 0, [&] { w.untrack("PT3", 0x14000); });
  w.store("PT2", 0x13000, 0x14003, [&] {
    w.track("PT3", 0x14000, 4096);
    w.init("PT3", 0x14008, 0x40000f43);
  });
  w.dma(0x1010, 0x40000010);
  expect_holds(w);
}

TEST(RecordingRegions, AnSteChangedInTwoWordsAtOnce) {
  Writer w;
  w.store("STE", 0x20200, 0x1);  // abort
  w.command(0x800000003, 1);
  w.sync();
  w.store("STE", 0x20208, 0xd6);  // cacheability of CD fetches
  w.store("STE", 0x20200, 0x1000b);
  expect_broken(w, rule::CONFIG_MIXTURE, "memory never held");
}

TEST(RecordingRegions, AnSteChangedWordByWord) {
  Writer w;
  w.store("STE", 0x20208, 0xd6);
  w.command(0x800000003, 1);
  w.sync();
  w.store("STE", 0x20200, 0x1);
  w.command(0x800000003, 1);
  w.sync();
  expect_holds(w);
}

TEST(RecordingRegions, AnAccessByAnSteThatIsNeverInvalidated) {
  Writer w;
  w.map(1, 0x40000000);
  w.store("STE", 0x20200, 0x1);  // abort
  w.command(0x4000000003, 1);    // another stream
  w.sync();
  w.dma(0x1010, 0x40000010);
  w.sync();
  expect_broken(w, rule::CONFIG_STALE_ACCESS, "until the end of the recording");
}

TEST(RecordingRegions, SmmuenOff) {
  Writer w;
  w.map(1, 0x40000000);
  w.write(0x20, 0x0, 4);
  w.untrack("STE", 0x20000);
  w.untrack("PT3", 0x14000);
  w.dma(0x1010, 0x40000010);  // not acknowledged yet
  const ReplayResult result = w.judge();
  EXPECT_EQ(result.flagged, 0u) << text_of(result);
}

}  // namespace
}  // namespace iommucheck::oracle::recording_regions_test
