// SPDX-License-Identifier: MIT
// A command queue that stops has to say so in three places: CMDQ_CONS stays, CMDQ_CONS.ERR has the
// code, GERROR toggles. A device that leaves out one of them is found, whether or not it has
// interrupts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/bits.h"
#include "conform/conform.h"
#include "spec/smmu/registers.h"
#include "tests/conform/conform_support.h"

namespace iommucheck::oracle::error_registers_test {
namespace {

namespace reg = spec::reg;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// The specification's device, and what it reads as changed by `change`.
class Changed final : public DeviceUnderTest {
 public:
  using Change = u64 (*)(u32 offset, u64 value);
  explicit Changed(Change change, bool interrupts = true)
      : inner_(3), identity_(inner_.identity()), change_(change) {
    identity_.wires_interrupts = interrupts;
  }
  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override {
    offsets_.clear();
    early_.clear();
    looks_ = 0;
    return inner_.reset();
  }
  void mmio_write(u32 offset, unsigned size, u64 value) override {
    if (offset == reg::cmdq_prod || offset == reg::gerrorn) looks_ = 0;
    inner_.mmio_write(offset, size, value);
  }
  Ticket mmio_read(u32 offset, unsigned size) override {
    const Ticket ticket = inner_.mmio_read(offset, size);
    offsets_[ticket] = offset;
    if (looks_ < patience_) early_.insert(ticket);
    if (offset == reg::cmdq_cons) ++looks_;
    return ticket;
  }
  /// After CMDQ_PROD or GERRORN was written the next `reads` of CMDQ_CONS come before the SMMU has
  /// looked at the command: no error is active, and ERR is UNKNOWN.
  void looks_late(unsigned reads, u64 unknown) {
    patience_ = reads;
    unknown_ = unknown;
  }
  void store(u64 pa, u64 value) override { inner_.store(pa, value); }
  void fill(u64 pa, u64 words, u64 value) override { inner_.fill(pa, words, value); }
  Ticket load(u64 pa) override { return inner_.load(pa); }
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
    return inner_.dma(engine, iova, write, attributes);
  }
  Expected<void> settle() override { return inner_.settle(); }
  [[nodiscard]] u64 value(Ticket ticket) const override {
    const auto at = offsets_.find(ticket);
    u64 value = inner_.value(ticket);
    if (at == offsets_.end()) return value;
    if (early_.contains(ticket)) {
      if (at->second == reg::cmdq_cons) value = (value & mask(19, 0)) | unknown_ << 24;
      if (at->second == reg::gerror) value &= ~u64{spec::gerror::cmdq_err};
    }
    return change_(at->second, value);
  }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return inner_.seen(ticket); }
  std::vector<Interrupt> take_interrupts() override {
    auto all = inner_.take_interrupts();
    if (!identity_.wires_interrupts) all.clear();
    return all;
  }
  Ticket ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
    return inner_.ats_request(engine, iova, write, attributes);
  }
  [[nodiscard]] AtsSeen answered(Ticket ticket) const override { return inner_.answered(ticket); }
  void invalidated(u32 tag) override { inner_.invalidated(tag); }
  void invalidations_time_out() override { inner_.invalidations_time_out(); }
  std::vector<AtcInvalidation> take_invalidations() override { return inner_.take_invalidations(); }

 private:
  SpecDevice inner_;
  DeviceIdentity identity_;
  Change change_;
  std::map<Ticket, u32> offsets_;
  std::set<Ticket> early_;
  unsigned looks_ = 0, patience_ = 0;
  u64 unknown_ = 0;
};

/// Illegal commands, and legal ones.
ConformResult run(Changed::Change change, bool interrupts, const char* only = "command*") {
  Changed device(change, interrupts);
  ConformOptions options;
  options.seed = 1;
  options.only = only;
  auto result = run_conform(device, options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

/// "RULE: kind" of all that is found.
std::vector<std::string> found(Changed::Change change, bool interrupts) {
  std::vector<std::string> all;
  for (const FoundDivergence& one : run(change, interrupts).divergences) {
    all.push_back(std::string(spec::rule_name(one.divergence.rule)) + ": " + one.divergence.called);
  }
  return all;
}

/// The same of a device that looks at each command only after so many reads of CMDQ_CONS.
std::vector<std::string> found_late(unsigned reads, u64 unknown) {
  Changed device([](u32, u64 value) { return value; });
  device.looks_late(reads, unknown);
  ConformOptions options;
  options.seed = 1;
  options.only = "command: *";
  const auto result = run_conform(device, options);
  if (!result) throw std::runtime_error(result.error().message);
  std::vector<std::string> all;
  for (const FoundDivergence& one : result->divergences) {
    all.push_back(std::string(spec::rule_name(one.divergence.rule)) + ": " + one.divergence.called);
  }
  return all;
}

class ErrorRegisters : public ::testing::TestWithParam<bool> {};  // with interrupts, or without
INSTANTIATE_TEST_SUITE_P(All, ErrorRegisters, ::testing::Bool());

TEST_P(ErrorRegisters, ADeviceThatShowsAllIsRight) {
  EXPECT_THAT(found([](u32, u64 value) { return value; }, GetParam()), IsEmpty());
}

TEST_P(ErrorRegisters, ASilentGerrorIsFound) {
  const auto silent = [](u32 offset, u64 value) {
    return offset == reg::gerror ? value & ~u64{spec::gerror::cmdq_err} : value;
  };
  EXPECT_THAT(found(silent, GetParam()),
              Contains("REGISTER_PROGRESS: GERROR.CMDQ_ERR does not follow"));
}

TEST_P(ErrorRegisters, AnErrorWithoutACauseIsFound) {
  const auto active = [](u32 offset, u64 value) {
    return offset == reg::gerror ? value | spec::gerror::cmdq_err : value;
  };
  EXPECT_THAT(found(active, GetParam()),
              Contains("COMMAND_LEGAL: GERROR.CMDQ_ERR is active although every command is legal"));
}

TEST_P(ErrorRegisters, AWrongCodeIsFound) {
  const auto none = [](u32 offset, u64 value) {
    return offset == reg::cmdq_cons ? value & mask(19, 0) : value;
  };
  const auto abort = [](u32 offset, u64 value) {
    const bool error =
        offset == reg::cmdq_cons && spec::cmdq_cons_err(static_cast<u32>(value)) != 0;
    return error ? (value & mask(19, 0)) | u64{2} << 24 : value;
  };
  for (const Changed::Change change : {Changed::Change(none), Changed::Change(abort)}) {
    EXPECT_THAT(found(change, GetParam()), Contains(StartsWith("COMMAND_ERROR_STOPS: ")));
  }
}

/// CMDQ_CONS.RD is at a command before that has been looked at. IHI 0070 6.3.28, 7.1.
TEST(ErrorRegistersInTime, ADeviceThatLooksLateIsRight) {
  for (const unsigned reads : {1U, 5U}) {
    for (const u64 unknown : {u64{0}, u64{2}}) {
      EXPECT_THAT(found_late(reads, unknown), IsEmpty()) << reads << " " << unknown;
    }
  }
}

TEST(ErrorRegistersInTime, ADeviceThatSaysNothingOfAnErrorIsFound) {
  EXPECT_THAT(found_late(1000, 0), ElementsAre("REGISTER_PROGRESS: CMDQ_CONS.ERR does not follow"));
  EXPECT_THAT(found_late(1000, 2),
              ElementsAre("REGISTER_PROGRESS: GERROR.CMDQ_ERR does not follow"));
}

TEST_P(ErrorRegisters, BitsThatNoDeviceMayShowAreFound) {
  const auto reserved = [](u32 offset, u64 value) {
    return offset == reg::gerror ? value | u64{1} << 1 : value;
  };
  const auto forgetful = [](u32 offset, u64 value) { return offset == reg::gerrorn ? 0 : value; };
  EXPECT_THAT(
      found(reserved, GetParam()),
      Contains("REGISTER_READ: GERROR reads as #, which no device may answer now: reserved bits"));
  EXPECT_THAT(
      found(forgetful, GetParam()),
      Contains("REGISTER_READ: GERRORN reads as #, which no device may answer now: CMDQ_ERR"));
}

/// By which bits are wrong, so that one that is known hides no other. Those that a write of CR0 may
/// be changing are none.
TEST_P(ErrorRegisters, WrongBitsOfCr0ackHaveNames) {
  const auto reserved = [](u32 offset, u64 value) {
    return offset == reg::cr0ack ? value | u64{1} << 12 : value;
  };
  const std::string text = "REGISTER_READ: CR0ACK reads as #, which no device may answer now: ";
  EXPECT_THAT(found(reserved, GetParam()),
              AllOf(Contains(text + "reserved bits"), Not(Contains(HasSubstr("EVENTQEN")))));
}

}  // namespace
}  // namespace iommucheck::oracle::error_registers_test
