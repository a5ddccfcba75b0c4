// SPDX-License-Identifier: MIT
// bypass_smmu.sv as a device under test:
//
//     sh examples/devices/verilator/build.sh device OUT
//     iommucheck conform --device OUT/bypass_smmu.so --only 'registers: *'
//
// Each operation holds the port of its kind until the RTL answers, and some clocks pass until the
// next one, as between two accesses of a CPU. What takes longer (CR0ACK, a queue of commands) goes
// on meanwhile, so that the device does not say PROMPT. Memory is the tester's, one beat a clock.
#include <cstdio>
#include <cstring>

#include "Vbypass_smmu.h"
#include "iommucheck/device.h"
#include "verilated.h"

namespace {

constexpr unsigned clocks_max = 10000;  // more for one operation is a hang
constexpr unsigned clocks_between = 16;

struct Device {
  const iommucheck_dut_host* host = nullptr;
  VerilatedContext context;
  Vbypass_smmu* rtl = nullptr;
  char last_words[96] = "";

  ~Device() { delete rtl; }

  void interrupt(bool pulse, uint32_t line) const {
    if (pulse) host->interrupt(host->ctx, line, IOMMUCHECK_DUT_EDGE);
  }

  // The answer of memory to what stands at the port before the clock rises.
  void serve_memory() {
    rtl->mem_ready = rtl->mem_valid;
    if (!rtl->mem_valid) return;
    uint64_t data = rtl->mem_wdata;
    const int32_t aborts = rtl->mem_write ? host->write(host->ctx, rtl->mem_address, &data, 8)
                                          : host->read(host->ctx, rtl->mem_address, &data, 8);
    rtl->mem_abort = aborts != 0;
    rtl->mem_rdata = aborts != 0 ? 0 : data;
  }

  void clock() {
    rtl->clk = 0;
    rtl->eval();
    serve_memory();
    rtl->eval();
    rtl->clk = 1;
    rtl->eval();
    interrupt(rtl->irq_event_queue != 0, IOMMUCHECK_IRQ_EVENT_QUEUE);
    interrupt(rtl->irq_global_error != 0, IOMMUCHECK_IRQ_GLOBAL_ERROR);
    interrupt(rtl->irq_command_sync != 0, IOMMUCHECK_IRQ_COMMAND_SYNC);
  }

  // Holds a port until it is ready, takes the answer, and lets go of it. False: it hangs.
  template <class Take>
  bool hold(CData& valid, const CData& ready, const char* port, Take take) {
    valid = 1;
    for (unsigned clocks = 0; clocks < clocks_max; ++clocks) {
      clock();
      if (ready == 0) continue;
      take();
      valid = 0;
      for (unsigned i = 0; i < clocks_between; ++i) clock();
      return true;
    }
    std::snprintf(last_words, sizeof last_words, "the %s port is not ready within %u clocks", port,
                  clocks_max);
    return false;
  }

  void reset() {
    delete rtl;
    rtl = new Vbypass_smmu(&context);
    rtl->rst_n = 0;
    clock();
    rtl->rst_n = 1;
    clock();
  }

  bool reach_register(iommucheck_dut_op& op) {
    rtl->reg_write = op.kind == IOMMUCHECK_DUT_WRITE;
    rtl->reg_wide = op.bytes == 8;
    rtl->reg_offset = op.where;
    rtl->reg_wdata = op.value;
    return hold(rtl->reg_valid, rtl->reg_ready, "register", [&] {
      if (op.kind == IOMMUCHECK_DUT_READ) op.value = rtl->reg_rdata;
      op.status = IOMMUCHECK_DUT_DONE;
    });
  }

  bool send_transaction(iommucheck_dut_op& op) {
    rtl->txn_write = (op.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0;
    rtl->txn_sid = op.where;
    rtl->txn_address = op.address;
    return hold(rtl->txn_valid, rtl->txn_ready, "transaction", [&] {
      op.status = rtl->txn_abort ? IOMMUCHECK_DUT_TERMINATED : IOMMUCHECK_DUT_DONE;
      op.pa = rtl->txn_abort ? 0 : rtl->txn_pa;
    });
  }

  bool run(iommucheck_dut_op& op) {
    switch (op.kind) {
      case IOMMUCHECK_DUT_READ:
      case IOMMUCHECK_DUT_WRITE: return reach_register(op);
      case IOMMUCHECK_DUT_DMA: return send_transaction(op);
      default: op.status = IOMMUCHECK_DUT_REFUSED; return true;
    }
  }
};

void* open_device(const iommucheck_dut_host* host, iommucheck_dut_info* info) {
  info->flags = IOMMUCHECK_DUT_GIVES_PA | IOMMUCHECK_DUT_WIRES_INTERRUPTS;
  info->sid_count = 4;
  for (uint32_t i = 0; i < info->sid_count; ++i) info->sids[i] = 0x10 + 8 * i;
  std::strcpy(info->name, "bypass-rtl");
  std::strcpy(info->release, "1.0");
  info->mmio_bytes = 0x20000;
  auto* device = new Device;
  device->host = host;
  device->reset();
  return device;
}

int32_t reset(void* self) {
  static_cast<Device*>(self)->reset();
  return 0;
}

int64_t run(void* self, iommucheck_dut_op* ops, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    if (!static_cast<Device*>(self)->run(ops[i])) return static_cast<int64_t>(i);
  }
  return static_cast<int64_t>(count);
}

const char* last_words(void* self) { return static_cast<Device*>(self)->last_words; }

void close_device(void* self) { delete static_cast<Device*>(self); }

}  // namespace

// Verilator asks for the time of $time, which this model has no use for.
double sc_time_stamp() { return 0; }

extern "C" __attribute__((visibility("default"))) const iommucheck_dut* iommucheck_device_entry() {
  static const iommucheck_dut device = {sizeof device, IOMMUCHECK_DUT_ABI, open_device, reset,
                                        run,           last_words,         close_device};
  return &device;
}
