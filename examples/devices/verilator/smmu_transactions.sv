// SPDX-License-Identifier: MIT
// What becomes of a transaction: IHI 0070 3.3, 3.4, 3.11, 5.2. One at a time, by a linear
// stream table, of whose STEs it knows abort and bypass. An STE is fetched anew each time.
module smmu_transactions
  import smmu_pkg::*;
(
    input logic clk,
    input logic rst_n,

    input registers_t registers,

    // `valid` until `ready`, which is high for one clock and brings the end of the transaction.
    input  logic        txn_valid,
    input  logic        txn_write,
    input  logic [31:0] txn_sid,
    input  logic [63:0] txn_address,
    output logic        txn_ready,
    output logic        txn_abort,
    output logic [63:0] txn_pa,

    output memory_request_t request,
    input  memory_answer_t  answer,

    output logic         record_valid,
    output logic [255:0] record,
    input  logic         record_done,

    output logic busy
);
  typedef enum logic [1:0] {
    Idle,
    FetchSte,
    Record,
    Respond
  } state_e;
  state_e state;

  // 6.3.24, 6.3.25: the table is aligned to its size.
  wire [5:0] size = registers.strtab_log2size < 6'(SidBits) ? registers.strtab_log2size
                                                            : 6'(SidBits);
  wire in_table = txn_sid >> size == 32'b0;
  wire [51:0] table_start = {registers.strtab_base[51:6], 6'b0} & ({52{1'b1}} << (size + 6'd6));
  wire [51:0] ste_place = table_start + {14'b0, txn_sid, 6'b0};
  wire beyond_oas = txn_address >> OasBits != 64'b0;

  // Records: 7.3.
  function automatic logic [255:0] record_of(event_type_e kind);
    logic [255:0] words = '0;
    words[63:32] = txn_sid;
    words[7:0] = kind;
    if (kind == FSteFetch) words[192+:52] = ste_place;  // FetchAddr
    if (kind == FAddrSize) begin
      words[64+35] = !txn_write;      // RnW
      words[64+40+:2] = 2'd2;         // CLASS = IN
`ifdef TWIN_WRONG_RECORD
      words[128+:64] = {txn_address[63:12], 12'b0};
`else
      words[128+:64] = txn_address;   // InputAddr
`endif
    end
    return words;
  endfunction

  task automatic respond(logic aborts);
    txn_ready <= 1'b1;
    txn_abort <= aborts;
    txn_pa <= aborts ? 64'b0 : txn_address;
    state <= Respond;
  endtask
  task automatic fault(event_type_e kind);
    record <= record_of(kind);
`ifdef TWIN_HANGS
    record_valid <= kind != CBadStreamid;
`else
    record_valid <= 1'b1;
`endif
    state <= Record;
  endtask

  // 5.2: V and Config of the STE that has come.
  wire ste_valid = answer.data[0];
  wire [2:0] ste_config = answer.data[3:1];
  task automatic obey_ste;
    if (!ste_valid || ste_config > 3'b100) fault(CBadSte);  // a stage, which this one has not
`ifdef TWIN_ABORT_PASSES
    else if (beyond_oas) fault(FAddrSize);
    else respond(1'b0);
`else
    else if (ste_config != 3'b100) respond(1'b1);  // 0b0xx: abort, without a record
    else if (beyond_oas) fault(FAddrSize);         // 3.4: bypass is checked against OAS
    else respond(1'b0);
`endif
  endtask

  assign busy = state != Idle;
  always_comb begin
    request = '0;
    request.valid = state == FetchSte;
    request.address = ste_place;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      state <= Idle;
      {txn_ready, txn_abort, txn_pa, record_valid, record} <= '0;
    end else begin
      case (state)
        Idle:
        if (txn_valid) begin
          if (!registers.smmuen) respond(registers.gbpa_abort || beyond_oas);  // 3.11
          else if (in_table) state <= FetchSte;
          else if (registers.recinvsid) fault(CBadStreamid);  // 7.3.3
          else respond(1'b1);
        end
        FetchSte:
        if (answer.ready) begin
          if (answer.aborts) fault(FSteFetch);
          else obey_ste();
        end
        Record:
        if (record_done) begin
          record_valid <= 1'b0;
          respond(1'b1);
        end
        Respond: begin
          txn_ready <= 1'b0;
          state <= Idle;
        end
      endcase
    end
  end
endmodule
