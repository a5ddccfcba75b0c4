// SPDX-License-Identifier: MIT
// Every word of iommucheck/monitor_events.h, given by a user in C, is the word in the saved trace;
// and each kind of domain is judged as what it is, from JSON that was written by hand (house A).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "iommucheck/monitor_report.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "tests/capi/door_support.h"
#include "tests/own_path.h"

namespace iommucheck::oracle::door_words_test {
namespace {

struct Pair {
  u64 number;
  const char* word;
};

/// Reports each number and expects `"key":"word"` in the trace's line.
void saves(const std::string& key, const std::vector<Pair>& pairs,
           const std::function<int(iommucheck_monitor*, u64)>& report) {
  const std::string path = test::own_path("door_words.trace");
  for (const Pair& pair : pairs) {
    const MonitorPtr monitor = open_monitor();
    EXPECT_GE(report(monitor.get(), pair.number), 0)
        << pair.word << ": " << iommucheck_monitor_last_error(monitor.get());
    ASSERT_EQ(iommucheck_monitor_save(monitor.get(), path.c_str()), 0);
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);  // the header
    std::getline(in, line);
    EXPECT_NE(line.find("\"" + key + "\":\"" + pair.word + "\""), std::string::npos)
        << key << " " << pair.number << " should be " << pair.word << ": " << line;
  }
  std::filesystem::remove(path);
  const MonitorPtr monitor = open_monitor();
  EXPECT_EQ(report(monitor.get(), 99), -IOMMUCHECK_EINVAL) << key;
}

TEST(DoorWords, OfMemoryAndRegisters) {
  saves("kind",
        {{IOMMUCHECK_BARRIER_FULL, "full"},
         {IOMMUCHECK_BARRIER_STORE, "store"},
         {IOMMUCHECK_BARRIER_LOAD, "load"}},
        [](auto* m, u64 n) { return iommucheck_report_barrier(m, 0, 0, n, 0); });
  saves("kind",
        {{IOMMUCHECK_IRQ_EVENT_QUEUE, "EVENTQ"},
         {IOMMUCHECK_IRQ_PAGE_REQUEST_QUEUE, "PRIQ"},
         {IOMMUCHECK_IRQ_GLOBAL_ERROR, "GERROR"},
         {IOMMUCHECK_IRQ_COMMAND_SYNC, "CMD_SYNC"}},
        [](auto* m, u64 n) { return iommucheck_report_irq(m, 0, 0, n, 0); });
  saves("cause",
        {{IOMMUCHECK_STORE_CAUSE_DMA, "dma"},
         {IOMMUCHECK_STORE_CAUSE_EVENT_RECORD, "event-record"},
         {IOMMUCHECK_STORE_CAUSE_PAGE_REQUEST_RECORD, "page-request-record"},
         {IOMMUCHECK_STORE_CAUSE_MSI, "msi"},
         {IOMMUCHECK_STORE_CAUSE_ACCESS_FLAG, "access-flag"},
         {IOMMUCHECK_STORE_CAUSE_DIRTY_FLAG, "dirty-flag"}},
        [](auto* m, u64 n) {
          return iommucheck_report_device_store(m, IOMMUCHECK_SMMU(0),
                                                IOMMUCHECK_DEVICE_STORE_CAUSE, 0x1000, 8, 0, 0, n);
        });
}

TEST(DoorWords, OfDevices) {
  const auto dma = [](iommucheck_monitor* m, u64 known, u64 direction, u64 kind, u64 result) {
    return iommucheck_report_dma(m, IOMMUCHECK_DEVICE(0), known, 0x10, 0, 0x1000, direction, 0, 0,
                                 kind, result, 0, 0, 0, 0, 0, 0);
  };
  saves("direction",
        {{IOMMUCHECK_DIRECTION_READ, "read"},
         {IOMMUCHECK_DIRECTION_WRITE, "write"},
         {IOMMUCHECK_DIRECTION_EXECUTE, "execute"},
         {IOMMUCHECK_DIRECTION_READ_WRITE, "read-write"}},
        [&](auto* m, u64 n) {
          return dma(m, IOMMUCHECK_DMA_DIRECTION, n, 0, IOMMUCHECK_DMA_RESULT_ABORT);
        });
  saves("kind",
        {{IOMMUCHECK_TRANSACTION_UNTRANSLATED, "untranslated"},
         {IOMMUCHECK_TRANSACTION_TRANSLATED, "translated"}},
        [&](auto* m, u64 n) {
          return dma(m, IOMMUCHECK_DMA_KIND, 0, n, IOMMUCHECK_DMA_RESULT_ABORT);
        });
  saves("result",
        {{IOMMUCHECK_DMA_RESULT_OK, "ok"},
         {IOMMUCHECK_DMA_RESULT_BYPASS, "bypass"},
         {IOMMUCHECK_DMA_RESULT_DISABLE, "disable"},
         {IOMMUCHECK_DMA_RESULT_ABORT, "abort"},
         {IOMMUCHECK_DMA_RESULT_STALL, "stall"}},
        [&](auto* m, u64 n) { return dma(m, 0, 0, 0, n); });
  saves("result",
        {{IOMMUCHECK_ATS_RESULT_SUCCESS, "success"},
         {IOMMUCHECK_ATS_RESULT_UNSUPPORTED, "UR"},
         {IOMMUCHECK_ATS_RESULT_COMPLETER_ABORT, "CA"}},
        [](auto* m, u64 n) {
          return iommucheck_report_ats_request(m, IOMMUCHECK_DEVICE(0), 0, 0x10, 0, 0x1000, 0, 0, 0,
                                               n, 0, 0, 0, 0, 0, 0);
        });
}

TEST(DoorWords, OfStructures) {
  saves("kind",
        {{IOMMUCHECK_REGION_L1STD, "L1STD"},
         {IOMMUCHECK_REGION_STE, "STE"},
         {IOMMUCHECK_REGION_L1CD, "L1CD"},
         {IOMMUCHECK_REGION_CD, "CD"},
         {IOMMUCHECK_REGION_PT0, "PT0"},
         {IOMMUCHECK_REGION_PT1, "PT1"},
         {IOMMUCHECK_REGION_PT2, "PT2"},
         {IOMMUCHECK_REGION_PT3, "PT3"},
         {IOMMUCHECK_REGION_S2PT0, "S2PT0"},
         {IOMMUCHECK_REGION_S2PT1, "S2PT1"},
         {IOMMUCHECK_REGION_S2PT2, "S2PT2"},
         {IOMMUCHECK_REGION_S2PT3, "S2PT3"},
         {IOMMUCHECK_REGION_COMMAND_QUEUE, "CMDQ"},
         {IOMMUCHECK_REGION_EVENT_QUEUE, "EVENTQ"},
         {IOMMUCHECK_REGION_PAGE_REQUEST_QUEUE, "PRIQ"}},
        [](auto* m, u64 n) {
          return iommucheck_report_structure_fetch(
              m, IOMMUCHECK_SMMU(0), IOMMUCHECK_STRUCTURE_FETCH_KIND, 0x1000, 8, 0, n);
        });
  saves("kind",
        {{IOMMUCHECK_NOTE_TEXT, "text"},
         {IOMMUCHECK_NOTE_CONSOLE, "console"},
         {IOMMUCHECK_NOTE_DOORBELL, "doorbell"},
         {IOMMUCHECK_NOTE_MSI, "msi"}},
        [](auto* m, u64 n) { return iommucheck_report_note(m, 0, 0, n, "x", 0, 0); });
}

TEST(DoorWords, OfCalls) {
  saves("kind",
        {{IOMMUCHECK_DOMAIN_PAGING, "paging"},
         {IOMMUCHECK_DOMAIN_BLOCKED, "blocked"},
         {IOMMUCHECK_DOMAIN_IDENTITY, "identity"},
         {IOMMUCHECK_DOMAIN_PAGING_S2, "paging_s2"},
         {IOMMUCHECK_DOMAIN_DYNAMIC, "dynamic"},
         {IOMMUCHECK_DOMAIN_NESTED, "nested"},
         {IOMMUCHECK_DOMAIN_NESTED_PASID, "nested_pasid"}},
        [](auto* m, u64 n) {
          return iommucheck_report_call_domain_alloc(m, 0, 0, 1, n, 0, 0, 0, 0);
        });
  saves("attribute", {{IOMMUCHECK_ATTRIBUTE_TTBR0, "ttbr0"}, {IOMMUCHECK_ATTRIBUTE_PASID, "pasid"}},
        [](auto* m, u64 n) { return iommucheck_report_call_domain_get_attr(m, 0, 0, 1, 1, n); });
  saves("response",
        {{IOMMUCHECK_FAULT_SUCCESS, "success"},
         {IOMMUCHECK_FAULT_INVALID, "invalid"},
         {IOMMUCHECK_FAULT_FAILURE, "failure"},
         {IOMMUCHECK_FAULT_UNKNOWN, "unknown"}},
        [](auto* m, u64 n) {
          return iommucheck_report_call_fault_queue_respond(m, 0, 0, 1, 1, 0, 1, 2, n);
        });
  saves("kind",
        {{IOMMUCHECK_CALLBACK_MM_EXIT, "mm_exit"},
         {IOMMUCHECK_CALLBACK_FAULT_HANDLER, "fault_handler"}},
        [](auto* m, u64 n) { return iommucheck_report_callback(m, 0, 0, n, 0, 1, 0, 0); });
  saves("hook",
        {{IOMMUCHECK_HOOK_MM_ALLOC, "mm_alloc"},
         {IOMMUCHECK_HOOK_MM_FREE, "mm_free"},
         {IOMMUCHECK_HOOK_MM_ATTACH, "mm_attach"},
         {IOMMUCHECK_HOOK_MM_DETACH, "mm_detach"}},
        [](auto* m, u64 n) { return iommucheck_report_backend_hook(m, 0, 0, n, 1, 0, 0, 0); });
}

// The numbers are those of errno, by which a driver in C has them.
TEST(DoorWords, OfResults) {
  saves("status",
        {{0, "ok"},
         {IOMMUCHECK_NOT_BUILT, "not built"},
         {2, "ENOENT"},
         {3, "ESRCH"},
         {5, "EIO"},
         {11, "EAGAIN"},
         {12, "ENOMEM"},
         {16, "EBUSY"},
         {17, "EEXIST"},
         {19, "ENODEV"},
         {22, "EINVAL"},
         {28, "ENOSPC"},
         {34, "ERANGE"},
         {35, "EDEADLK"},
         {95, "EOPNOTSUPP"},
         {110, "ETIMEDOUT"},
         {IOMMUCHECK_STATUS_OTHER, "other"}},
        [](auto* m, u64 n) { return iommucheck_report_return(m, 0, 0, 1, n, 0, nullptr, 0, 0); });
}

TEST(DoorWords, OfLives) {
  saves("phase",
        {{IOMMUCHECK_DRIVER_LIFE_STARTING, "starting"},
         {IOMMUCHECK_DRIVER_LIFE_READY, "ready"},
         {IOMMUCHECK_DRIVER_LIFE_STOPPING, "stopping"},
         {IOMMUCHECK_DRIVER_LIFE_RESTORED, "restored"}},
        [](auto* m, u64 n) { return iommucheck_report_driver_phase(m, 0, 0, n); });
  saves("phase", {{IOMMUCHECK_PHASE_BEGIN, "begin"}, {IOMMUCHECK_PHASE_END, "end"}},
        [](auto* m, u64 n) {
          return iommucheck_report_release(m, IOMMUCHECK_ENVIRONMENT, 0, 1, n, 0);
        });
  saves("scope",
        {{IOMMUCHECK_BROADCAST_SCOPE_ALL, "all"},
         {IOMMUCHECK_BROADCAST_SCOPE_ASID, "asid"},
         {IOMMUCHECK_BROADCAST_SCOPE_VA, "va"},
         {IOMMUCHECK_BROADCAST_SCOPE_VA_ALL_ASIDS, "va-all-asids"},
         {IOMMUCHECK_BROADCAST_SCOPE_IPA, "ipa"},
         {IOMMUCHECK_BROADCAST_SCOPE_BOTH_STAGES, "both-stages"}},
        [](auto* m, u64 n) {
          return iommucheck_report_broadcast_tlbi(m, 0, 0, n, 0, 0, 0, 0, 0, 0);
        });
  saves("world",
        {{IOMMUCHECK_CPU_WORLD_EL1, "el1"},
         {IOMMUCHECK_CPU_WORLD_EL2, "el2"},
         {IOMMUCHECK_CPU_WORLD_EL2_E2H, "el2-e2h"}},
        [](auto* m, u64 n) {
          return iommucheck_report_broadcast_tlbi(m, 0, IOMMUCHECK_BROADCAST_TLBI_WORLD, 0, 0, 0, 0,
                                                  0, n, 0);
        });
}

// ---- what a kind of domain means ----------------------------------------------------------------

// No device and no access: each kind is told from the others by what its calls have to answer.
const std::string header =
    R"({"iommucheck-trace":1,"versions":{"hand":"1"},"id_registers":{"IDR0":"0x940101a","IDR1":"0x1070010","IDR2":"0x0","IDR3":"0x414","IDR5":"0x55"},"devices":[]})";

std::string phase(const std::string& word) {
  return R"({"event":"DriverPhase","agent":"cpu0","phase":")" + word + "\"}\n";
}
std::string call(const std::string& id, const std::string& words) {
  return R"({"event":"Call","agent":"cpu0","id":")" + id + R"(","call":{)" + words + "}}\n";
}
std::string returned(const std::string& id, const std::string& result) {
  return R"({"event":"Return","agent":"cpu0","id":")" + id + R"(","status":)" + result + "}\n";
}
std::string alloc(const std::string& kind) {
  return call("0x1", R"("name":"domain_alloc","kind":")" + kind + "\"");
}

/// The driver comes up, and then `what` happens.
ReplayResult judged(const std::string& what) {
  const std::string path = test::own_path("by_hand.trace.jsonl");
  std::ofstream(path) << header << "\n" << phase("starting") << phase("ready") << what;
  ReplayOptions options;
  options.trace = path;
  const auto result = run_replay(options);
  EXPECT_TRUE(result) << result.error().message;
  std::filesystem::remove(path);
  return result ? *result : ReplayResult{};
}

std::string rules_of(const ReplayResult& result) {
  std::string text;
  for (const auto& finding : result.findings) {
    text += std::string(spec::rule_name(finding.rule)) + ": " + headline(finding) + "\n";
  }
  return text;
}

const std::string facts = R"("ok","value":"0x1","words":["0x30","0x30","0x40201000"])";
const std::string no_facts = R"("ok","value":"0x1","words":["0x30","0x30","0x0"])";

/// A domain of that kind is made. 0x5000 is asked for, and is `phys`; a page is mapped, with a
/// result.
std::string life(const std::string& kind, const std::string& phys, const std::string& mapped) {
  const bool maps = kind.starts_with("paging");
  return alloc(kind) + returned("0x1", maps ? facts : no_facts) +
         call("0x2", R"("name":"iova_to_phys","domain":"0x1","iova":"0x5000")") +
         returned("0x2", R"("ok","value":")" + phys + "\"") +
         call("0x3",
              R"("name":"map","domain":"0x1","iova":"0x6000","pa":"0x10000","size":"0x1000",)"
              R"("rights":"rw")") +
         returned("0x3", "\"" + mapped + "\"");
}

TEST(DomainKindsByHand, EachIsJudgedAsWhatItIs) {
  EXPECT_EQ(rules_of(judged(life("identity", "0x5000", "EINVAL"))), "");
  EXPECT_EQ(rules_of(judged(life("blocked", "0x0", "EINVAL"))), "");
  EXPECT_EQ(rules_of(judged(life("paging", "0x0", "ok"))), "");
  EXPECT_EQ(rules_of(judged(life("paging_s2", "0x0", "ok"))), "");
}

TEST(DomainKindsByHand, AnotherKindsAnswersAreFound) {
  EXPECT_NE(rules_of(judged(life("identity", "0x0", "EINVAL"))), "");
  EXPECT_NE(rules_of(judged(life("identity", "0x5000", "ok"))), "");
  EXPECT_NE(rules_of(judged(life("blocked", "0x5000", "EINVAL"))), "");
  EXPECT_NE(rules_of(judged(life("blocked", "0x0", "ok"))), "");
  EXPECT_NE(rules_of(judged(life("paging", "0x5000", "ok"))), "");
  EXPECT_NE(rules_of(judged(life("paging", "0x0", "EINVAL"))), "");
}

TEST(DomainKindsByHand, KindsThatAreNotBuiltAreNotTakenForOthers) {
  for (const char* kind : {"dynamic", "nested", "nested_pasid"}) {
    // That the driver has none of them is right. That it made one cannot be judged.
    EXPECT_EQ(rules_of(judged(alloc(kind) + returned("0x1", "\"not built\""))), "") << kind;
    EXPECT_EQ(rules_of(judged(alloc(kind) + returned("0x1", "\"EOPNOTSUPP\""))), "") << kind;
    const ReplayResult made = judged(alloc(kind) + returned("0x1", no_facts));
    EXPECT_TRUE(made.flagged + made.undetermined != 0 || !made.bound.empty()) << kind;
  }
}

// An error that is none of the interface's is itself in every text.
TEST(DomainKindsByHand, AStrangeErrorKeepsItsNumber) {
  const ReplayResult result =
      judged(alloc("paging") + returned("0x1", R"("other","error":"0x26")"));
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].rule, spec::rule::RESULT_EXACT);
  EXPECT_NE(headline(result.findings[0]).find("errno 38"), std::string::npos)
      << headline(result.findings[0]);
  for (const std::string& line : evidence(result.findings[0])) {
    EXPECT_EQ(line.find("EINVAL"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::door_words_test
