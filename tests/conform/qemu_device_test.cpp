// SPDX-License-Identifier: MIT
// QEMU behind qtest: that the client sees what happens. Skipped, visibly, where there is no QEMU.
#include <gtest/gtest.h>

#include "conform/conform.h"
#include "conform/dut/qemu.h"

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
    EXPECT_FALSE(found.known_id.empty()) << found.divergence.kind << ": " << found.divergence.text;
  }
  for (const KnownFinding& gone : result->vanished) ADD_FAILURE() << gone.id << " vanished";
}

}  // namespace
}  // namespace iommucheck::oracle::qemu_device_test
