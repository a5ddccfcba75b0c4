// SPDX-License-Identifier: MIT
// A small SMMUv3.0 in RTL: registers, a command queue, an event queue, and a linear stream table of
// which it knows abort and bypass. It has no stage 1, though it says so in IDR0, since an SMMUv3
// has one of the stages. Sections in its files are of IHI 0070.
//
// bypass_device.cpp puts it behind include/iommucheck/device.h; bench.sv drives it, with
// smmu_monitor.sv watching. build.sh builds both.
module bypass_smmu
  import smmu_pkg::*;
(
    input logic clk,
    input logic rst_n,

    // Registers, from software. `valid` and all with it stays until `ready`; so at the other ports.
    input  logic        reg_valid,
    input  logic        reg_write,
    input  logic        reg_wide,    // 8 bytes, else 4
    input  logic [16:0] reg_offset,  // page 1 begins at 0x10000
    input  logic [63:0] reg_wdata,
    output logic        reg_ready,
    output logic [63:0] reg_rdata,

    // Transactions, from devices.
    input  logic        txn_valid,
    input  logic        txn_write,
    input  logic [31:0] txn_sid,
    input  logic [63:0] txn_address,
    output logic        txn_ready,
    output logic        txn_abort,
    output logic [63:0] txn_pa,

    // Memory, 8 bytes a beat: the stream table and the queues.
    output logic        mem_valid,
    output logic        mem_write,
    output logic [51:0] mem_address,
    output logic [63:0] mem_wdata,
    input  logic        mem_ready,
    input  logic        mem_abort,
    input  logic [63:0] mem_rdata,

    // Interrupts: pulses of one clock (3.18).
    output logic irq_event_queue,
    output logic irq_global_error,
    output logic irq_command_sync,

    // For who watches: a command is consumed.
    output logic         watch_consumed,
    output logic [ 19:0] watch_slot,
    output logic [127:0] watch_command
);
  registers_t registers;
  memory_request_t [2:0] requests;
  memory_answer_t [2:0] answers;
  memory_request_t port;
  memory_answer_t answer;

  assign {mem_valid, mem_write, mem_address, mem_wdata} = port;
  assign answer = {mem_ready, mem_abort, mem_rdata};
  smmu_memory_port #(
      .Units(3)
  ) memory_port (
      .*
  );

  logic transaction_busy, command_busy, event_busy;
  logic command_consumed, command_failed;
  command_error_e command_error;
  logic event_recorded, event_overflows, event_aborts;
  smmu_registers register_file (.*);

  smmu_command_queue command_queue (
      .clk,
      .rst_n,
      .registers,
      .transaction_busy,
      .request(requests[2]),
      .answer(answers[2]),
      .busy(command_busy),
      .consumed(command_consumed),
      .failed(command_failed),
      .error(command_error),
      .irq_sync(irq_command_sync),
      .slot(watch_slot),
      .command(watch_command)
  );
  assign watch_consumed = command_consumed;

  logic record_valid, record_done;
  logic [255:0] record;
  smmu_transactions transactions (
      .clk,
      .rst_n,
      .registers,
      .txn_valid,
      .txn_write,
      .txn_sid,
      .txn_address,
      .txn_ready,
      .txn_abort,
      .txn_pa,
      .request(requests[1]),
      .answer(answers[1]),
      .record_valid,
      .record,
      .record_done,
      .busy(transaction_busy)
  );

  smmu_event_queue event_queue (
      .clk,
      .rst_n,
      .registers,
      .record_valid,
      .record,
      .done(record_done),
      .request(requests[0]),
      .answer(answers[0]),
      .busy(event_busy),
      .recorded(event_recorded),
      .overflows(event_overflows),
      .aborts(event_aborts)
  );
endmodule
