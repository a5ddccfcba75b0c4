// SPDX-License-Identifier: MIT
// What the modules of this SMMU share: offsets, fields, and the records between them. Sections are
// of IHI 0070.
package smmu_pkg;
  // 6.3.1 to 6.3.6. S1P, TTF = AArch64, COHACC, TTENDIAN = little, STALL_MODEL = no stalls,
  // TERM_MODEL; 8 bits of CMDQS, 7 of EVENTQS, 6 of SIDSIZE; 4 KiB, OAS = 44 bits. AIDR = 0: v3.0.
  localparam logic [31:0] Idr0 = 32'h0540_001a;
  localparam logic [31:0] Idr1 = 32'h0107_0006;
  localparam logic [31:0] Idr5 = 32'h0000_0014;
  localparam int OasBits = 44;
  localparam int SidBits = 6;
  localparam int CmdqsLg2 = 8;
  localparam int EventqsLg2 = 7;

  // 6.1: the register map. The event queue's indices are in page 1.
  typedef enum logic [16:0] {
    OffsetIdr0 = 17'h00000,
    OffsetIdr1 = 17'h00004,
    OffsetIdr5 = 17'h00014,
    OffsetCr0 = 17'h00020,
    OffsetCr0ack = 17'h00024,
    OffsetCr1 = 17'h00028,
    OffsetCr2 = 17'h0002c,
    OffsetGbpa = 17'h00044,
    OffsetIrqCtrl = 17'h00050,
    OffsetIrqCtrlack = 17'h00054,
    OffsetGerror = 17'h00060,
    OffsetGerrorn = 17'h00064,
    OffsetStrtabBase = 17'h00080,
    OffsetStrtabBaseHigh = 17'h00084,
    OffsetStrtabBaseCfg = 17'h00088,
    OffsetCmdqBase = 17'h00090,
    OffsetCmdqBaseHigh = 17'h00094,
    OffsetCmdqProd = 17'h00098,
    OffsetCmdqCons = 17'h0009c,
    OffsetEventqBase = 17'h000a0,
    OffsetEventqBaseHigh = 17'h000a4,
    OffsetEventqProd = 17'h100a8,
    OffsetEventqCons = 17'h100ac
  } offset_e;

  // Bits of CR0 and CR0ACK (6.3.9), IRQ_CTRL (6.3.16), GERROR (6.3.19).
  localparam int Smmuen = 0;
  localparam int Eventqen = 2;
  localparam int Cmdqen = 3;
  localparam int GerrorIrqen = 0;
  localparam int EventqIrqen = 2;
  localparam int CmdqErr = 0;
  localparam int EventqAbtErr = 2;
  localparam int SfmErr = 8;
  // Bits of a queue's base register that hold something: RA or WA, ADDR, LOG2SIZE (6.3.26).
  localparam logic [63:0] QueueBaseMask = 64'h400f_ffff_ffff_ffff;
  localparam logic [63:0] StrtabBaseMask = 64'h400f_ffff_ffff_ffc0;

  // CMDQ_CONS.ERR: 7.1.
  typedef enum logic [6:0] {
    CerrorNone = 7'd0,
    CerrorIll  = 7'd1,
    CerrorAbt  = 7'd2
  } command_error_e;

  // Event types: 7.3.
  typedef enum logic [7:0] {
    CBadStreamid = 8'h02,
    FSteFetch = 8'h03,
    CBadSte = 8'h04,
    FAddrSize = 8'h11
  } event_type_e;

  // What the units see of the registers.
  typedef struct packed {
    logic smmuen, eventqen, cmdqen;
    logic recinvsid;
    logic gbpa_abort;
    logic [63:0] strtab_base;
    logic [5:0] strtab_log2size;
    logic [63:0] cmdq_base;
    logic [19:0] cmdq_prod, cmdq_cons;
    logic cmdq_stopped;  // GERROR.CMDQ_ERR is active
    logic [63:0] eventq_base;
    logic [19:0] eventq_prod, eventq_cons;
    logic eventq_overflow;  // OVFLG and OVACKFLG differ
  } registers_t;

  // The memory port of a unit: 8 bytes a beat; a request stays as it is until `ready`.
  typedef struct packed {
    logic valid, write;
    logic [51:0] address;
    logic [63:0] data;
  } memory_request_t;
  typedef struct packed {
    logic ready, aborts;  // aborts: an external abort, nothing was read or written
    logic [63:0] data;
  } memory_answer_t;

  // The size of a queue that LOG2SIZE selects, and where entry 0 of it is: the base is aligned to
  // the size (6.3.26).
  function automatic logic [4:0] queue_lg2(logic [63:0] base, int most);
    return base[4:0] < 5'(most) ? base[4:0] : 5'(most);
  endfunction
  function automatic logic [51:0] queue_start(logic [63:0] base, logic [4:0] lg2, int entry_lg2);
    return {base[51:5], 5'b0} & ({52{1'b1}} << (lg2 + 5'(entry_lg2)));
  endfunction
  // An index and its wrap bit (3.5.1).
  function automatic logic [19:0] index_mask(logic [4:0] lg2);
    return ~({20{1'b1}} << (lg2 + 5'd1));
  endfunction
endpackage
