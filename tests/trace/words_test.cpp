// SPDX-License-Identifier: MIT
// Every word of the alphabet as a line that somebody wrote by hand, and what it has to mean.
// Nothing here comes from enums.def: a table that is wrong both ways reads back what it wrote
// (house A).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "trace/json.h"

namespace iommucheck::trace::words_test {
namespace {

Event read(const std::string& line) {
  auto event = event_from_json(line, {"by hand", 1});
  EXPECT_TRUE(event) << line << "\n" << (event ? "" : event.error().message);
  return event ? std::move(*event) : Event{};
}

/// `before` + word + `after` is an event of type E that has the value there; all words of an enum
/// are given.
template <class Payload, class Word>
struct Words {
  std::string before, after;
  Word (*of)(const Payload&);

  template <std::size_t n>
  void are(const std::pair<const char*, Word> (&words)[n]) const {
    EXPECT_EQ(n, EnumInfo<Word>::values.size()) << before;
    for (const auto& [text, value] : words) {
      const std::string line = before + text + after;
      const Event event = read(line);
      const auto* payload = std::get_if<Payload>(&event.payload);
      ASSERT_NE(payload, nullptr) << line;
      EXPECT_TRUE(of(*payload) == value) << line;
      EXPECT_EQ(to_json(event), line);
    }
    EXPECT_FALSE(event_from_json(before + "?" + after, {"by hand", 1}));
    EXPECT_FALSE(event_from_json(before + after, {"by hand", 1}));
  }
};

TEST(WordsByHand, OfMemoryAndRegisters) {
  Words<Barrier, BarrierKind>{R"({"event":"Barrier","agent":"cpu0","kind":")", R"("})",
                              [](const Barrier& e) { return e.kind; }}
      .are({{"full", BarrierKind::full},
            {"store", BarrierKind::store},
            {"load", BarrierKind::load}});
  Words<Irq, IrqKind>{R"({"event":"Irq","agent":"cpu0","kind":")", R"("})",
                      [](const Irq& e) { return e.kind; }}
      .are({{"EVENTQ", IrqKind::event_queue},
            {"PRIQ", IrqKind::page_request_queue},
            {"GERROR", IrqKind::global_error},
            {"CMD_SYNC", IrqKind::command_sync}});
  Words<DeviceStore, StoreCause>{
      R"({"event":"DeviceStore","agent":"smmu0","pa":"0x1000","size":"0x8","cause":")", R"("})",
      [](const DeviceStore& e) { return *e.cause; }}
      .are({{"dma", StoreCause::dma},
            {"event-record", StoreCause::event_record},
            {"page-request-record", StoreCause::page_request_record},
            {"msi", StoreCause::msi},
            {"access-flag", StoreCause::access_flag},
            {"dirty-flag", StoreCause::dirty_flag}});
}

TEST(WordsByHand, OfDevices) {
  const std::string access = R"({"event":"Dma","agent":"device0","sid":"0x10","iova":"0x1000",)";
  Words<Dma, Direction>{access + R"("direction":")", R"(","result":"abort"})",
                        [](const Dma& e) { return *e.direction; }}
      .are({{"read", Direction::read},
            {"write", Direction::write},
            {"execute", Direction::execute},
            {"read-write", Direction::read_write}});
  Words<Dma, TransactionKind>{access + R"("kind":")", R"(","result":"abort"})",
                              [](const Dma& e) { return *e.kind; }}
      .are({{"untranslated", TransactionKind::untranslated},
            {"translated", TransactionKind::translated}});
  Words<Dma, DmaResult>{access + R"("result":")", R"("})", [](const Dma& e) { return e.result; }}
      .are({{"ok", DmaResult::ok},
            {"bypass", DmaResult::bypass},
            {"disable", DmaResult::disable},
            {"abort", DmaResult::abort},
            {"stall", DmaResult::stall}});
  Words<AtsRequest, AtsResult>{
      R"({"event":"AtsRequest","agent":"device0","sid":"0x10","iova":"0x1000","result":")", R"("})",
      [](const AtsRequest& e) { return e.result; }}
      .are({{"success", AtsResult::success},
            {"UR", AtsResult::unsupported},
            {"CA", AtsResult::completer_abort}});
}

TEST(WordsByHand, OfStructures) {
  Words<Reach, RegionKind>{R"({"event":"Reach","agent":"smmu0","kind":")",
                           R"(","pa":"0x1000","length":"0x1000"})",
                           [](const Reach& e) { return e.kind; }}
      .are({{"L1STD", RegionKind::l1std},
            {"STE", RegionKind::ste},
            {"L1CD", RegionKind::l1cd},
            {"CD", RegionKind::cd},
            {"PT0", RegionKind::pt0},
            {"PT1", RegionKind::pt1},
            {"PT2", RegionKind::pt2},
            {"PT3", RegionKind::pt3},
            {"S2PT0", RegionKind::s2pt0},
            {"S2PT1", RegionKind::s2pt1},
            {"S2PT2", RegionKind::s2pt2},
            {"S2PT3", RegionKind::s2pt3},
            {"CMDQ", RegionKind::command_queue},
            {"EVENTQ", RegionKind::event_queue},
            {"PRIQ", RegionKind::page_request_queue}});
  Words<Note, NoteKind>{R"({"event":"Note","agent":"environment","kind":")", R"(","text":"x"})",
                        [](const Note& e) { return e.kind; }}
      .are({{"text", NoteKind::text},
            {"console", NoteKind::console},
            {"doorbell", NoteKind::doorbell},
            {"msi", NoteKind::msi}});
}

TEST(WordsByHand, OfCalls) {
  Words<Call, DomainKind>{
      R"({"event":"Call","agent":"cpu0","id":"0x1","call":{"name":"domain_alloc","kind":")",
      R"("}})", [](const Call& e) { return std::get<calls::DomainAlloc>(e.call).kind; }}
      .are({{"paging", DomainKind::paging},
            {"blocked", DomainKind::blocked},
            {"identity", DomainKind::identity},
            {"paging_s2", DomainKind::paging_s2},
            {"dynamic", DomainKind::dynamic},
            {"nested", DomainKind::nested},
            {"nested_pasid", DomainKind::nested_pasid}});
  Words<Call, Attribute>{
      R"({"event":"Call","agent":"cpu0","id":"0x1","call":{"name":"domain_get_attr","domain":"0x1","attribute":")",
      R"("}})", [](const Call& e) { return std::get<calls::DomainGetAttr>(e.call).attribute; }}
      .are({{"ttbr0", Attribute::ttbr0}, {"pasid", Attribute::pasid}});
  Words<Call, FaultResponse>{
      R"({"event":"Call","agent":"cpu0","id":"0x1","call":{"name":"fault_queue_respond","queue":"0x1","device":"0x0","pasid":"0x1","fault_group":"0x2","response":")",
      R"("}})", [](const Call& e) { return std::get<calls::FaultQueueRespond>(e.call).response; }}
      .are({{"success", FaultResponse::success},
            {"invalid", FaultResponse::invalid},
            {"failure", FaultResponse::failure},
            {"unknown", FaultResponse::unknown}});
  Words<Return, Status>{R"({"event":"Return","agent":"cpu0","id":"0x1","status":")", R"("})",
                        [](const Return& e) { return e.status; }}
      .are({{"ok", Status::ok},
            {"not built", Status::not_built},
            {"ENOENT", Status::enoent},
            {"ESRCH", Status::esrch},
            {"EIO", Status::eio},
            {"EAGAIN", Status::eagain},
            {"ENOMEM", Status::enomem},
            {"EBUSY", Status::ebusy},
            {"EEXIST", Status::eexist},
            {"ENODEV", Status::enodev},
            {"EINVAL", Status::einval},
            {"ENOSPC", Status::enospc},
            {"ERANGE", Status::erange},
            {"EDEADLK", Status::edeadlk},
            {"EOPNOTSUPP", Status::eopnotsupp},
            {"ETIMEDOUT", Status::etimedout},
            {"other", Status::other}});
  Words<Callback, CallbackKind>{R"({"event":"Callback","agent":"cpu0","kind":")",
                                R"(","device":"0x1","pasid":"0x2"})",
                                [](const Callback& e) { return e.kind; }}
      .are({{"mm_exit", CallbackKind::mm_exit}, {"fault_handler", CallbackKind::fault_handler}});
  Words<BackendHook, HookKind>{R"({"event":"BackendHook","agent":"environment","hook":")",
                               R"(","io_mm":"0x1"})", [](const BackendHook& e) { return e.hook; }}
      .are({{"mm_alloc", HookKind::mm_alloc},
            {"mm_free", HookKind::mm_free},
            {"mm_attach", HookKind::mm_attach},
            {"mm_detach", HookKind::mm_detach}});
}

TEST(WordsByHand, OfLives) {
  Words<DriverPhase, DriverLife>{R"({"event":"DriverPhase","agent":"cpu0","phase":")", R"("})",
                                 [](const DriverPhase& e) { return e.phase; }}
      .are({{"starting", DriverLife::starting},
            {"ready", DriverLife::ready},
            {"stopping", DriverLife::stopping},
            {"restored", DriverLife::restored}});
  Words<Release, Phase>{R"({"event":"Release","agent":"environment","mm":"0x1","phase":")", R"("})",
                        [](const Release& e) { return e.phase; }}
      .are({{"begin", Phase::begin}, {"end", Phase::end}});
  Words<BroadcastTlbi, BroadcastScope>{R"({"event":"BroadcastTlbi","agent":"cpu0","scope":")",
                                       R"("})", [](const BroadcastTlbi& e) { return e.scope; }}
      .are({{"all", BroadcastScope::all},
            {"asid", BroadcastScope::asid},
            {"va", BroadcastScope::va},
            {"va-all-asids", BroadcastScope::va_all_asids},
            {"ipa", BroadcastScope::ipa},
            {"both-stages", BroadcastScope::both_stages}});
  Words<BroadcastTlbi, CpuWorld>{
      R"({"event":"BroadcastTlbi","agent":"cpu0","scope":"all","world":")", R"("})",
      [](const BroadcastTlbi& e) { return e.world.value_or(CpuWorld::el1); }}
      .are({{"el1", CpuWorld::el1}, {"el2", CpuWorld::el2}, {"el2-e2h", CpuWorld::el2_e2h}});
}

}  // namespace
}  // namespace iommucheck::trace::words_test
