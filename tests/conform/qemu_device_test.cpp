// SPDX-License-Identifier: MIT
// QEMU behind qtest: that the client sees what happens. Skipped, visibly, where there is no QEMU.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "conform/case_of_trace.h"
#include "conform/case_qtest.h"
#include "conform/conform.h"
#include "conform/dut/qemu.h"
#include "conform/dut/spec_device.h"
#include "conform/runner.h"
#include "tests/own_path.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::qemu_device_test {
namespace {

class Qemu : public testing::Test {
 protected:
  void SetUp() override {
    auto device = QemuDevice::start({});
    if (!device) GTEST_SKIP() << device.error().message;
    device_ = std::move(*device);
    ASSERT_TRUE(device_->reset());
  }
  std::unique_ptr<QemuDevice> device_;
};

TEST_F(Qemu, AccessesAreSeenToArrive) {
  const u64 data = device_->identity().data_pa;
  const Ticket read = device_->dma(0, data + 0x124, false, {});
  const Ticket write = device_->dma(1, data + 0x2128, true, {});
  const Ticket overwrite = device_->dma(2, data + 0x2128, true, {});
  const Ticket behind = device_->dma(0, data + 0x2128, false, {});
  const Ticket nowhere = device_->dma(3, 0x70000000, false, {});
  ASSERT_TRUE(device_->settle());
  EXPECT_EQ(device_->seen(read), (DmaSeen{true, data + 0x124}));
  EXPECT_EQ(device_->seen(write), (DmaSeen{true, data + 0x2128}));
  EXPECT_EQ(device_->seen(overwrite), (DmaSeen{true, data + 0x2128}));
  EXPECT_EQ(device_->seen(behind), (DmaSeen{true, data + 0x2128}));
  EXPECT_FALSE(device_->seen(nowhere).reached);
}

TEST_F(Qemu, ADescriptorThatIsReadNamesNoAddress) {
  const u64 place = device_->identity().structures_pa + 0x7018;
  device_->store(place, (device_->identity().data_pa + 0x13000) | 0xf43);
  const Ticket read = device_->dma(0, place, false, {});
  ASSERT_TRUE(device_->settle());
  EXPECT_EQ(device_->seen(read), (DmaSeen{true, std::nullopt}));
}

TEST_F(Qemu, WhenItIsRenewedNothingIsLeft) {
  constexpr u64 flash = 0x1000;
  device_->dma(0, flash, true, {});
  ASSERT_TRUE(device_->reset());
  EXPECT_EQ(device_->counts().restarts, 0U);
  ASSERT_TRUE(device_->renew());
  EXPECT_EQ(device_->counts().restarts, 1U);
  const u64 data = device_->identity().data_pa;
  const Ticket read = device_->dma(0, data + 0x124, false, {});
  ASSERT_TRUE(device_->settle());
  EXPECT_EQ(device_->seen(read), (DmaSeen{true, data + 0x124}));
}

TEST_F(Qemu, ReadsBeyondABufferAreStillApart) {
  const u64 data = device_->identity().data_pa;
  std::vector<Ticket> reads;
  for (u64 i = 0; i < 600; ++i) reads.push_back(device_->dma(0, data + 4 * i, false, {}));
  ASSERT_TRUE(device_->settle());
  for (u64 i = 0; i < 600; ++i) EXPECT_EQ(device_->seen(reads[i]).pa, data + 4 * i);
}

TEST_F(Qemu, AResetBySystemAndByRegistersAreTheSame) {
  for (const bool system : {false, true}) {
    device_->always_system_reset(system);
    device_->mmio_write(spec::reg::cr0, 4, 8);
    ASSERT_TRUE(device_->reset());
    const Ticket cr0 = device_->mmio_read(spec::reg::cr0, 4);
    const Ticket read = device_->dma(0, device_->identity().data_pa, false, {});
    ASSERT_TRUE(device_->settle());
    EXPECT_EQ(device_->value(cr0), 0U);
    EXPECT_TRUE(device_->seen(read).reached);
  }
}

/// Two CMD_SYNCs with CS = 1, and an illegal command; also of the process that comes after it.
TEST_F(Qemu, ItsInterruptsAreHeard) {
  namespace reg = spec::reg;
  const u64 queue = device_->identity().structures_pa;
  const spec::CommandWords sync = spec::encode_command(spec::cmd_sync(1));
  for (const bool renewed : {false, true}) {
    if (renewed) {
      ASSERT_TRUE(device_->renew());
    }
    device_->store(queue, sync.dw0);
    device_->store(queue + 16, sync.dw0);
    device_->store(queue + 32, 0xff);
    device_->mmio_write(reg::cmdq_base, 8, queue | 4);
    device_->mmio_write(reg::cr0, 4, spec::cr0::cmdqen);
    device_->mmio_write(reg::irq_ctrl, 4, spec::irq_ctrl::gerror_irqen);
    device_->mmio_write(reg::cmdq_prod, 4, 3);
    ASSERT_TRUE(device_->settle());
    std::vector<trace::IrqKind> kinds;
    for (const Interrupt& one : device_->take_interrupts()) kinds.push_back(one.kind);
    using trace::IrqKind;
    EXPECT_EQ(kinds,
              (std::vector{IrqKind::command_sync, IrqKind::command_sync, IrqKind::global_error}));
    EXPECT_TRUE(device_->take_interrupts().empty());
  }
}

TEST_F(Qemu, ItsDeathIsToldAndItComesBack) {
  // edu refuses a range beyond its buffer by ending the process.
  device_->break_for_test();
  const auto died = device_->settle();
  ASSERT_FALSE(died);
  EXPECT_NE(died.error().message.find("signal"), std::string::npos) << died.error().message;
  ASSERT_TRUE(device_->reset());
  const Ticket read = device_->dma(0, device_->identity().data_pa, false, {});
  ASSERT_TRUE(device_->settle());
  EXPECT_TRUE(device_->seen(read).reached);
  EXPECT_EQ(device_->counts().restarts, 1U);
}

TEST_F(Qemu, ConformFollowsItsCaches) {
  ConformOptions options;
  options.seconds = 0;
  options.cases = 20;
  options.device = "qemu";
  const auto result = run_conform(*device_, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_GT(result->stale_allowed, 50U);
  if (result->known_file.empty()) return;  // a version for which no file is checked in
  EXPECT_TRUE(result->held());
  for (const FoundDivergence& found : result->divergences) {
    EXPECT_FALSE(found.known_id.empty())
        << found.divergence.called << ": " << found.divergence.statement;
  }
  for (const KnownFinding& gone : result->vanished) ADD_FAILURE() << gone.id << " vanished";
}

/// What is known is shown by QEMU without us; and a trace of a device that is right is not.
/// Random cases that accused it once, of what DMA had written to structures, what a read had of a
/// table, and what a bypass beyond the output size had not recorded.
TEST(QemuCases, WhatAccusedItOnceDoesNotAgain) {
  constexpr struct {
    u64 seed, number;
  } cases[] = {{1002, 225}, {1002, 3688}, {1003, 4393}, {2004, 5512}};
  for (const auto& [seed, number] : cases) {
    auto device = QemuDevice::start({});
    if (!device) GTEST_SKIP() << device.error().message;
    if (!(*device)->identity().version.starts_with("7.2")) GTEST_SKIP() << "another version";
    ConformOptions options;
    options.seed = seed;
    options.one_case = number;
    const auto result = run_conform(**device, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << seed << ", " << number;
  }
}

TEST_F(Qemu, AFindingIsALogOfQtestThatRunsByItself) {
  const std::string known = test::in_tree("data/known/qemu-7.2/");
  if (!device_->identity().version.starts_with("7.2.")) GTEST_SKIP() << "another version of QEMU";
  const std::string script = test::own_path("case.qtest.sh");
  const auto status_of = [&](const trace::Trace& trace, const std::string& arguments) {
    const auto text = case_qtest(trace, "a test\nof two lines");
    EXPECT_TRUE(text) << text.error().message;
    if (!text) return -1;
    std::ofstream(script) << *text;
    return WEXITSTATUS(std::system(("sh " + script + arguments + " > /dev/null").c_str()));
  };
  for (const char* name :
       {"global-nh-va", "af-ignored", "f-translation-class", "overflow-flag", "prefetch-ssec",
        "gbpa-missing", "aptable1-after-read", "event-interrupt-each"}) {
    const auto trace = trace::read_trace(known + name + ".jsonl");
    ASSERT_TRUE(trace) << name;
    EXPECT_EQ(status_of(*trace, ""), 0) << name;
    const auto what = case_of(*trace, name);
    ASSERT_TRUE(what);
    SpecDevice right(1);
    auto run = run_case(right, *what);
    ASSERT_TRUE(run);
    EXPECT_EQ(status_of(run->trace, ""), 1) << name;
  }
  const auto trace = trace::read_trace(known + "global-nh-va.jsonl");
  EXPECT_EQ(status_of(*trace, " /nowhere/qemu"), 77);
  std::filesystem::remove(script);
}

TEST(QtestLog, WhatQemusEnginesCannotSendIsNoLog) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "a substream");
  b.access(0x1000, false, 0, {.substream = 1});
  const auto run = run_case(device, b.take());
  ASSERT_TRUE(run);
  const auto text = case_qtest(run->trace, "");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace iommucheck::oracle::qemu_device_test
