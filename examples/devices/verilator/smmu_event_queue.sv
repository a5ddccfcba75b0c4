// SPDX-License-Identifier: MIT
// The event queue: IHI 0070 7.2, 7.4. A record is in memory whole before EVENTQ_PROD shows it
// (3.5.2).
module smmu_event_queue
  import smmu_pkg::*;
(
    input logic clk,
    input logic rst_n,

    input registers_t registers,

    // A record to be written, until `done`.
    input  logic         record_valid,
    input  logic [255:0] record,
    output logic         done,

    output memory_request_t request,
    input  memory_answer_t  answer,

    output logic busy,
    output logic recorded,
    output logic overflows,
    output logic aborts
);
  typedef enum logic [1:0] {
    Idle,
    Write,
    Done
  } state_e;
  state_e state;
  logic [1:0] beat;

  wire [4:0] lg2 = queue_lg2(registers.eventq_base, EventqsLg2);
  wire [19:0] slot = registers.eventq_prod & (index_mask(lg2) >> 1);
  wire [51:0] place = queue_start(registers.eventq_base, lg2, 5) + {27'b0, slot, 5'b0};
  // Full: the indices are the same, their wrap bits are not (3.5.1).
  wire full = (registers.eventq_prod ^ registers.eventq_cons) == 20'd1 << lg2;
  wire begins = state == Idle && record_valid && registers.eventqen;

  always_comb begin
    request = '0;
    request.valid = state == Write;
    request.write = 1'b1;
    request.address = place + {47'b0, beat, 3'b0};
    request.data = record[64*beat+:64];
    busy = state == Write;
    done = state == Done;
    recorded = state == Write && answer.ready && !answer.aborts && beat == 2'd3;
    aborts = state == Write && answer.ready && answer.aborts;
    // What finds no room is lost, which OVFLG says once until software has acknowledged it (7.4).
    overflows = begins && full && !registers.eventq_overflow;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      state <= Idle;
      beat  <= '0;
    end else begin
      case (state)
        Idle:
        if (record_valid) begin
          state <= begins && !full ? Write : Done;
          beat  <= '0;
        end
        Write:
        if (answer.ready) begin
          beat <= beat + 2'd1;
          if (answer.aborts || beat == 2'd3) state <= Done;
        end
        default: state <= Idle;
      endcase
    end
  end
endmodule
