// SPDX-License-Identifier: MIT
#include "conform/case_libqos.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "conform/dut/qemu_map.h"
#include "conform/qtest_log.h"
#include "report/program_text.h"

namespace iommucheck::oracle {

namespace {

/// @…@ are filled in.
constexpr const char* libqos_head = R"(/* SPDX-License-Identifier: GPL-2.0-or-later
 *
@ABOUT@ *
 * Written by iommucheck, for QEMU's tests/qtest (add it to qtests_aarch64 of its meson.build). It
 * fails as long as QEMU answers as it is written here; with IOMMUCHECK_SHOW set it says each answer.
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/generic-pcihost.h"
#include "libqos/qos-iommu-testdev.h"
#include "hw/misc/iommu-testdev.h"

#define ENGINES @ENGINES@

static QTestState *qts;
static QPCIDevice *engine[ENGINES];
static QPCIBar bar[ENGINES];
static unsigned others;

static void open_engine(QGenericPCIBus *bus, unsigned i, int devfn)
{
    engine[i] = qpci_device_find(&bus->bus, devfn);
    g_assert(engine[i]);
    qpci_device_enable(engine[i]);
    bar[i] = qpci_iomap(engine[i], 0, NULL);
}

static void look(const char *what, uint64_t at, uint64_t answer, uint64_t was)
{
    if (answer == was && !g_getenv("IOMMUCHECK_SHOW")) {
        return;
    }
    g_test_message("%s %#" PRIx64 ": %#" PRIx64 "%s", what, at, answer,
                   answer == was ? "" : "   <- another answer");
    others += answer != was;
}

static void expectl(uint64_t at, uint32_t was)
{
    look("readl", at, qtest_readl(qts, at), was);
}

static void expectq(uint64_t at, uint64_t was)
{
    look("readq", at, qtest_readq(qts, at), was);
}

/* Until a DMA of an edu device is done: bit 0 of its command. */
static void wait_for(unsigned i, uint64_t offset)
{
    for (unsigned looks = 0; qpci_io_readq(engine[i], bar[i], offset) & 1; looks++) {
        g_assert_cmpuint(looks, <, 3000);
        qtest_clock_step(qts, 1000000);
    }
}

/* A write of iommu-testdev: `was` is 0 if it reached `gpa`, else ITD_DMA_ERR_TX_FAIL. */
static void write_access(unsigned i, uint64_t iova, uint64_t gpa, uint32_t was)
{
    uint32_t attrs = ITD_ATTRS_SET_SPACE_VALID(
        ITD_ATTRS_SET_SPACE(0, ITD_ATTRS_SPACE_NONSECURE), 1);
    uint32_t answer = qos_iommu_testdev_trigger_dma(engine[i], bar[i], iova, gpa, 4, attrs);

    look("a write to", iova, answer, was);
}

static void test_case(void)
{
    QGenericPCIBus bus;

    if (!qtest_has_machine("virt")) {
        g_test_skip("no machine virt");
        return;
    }
    qts = qtest_init("-machine virt,acpi=off,gic-version=3,iommu=smmuv3 "
                     "-smp 1 -m 64 -cpu max -net none"@DEVICES@);
    qpci_init_generic(&bus, qts, NULL, false);
)";

constexpr const char* libqos_tail = R"(
    for (unsigned i = 0; i < ENGINES; i++) {
        g_free(engine[i]);
    }
    qtest_quit(qts);
    g_assert_cmpuint(others, !=, 0); /* or it is not mended */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/iommucheck/case", test_case);
    return g_test_run();
}
)";

class Body final : public QtestWriter {
 public:
  void open(u32 sid, bool reads) override {
    const std::size_t number = engines_.size();
    engines_.try_emplace(sid, number);
    devices_ += fmt::format("\n                     \" -device {},addr={:#x}{}\"",
                            reads ? "edu" : "iommu-testdev", sid >> 3,
                            reads ? ",dma_mask=0xffffffffffffffff" : "");
    line(fmt::format("open_engine(&bus, {}, {:#x});", number, sid));
  }
  void write(unsigned bytes, u64 at, u64 value) override {
    line(fmt::format("qtest_write{}(qts, {:#x}, {:#x});", letter(bytes), at, value));
  }
  void expect(unsigned bytes, u64 at, u64 answer) override {
    line(fmt::format("expect{}({:#x}, {:#x});", letter(bytes), at, answer));
  }
  void clear(u64 at, u64 bytes) override {
    line(fmt::format("qtest_memset(qts, {:#x}, 0, {:#x});", at, bytes));
  }
  void engine_write(u32 sid, u64 offset, u64 value) override {
    const std::size_t i = engines_.at(sid);
    line(fmt::format("qpci_io_writeq(engine[{}], bar[{}], {:#x}, {:#x});", i, i, offset, value));
  }
  void engine_wait(u32 sid, u64 offset) override {
    line(fmt::format("wait_for({}, {:#x});", engines_.at(sid), offset));
  }
  Expected<void> expect_interrupts(unsigned /*wire*/, u64 /*pulses*/) override {
    return fail(ErrorCode::unsupported,
                "libqos tells levels of interrupts and no pulses: export it as qtest");
  }
  [[nodiscard]] bool writers_say() const override { return true; }
  void write_access(u32 sid, u64 iova, bool passed, std::optional<u64> pa) override {
    // Where one goes that is terminated, or that nobody knows of, is not looked at.
    line(fmt::format("write_access({}, {:#x}, {:#x}, {});", engines_.at(sid), iova,
                     pa.value_or(qemu_map::data),
                     passed ? pa ? "0" : "ITD_DMA_ERR_MISMATCH" : "ITD_DMA_ERR_TX_FAIL"));
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& devices() const { return devices_; }
  /// At least one: no array of C is empty.
  [[nodiscard]] std::size_t engines() const { return engines_.size(); }

 private:
  void line(const std::string& statement) { text_ += "    " + statement + "\n"; }
  static char letter(unsigned bytes) { return bytes == 8 ? 'q' : 'l'; }

  std::map<u32, std::size_t> engines_;  // by StreamID
  std::string text_, devices_;
};

}  // namespace

Expected<std::string> case_libqos(const trace::Trace& trace, const std::string& about) {
  Body body;
  if (auto written = write_qtest(trace, body); !written) return std::unexpected(written.error());
  // A case without accesses has a device all the same, which the bus and the arrays want.
  if (body.engines() == 0) {
    Body with;
    with.open(qemu_map::slot_of(0) << 3, false);
    if (auto written = write_qtest(trace, with); !written) return std::unexpected(written.error());
    std::swap(body, with);
  }
  std::string text = libqos_head;
  fill_in(text, "@ABOUT@", c_comment(about));
  fill_in(text, "@ENGINES@", std::to_string(body.engines()));
  fill_in(text, "@DEVICES@", body.devices());
  return text + body.text() + libqos_tail;
}

}  // namespace iommucheck::oracle
