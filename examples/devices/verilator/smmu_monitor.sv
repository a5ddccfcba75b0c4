// SPDX-License-Identifier: MIT
// A passive checker: it watches the ports of an SMMU and the stores of its driver, tells
// libiommucheck_monitor of each, and drives nothing. What it judges is in its profile,
// FOLDER/NAME.json (docs/monitor.md): the SMMU, or the driver. Two beside each other judge both.
/* verilator lint_off BLKSEQ */  // what it keeps is its own, and no signal
module smmu_monitor
  import iommucheck_pkg::*;
#(
    parameter string NAME = "device",
    // 0: what is recorded is not told. Whose a record is asks the judge of the SMMU alone.
    parameter bit RECORDS = 1,
    parameter longint unsigned EVENTQ_BASE_OFFSET = 64'ha0,
    parameter longint unsigned EVENTQ_PROD_OFFSET = 64'h100a8
) (
    input logic clk,
    input logic rst_n,

    // Stores of the driver to memory, 8 bytes each: one a clock.
    input logic        store_valid,
    input logic [51:0] store_address,
    input logic [63:0] store_data,

    input logic        reg_valid,
    input logic        reg_write,
    input logic        reg_wide,
    input logic [16:0] reg_offset,
    input logic [63:0] reg_wdata,
    input logic        reg_ready,
    input logic [63:0] reg_rdata,

    input logic        txn_valid,
    input logic        txn_write,
    input logic [31:0] txn_sid,
    input logic [63:0] txn_address,
    input logic        txn_ready,
    input logic        txn_abort,
    input logic [63:0] txn_pa,

    input logic        mem_valid,
    input logic        mem_write,
    input logic [51:0] mem_address,
    input logic [63:0] mem_wdata,
    input logic        mem_ready,
    input logic        mem_abort,

    input logic         watch_consumed,
    input logic [ 19:0] watch_slot,
    input logic [127:0] watch_command
);
  chandle m;
  string  folder;
  int     refused = 0;
  int     shown = 0;  // findings that were printed

  initial begin
    if (!$value$plusargs("folder=%s", folder)) folder = ".";
    m = iommucheck_monitor_open_file({folder, "/", NAME, ".json"});
    if (m == null) $fatal(1, "%s", iommucheck_monitor_last_error(null));
  end

  // What a report was answered: not taken is a mistake of this file or of the profile.
  function automatic void answered(int answer);
    if (answer < 0) begin
      refused++;
      $display("%s monitor, not taken: %s", NAME, iommucheck_monitor_last_error(m));
    end
    while (shown < iommucheck_monitor_findings(m)) begin
      $display("%s monitor, at %0t:\n%s", NAME, $time,
               iommucheck_monitor_finding_text(m, shown, FindingAll));
      shown++;
    end
  endfunction

  // ---- the event queue: what the SMMU wrote to memory last, by its slot ------------------------
  // A record is there when EVENTQ_PROD shows it to the driver (IHI 0070 7.2), and is what memory
  // holds then.
  longint unsigned eventq_base = 0;
  longint unsigned written[longint unsigned];
  int unsigned eventq_seen = 0;

  function automatic void records_shown(int unsigned prod);
    automatic int lg2 = int'(eventq_base[4:0]);
    automatic int unsigned indices = (2 << lg2) - 1;
    automatic longint unsigned slot, words[4];
    automatic longint unsigned start = eventq_base & 64'h000f_ffff_ffff_ffe0;
    while (eventq_seen != (prod & indices)) begin
      slot = longint'(eventq_seen) & ((1 << lg2) - 1);
      for (int i = 0; i < 4; i++) words[i] = written[start+32*slot+8*longint'(i)];
      answered(iommucheck_report_event_recorded(m, Smmu, EventRecordedSlot | EventRecordedRecord,
                                                slot, words));
      eventq_seen = (eventq_seen + 1) & indices;
    end
  endfunction

  // ---- what happens in a clock, in the order in which it counts --------------------------------
  always @(posedge clk) begin
    if (rst_n) begin
      if (store_valid) begin
        answered(iommucheck_report_store(m, Cpu, StoreValue, {12'b0, store_address}, 8, store_data,
                                         0, 0, 0, 0));
      end
      if (mem_valid && mem_ready && mem_write && !mem_abort) begin
        written[{12'b0, mem_address}] = mem_wdata;
      end
      if (txn_valid && txn_ready) begin
        answered(iommucheck_report_dma(
            m, SomeDevice,
            DmaSsid | DmaDirection | DmaPrivileged | DmaLength | DmaKind | (txn_abort ? 0 : DmaPa),
            {32'b0, txn_sid}, NoSubstream, txn_address, {63'b0, txn_write}, 0, 8, 0,
            // Untranslated, since this SMMU has no stage: with one, what passes is "ok".
            txn_abort ? ResultAbort : ResultBypass, txn_pa, 0, 0, 0, 0, 0));
      end
      if (watch_consumed) begin
        answered(iommucheck_report_command_consumed(m, Smmu, CommandConsumedCommand,
                                                    {44'b0, watch_slot}, watch_command[63:0],
                                                    watch_command[127:64]));
      end
      if (reg_valid && reg_ready && reg_write) begin
        if ({47'b0, reg_offset} == EVENTQ_BASE_OFFSET) begin
          eventq_base = reg_wdata;
          eventq_seen = 0;
        end
        // Each store of this driver is visible before its next access.
        answered(iommucheck_report_mmio_write(m, Cpu, MmioWriteOrdered, {47'b0, reg_offset},
                                              reg_wide ? 8 : 4, reg_wdata, 1, 0, 0));
      end
      if (reg_valid && reg_ready && !reg_write) begin
        answered(iommucheck_report_mmio_read(m, Cpu, 0, {47'b0, reg_offset}, reg_wide ? 8 : 4,
                                             reg_rdata, 0, 0, 0));
        if ({47'b0, reg_offset} == EVENTQ_PROD_OFFSET && RECORDS) begin
          records_shown(reg_rdata[31:0]);
        end
      end
    end
  end

  // Nothing follows: the verdict, and what is left of it in files.
  function automatic int finish();
    automatic int verdict = iommucheck_monitor_finish(m);
    answered(verdict);
    answered(iommucheck_monitor_save(m, {folder, "/", NAME, ".trace.jsonl"}));
    answered(iommucheck_monitor_add_coverage(m, {folder, "/", NAME, ".coverage.json"}));
    iommucheck_monitor_close(m);
    return refused != 0 ? -1 : verdict;
  endfunction
endmodule
/* verilator lint_on BLKSEQ */
