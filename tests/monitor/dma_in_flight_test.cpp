// SPDX-License-Identifier: MIT
// Accesses that take time, in traces: DmaBegin and DmaEnd put into what our driver did, or what it
// did with TLB invalidations of another ASID. IHI 0070 4.7.3; SEMANTICS 3.
#include "monitor/dma_in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "monitor/recorder.h"
#include "monitor/trace_judge.h"
#include "monitor/trace_setup.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "trace/agent.h"

namespace iommucheck::oracle::dma_in_flight_test {
namespace {

namespace rule = spec::rule;
using spec::sva::Call;
using spec::sva::CallKind;
using ::testing::HasSubstr;
using trace::DmaResult;

constexpr u64 page = 0x1000;
constexpr u64 p1 = u64{1} << 32;
constexpr u32 rw = spec::sva::prot_read | spec::sva::prot_write;

Setup one_device() {
  Setup setup;
  setup.id = default_id_registers();
  setup.window_bytes = u64{16} << 20;
  setup.devices.push_back({.stream_ids = {1}});
  return setup;
}

/// Ours, whose TLB invalidations are of another ASID while it forgets.
struct Forgetful {
  iommucheck_platform platform{};
  void (*store64)(void* ctx, uint64_t pa, uint64_t value) = nullptr;
  bool forgets = false;
};
Forgetful& forgetful() {
  static Forgetful one;
  return one;
}

iommucheck_driver forgetful_driver() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.init = [](const iommucheck_platform* its, const iommucheck_config* config,
                   void** self) -> int {
    Forgetful& one = forgetful();
    one.platform = *its;
    one.store64 = its->store64;
    one.platform.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
      constexpr u64 tlbi_nh_va = 0x12, other_asid = u64{1} << 48;
      const bool drops = forgetful().forgets && (value & 0xff) == tlbi_nh_va;
      forgetful().store64(ctx, pa, drops ? value ^ other_asid : value);
    };
    return impl::builtin_driver()->init(&one.platform, config, self);
  };
  return driver;
}

/// A page that is mapped and unmapped, and moments of that.
class InFlight : public testing::Test {
 protected:
  enum class Moment : u8 { before_map, mapped, unmapping, unmapped };

  /// `forgets`: the TLB invalidation of the unmap.
  void play(bool forgets) {
    forgetful().forgets = false;
    const auto setup = one_device();
    TraceRecorder recorder(header_of(setup, {}));
    Monitor monitor(setup);
    monitor.set_sink(&recorder);
    const iommucheck_driver driver = forgetful_driver();
    DriverHost host(driver, monitor);
    ASSERT_EQ(host.boot(), "");
    const auto ok = [&](const Call& call) {
      const spec::sva::Observed observed = host.call(call);
      EXPECT_EQ(observed.status, spec::sva::Status::ok);
      return observed.value;
    };
    const u64 domain = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
    ok({.kind = CallKind::attach, .domain = domain, .device = 0});
    at_[0] = recorder.size();
    ok({.kind = CallKind::map, .domain = domain, .iova = page, .pa = p1, .size = page, .prot = rw});
    at_[1] = recorder.size();
    forgetful().forgets = forgets;
    ok({.kind = CallKind::unmap, .domain = domain, .iova = page, .size = page});
    at_[3] = recorder.size();
    trace_ = recorder.take();
    // Behind the barrier of the store, before the CMD_SYNC was seen to be complete.
    for (std::size_t i = at_[1]; i < at_[3]; ++i) {
      const auto* write = std::get_if<trace::MmioWrite>(&trace_.events[i].payload);
      if (write != nullptr && write->offset == spec::reg::cmdq_prod) at_[2] = i + 1;
    }
    ASSERT_NE(at_[2], 0U);
  }

  void begins(Moment when, u64 number = 7) {
    trace::DmaBegin begin{.dma = trace::DmaId{number}, .sid = 1, .iova = page};
    begin.ssid = trace::no_substream;
    begin.direction = trace::Direction::read;
    begin.privileged = false;
    put(when, begin);
  }
  void ends(Moment when, DmaResult result, u64 number = 7) {
    trace::DmaEnd end{.dma = trace::DmaId{number}, .result = result};
    if (result == DmaResult::ok) end.pa = p1;
    put(when, end);
  }
  void at_once(Moment when, DmaResult result) {
    trace::Dma dma{.sid = 1, .iova = page, .result = result};
    dma.ssid = trace::no_substream;
    dma.direction = trace::Direction::read;
    dma.privileged = false;
    if (result == DmaResult::ok) dma.pa = p1;
    put(when, dma);
  }

  /// What comes of the trace with all that was put into it.
  void judge() {
    trace::Trace trace{.header = trace_.header, .events = {}};
    for (std::size_t i = 0; i <= trace_.events.size(); ++i) {
      for (const auto& [at, event] : put_) {
        if (at == i) trace.events.push_back(event);
      }
      if (i < trace_.events.size()) trace.events.push_back(trace_.events[i]);
    }
    put_.clear();
    Monitor monitor(setup_of(trace.header));
    for (const trace::Event& event : trace.events) monitor.feed(event);
    monitor.finish();
    findings_ = monitor.findings();
    missing_.clear();
    for (const auto& one : monitor.undetermined()) missing_ += one.missing + "\n";
  }
  void expect_held() {
    judge();
    EXPECT_EQ(missing_, "");
    EXPECT_TRUE(findings_.empty()) << one_line(findings_.front());
  }
  void expect_found(spec::Rule rule, const char* words) {
    judge();
    EXPECT_EQ(missing_, "");
    ASSERT_FALSE(findings_.empty());
    EXPECT_EQ(findings_.front().rule, rule) << one_line(findings_.front());
    EXPECT_THAT(findings_.front().statement, HasSubstr(words));
  }
  void expect_open(const char* words) {
    judge();
    EXPECT_TRUE(findings_.empty()) << one_line(findings_.front());
    EXPECT_THAT(missing_, HasSubstr(words));
  }

  trace::Trace trace_;
  std::vector<Finding> findings_;
  std::string missing_;

 private:
  template <class Payload>
  void put(Moment when, const Payload& payload) {
    put_.emplace_back(at_[static_cast<std::size_t>(when)],
                      trace::Event{.agent = trace::device_agent(0), .payload = payload});
  }
  std::array<std::size_t, 4> at_{};
  std::vector<std::pair<std::size_t, trace::Event>> put_;
};

TEST_F(InFlight, OneThatIsOverBeforeTheSyncIsRight) {
  play(false);
  begins(Moment::mapped);
  ends(Moment::mapped, DmaResult::ok);
  expect_held();
  begins(Moment::mapped);
  ends(Moment::unmapping, DmaResult::ok);
  expect_held();
  begins(Moment::before_map);
  ends(Moment::unmapping, DmaResult::ok);
  expect_held();
}

/// The CMD_SYNC had to wait for it.
TEST_F(InFlight, OneThatPassesBehindTheSyncIsTheDevices) {
  play(false);
  begins(Moment::mapped);
  ends(Moment::unmapped, DmaResult::ok);
  expect_found(rule::DEVICE_OUTCOME, "a CMD_SYNC behind which that is gone waits for it");
  EXPECT_EQ(findings_.front().party, spec::Keeper::device);
  begins(Moment::unmapped);
  ends(Moment::unmapped, DmaResult::ok);
  expect_found(rule::DEVICE_OUTCOME, "and never could");
}

/// It may have been translated at any moment in between; one that takes no time may not.
TEST_F(InFlight, OneThatIsTerminatedMayBeOfAnyMoment) {
  play(false);
  begins(Moment::mapped);
  ends(Moment::unmapped, DmaResult::abort);
  expect_held();
  begins(Moment::before_map);
  ends(Moment::mapped, DmaResult::abort);
  expect_held();
  at_once(Moment::mapped, DmaResult::abort);
  expect_found(rule::DEVICE_OUTCOME, "was seen as abort");
  begins(Moment::mapped);
  ends(Moment::mapped, DmaResult::abort);
  expect_found(rule::DEVICE_OUTCOME, "was seen as abort");
}

/// Whose driver forgets has nobody waited for: it is the driver that is wrong, and nobody else.
TEST_F(InFlight, NobodyWaitsWhereNothingIsInvalidated) {
  play(true);
  judge();
  ASSERT_FALSE(findings_.empty());
  const std::size_t without = findings_.size();
  begins(Moment::mapped);
  ends(Moment::unmapped, DmaResult::ok);
  expect_found(rule::PAGE_REUSE, "");
  EXPECT_EQ(findings_.size(), without);
}

TEST_F(InFlight, BeginAndEndBelongTogether) {
  play(false);
  ends(Moment::mapped, DmaResult::ok);
  expect_open("the begin of the access that ends");
  begins(Moment::mapped);
  begins(Moment::mapped);
  expect_open("of one number in flight");
  begins(Moment::mapped);
  begins(Moment::mapped, 8);
  ends(Moment::unmapping, DmaResult::ok, 8);
  ends(Moment::unmapping, DmaResult::ok);
  begins(Moment::unmapped);  // a number that is free again; it never ends
  expect_held();
}

// ---- where nobody waits -------------------------------------------------------------------------

/// An access that bypasses the SMMU before it is enabled, or begins there; of a device under test,
/// or of one that is none.
class AcrossSmmuen : public testing::TestWithParam<bool> {
 protected:
  AcrossSmmuen() {
    header_.assumed_clean = true;
    if (GetParam()) {
      header_.profile = trace::Profile{{"device-under-test", true}, {"every-pa", true}};
    }
    take(trace::Fill{.pa = 0x1000, .words = 64, .value = 0});
    take(trace::Store{.pa = 0x1040, .size = 8, .value = 1});  // V, Config = abort
    write(spec::reg::strtab_base, 8, 0x1000);
    write(spec::reg::strtab_base_cfg, 4, 3);
  }
  template <class Payload>
  void take(const Payload& payload) {
    events_.push_back({.agent = AgentId::cpu0, .payload = payload});
  }
  void write(u32 offset, u8 size, u64 value) {
    take(trace::MmioWrite{.offset = offset, .size = size, .value = value, .ordered = true});
  }
  void begins() {
    trace::DmaBegin begin{.dma = trace::DmaId{1}, .sid = 1, .iova = 0x2000};
    begin.ssid = trace::no_substream;
    begin.direction = trace::Direction::read;
    begin.privileged = false;
    take(begin);
  }
  void enable() {
    write(spec::reg::cr0, 4, spec::cr0::smmuen);
    take(trace::MmioRead{.offset = spec::reg::cr0ack, .size = 4, .value = spec::cr0::smmuen});
  }
  ReplayResult ends(DmaResult result) {
    take(trace::DmaEnd{.dma = trace::DmaId{1}, .result = result});
    Judge judge(header_, 20);
    for (const trace::Event& event : events_) judge.take(trace::Event(event));
    judge.finish();
    return judge.result();
  }

 private:
  trace::Header header_;
  std::vector<trace::Event> events_;
};

TEST_P(AcrossSmmuen, WhatWentByTheOldValueIsOpen) {
  begins();
  enable();
  const ReplayResult result = ends(DmaResult::bypass);
  EXPECT_TRUE(result.findings.empty());
  EXPECT_EQ(result.undetermined, 1U);
}

TEST_P(AcrossSmmuen, WhatGoesByTheNewOneIsRight) {
  begins();
  enable();
  const ReplayResult result = ends(DmaResult::abort);
  EXPECT_TRUE(result.findings.empty());
  EXPECT_EQ(result.undetermined, 0U);
}

TEST_P(AcrossSmmuen, OneThatBeginsBehindItIsWrong) {
  enable();
  begins();
  EXPECT_FALSE(ends(DmaResult::bypass).findings.empty());
}

INSTANTIATE_TEST_SUITE_P(Both, AcrossSmmuen, testing::Bool());

}  // namespace
}  // namespace iommucheck::oracle::dma_in_flight_test
