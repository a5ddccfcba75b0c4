// SPDX-License-Identifier: MIT
// Page requests in conform: devices that are right hold, whatever they claim besides; what a trace
// says of them is done again; and mistakes that no device here makes are found in a trace. Wrong
// devices are in mistakes_support.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

#include "conform/case_notes.h"
#include "conform/case_of_trace.h"
#include "conform/cases/directed.h"
#include "conform/conform.h"
#include "conform/dut/spec_device.h"
#include "conform/judge_case.h"
#include "conform/runner.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::page_requests_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

constexpr Rule page_rules[] = {rule::PAGE_REQUEST_RECORD, rule::PAGE_REQUEST_OVERFLOW,
                               rule::PAGE_REQUEST_RESPONSE};

spec::IdRegisters machine(unsigned ssidsize, bool pps, unsigned priqs) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.pri = true;
  caps.ssidsize = ssidsize;
  caps.pps = pps;
  caps.priqs = priqs;
  return spec::make_id_registers(caps);
}

RuleVerdict verdict(const ConformResult& result, Rule rule) {
  const auto its = [&](const RuleCount& count) { return count.rule == rule; };
  const auto found = std::ranges::find_if(result.rules, its);
  return found == result.rules.end() ? RuleVerdict::undetermined : found->verdict;
}

struct Machine {
  unsigned ssidsize;
  bool pps;
  unsigned priqs;
};
constexpr Machine machines[] = {{5, false, 4}, {5, true, 2}, {0, false, 2}, {20, false, 19}};

TEST(ConformPageRequests, DevicesThatAreRightHold) {
  u64 seed = 11;
  for (const Machine& one : machines) {
    SpecDevice device(seed, machine(one.ssidsize, one.pps, one.priqs));
    const auto directed = run_conform(device, options_of(seed, 0, "pages:*"));
    ASSERT_TRUE(directed) << directed.error().message;
    EXPECT_TRUE(directed->held()) << one.ssidsize << words(*directed);
    EXPECT_GT(directed->directed, 8U);
    for (const Rule rule : page_rules) {
      EXPECT_EQ(verdict(*directed, rule), RuleVerdict::holds) << spec::rule_name(rule);
    }
    seed += 2;
  }
}

/// Random cases send some, too.
TEST(ConformPageRequests, InRandomCases) {
  u64 seed = 3;
  for (const Machine& one : machines) {
    SpecDevice device(seed, machine(one.ssidsize, one.pps, one.priqs));
    std::array<u64, 3> asked{};
    CaseJudge judge(device.identity());
    for (u64 number = 0; number < 12; ++number) {
      const auto run = run_case(device, random_case(device.identity(), seed, number));
      ASSERT_TRUE(run);
      for (const Divergence& found : judge.judge(run->trace)) {
        ADD_FAILURE() << one.ssidsize << " case " << number << ": " << found.statement;
      }
    }
    const JudgeTally tally = judge.take_tally();
    for (std::size_t i = 0; i < asked.size(); ++i) {
      asked[i] = tally.exercised[spec::number_of(page_rules[i])];
      EXPECT_GT(asked[i], 2U) << spec::rule_name(page_rules[i]);
    }
    ++seed;
  }
}

TEST(ConformPageRequests, ADeviceWithoutThemClaimsNone) {
  SpecDevice device(2, drawn_spec_device_id(4));
  const auto result = run_conform(device, options_of(2, 0, "disabled:*"));
  ASSERT_TRUE(result) << result.error().message;
  for (const Rule rule : page_rules) {
    EXPECT_EQ(verdict(*result, rule), RuleVerdict::not_claimed) << spec::rule_name(rule);
  }
  for (const Case& one : directed_cases(device.identity())) {
    EXPECT_FALSE(one.name.starts_with("pages: ")) << one.name;
  }
}

TEST(ConformPageRequests, ANoteIsAResponse) {
  for (const spec::ResponseCode code :
       {spec::ResponseCode::success, spec::ResponseCode::invalid_request,
        spec::ResponseCode::failure}) {
    spec::PageResponse one{.sid = 0xffffffff, .prg_index = 0x1ff, .code = code};
    EXPECT_EQ(response_in(note_of(one)), one);
    one = {.sid = 0x10, .ssid = 0, .prg_index = 0, .code = code};
    EXPECT_EQ(response_in(note_of(one)), one);
    one.ssid = 0xfffff;
    EXPECT_EQ(response_in(note_of(one)), one);
  }
  EXPECT_FALSE(response_in(trace::Note{.text = silence_note}));
  EXPECT_FALSE(
      response_in(trace::Note{.text = "a response to a page request: Perhaps", .value = 0}));
}

/// A trace replays: the same messages, looks at the queue and responses.
TEST(ConformPageRequests, ATraceIsDoneAgain) {
  SpecDevice device(5, machine(5, false, 4));
  u64 responses = 0, records = 0;
  for (const Case& one : directed_cases(device.identity())) {
    if (!one.name.starts_with("pages: ")) continue;
    const auto first = run_case(device, one);
    ASSERT_TRUE(first);
    const auto again = case_of(first->trace, one.name);
    ASSERT_TRUE(again) << again.error().message;
    const auto second = run_case(device, *again);
    ASSERT_TRUE(second);
    const auto of = [](const trace::Trace& trace) {
      std::vector<trace::Payload> told;
      for (const trace::Event& event : trace.events) {
        const auto* note = std::get_if<trace::Note>(&event.payload);
        if ((note != nullptr && response_in(*note)) ||
            std::holds_alternative<trace::PageRequest>(event.payload) ||
            std::holds_alternative<trace::PageRequestQueued>(event.payload)) {
          told.push_back(event.payload);
        }
      }
      return told;
    };
    EXPECT_EQ(of(first->trace), of(second->trace)) << one.name;
    for (const trace::Payload& payload : of(first->trace)) {
      responses += std::holds_alternative<trace::Note>(payload) ? 1 : 0;
      records += std::holds_alternative<trace::PageRequestQueued>(payload) ? 1 : 0;
    }
  }
  EXPECT_GT(responses, 30U);
  EXPECT_GT(records, 60U);
}

// ---- what no device here does -------------------------------------------------------------------

/// Three messages of one group, and what a device does with them.
class Group {
 public:
  Group() : device_(5, machine(5, false, 4)), judge_(device_.identity()) {
    CaseBuilder b(device_.identity(), "pages: a group", {.pages = PageQueue::enabled});
    b.ste(0, spec::make_abort_ste());
    b.enable();
    for (u64 page = 1; page <= 3; ++page) {
      b.page_request(
          {.address = 0x1000 * page, .prg_index = 7, .last = page == 3, .read = page != 3});
    }
    b.page_poll();
    auto run = run_case(device_, b.take());
    EXPECT_TRUE(run);
    trace_ = std::move(run->trace);
    for (std::size_t i = 0; i < trace_.events.size(); ++i) {
      if (std::holds_alternative<trace::PageRequestQueued>(trace_.events[i].payload)) {
        records_.push_back(i);
      }
    }
    EXPECT_EQ(records_.size(), 3U);
  }
  trace::PageRequestQueued& record(std::size_t n) {
    return std::get<trace::PageRequestQueued>(trace_.events[records_[n]].payload);
  }
  void insert(std::size_t behind_record, trace::Event event) {
    trace_.events.insert(
        trace_.events.begin() + static_cast<std::ptrdiff_t>(records_[behind_record] + 1), event);
  }
  void erase(std::size_t n) {
    trace_.events.erase(trace_.events.begin() + static_cast<std::ptrdiff_t>(records_[n]));
  }
  /// "RULE: kind" of what is found; empty: nothing.
  std::string found() {
    std::string text;
    for (const Divergence& one : judge_.judge(trace_)) {
      if (one.rule == rule::DEVICE_OUTCOME) continue;  // the queue in memory is as it was
      text +=
          (text.empty() ? "" : "; ") + std::string(spec::rule_name(one.rule)) + ": " + one.called;
    }
    return text;
  }

 private:
  SpecDevice device_;
  CaseJudge judge_;
  trace::Trace trace_;
  std::vector<std::size_t> records_;
};

TEST(ConformPageRequests, OfTheOrderOnlyTheLastOneIsFixed) {
  Group right;
  EXPECT_EQ(right.found(), "");
  Group others;
  std::swap(others.record(0).record, others.record(1).record);
  EXPECT_EQ(others.found(), "") << "no order is fixed among those before the Last one";
  Group last;
  std::swap(last.record(1).record, last.record(2).record);
  EXPECT_EQ(last.found(), "PAGE_REQUEST_RECORD: a record stands behind the Last one of its group");
}

TEST(ConformPageRequests, OneRecordEach) {
  Group lost;
  lost.erase(1);
  EXPECT_EQ(lost.found(), "PAGE_REQUEST_RECORD: no record of a page request");
  Group twice;
  twice.record(1).record = twice.record(0).record;
  EXPECT_EQ(twice.found(), "PAGE_REQUEST_RECORD: a page request is recorded twice");
  Group strange;
  strange.record(0).record = trace::PageRequestRecord{~u64{0}, ~u64{0}};
  EXPECT_EQ(strange.found(), "PAGE_REQUEST_RECORD: a record that is no page request's");
}

TEST(ConformPageRequests, NoneIsRecordedAndAnswered) {
  Group both;
  both.insert(2, {trace::smmu_agent(),
                  note_of({.sid = 0x10, .prg_index = 7, .code = spec::ResponseCode::failure}),
                  std::nullopt});
  EXPECT_EQ(both.found(), "PAGE_REQUEST_RESPONSE: a page request is answered that is recorded");
  Group nobody;
  nobody.insert(2, {trace::smmu_agent(),
                    note_of({.sid = 0x10, .prg_index = 8, .code = spec::ResponseCode::success}),
                    std::nullopt});
  EXPECT_EQ(nobody.found(), "PAGE_REQUEST_RESPONSE: a response that nothing asks for");
}

/// CMD_PRI_RESP with SMMUEN = 0 sends nothing. 4.5.2.
TEST(ConformPageRequests, NothingIsSentWhileSmmuenIs0) {
  SpecDevice device(5, machine(5, false, 4));
  CaseJudge judge(device.identity());
  for (const bool enabled : {true, false}) {
    CaseBuilder b(device.identity(), "pages: a response", {.pages = PageQueue::enabled});
    if (enabled) b.enable();
    b.command(pri_resp(b.sid(0), 3, 2));
    b.sync();
    auto run = run_case(device, b.take());
    ASSERT_TRUE(run);
    EXPECT_TRUE(judge.judge(run->trace).empty());
    std::erase_if(run->trace.events, [](const trace::Event& event) {
      const auto* note = std::get_if<trace::Note>(&event.payload);
      return note != nullptr && response_in(*note);
    });
    const bool erased = run->trace.events.size() != run->step_of.size();
    EXPECT_EQ(erased, enabled) << "sent";
    run->trace.events.push_back(
        {trace::smmu_agent(),
         note_of({.sid = b.sid(0), .prg_index = 3, .code = spec::ResponseCode::success}),
         std::nullopt});
    const auto found = judge.judge(run->trace);
    EXPECT_EQ(found.empty(), enabled);
    if (!found.empty()) {
      EXPECT_EQ(found.front().rule, rule::PAGE_REQUEST_RESPONSE);
      EXPECT_EQ(found.front().called, "a response that nothing asks for");
    }
  }
}

/// The specification, whose PRIQ_PROD is shown as `shows` makes of it.
class Shown final : public DeviceUnderTest {
 public:
  explicit Shown(std::function<u64(u64 prod)> shows, bool prompt = false)
      : inner_(5, machine(5, false, 4)), identity_(inner_.identity()), shows_(std::move(shows)) {
    identity_.prompt = prompt;
  }
  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override {
    shown_.clear();
    return inner_.reset();
  }
  void mmio_write(u32 at, unsigned size, u64 value) override { inner_.mmio_write(at, size, value); }
  Ticket mmio_read(u32 at, unsigned size) override {
    const Ticket ticket = inner_.mmio_read(at, size);
    if (at == spec::reg::priq_prod) shown_[ticket] = shows_(inner_.value(ticket));
    return ticket;
  }
  void store(u64 pa, u64 value) override { inner_.store(pa, value); }
  void fill(u64 pa, u64 count, u64 value) override { inner_.fill(pa, count, value); }
  Ticket load(u64 pa) override { return inner_.load(pa); }
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
    return inner_.dma(engine, iova, write, attributes);
  }
  Ticket ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
    return inner_.ats_request(engine, iova, write, attributes);
  }
  [[nodiscard]] AtsSeen answered(Ticket ticket) const override { return inner_.answered(ticket); }
  void invalidated(u32 tag) override { inner_.invalidated(tag); }
  void invalidations_time_out() override { inner_.invalidations_time_out(); }
  std::vector<AtcInvalidation> take_invalidations() override { return inner_.take_invalidations(); }
  void page_request(const spec::PageRequest& request) override { inner_.page_request(request); }
  std::vector<spec::PageResponse> take_page_responses() override {
    return inner_.take_page_responses();
  }
  Expected<void> settle() override { return inner_.settle(); }
  [[nodiscard]] u64 value(Ticket ticket) const override {
    const auto found = shown_.find(ticket);
    return found == shown_.end() ? inner_.value(ticket) : found->second;
  }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return inner_.seen(ticket); }

 private:
  SpecDevice inner_;
  DeviceIdentity identity_;
  std::function<u64(u64)> shows_;
  std::map<Ticket, u64> shown_;
};

TEST(ConformPageRequests, OvflgTogglesForAnOverflowAlone) {
  Shown device([](u64 prod) { return prod ^ spec::queue_overflow_flag; });
  const auto result = run_conform(device, options_of(5, 0, "pages: records"));
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->divergences.size(), 1U) << words(*result);
  EXPECT_EQ(result->divergences.front().divergence.rule, rule::PAGE_REQUEST_OVERFLOW);
  EXPECT_EQ(result->divergences.front().divergence.called,
            "PRIQ_PROD.OVFLG toggles without an overflow");
}

/// Whoever needs time shows PRIQ_PROD as it was at the look before; and one that says it needs none
/// is followed where it was not known how full its queue is.
TEST(ConformPageRequests, TimeIsNoMistake) {
  u64 before = 0;
  Shown late([&](u64 prod) { return std::exchange(before, prod); });
  Shown prompt([](u64 prod) { return prod; }, true);
  for (Shown* device : {&late, &prompt}) {
    CaseJudge judge(device->identity());
    std::vector<Case> cases;
    for (const Case& one : directed_cases(device->identity())) {
      if (one.name.starts_with("pages: ")) cases.push_back(one);
    }
    for (u64 n = 0; n < 8; ++n) cases.push_back(random_case(device->identity(), 9, n));
    for (const Case& one : cases) {
      before = 0;
      const auto run = run_case(*device, one);
      ASSERT_TRUE(run);
      for (const Divergence& found : judge.judge(run->trace)) {
        EXPECT_EQ(std::ranges::count(page_rules, found.rule), 0)
            << one.name << ": " << found.statement;
      }
    }
  }
}

}  // namespace
}  // namespace iommucheck::oracle::page_requests_test
