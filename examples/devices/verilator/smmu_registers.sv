// SPDX-License-Identifier: MIT
// The registers: IHI 0070 6.3. All state that software sees is here; the units tell of what they
// did by one-clock pulses.
module smmu_registers
  import smmu_pkg::*;
(
    input logic clk,
    input logic rst_n,

    // The register port: 4 or 8 bytes, `valid` until `ready`, one access in two clocks.
    input  logic        reg_valid,
    input  logic        reg_write,
    input  logic        reg_wide,
    input  logic [16:0] reg_offset,
    input  logic [63:0] reg_wdata,
    output logic        reg_ready,
    output logic [63:0] reg_rdata,

    output registers_t registers,

    // A unit in the middle of something keeps CR0ACK back.
    input logic transaction_busy,
    input logic command_busy,
    input logic event_busy,

    input logic           command_consumed,
    input logic           command_failed,
    input command_error_e command_error,
    input logic           event_recorded,
    input logic           event_overflows,
    input logic           event_aborts,

    output logic irq_event_queue,
    output logic irq_global_error
);
  logic [31:0] cr0, cr0ack, irq_ctrl, irq_ctrlack, gerror, gerrorn;
  logic [11:0] cr1;
  logic        recinvsid;
  logic gbpa_abort, gbpa_update, gbpa_next;
  logic [63:0] strtab_base, cmdq_base, eventq_base;
  logic [5:0] strtab_log2size;
  logic [19:0] cmdq_prod, cmdq_cons, eventq_prod, eventq_cons;
  logic [6:0] cmdq_cons_err;
  logic eventq_ovflg, eventq_ovackflg;

  wire [19:0] cmdq_mask = index_mask(queue_lg2(cmdq_base, CmdqsLg2));
  wire [19:0] eventq_mask = index_mask(queue_lg2(eventq_base, EventqsLg2));

  // A unit is in use until its acknowledgement says that it is not (6.3.10).
  wire smmu_in_use = cr0[Smmuen] | cr0ack[Smmuen];
  wire eventq_in_use = cr0[Eventqen] | cr0ack[Eventqen];
  wire cmdq_in_use = cr0[Cmdqen] | cr0ack[Cmdqen];

  always_comb begin
    registers = '0;
    registers.smmuen = cr0[Smmuen];
    registers.eventqen = cr0[Eventqen];
    registers.cmdqen = cr0[Cmdqen];
    registers.recinvsid = recinvsid;
    // A transaction that begins while Update is 1 sees the new value already, so that none is left
    // with the old one when Update falls (6.3.14).
    registers.gbpa_abort = gbpa_update ? gbpa_next : gbpa_abort;
    registers.strtab_base = strtab_base;
    registers.strtab_log2size = strtab_log2size;
    registers.cmdq_base = cmdq_base;
    registers.cmdq_prod = cmdq_prod & cmdq_mask;
    registers.cmdq_cons = cmdq_cons & cmdq_mask;
    registers.cmdq_stopped = gerror[CmdqErr] ^ gerrorn[CmdqErr];
    registers.eventq_base = eventq_base;
    registers.eventq_prod = eventq_prod & eventq_mask;
    registers.eventq_cons = eventq_cons & eventq_mask;
    registers.eventq_overflow = eventq_ovflg ^ eventq_ovackflg;
  end

  // ---- reads: what is not here reads as 0 (6.2) ------------------------------------------------
  function automatic logic [31:0] word(logic [16:0] offset);
    case (offset)
      OffsetIdr0: return Idr0;
      OffsetIdr1: return Idr1;
      OffsetIdr5: return Idr5;
      OffsetCr0: return cr0;
      OffsetCr0ack: return cr0ack;
      OffsetCr1: return {20'b0, cr1};
      OffsetCr2: return {30'b0, recinvsid, 1'b0};
      OffsetGbpa: return {gbpa_update, 10'b0, gbpa_abort, 20'b0};
      OffsetIrqCtrl: return irq_ctrl;
      OffsetIrqCtrlack: return irq_ctrlack;
      OffsetGerror: return gerror;
      OffsetGerrorn: return gerrorn;
      OffsetStrtabBase: return strtab_base[31:0];
      OffsetStrtabBaseHigh: return strtab_base[63:32];
      OffsetStrtabBaseCfg: return {26'b0, strtab_log2size};
      OffsetCmdqBase: return cmdq_base[31:0];
      OffsetCmdqBaseHigh: return cmdq_base[63:32];
      OffsetCmdqProd: return {12'b0, cmdq_prod};
      OffsetCmdqCons: return {1'b0, cmdq_cons_err, 4'b0, cmdq_cons};
      OffsetEventqBase: return eventq_base[31:0];
      OffsetEventqBaseHigh: return eventq_base[63:32];
      OffsetEventqProd: return {eventq_ovflg, 11'b0, eventq_prod};
      OffsetEventqCons: return {eventq_ovackflg, 11'b0, eventq_cons};
      default: return '0;
    endcase
  endfunction

  // ---- writes: what is in use ignores them -----------------------------------------------------
  task automatic write_word(logic [16:0] offset, logic [31:0] value);
    case (offset)
      OffsetCr0: cr0 <= value & (1 << Smmuen | 1 << Eventqen | 1 << Cmdqen);
      OffsetCr1: cr1 <= value[11:0];
      OffsetCr2: if (!smmu_in_use) recinvsid <= value[1];
      OffsetGbpa:
      if (value[31] && !gbpa_update) begin
        gbpa_update <= 1'b1;
        gbpa_next   <= value[20];
      end
      OffsetIrqCtrl: irq_ctrl <= value & (1 << GerrorIrqen | 1 << EventqIrqen);
      OffsetGerrorn: gerrorn <= value & (1 << CmdqErr | 1 << EventqAbtErr | 1 << SfmErr);
      OffsetStrtabBase: if (!smmu_in_use) strtab_base[31:0] <= value & StrtabBaseMask[31:0];
      OffsetStrtabBaseHigh: if (!smmu_in_use) strtab_base[63:32] <= value & StrtabBaseMask[63:32];
      OffsetStrtabBaseCfg: if (!smmu_in_use) strtab_log2size <= value[5:0];
      OffsetCmdqBase: if (!cmdq_in_use) cmdq_base[31:0] <= value & QueueBaseMask[31:0];
      OffsetCmdqBaseHigh: if (!cmdq_in_use) cmdq_base[63:32] <= value & QueueBaseMask[63:32];
      OffsetCmdqProd: cmdq_prod <= value[19:0];
      OffsetCmdqCons:
      if (!cmdq_in_use) begin
        cmdq_cons <= value[19:0];
        cmdq_cons_err <= value[30:24];
      end
      OffsetEventqBase: if (!eventq_in_use) eventq_base[31:0] <= value & QueueBaseMask[31:0];
      OffsetEventqBaseHigh: if (!eventq_in_use) eventq_base[63:32] <= value & QueueBaseMask[63:32];
      OffsetEventqProd:
      if (!eventq_in_use) begin
        eventq_prod  <= value[19:0];
        eventq_ovflg <= value[31];
      end
      OffsetEventqCons: begin
        eventq_cons <= value[19:0];
        eventq_ovackflg <= value[31];
      end
      default: ;
    endcase
  endtask

  // ---- errors: GERROR toggles where one is not active yet (6.3.19) -----------------------------
  wire cmdq_err_now = command_failed && gerror[CmdqErr] == gerrorn[CmdqErr];
  wire eventq_abt_now = event_aborts && gerror[EventqAbtErr] == gerrorn[EventqAbtErr];

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      {cr0, cr0ack, irq_ctrl, irq_ctrlack, gerror, gerrorn} <= '0;
      {cr1, recinvsid, gbpa_abort, gbpa_update, gbpa_next} <= '0;
      {strtab_base, strtab_log2size, cmdq_base, eventq_base} <= '0;
      {cmdq_prod, cmdq_cons, cmdq_cons_err} <= '0;
      {eventq_prod, eventq_cons, eventq_ovflg, eventq_ovackflg} <= '0;
      {reg_ready, reg_rdata, irq_event_queue, irq_global_error} <= '0;
    end else begin
      // Enabled at once; disabled when what has begun is over (6.3.9).
      if (cr0[Smmuen] || !transaction_busy) cr0ack[Smmuen] <= cr0[Smmuen];
      if (cr0[Eventqen] || !event_busy) cr0ack[Eventqen] <= cr0[Eventqen];
      if (cr0[Cmdqen] || !command_busy) cr0ack[Cmdqen] <= cr0[Cmdqen];
      irq_ctrlack <= irq_ctrl;
      if (gbpa_update && !transaction_busy) begin
        gbpa_update <= 1'b0;
        gbpa_abort  <= gbpa_next;
      end

      if (command_consumed) cmdq_cons <= (cmdq_cons + 20'd1) & cmdq_mask;
      if (command_failed) cmdq_cons_err <= command_error;
      if (event_recorded) eventq_prod <= (eventq_prod + 20'd1) & eventq_mask;
      if (event_overflows) eventq_ovflg <= ~eventq_ovflg;
      if (cmdq_err_now) gerror[CmdqErr] <= ~gerror[CmdqErr];
      if (eventq_abt_now) gerror[EventqAbtErr] <= ~gerror[EventqAbtErr];

      // 3.18: a pulse when the queue is not empty any more, and for an error that becomes active.
      irq_event_queue <= event_recorded && irq_ctrl[EventqIrqen] &&
          registers.eventq_prod == registers.eventq_cons;
      irq_global_error <= (cmdq_err_now || eventq_abt_now) && irq_ctrl[GerrorIrqen];

      reg_ready <= reg_valid && !reg_ready;
      if (reg_valid && !reg_ready) begin
        reg_rdata <= {reg_wide ? word(reg_offset + 17'd4) : 32'b0, word(reg_offset)};
        if (reg_write) begin
          write_word(reg_offset, reg_wdata[31:0]);
          if (reg_wide) write_word(reg_offset + 17'd4, reg_wdata[63:32]);
        end
      end
    end
  end
endmodule
