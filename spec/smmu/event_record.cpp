// SPDX-License-Identifier: MIT
#include "spec/smmu/event_record.h"

#include <string_view>
#include <utility>

#include "base/bits.h"
#include "spec/smmu/record_fields.h"
#include "spec/text.h"

namespace iommucheck::spec {
namespace {

constexpr std::pair<EventType, std::string_view> names[] = {
    {EventType::none, "none"},
    {EventType::f_uut, "F_UUT"},
    {EventType::c_bad_streamid, "C_BAD_STREAMID"},
    {EventType::f_ste_fetch, "F_STE_FETCH"},
    {EventType::c_bad_ste, "C_BAD_STE"},
    {EventType::f_bad_ats_treq, "F_BAD_ATS_TREQ"},
    {EventType::f_stream_disabled, "F_STREAM_DISABLED"},
    {EventType::f_transl_forbidden, "F_TRANSL_FORBIDDEN"},
    {EventType::c_bad_substreamid, "C_BAD_SUBSTREAMID"},
    {EventType::f_cd_fetch, "F_CD_FETCH"},
    {EventType::c_bad_cd, "C_BAD_CD"},
    {EventType::f_walk_eabt, "F_WALK_EABT"},
    {EventType::f_translation, "F_TRANSLATION"},
    {EventType::f_addr_size, "F_ADDR_SIZE"},
    {EventType::f_access, "F_ACCESS"},
    {EventType::f_permission, "F_PERMISSION"},
    {EventType::f_tlb_conflict, "F_TLB_CONFLICT"},
    {EventType::f_cfg_conflict, "F_CFG_CONFLICT"},
    {EventType::e_page_request, "E_PAGE_REQUEST"},
    {EventType::f_vms_fetch, "F_VMS_FETCH"},
};

/// Which fields a type carries. arch 6.2.
struct Layout {
  bool substream = true;  ///< SSV and SSID
  bool reason = false;    ///< IMPLEMENTATION DEFINED, DW1[15:0]
  bool stall = false;     ///< STAG, Stall
  bool access = false;    ///< PnU, InD, RnW
  bool only_rnw = false;
  bool stage = false;  ///< S2
  bool event_class = false;
  bool input = false;
  bool ipa = false;
  bool fetch = false;
};

Layout layout_of(EventType type) {
  Layout l;
  switch (type) {
    case EventType::f_uut: l.reason = l.access = l.input = true; break;
    case EventType::f_ste_fetch:
    case EventType::f_cd_fetch:
    case EventType::f_vms_fetch: l.reason = l.fetch = true; break;
    case EventType::f_stream_disabled: l.substream = false; break;
    case EventType::f_transl_forbidden:
      l.substream = false;
      l.only_rnw = l.input = true;
      break;
    case EventType::f_walk_eabt:
      l.reason = l.access = l.stage = l.event_class = l.input = l.fetch = true;
      break;
    case EventType::f_translation:
    case EventType::f_addr_size:
    case EventType::f_access:
    case EventType::f_permission:
      l.stall = l.access = l.stage = l.event_class = l.input = l.ipa = true;
      break;
    case EventType::f_tlb_conflict: l.reason = l.access = l.stage = l.input = l.ipa = true; break;
    case EventType::f_cfg_conflict: l.reason = true; break;
    default: break;
  }
  return l;
}

/// Writes fields and forgets bits, so that what nobody mentions is RES0.
class Builder {
 public:
  explicit Builder(EventType type) {
    record_.fixed = {~u64{0}, ~u64{0}, ~u64{0}, ~u64{0}};
    put(0, 0, static_cast<u64>(type));
  }
  void put(unsigned word, unsigned lo, u64 value) { record_.dw[word] |= value << lo; }
  void unknown(unsigned word, unsigned hi, unsigned lo) { record_.fixed[word] &= ~mask(hi, lo); }
  EventRecord take() const { return record_; }

 private:
  EventRecord record_;
};

void put_access(Builder& b, const EventFields& f, bool only_rnw) {
  b.put(1, 35, f.read ? 1 : 0);
  if (only_rnw) return;
  b.put(1, 33, f.privileged ? 1 : 0);
  b.put(1, 34, f.instruction && f.read ? 1 : 0);
}

void put_substream(Builder& b, EventType type, const EventFields& f) {
  if (type == EventType::c_bad_substreamid) {
    b.put(0, 12, f.ssid.value_or(0) & mask(19, 0));  // always valid, and no SSV
    return;
  }
  if (f.ssid) {
    b.put(0, 11, 1);
    b.put(0, 12, *f.ssid & mask(19, 0));
  } else {
    b.unknown(0, 31, 12);
  }
}

constexpr RecordField field_names[] = {
    {0, 7, 0, "Type"},       {0, 11, 11, "SSV"},
    {0, 31, 12, "SSID"},     {0, 63, 32, "SID"},
    {1, 15, 0, "STAG"},      {1, 31, 31, "Stall"},
    {1, 33, 33, "PnU"},      {1, 34, 34, "InD"},
    {1, 35, 35, "RnW"},      {1, 39, 39, "S2"},
    {1, 41, 40, "CLASS"},    {1, 44, 44, "TTRnW"},
    {2, 63, 0, "InputAddr"}, {3, 55, 0, "IPA or FetchAddr"},
};

}  // namespace

std::string_view event_name(EventType type) {
  for (const auto& [value, name] : names) {
    if (value == type) return name;
  }
  return "reserved";
}

EventRecord record_of(EventType type, const EventFields& f) {
  const Layout l = layout_of(type);
  Builder b(type);
  b.put(0, 32, f.sid);
  if (l.substream) put_substream(b, type, f);
  // What was asked for, and where: the places of these fields are not modelled. IHI 0070 7.3.6.
  if (type == EventType::f_bad_ats_treq) {
    for (const unsigned word : {1U, 2U, 3U}) b.unknown(word, 63, 0);
  }
  if (l.reason) b.unknown(1, 15, 0);
  if (l.stall) {
    b.put(1, 31, f.stall ? 1 : 0);
    if (f.stall && f.stag) {
      b.put(1, 0, *f.stag);
    } else {
      b.unknown(1, 15, 0);
    }
  }
  if (l.access || l.only_rnw) put_access(b, f, l.only_rnw);
  if (l.stage) b.put(1, 39, f.stage2 ? 1 : 0);
  if (l.event_class) b.put(1, 40, static_cast<u64>(f.event_class));
  if (type == EventType::f_permission) {
    if (f.event_class == EventClass::tt) {
      b.put(1, 44, f.descriptor_read ? 1 : 0);
    } else {
      b.unknown(1, 44, 44);
    }
  }
  if (l.input) b.put(2, 0, f.input_address);
  if (l.ipa) {
    if (f.stage2) {
      b.put(3, 0, f.ipa & mask(51, 12));
    } else {
      b.unknown(3, 51, 12);
    }
  }
  if (l.fetch) b.put(3, 0, f.fetch_address & mask(51, 3));
  const bool of_structure = type == EventType::f_ste_fetch || type == EventType::f_cd_fetch;
  if (of_structure && f.fetch_unknown_lsb < 52) b.unknown(3, 51, f.fetch_unknown_lsb);
  return b.take();
}

bool matches(const EventRecord& expected, const std::array<u64, event_words>& observed) {
  return fixed_bits_match(expected, observed);
}

std::vector<FieldDifference> differences(const EventRecord& expected,
                                         const std::array<u64, event_words>& observed) {
  return field_differences(field_names, expected, observed);
}

std::string describe_mismatch(const EventRecord& expected,
                              const std::array<u64, event_words>& observed) {
  std::string text;
  for (const FieldDifference& one : differences(expected, observed)) {
    if (!text.empty()) text += "; ";
    text += std::string(one.name) + " is " + to_hex(one.observed) + ", expected " +
            to_hex(one.expected);
  }
  return text;
}

std::string describe(const std::array<u64, event_words>& dw) {
  const EventType type = event_type_of(dw);
  const Layout l = layout_of(type);
  std::string text(event_name(type));
  text += " sid=" + std::to_string(event_sid(dw));
  if (bit(dw[0], 11) || type == EventType::c_bad_substreamid) {
    text += " ssid=" + std::to_string(bits(dw[0], 31, 12));
  }
  if (l.input) text += " va=" + to_hex(dw[2]);
  if (l.access || l.only_rnw) {
    text += !bit(dw[1], 35) ? " write" : bit(dw[1], 34) ? " execute" : " read";
  }
  if (l.access) text += bit(dw[1], 33) ? " privileged" : " unprivileged";
  if (l.stage) text += bit(dw[1], 39) ? " stage 2" : " stage 1";
  if (l.ipa && bit(dw[1], 39)) text += " ipa=" + to_hex(dw[3] & mask(55, 12));
  if (l.stall && bit(dw[1], 31)) text += " stalled stag=" + to_hex(bits(dw[1], 15, 0));
  return text;
}

}  // namespace iommucheck::spec
