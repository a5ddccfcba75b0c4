// SPDX-License-Identifier: MIT
// The lines of a program that asks a device again what a case asked: what is common to its forms.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

enum class CaseLineKind : u8 {
  store,    ///< value at address
  fill,     ///< `where` words of value, from address on
  load,     ///< value is what the word at address holds
  write,    ///< of the register at `where`
  read,     ///< value is what the register at `where` says
  dma,      ///< passes says what became of it
  save,     ///< the device is saved and goes on from what was saved
  request,  ///< of ATS; value is what it leads to and the rights in bits 1:0, below its status
  answer,   ///< an endpoint has done the oldest invalidation
  silence,  ///< none has, and the time is over
  page,     ///< a page request; value is its PRG index
};

struct CaseLine {
  CaseLineKind kind = CaseLineKind::store;
  unsigned bytes = 0, attributes = 0;  ///< as iommucheck_dut_op has them
  u64 where = 0, ssid = 0;
  enum class Passes : u8 { nowhere, through, to_value } passes = Passes::nowhere;
  u64 address = 0, value = 0;
};
/// Of a request's answer: its status is above.
inline constexpr unsigned case_status_place = 56;

/// Errors: bad_input for a trace that is not of conform, or whose device delegates translation.
Expected<std::vector<CaseLine>> case_lines(const trace::Trace& trace);

}  // namespace iommucheck::oracle
