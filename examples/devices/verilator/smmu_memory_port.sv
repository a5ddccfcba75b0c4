// SPDX-License-Identifier: MIT
// One memory port for the units: the first that asks has it until its beat is done.
module smmu_memory_port
  import smmu_pkg::*;
#(
    parameter int Units = 3
) (
    input logic clk,
    input logic rst_n,

    input  memory_request_t [Units-1:0] requests,
    output memory_answer_t  [Units-1:0] answers,

    output memory_request_t port,
    input  memory_answer_t  answer
);
  logic held;
  logic [$clog2(Units)-1:0] holder, first, selected;

  always_comb begin
    first = '0;
    for (int i = Units - 1; i >= 0; i--) if (requests[i].valid) first = ($clog2(Units))'(i);
    selected = held ? holder : first;
    port = requests[selected];
    answers = '0;
    answers[selected] = answer;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) {held, holder} <= '0;
    else begin
      held   <= port.valid && !answer.ready;
      holder <= selected;
    end
  end
endmodule
