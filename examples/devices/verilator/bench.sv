// SPDX-License-Identifier: MIT
// A bench of its own kind: memory, a driver of tasks, a device that accesses memory, and checks of
// what it got. Beside it two smmu_monitor watch. Twins, each a `define, of which the bench itself
// sees nothing:
//   TWIN_FORGETS_CFGI   the driver changes a valid STE without CMD_CFGI_STE
//   TWIN_ABORT_PASSES   the SMMU lets a stream pass whose STE says abort (smmu_transactions.sv)
//   TWIN_WRONG_RECORD   the SMMU records the page of an address for the address (as above)
// and TWIN_HANGS, for bypass_device.cpp: a transaction that waits for a record that nobody writes.
module bench
  import smmu_pkg::*;
;
  logic clk = 0;
  logic rst_n = 0;
  initial forever #5 clk = ~clk;
  initial begin
    repeat (20000) @(negedge clk);
    $fatal(1, "bench: it hangs");
  end

  logic store_valid = 0;
  logic [51:0] store_address;
  logic [63:0] store_data;
  logic reg_valid = 0;
  logic reg_write, reg_wide, reg_ready;
  logic [16:0] reg_offset;
  logic [63:0] reg_wdata, reg_rdata;
  logic txn_valid = 0;
  logic txn_write, txn_ready, txn_abort;
  logic [31:0] txn_sid;
  logic [63:0] txn_address, txn_pa;
  logic mem_valid, mem_write, mem_ready, mem_abort;
  logic [51:0] mem_address;
  logic [63:0] mem_wdata, mem_rdata;
  logic irq_event_queue, irq_global_error, irq_command_sync;
  logic watch_consumed;
  logic [19:0] watch_slot;
  logic [127:0] watch_command;

  bypass_smmu smmu (.*);
  smmu_monitor #(.NAME("device")) device_monitor (.*);
  smmu_monitor #(.NAME("driver"), .RECORDS(0)) driver_monitor (.*);

  // ---- memory: 32 KiB, an answer after some clocks ---------------------------------------------
  localparam logic [51:0] MemoryBase = 52'h8000_0000;
  localparam int MemoryWords = 4096;
  logic [63:0] memory[MemoryWords];
  logic [2:0] latency = 0;
  wire [51:0] mem_word = (mem_address - MemoryBase) >> 3;
  wire [51:0] store_word = (store_address - MemoryBase) >> 3;

  always_ff @(posedge clk) begin
    if (store_valid) memory[store_word[11:0]] <= store_data;
    mem_ready <= 0;
    if (mem_valid && !mem_ready) begin
      latency <= latency + 1;
      if (latency == 3) begin
        latency   <= 0;
        mem_ready <= 1;
        mem_abort <= mem_word >= 52'(MemoryWords);
        mem_rdata <= memory[mem_word[11:0]];
        if (mem_write && mem_word < 52'(MemoryWords)) memory[mem_word[11:0]] <= mem_wdata;
      end
    end
  end

  // ---- what a CPU does -------------------------------------------------------------------------
  // Ports are driven while the clock falls, so that whoever looks when it rises sees them stand.
  task automatic store(input logic [51:0] address, input logic [63:0] data);
    store_valid = 1;
    store_address = address;
    store_data = data;
    @(negedge clk);
    store_valid = 0;
  endtask

  task automatic reach_register(input logic write, input logic wide, input logic [16:0] offset,
                                input logic [63:0] data, output logic [63:0] answer);
    reg_valid = 1;
    reg_write = write;
    reg_wide = wide;
    reg_offset = offset;
    reg_wdata = data;
    do @(negedge clk); while (!reg_ready);
    answer = reg_rdata;
    @(negedge clk);
    reg_valid = 0;
  endtask
  task automatic write_register(input logic [16:0] offset, input logic [31:0] data);
    logic [63:0] unused;
    reach_register(1, 0, offset, {32'b0, data}, unused);
  endtask
  task automatic write_wide(input logic [16:0] offset, input logic [63:0] data);
    logic [63:0] unused;
    reach_register(1, 1, offset, data, unused);
  endtask
  task automatic read_register(input logic [16:0] offset, output logic [31:0] value);
    logic [63:0] answer;
    reach_register(0, 0, offset, 0, answer);
    value = answer[31:0];
  endtask

  // ---- the driver ------------------------------------------------------------------------------
  localparam logic [51:0] StreamTable = MemoryBase;
  localparam logic [51:0] Commands = MemoryBase + 52'h1000;
  localparam logic [51:0] Events = MemoryBase + 52'h2000;
  localparam int CommandsLg2 = 4;
  localparam int EventsLg2 = 3;
  localparam logic [63:0] SteInvalid = 64'h0;
  localparam logic [63:0] SteAbort = 64'h1;   // V, Config = 0b000
  localparam logic [63:0] SteBypass = 64'h9;  // V, Config = 0b100
  int unsigned command_prod = 0;
  int unsigned event_cons = 0;

  // As far apart as reads of a CPU are: eight that show no progress count as "not in finite time".
  task automatic poll(input logic [16:0] offset, input logic [31:0] awaited);
    logic [31:0] value;
    read_register(offset, value);
    while (value != awaited) begin
      repeat (20) @(negedge clk);
      read_register(offset, value);
    end
  endtask

  task automatic enable(input logic [31:0] cr0);
    write_register(OffsetCr0, cr0);
    poll(OffsetCr0ack, cr0);
  endtask

  task automatic command(input logic [63:0] low, input logic [63:0] high);
    logic [51:0] slot;
    slot = Commands + {44'b0, command_prod[CommandsLg2-1:0], 4'b0};
    store(slot, low);
    store(slot + 8, high);
    command_prod = (command_prod + 1) & ((2 << CommandsLg2) - 1);
    write_register(OffsetCmdqProd, command_prod);
  endtask
  task automatic sync();
    command(64'h46, 0);  // CMD_SYNC
    poll(OffsetCmdqCons, command_prod);
  endtask

  task automatic boot();
    for (int i = 0; i < 64; i++) begin
      store(StreamTable + 52'(64 * i), SteInvalid);
      store(StreamTable + 52'(64 * i + 8), 64'h1000_0000_0000);  // SHCFG: as it comes
      for (int word = 2; word < 8; word++) store(StreamTable + 52'(64 * i + 8 * word), 0);
    end
    enable(0);
    write_register(OffsetCr1, 32'hd75);
    write_register(OffsetCr2, 32'h2);  // RECINVSID
    write_wide(OffsetStrtabBase, {12'b0, StreamTable});
    write_register(OffsetStrtabBaseCfg, 6);
    write_wide(OffsetCmdqBase, {12'b0, Commands} | 64'(CommandsLg2));
    write_register(OffsetCmdqProd, 0);
    write_register(OffsetCmdqCons, 0);
    write_wide(OffsetEventqBase, {12'b0, Events} | 64'(EventsLg2));
    write_register(OffsetEventqProd, 0);
    write_register(OffsetEventqCons, 0);
    enable(32'(1 << Cmdqen));
    command(64'h04, 64'd31);  // CMD_CFGI_ALL
    command(64'h30, 0);       // CMD_TLBI_NSNH_ALL
    sync();
    enable(32'(1 << Cmdqen | 1 << Eventqen));
    enable(32'(1 << Cmdqen | 1 << Eventqen | 1 << Smmuen));
  endtask

  task automatic set_ste(input logic [31:0] sid, input logic [63:0] old_word,
                         input logic [63:0] word);
    store(StreamTable + {14'b0, sid, 6'b0}, word);
`ifdef TWIN_FORGETS_CFGI
    if (!old_word[0]) command({sid, 32'h03}, 64'h1);
`else
    if (old_word[0] || word[0]) command({sid, 32'h03}, 64'h1);  // CMD_CFGI_STE, Leaf
`endif
    sync();
  endtask

  // Takes all records from the event queue: how many there were.
  task automatic take_events(output int count);
    logic [31:0] prod;
    read_register(OffsetEventqProd, prod);
    count = 0;
    while (event_cons != (prod & ((2 << EventsLg2) - 1))) begin
      event_cons = (event_cons + 1) & ((2 << EventsLg2) - 1);
      count++;
    end
    write_register(OffsetEventqCons, event_cons);
  endtask

  // ---- a device: an engine that sends what it is asked for, while the CPU goes on ---------------
  // No task in a fork: Verilator 5.006 may wake one that waits for an edge twice at that edge.
  int engine_asked = 0;
  int engine_done = 0;
  logic engine_write, engine_passed;
  logic [31:0] engine_sid;
  logic [63:0] engine_address;
  logic engine_ending = 0;

  always_ff @(negedge clk) begin
    engine_ending <= txn_valid && txn_ready;
    if (txn_valid && txn_ready && !engine_ending) begin
      engine_passed <= !txn_abort && txn_pa == txn_address;
    end else if (engine_ending) begin
      txn_valid   <= 0;
      engine_done <= engine_done + 1;
    end else if (!txn_valid && engine_done != engine_asked) begin
      txn_valid <= 1;
      txn_write <= engine_write;
      txn_sid <= engine_sid;
      txn_address <= engine_address;
    end
  end

  task automatic begin_accesses(input int count, input logic [31:0] sid, input logic write,
                                input logic [63:0] address);
    engine_sid = sid;
    engine_write = write;
    engine_address = address;
    engine_asked = engine_asked + count;
  endtask
  task automatic wait_for_accesses();
    while (engine_done != engine_asked) @(negedge clk);
  endtask
  task automatic access(input logic [31:0] sid, input logic write, input logic [63:0] address,
                        output logic passed);
    begin_accesses(1, sid, write, address);
    wait_for_accesses();
    passed = engine_passed;
  endtask

  // What this bench looks at: little, as benches do.
  int mistakes = 0;
  task automatic expect_that(input logic right, input string what);
    if (!right) begin
      mistakes++;
      $display("bench: %s", what);
    end
  endtask

  initial begin
    logic passed;
    int events, device_verdict, driver_verdict;
    repeat (4) @(negedge clk);
    rst_n = 1;
    boot();

    // Stream 1 passes, then no more.
    set_ste(1, SteInvalid, SteBypass);
    access(1, 0, 64'h9000_0040, passed);
    expect_that(passed, "stream 1 does not pass");
    access(1, 1, 64'h1000_0000_0040, passed);  // beyond OAS: F_ADDR_SIZE
    set_ste(1, SteBypass, SteAbort);
    access(1, 1, 64'h9000_0080, passed);

    // Stream 2 is terminated, then passes.
    set_ste(2, SteInvalid, SteAbort);
    access(2, 0, 64'h9000_1000, passed);
    // The device goes on while its stream changes: either way is right until CMD_SYNC is complete.
    begin_accesses(12, 2, 1, 64'h9000_1000);
    set_ste(2, SteAbort, SteBypass);
    wait_for_accesses();
    access(2, 0, 64'h9000_1000, passed);
    expect_that(passed, "stream 2 does not pass");

    // Stream 3 has no STE that is valid, stream 77 none at all.
    access(3, 0, 64'h9000_2000, passed);
    access(77, 0, 64'h9000_3000, passed);
    take_events(events);
    expect_that(events == 3, $sformatf("%0d event records", events));

    set_ste(3, SteInvalid, SteBypass);
    access(3, 1, 64'h9000_2000, passed);
    expect_that(passed, "stream 3 does not pass");
    // What was not recorded by now does not come.
    repeat (3) take_events(events);
    enable(32'(1 << Cmdqen | 1 << Eventqen));

    device_verdict = device_monitor.finish();
    driver_verdict = driver_monitor.finish();
    $display("bench: %0d mistakes; SMMU: verdict %0d; driver: verdict %0d", mistakes,
             device_verdict, driver_verdict);
    if (mistakes != 0 || device_verdict != 0 || driver_verdict != 0) $fatal(0, "bench: failed");
    $display("bench: all held");
    $finish;
  end
endmodule
