// SPDX-License-Identifier: MIT
// The command queue: IHI 0070 3.5, 4, 7.1. Nothing is cached, so that commands have nothing to do
// but to be legal. A CMD_SYNC waits for the transaction that may have been looked up before
// (3.21.3, 4.7.3): there is a clock without one between any two.
module smmu_command_queue
  import smmu_pkg::*;
(
    input logic clk,
    input logic rst_n,

    input registers_t registers,
    input logic       transaction_busy,

    output memory_request_t request,
    input  memory_answer_t  answer,

    output logic           busy,
    output logic           consumed,
    output logic           failed,
    output command_error_e error,
    output logic           irq_sync,

    // For who watches: the command that `consumed` is of.
    output logic [ 19:0] slot,
    output logic [127:0] command
);
  typedef enum logic [1:0] {
    Idle,
    FetchLow,
    FetchHigh,
    Execute
  } state_e;
  state_e state;
  logic aborted;

  wire [4:0] lg2 = queue_lg2(registers.cmdq_base, CmdqsLg2);
  assign slot = registers.cmdq_cons & (index_mask(lg2) >> 1);
  wire [51:0] place = queue_start(registers.cmdq_base, lg2, 4) + {28'b0, slot, 4'b0};

  wire [7:0] opcode = command[7:0];
  wire ssec = command[10];
  wire [1:0] cs = command[13:12];

  // The commands that this SMMU has: 4.1.1. No Secure state, stage 2, EL2, ATS, PRI or stalls.
  logic legal;
  always_comb begin
    case (opcode)
      8'h01, 8'h02,                 // CMD_PREFETCH_CONFIG, _ADDR
      8'h03, 8'h04, 8'h05, 8'h06:   // CMD_CFGI_STE, _STE_RANGE, _CD, _CD_ALL
      legal = !ssec;
      8'h10, 8'h11, 8'h12, 8'h13,   // CMD_TLBI_NH_ALL, _ASID, _VA, _VAA
      8'h30:                        // CMD_TLBI_NSNH_ALL
      legal = 1'b1;
      8'h46: legal = cs != 2'd3;    // CMD_SYNC
      default: legal = 1'b0;
    endcase
  end
  wire is_sync = opcode == 8'h46;
  wire waits = is_sync && transaction_busy;

  always_comb begin
    request = '0;
    request.valid = state == FetchLow || state == FetchHigh;
    request.address = place + (state == FetchHigh ? 52'd8 : 52'd0);
    busy = state != Idle;
    // CMDQ_CONS stays at a command in error, and nothing behind it is looked at (7.1).
    failed = state == Execute && (aborted || !legal);
    error = aborted ? CerrorAbt : CerrorIll;
    consumed = state == Execute && !failed && !waits;
  end

  always_ff @(posedge clk) begin
    irq_sync <= 1'b0;
    if (!rst_n) begin
      state <= Idle;
      {command, aborted} <= '0;
    end else begin
      case (state)
        Idle: begin
          aborted <= 1'b0;
          if (registers.cmdqen && !registers.cmdq_stopped &&
              registers.cmdq_prod != registers.cmdq_cons) begin
            state <= FetchLow;
          end
        end
        FetchLow:
        if (answer.ready) begin
          command[63:0] <= answer.data;
          aborted <= answer.aborts;
          state <= answer.aborts ? Execute : FetchHigh;
        end
        FetchHigh:
        if (answer.ready) begin
          command[127:64] <= answer.data;
          aborted <= answer.aborts;
          state <= Execute;
        end
        Execute:
        if (failed || consumed) begin
          state <= Idle;
          irq_sync <= consumed && is_sync && cs == 2'd1;  // 4.7.3: SIG_IRQ, on a wire
        end
      endcase
    end
  end
endmodule
