// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "import/smmu_watch.h"
#include "tests/places.h"
#include "tests/trace/draw.h"
#include "trace/check.h"
#include "trace/symbols.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::import_test {
namespace {

using namespace trace;

const std::string data = test::in_tree("tests/data/");

const std::string header =
    R"({"t":"hdr","format":"smmu-watch-1","kernel":"6.1","smp":1,"qemu":"7.2.22",)"
    R"("smmu_base":"0x9050000","sids":{"8":"virtio-blk","16":"nvme"}})"
    "\n";

/// The only event that `line` behind a header gives.
Event one(const std::string& line) {
  const auto trace = import_smmu_watch_text(header + line + "\n", "f");
  EXPECT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace ? trace->events.size() : 0, 1u);
  return trace && trace->events.size() == 1 ? trace->events[0] : Event{};
}

struct Recording {
  std::string name;
  std::map<std::string_view, std::size_t> events;  ///< how many of each
  std::size_t words;                               ///< init lines
  std::size_t swept;
};

class Recordings : public testing::TestWithParam<Recording> {};

TEST_P(Recordings, AreImportedWhole) {
  const auto trace = import_smmu_watch(data + "recordings/" + GetParam().name + ".jsonl.zst");
  ASSERT_TRUE(trace) << trace.error().message;
  std::map<std::string_view, std::size_t> events;
  std::size_t words = 0;
  std::size_t swept = 0;
  u64 last = 0;
  for (const Event& event : trace->events) {
    ++events[info(kind_of(event)).name];
    if (const auto* reach = std::get_if<Reach>(&event.payload)) words += reach->words->size();
    if (const auto* store = std::get_if<Store>(&event.payload)) {
      swept += store->swept == true;
      EXPECT_NE(store->pc.has_value(), store->swept == true);
    }
    ASSERT_TRUE(event.origin);
    EXPECT_GE(*event.origin, last);
    last = *event.origin;
  }
  EXPECT_EQ(events, GetParam().events);
  EXPECT_EQ(words, GetParam().words);
  EXPECT_EQ(swept, GetParam().swept);
}

// The traces in tests/data are what the importer makes of the recordings, no more and no less.
TEST_P(Recordings, AreTheTracesOfTheProject) {
  const auto trace = import_smmu_watch(data + "recordings/" + GetParam().name + ".jsonl.zst");
  const auto stored = read_trace(data + GetParam().name + ".trace.jsonl.zst");
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(trace->header, stored->header);
  ASSERT_EQ(trace->events.size(), stored->events.size());
  for (std::size_t i = 0; i < trace->events.size(); ++i) {
    ASSERT_EQ(trace->events[i], stored->events[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Linux, Recordings,
                         testing::Values(Recording{"linux61_boot",
                                                   {{"MmioRead", 625},
                                                    {"MmioWrite", 634},
                                                    {"CommandConsumed", 1221},
                                                    {"Reach", 20},
                                                    {"Unreach", 20},
                                                    {"Store", 3332},
                                                    {"Dma", 3085},
                                                    {"Note", 49 + 194 + 113}},
                                                   521,
                                                   0},
                                         Recording{"linux612_boot",
                                                   {{"MmioRead", 889},
                                                    {"MmioWrite", 898},
                                                    {"CommandConsumed", 1755},
                                                    {"Reach", 20},
                                                    {"Unreach", 20},
                                                    {"Store", 2693 + 640},
                                                    {"Dma", 3903},
                                                    {"Note", 51 + 194 + 113}},
                                                   265,
                                                   640}),
                         [](const auto& recording) { return recording.param.name; });

TEST(ImportWatch, TheHeaderKeepsItsFacts) {
  const auto trace = import_smmu_watch(data + "recordings/linux61_boot.jsonl.zst");
  ASSERT_TRUE(trace);
  const Header& h = trace->header;
  EXPECT_EQ(h.versions, (TextMap{{"kernel", "6.1.0-56-arm64"}, {"qemu", "7.2.22"}}));
  EXPECT_EQ(h.smmu_base, 0x9050000u);
  EXPECT_EQ(h.ram, (Ranges{{.base = 0x40000000, .length = 0x20000000}}));
  EXPECT_EQ(h.cpus, 1u);
  EXPECT_FALSE(h.assumed_clean);
  ASSERT_TRUE(h.devices);
  ASSERT_EQ(h.devices->size(), 3u);
  EXPECT_EQ((*h.devices)[1].name, "nvme");
  EXPECT_EQ((*h.devices)[1].sids, StreamIds{16});
  ASSERT_TRUE(h.id_registers);
  EXPECT_EQ(h.id_registers->at("IDR0"), 0xd40101au);
  EXPECT_EQ(h.id_registers->at("IDR5"), 0x74u);
  EXPECT_FALSE(h.id_registers->contains("IDR2"));  // this driver does not read it
  ASSERT_TRUE(h.not_reported);
  EXPECT_EQ(std::ranges::count(*h.not_reported, "Barrier"), 1);
}

TEST(ImportWatch, ProgramCountersHaveTheirNames) {
  const auto symbols = trace::SymbolTable::read(data + "linux61_boot.syms");
  ASSERT_TRUE(symbols) << symbols.error().message;
  const auto trace = read_trace(data + "linux61_boot.trace.jsonl.zst");
  ASSERT_TRUE(trace);
  std::map<std::string, int> stores;
  for (const Event& event : trace->events) {
    const auto* store = std::get_if<Store>(&event.payload);
    if (store != nullptr)
      ++stores[symbols->symbol_of(*store->pc).value_or(trace::Symbol{"?"}).name];
  }
  EXPECT_EQ(stores, (std::map<std::string, int>{{"__arm_lpae_map", 1832},
                                                {"__arm_lpae_unmap", 1484},
                                                {"arm_lpae_install_table", 9},
                                                {"arm_smmu_install_ste_for_dev", 6},
                                                {"arm_smmu_init_l2_strtab", 1}}));
}

TEST(ImportWatch, AnAddressFarBehindTheLastFunctionHasNoName) {
  const auto symbols =
      trace::SymbolTable::parse("0000000000001000 t b\n0000000000000100 T a\n", "s");
  ASSERT_TRUE(symbols);
  EXPECT_EQ(symbols->describe(0xff), "0xff");
  EXPECT_EQ(symbols->describe(0x104), "a+0x4");
  EXPECT_EQ(symbols->describe(0xfff), "a+0xeff");
  EXPECT_EQ(symbols->describe(0x1000), "b+0x0");
  EXPECT_EQ(symbols->describe(0x1000 + trace::SymbolTable::function_bytes_max), "0x3000");
  const auto bad = trace::SymbolTable::parse("0000000000001000 t b\nxyz t c\n", "s");
  ASSERT_FALSE(bad);
  EXPECT_TRUE(bad.error().message.starts_with("s:2: "));
  EXPECT_EQ(trace::symbols_path("a.b/linux.trace.jsonl.zst"), "a.b/linux.syms");
  EXPECT_EQ(trace::symbols_path("a.trace/linux.jsonl"), "a.trace/linux.syms");
  EXPECT_EQ(trace::symbols_path("linux"), "linux.syms");
}

TEST(ImportWatch, RegisterAccesses) {
  EXPECT_EQ(one(R"({"i":5,"t":"w","cpu":2,"off":"0x98","sz":4,"v":"0x1c"})"),
            (Event{.agent = cpu_agent(2),
                   .payload = MmioWrite{.offset = 0x98, .size = 4, .value = 0x1c},
                   .origin = 5}));
  EXPECT_EQ(
      one(R"({"t":"r","cpu":0,"off":"0x24","sz":4,"v":"0x1"})"),
      (Event{.agent = cpu_agent(0), .payload = MmioRead{.offset = 0x24, .size = 4, .value = 1}}));
}

TEST(ImportWatch, CommandsAndRecords) {
  EXPECT_EQ(one(R"({"i":18,"t":"cmd","slot":3,"lo":"0x4","hi":"0x1f"})"),
            (Event{.agent = smmu_agent(),
                   .payload = CommandConsumed{.slot = 3, .command = CommandWords{4, 0x1f}},
                   .origin = 18}));
  EXPECT_EQ(one(R"({"i":1,"t":"evt","what":"F_X","rec":["0x1","0x2","0x3","0x4"]})"),
            (Event{.agent = smmu_agent(),
                   .payload = EventRecorded{.record = EventRecord{1, 2, 3, 4}},
                   .origin = 1}));
}

TEST(ImportWatch, Stores) {
  const auto store = [](const std::string& fields) {
    return std::get<Store>(one(R"({"i":1,"t":"st","k":"PT3",)" + fields + "}").payload);
  };
  EXPECT_EQ(store(R"("pa":"0x1008","sz":8,"v":"0x43","pc":"0xff")"),
            (Store{.pa = 0x1008, .size = 8, .value = 0x43u, .pc = 0xffu}));
  EXPECT_EQ(store(R"("pa":"0x1008","sz":8,"v":"0x43")"),  // an older recording
            (Store{.pa = 0x1008, .size = 8, .value = 0x43u}));
  EXPECT_EQ(store(R"("pa":"0x1008","sz":8,"v":"0x0","sweep":1)"),
            (Store{.pa = 0x1008, .size = 8, .value = 0u, .swept = true}));
  EXPECT_EQ(store(R"("pa":"0x100c","sz":2,"v":"0x1122334455667788")"),
            (Store{.pa = 0x100c, .size = 2, .value = 0x3344u, .word = 0x1122334455667788u}));
  EXPECT_EQ(store(R"("pa":"0x1008","sz":4,"v":"0x1122334455667788")"),
            (Store{.pa = 0x1008, .size = 4, .value = 0x55667788u, .word = 0x1122334455667788u}));
  // Over two words: of the second one the file does not tell.
  EXPECT_EQ(store(R"("pa":"0x100c","sz":8,"v":"0x1122334455667788")"),
            (Store{.pa = 0x100c, .size = 8, .word = 0x1122334455667788u}));
  EXPECT_EQ(store(R"("pa":"0x1000","sz":16,"v":"0x7")"),
            (Store{.pa = 0x1000, .size = 16, .value = 7u}));
}

TEST(ImportWatch, TheCpuOfAStoreIsKnownOnlyIfThereIsOne) {
  const std::string line = R"({"i":0,"t":"st","k":"PT3","pa":"0x8","sz":8,"v":"0x0"})"
                           "\n";
  const auto with = [&](const std::string& smp) {
    const auto trace =
        import_smmu_watch_text(R"({"t":"hdr","format":"smmu-watch-1")" + smp + "}\n" + line, "f");
    EXPECT_TRUE(trace) << trace.error().message;
    return trace ? trace->events.at(0).agent : environment_agent;
  };
  EXPECT_EQ(with(R"(,"smp":1)"), cpu_agent(0));
  EXPECT_EQ(with(R"(,"smp":4)"), unknown_cpu_agent);
  EXPECT_EQ(with(""), unknown_cpu_agent);
}

TEST(ImportWatch, Accesses) {
  EXPECT_EQ(one(R"({"i":3,"t":"dma","res":"ok","sid":16,"iova":"0xffffd002","pa":"0x4802f002",)"
                R"("perm":"rw","cfg":"miss","tlb":"hit"})"),
            (Event{.agent = device_agent(1),
                   .payload = Dma{.sid = 16,
                                  .ssid = no_substream,
                                  .iova = 0xffffd002,
                                  .kind = TransactionKind::untranslated,
                                  .result = DmaResult::ok,
                                  .pa = 0x4802f002u,
                                  .rights = Rights{.read = true, .write = true}},
                   .origin = 3}));
  for (const auto& [name, result] :
       std::map<std::string, DmaResult>{{"bypass", DmaResult::bypass},
                                        {"disable", DmaResult::disable},
                                        {"abort", DmaResult::abort}}) {
    EXPECT_EQ(one(R"({"t":"dma","res":")" + name + R"(","sid":9,"iova":"0x40","rw":"w"})"),
              (Event{.agent = unknown_device_agent,
                     .payload = Dma{.sid = 9,
                                    .ssid = no_substream,
                                    .iova = 0x40,
                                    .direction = Direction::write,
                                    .kind = TransactionKind::untranslated,
                                    .result = result}}));
  }
}

TEST(ImportWatch, NotesHaveNoMeaning) {
  EXPECT_EQ(one(R"({"t":"con","s":"MARK é"})").payload,
            Payload(Note{.kind = NoteKind::console, .text = "MARK é"}));
  EXPECT_EQ(one(R"({"t":"note","what":"GERROR"})").payload, Payload(Note{.text = "GERROR"}));
  EXPECT_EQ(one(R"({"t":"msi","pa":"0x8090040","v":"0x1"})").payload,
            Payload(Note{.kind = NoteKind::msi, .pa = 0x8090040u, .value = 1u}));
  EXPECT_EQ(one(R"({"t":"devw","cpu":1,"dev":"nvme","pa":"0x8000","sz":4,"v":"0x2"})"),
            (Event{.agent = cpu_agent(1),
                   .payload = Note{
                       .kind = NoteKind::doorbell, .text = "nvme", .pa = 0x8000u, .value = 2u}}));
}

TEST(ImportWatch, RegionsGetTheirWordsInOrder) {
  const auto trace =
      import_smmu_watch_text(header + R"({"i":0,"t":"track","k":"CD","pa":"0x1000","len":64})"
                                      "\n"
                                      R"({"i":1,"t":"init","k":"CD","pa":"0x1008","v":"0x2"})"
                                      "\n"
                                      R"({"i":2,"t":"con","s":"another thread"})"
                                      "\n"
                                      R"({"i":3,"t":"init","k":"CD","pa":"0x1000","v":"0x1"})"
                                      "\n"
                                      R"({"i":4,"t":"untrack","k":"CD","pa":"0x1000"})"
                                      "\n"
                                      R"({"i":5,"t":"untrack","k":"CD","pa":"0x2000"})"
                                      "\n",
                             "f");
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_EQ(trace->events.size(), 4u);
  EXPECT_EQ(trace->events[0], (Event{.agent = smmu_agent(),
                                     .payload = Reach{.kind = RegionKind::cd,
                                                      .pa = 0x1000,
                                                      .length = 64,
                                                      .words = WordsAt{{0x1000, 1}, {0x1008, 2}}},
                                     .origin = 0}));
  EXPECT_EQ(trace->events[2].payload,
            Payload(Unreach{.kind = RegionKind::cd, .pa = 0x1000, .length = 64u}));
  EXPECT_EQ(trace->events[3].payload, Payload(Unreach{.kind = RegionKind::cd, .pa = 0x2000}));
}

TEST(ImportWatch, UnknownFieldsAreIgnored) {
  EXPECT_EQ(one(R"({"t":"r","new":[1,{"a":null}],"cpu":0,"off":"0x24","sz":4,"v":"0x1"})").payload,
            Payload(MmioRead{.offset = 0x24, .size = 4, .value = 1}));
}

TEST(ImportWatch, AnyCompressionIsRead) {
  const auto text = header + R"({"t":"con","s":"x"})" + "\n";
  for (const std::string end : {"", ".gz", ".zst"}) {
    const std::string path = std::filesystem::temp_directory_path() /
                             ("iommucheck-import" + std::to_string(::getpid()) + end);
    auto file = OutputFile::create(path);
    ASSERT_TRUE(file && file->write(text) && file->finish());
    const auto trace = import_smmu_watch(path, {.limits = {}, .assumed_clean = true});
    ASSERT_TRUE(trace) << trace.error().message;
    EXPECT_EQ(trace->events.size(), 1u);
    EXPECT_EQ(trace->header.assumed_clean, true);
    std::filesystem::remove(path);
  }
}

struct Broken {
  std::string text;
  std::string message;  ///< how it begins
  ErrorCode code = ErrorCode::bad_input;
};

class ImportWatchError : public testing::TestWithParam<Broken> {};

TEST_P(ImportWatchError, IsPlacedAndExplained) {
  const auto trace = import_smmu_watch_text(GetParam().text, "f");
  ASSERT_FALSE(trace);
  EXPECT_EQ(trace.error().code, GetParam().code);
  EXPECT_TRUE(trace.error().message.starts_with(GetParam().message)) << trace.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Files, ImportWatchError,
    testing::Values(
        Broken{"", "f:1:1: the file is empty"},
        Broken{R"({"iommucheck-trace":1,"versions":{}})", "f:1:1: field \"t\" is missing"},
        Broken{R"({"t":"w"})", "f:1:6: field \"t\": \"w\": the first line is to be the header"},
        Broken{R"({"t":"hdr","format":"smmu-watch-2"})",
               "f:1:21: field \"format\": \"smmu-watch-2\" is not known", ErrorCode::unsupported},
        Broken{R"({"t":"hdr","format":"smmu-watch-1","sids":{"0x8":"a"}})",
               "f:1:43: field \"sids\": \"0x8\" is no StreamID in decimal"},
        Broken{R"({"t":"hdr","format":"smmu-watch-1","ram_base":"0x8"})",
               "f:1:1: field \"ram_size\" is missing"},
        Broken{header + header, "f:2:6: field \"t\": a second header"},
        Broken{header + "{\"t\":\"x\"}", "f:2:6: field \"t\": \"x\" is not known"},
        Broken{header + "{\"t\":\"r\"", "f:2:9: syntax error"}, Broken{header + "\n", "f:2:1: "},
        Broken{header + R"({"t":"w","cpu":0,"off":"0x0","sz":4})", "f:2:1: field \"v\" is missing"},
        Broken{header + R"({"t":"w","cpu":"0","off":"0x0","sz":4,"v":"0x0"})",
               "f:2:16: field \"cpu\": a whole number is expected, this is a string"},
        Broken{header + R"({"t":"w","cpu":0,"off":0,"sz":4,"v":"0x0"})",
               "f:2:24: field \"off\": a string \"0x…\" is expected"},
        Broken{header + R"({"t":"w","cpu":0,"off":"0x0","sz":3,"v":"0x0"})",
               "f:2:35: field \"sz\": 3 is no size"},
        Broken{header + R"({"t":"w","cpu":0,"off":"0x0","sz":4,"v":"0x100000000"})",
               "f:2:1: value of MmioWrite: 0x100000000 does not fit"},
        Broken{header + R"({"t":"cmd","slot":-1,"lo":"0x0","hi":"0x0"})",
               "f:2:19: field \"slot\": a whole number"},
        Broken{header + R"({"t":"st","k":"PT4","pa":"0x8","sz":8,"v":"0x0"})",
               "f:2:15: field \"k\": \"PT4\" is no kind of region"},
        Broken{header + R"({"t":"init","k":"PT3","pa":"0x8","v":"0x1"})",
               "f:2:28: field \"pa\": 0x8 lies in no tracked PT3 region"},
        Broken{header + "{\"t\":\"track\",\"k\":\"CD\",\"pa\":\"0x40\",\"len\":64}\n"
                        R"({"t":"init","k":"CD","pa":"0x80","v":"0x1"})",
               "f:3:27: field \"pa\": 0x80 lies in no tracked CD region"},
        Broken{header + "{\"t\":\"track\",\"k\":\"CD\",\"pa\":\"0x40\",\"len\":64}\n"
                        "{\"t\":\"init\",\"k\":\"CD\",\"pa\":\"0x48\",\"v\":\"0x1\"}\n"
                        R"({"t":"init","k":"CD","pa":"0x48","v":"0x1"})",
               "f:4:27: field \"pa\": the word at 0x48 was given before"},
        Broken{header + R"({"t":"dma","res":"maybe","sid":8,"iova":"0x0"})",
               "f:2:18: field \"res\": \"maybe\" is no result"},
        Broken{header + R"({"t":"dma","res":"ok","sid":8,"iova":"0x0","perm":"wr"})",
               "f:2:51: field \"perm\""},
        Broken{header + R"({"t":"evt","what":"","rec":["0x0"]})",
               "f:2:28: field \"rec\": an array of 4"}));

RC_GTEST_PROP(ImportWatchProperty, GarbageIsAnErrorOrATrace, (u64 seed)) {
  static const std::string lines[] = {
      R"({"i":18,"t":"cmd","slot":0,"lo":"0x4","hi":"0x1f"})",
      R"({"i":37,"t":"track","k":"L1STD","pa":"0x43c93000","len":2048})",
      R"({"i":41,"t":"init","k":"L1STD","pa":"0x43c93008","v":"0x1"})",
      R"({"i":39,"t":"st","k":"STE","pa":"0x5b660000","sz":8,"v":"0x5b660009","pc":"0xff"})",
      R"({"i":380,"t":"dma","res":"ok","sid":8,"iova":"0xd002","pa":"0x4802f002","perm":"rw"})",
      R"({"i":379,"t":"devw","cpu":0,"dev":"x","pa":"0x80000","sz":2,"v":"0x0"})",
      R"({"i":11418,"t":"untrack","k":"L1STD","pa":"0x43c93000"})"};
  static constexpr std::string_view bytes = "{}[]\",:0x1f\\ \xff\x00-.e9";
  Draw draw(seed);
  std::string text = header;
  for (const std::string& line : lines) {
    text += line;
    if (draw.below(3) == 0) {
      const std::size_t at = text.size() - 1 - draw.below(line.size());
      if (draw.below(2) == 0) {
        text[at] = bytes[draw.below(bytes.size())];
      } else {
        text.erase(at, 1);
      }
    }
    text += '\n';
  }
  const auto trace = import_smmu_watch_text(text, "f");
  if (!trace) {
    RC_ASSERT(trace.error().message.starts_with("f:"));
    return;
  }
  for (const Event& event : trace->events) RC_ASSERT(!check(event));
  const auto back = parse_trace(to_text(*trace), "f");
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == *trace);
}

}  // namespace
}  // namespace iommucheck::oracle::import_test
