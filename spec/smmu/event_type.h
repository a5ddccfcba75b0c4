// SPDX-License-Identifier: MIT
// Numbers of the event records. IHI 0070 7.3; arch 6.2.
#pragma once

#include <string_view>

#include "base/types.h"

namespace iommucheck::spec {

enum class EventType : u8 {
  none = 0,
  f_uut = 0x01,
  c_bad_streamid = 0x02,
  f_ste_fetch = 0x03,
  c_bad_ste = 0x04,
  f_bad_ats_treq = 0x05,
  f_stream_disabled = 0x06,
  f_transl_forbidden = 0x07,
  c_bad_substreamid = 0x08,
  f_cd_fetch = 0x09,
  c_bad_cd = 0x0a,
  f_walk_eabt = 0x0b,
  f_translation = 0x10,
  f_addr_size = 0x11,
  f_access = 0x12,
  f_permission = 0x13,
  f_tlb_conflict = 0x20,
  f_cfg_conflict = 0x21,
  e_page_request = 0x24,
  f_vms_fetch = 0x25,
};

/// The manual's name, e.g. "F_TRANSLATION"; "none" for no event, "reserved" for other numbers.
std::string_view event_name(EventType type);

/// Only these are governed by CD.A/R/S or STE.S2R/S2S; every other event aborts. arch 4.9.
constexpr bool is_translation_fault(EventType type) {
  return type >= EventType::f_translation && type <= EventType::f_permission;
}

}  // namespace iommucheck::spec
