// SPDX-License-Identifier: MIT
// Stream table, STEs, CDs. IHI 0070 3.3, 5.1 to 5.4.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "explain/draw.h"
#include "explain/structure_text.h"
#include "report/finding_text.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/cd_legal.h"
#include "spec/smmu/ste_legal.h"
#include "spec/smmu/table_legal.h"
#include "spec/smmu/visits.h"

namespace iommucheck::oracle {

namespace {

using spec::Cd;
using spec::Content;
using spec::Ste;

}  // namespace

MemoryDrawing::MemoryDrawing(Monitor& monitor, const DrawOptions& options)
    : monitor_(monitor), caches_(monitor.caches()), options_(options), notes_(caches_) {}

std::string MemoryDrawing::draw() {
  if (const HardwareJudge* other = monitor_.hardware()) {
    return fmt::format("memory is in the format of the backend {}, which its model alone knows\n",
                       other->hardware().name());
  }
  stream_table();
  std::set<u32> sids;
  if (options_.sid) {
    sids.insert(*options_.sid);
  } else {
    const auto& interface = monitor_.interface();
    for (u32 device = 0; device < interface.device_count(); ++device) {
      for (const u32 sid : monitor_.streams_here(device)) sids.insert(sid);
    }
  }
  find_leads(sids);
  for (const u32 sid : sids) {
    stream(sid);
    atcs(sid);
  }
  lines_.blank();
  if (!options_.sid) hidden_tables();
  const std::vector<std::string> others = notes_.under_other_tags(tags_);
  if (!others.empty()) {
    lines_.add(0, "cached under tags that no structure drawn here has");
    for (const std::string& text : others) lines_.add(1, "{}", text);
  }
  return lines_.take();
}

void MemoryDrawing::stream_table() {
  const spec::StreamTable& table = caches_.stream_table();
  lines_.add(0, "SMMUEN = {}; stream table at {:#x}, {}, StreamIDs of {} bits",
             caches_.enabled() ? 1 : 0, table.base,
             table.two_level ? fmt::format("two levels (SPLIT {})", table.split) : "linear",
             table.sid_bits);
}

MemoryDrawing::Structure MemoryDrawing::read(u64 place) const {
  Structure what{.place = place};
  for (unsigned i = 0; i < spec::ste_words; ++i) {
    const Content word = caches_.memory().newest(place + u64{8} * i);
    what.words[i] = word.value;
    what.unknown |= word.unknown;
    what.used |= !word.unknown && word.value != 0;
  }
  return what;
}

std::optional<u64> MemoryDrawing::ste_place(u32 sid) {
  const spec::StreamTable& table = caches_.stream_table();
  if (!spec::sid_in_range(table, u64{sid})) {
    lines_.add(1, "beyond the stream table: C_BAD_STREAMID");
    return std::nullopt;
  }
  if (!table.two_level) return spec::linear_ste_address(table, u64{sid});
  const u64 place = spec::l1std_address(table, u64{sid});
  const Content word = caches_.memory().newest(place);
  const auto notes = notes_.of_configuration_word(place, sid, 0);
  if (word.unknown) {
    lines_.add(1, "L1STD at {:#x}: content that nobody knows", place);
  } else {
    const spec::L1Std<u64> l1std{word.value};
    lines_.add(1, "L1STD at {:#x} = {:#x}: Span={} L2Ptr={:#x}", place, word.value, l1std.span(),
               l1std.l2ptr());
  }
  for (const std::string& note : notes) lines_.add(2, "<-- {}", note);
  if (word.unknown) return std::nullopt;
  const spec::L1Std<u64> l1std{word.value};
  if (spec::l1std_illegal(table, l1std, u64{sid})) {
    lines_.add(1, "no STE for this StreamID: C_BAD_STREAMID");
    return std::nullopt;
  }
  return spec::second_level_ste_address(table, l1std, u64{sid});
}

/// The stream's STE as memory has it, if it leads to CDs. Says what ste_place() says.
std::optional<Ste<u64>> MemoryDrawing::stage1_ste(u32 sid) {
  const std::optional<u64> place = ste_place(sid);
  if (!place) return std::nullopt;
  const Structure what = read(*place);
  const Ste<u64> ste{what.words};
  const bool leads =
      !what.unknown && spec::decode_ste(ste, caches_.capabilities()).kind == spec::SteKind::stage1;
  return leads ? std::optional(ste) : std::nullopt;
}

void MemoryDrawing::structure(const Structure& what, u32 sid, u32 ssid, bool is_cd) {
  const unsigned indent = is_cd ? 3 : 2;
  for (unsigned i = 0; i < spec::ste_words; ++i) {
    const u64 pa = what.place + u64{8} * i;
    const Content word = caches_.memory().newest(pa);
    const std::vector<std::string> notes = notes_.of_configuration_word(pa, sid, ssid);
    if (!word.unknown && word.value == 0 && notes.empty() && i != 0) continue;
    const std::string fields =
        is_cd ? cd_fields(Cd<u64>{what.words}, i) : ste_fields(Ste<u64>{what.words}, i);
    if (word.unknown) {
      lines_.add(indent, "[{}] content that nobody knows: never stored since it was allocated", i);
    } else {
      lines_.add(indent, "[{}] {:#018x}  {}", i, word.value, fields);
    }
    for (const std::string& note : notes) lines_.add(indent + 2, "<-- {}", note);
  }
}

void MemoryDrawing::stream(u32 sid) {
  lines_.blank();
  const auto& interface = monitor_.interface();
  const u32 device = interface.device_of(sid);
  lines_.add(0, "stream {:#x} ({}){}", sid,
             device == interface.device_count() ? std::string("nobody's")
                                                : fmt::format("device {}", device),
             whose(sid, {}));
  const std::optional<u64> place = ste_place(sid);
  if (!place) return;
  const Structure what = read(*place);
  lines_.add(1, "STE at {:#x}", *place);
  structure(what, sid, 0, false);
  if (what.unknown) return;
  const Ste<u64> ste{what.words};
  const spec::SteDecision decision = spec::decode_ste(ste, caches_.capabilities());
  switch (decision.kind) {
    case spec::SteKind::bad:
      lines_.add(1, "C_BAD_STE: does not hold: {}", spec::rule_info(decision.rule).text);
      return;
    case spec::SteKind::abort: lines_.add(1, "terminates everything, without an event"); break;
    case spec::SteKind::bypass:
      lines_.add(1, "passes everything untranslated");
      say_where_nothing_is_promised(sid, {}, 2);
      break;
    case spec::SteKind::stage2: stage2_tables(sid, ste, false); break;
    case spec::SteKind::nested: stage2_tables(sid, ste, true); break;
    case spec::SteKind::stage1: pasid_table(sid, ste); break;
  }
}

/// What the device's own cache may hold beyond what a look-up now would give it.
void MemoryDrawing::atcs(u32 sid) {
  for_each_atc_item(caches_.view(), [&](const spec::AtcOwner& owner, const spec::AtcItem& item) {
    if (owner.sid == sid) lines_.add(1, "<-- {}", explained(caches_.view(), item, item.first));
  });
}

/// The structure is valid, and the calls say that nothing goes through it.
void MemoryDrawing::say_where_nothing_is_promised(u32 sid, spec::sva::Substream at,
                                                  unsigned indent) {
  if (!monitor_.promises_nothing(sid, at)) return;
  const std::string promised = promised_text(monitor_.promised(sid, at, 0));
  lines_.add(indent + 1, "<-- promised: {}",
             promised.empty() ? "nothing: it is no device's" : promised);
}

/// Numbers whose CD has a word in memory, or may be cached.
std::vector<u32> MemoryDrawing::numbers_in_use(u32 sid, const Ste<u64>& ste) {
  std::set<u32> numbers{0};
  const u64 count = spec::substreams_used(ste, caches_.capabilities())
                        ? pow2(static_cast<unsigned>(ste.s1cdmax()))
                        : u64{1};
  const unsigned leaf_bits = spec::cd_leaf_bits(ste, caches_.capabilities());
  for (u64 number = 0; number < count;) {
    const std::optional<u64> place = cd_place(sid, ste, static_cast<u32>(number), false);
    if (!place) {  // the L1CD leads nowhere: on to the next one
      number = (number | ((u64{1} << leaf_bits) - 1)) + 1;
      continue;
    }
    if (read(*place).used) numbers.insert(static_cast<u32>(number));
    ++number;
  }
  for (const u32 number : notes_.cached_substreams(sid)) numbers.insert(number);
  return {numbers.begin(), numbers.end()};
}

std::optional<u64> MemoryDrawing::cd_place(u32 sid, const Ste<u64>& ste, u32 number, bool say) {
  const unsigned leaf_bits = spec::cd_leaf_bits(ste, caches_.capabilities());
  if (leaf_bits == 0) return spec::linear_cd_address(ste, u64{number});
  const u64 place = spec::l1cd_address(ste, leaf_bits, u64{number});
  const Content word = caches_.memory().newest(place);
  const spec::L1Cd<u64> l1cd{word.value};
  if (say) {
    if (word.unknown) {
      lines_.add(2, "L1CD at {:#x}: content that nobody knows", place);
    } else {
      lines_.add(2, "L1CD at {:#x} = {:#x}: V={:d} L2Ptr={:#x}", place, word.value, l1cd.v().value,
                 l1cd.l2ptr());
    }
    for (const std::string& note : notes_.of_configuration_word(place, sid, number)) {
      lines_.add(3, "<-- {}", note);
    }
  }
  if (word.unknown || spec::l1cd_illegal(l1cd, caches_.capabilities())) return std::nullopt;
  return spec::second_level_cd_address(l1cd, leaf_bits, u64{number});
}

std::vector<TableInMemory> MemoryDrawing::tables(u32 sid) {
  std::vector<TableInMemory> tables;
  const std::optional<Ste<u64>> found = stage1_ste(sid);
  if (!found) return tables;
  const Ste<u64>& ste = *found;
  const bool used = spec::substreams_used(ste, caches_.capabilities()).value;
  for (const u32 number : numbers_in_use(sid, ste)) {
    const std::optional<u64> cd_at = cd_place(sid, ste, number, false);
    if (!cd_at) continue;
    const Structure words = read(*cd_at);
    const Cd<u64> cd{words.words};
    const bool valid =
        !words.unknown && !spec::decode_cd(cd, ste, caches_.capabilities(), caches_.e2h());
    if (!valid) continue;
    const auto regime = spec::regime_of(ste, cd, caches_.capabilities(), caches_.e2h());
    if (regime.half[0].epd) continue;
    const bool present = used && !(number == 0 && ste.s1dss() == 2);
    tables.push_back({.at = present ? spec::sva::substream(number) : spec::sva::Substream{},
                      .root = regime.half[0].ttb});
  }
  return tables;
}

/// Who has the space there, as the calls say it: ": domain 0x51". Empty: nobody, or it is not
/// known.
std::string MemoryDrawing::whose(u32 sid, spec::sva::Substream at) const {
  const auto& interface = monitor_.interface();
  const u32 device = interface.device_of(sid);
  if (device == interface.device_count()) return {};
  const u64 domain =
      at.present ? interface.attached_at(device, at.number) : interface.domain_of(device);
  if (domain != 0) return fmt::format(": domain {:#x}", domain);
  if (!at.present) return {};
  for (const u64 mm : options_.processes) {
    if (interface.pasid_of_process(mm) == at) return fmt::format(": process {:#x}", mm);
  }
  for (const spec::sva::Leak& held : interface.leaks()) {
    const bool is_its = held.kind == spec::sva::Leak::Kind::io_mm && held.pasid == at.number;
    if (is_its) return fmt::format(": io_mm {:#x}", held.handle);
  }
  return {};
}

/// Which streams lead to which table of CDs.
void MemoryDrawing::find_leads(const std::set<u32>& sids) {
  Lines kept = std::exchange(lines_, {});
  for (const u32 sid : sids) {
    const std::optional<Ste<u64>> ste = stage1_ste(sid);
    if (ste) leads_[ste->s1contextptr()].push_back(fmt::format("{:#x}", sid));
  }
  lines_ = std::move(kept);
}

/// Streams that share a table lead to one drawing of it, if what is cached and promised there is
/// the same for them.
void MemoryDrawing::pasid_table(u32 sid, const Ste<u64>& ste) {
  Lines before = std::exchange(lines_, {});
  substreams(sid, ste);
  const std::string table = std::exchange(lines_, std::move(before)).take();
  const auto [at, is_new] = drawn_.try_emplace(table, sid);
  const std::vector<std::string>& streams = leads_[ste.s1contextptr()];
  if (streams.size() > 1) {
    lines_.add(1, "CDs at {:#x}, of the streams {}{}", ste.s1contextptr(), fmt::join(streams, ", "),
               is_new ? "" : fmt::format(": drawn under stream {:#x}", at->second));
  }
  if (is_new) lines_.append(table);
}

void MemoryDrawing::substreams(u32 sid, const Ste<u64>& ste) {
  const bool used = static_cast<bool>(spec::substreams_used(ste, caches_.capabilities()));
  for (const u32 number : numbers_in_use(sid, ste)) {
    if (options_.number && *options_.number != number) continue;
    const bool present = used && !(number == 0 && ste.s1dss() == 2);
    substream(sid, ste, number, present);
  }
}

void MemoryDrawing::substream(u32 sid, const Ste<u64>& ste, u32 number, bool present) {
  if (!present) {
    lines_.add(1, "no PASID (CD 0)");
  } else {
    lines_.add(1, "PASID {:#x}{}", number, whose(sid, spec::sva::substream(number)));
  }
  const std::optional<u64> place = cd_place(sid, ste, number, true);
  if (!place) {
    lines_.add(2, "no CD for this number: C_BAD_SUBSTREAMID");
    return;
  }
  const Structure what = read(*place);
  lines_.add(2, "CD at {:#x}", *place);
  structure(what, sid, number, true);
  if (what.unknown) return;
  const Cd<u64> cd{what.words};
  if (const auto rule = spec::decode_cd(cd, ste, caches_.capabilities(), caches_.e2h())) {
    lines_.add(2, "C_BAD_CD: does not hold: {}", spec::rule_info(*rule).text);
    return;
  }
  Space space;
  space.sid = sid;
  if (present) space.at = spec::sva::substream(number);
  space.regime = spec::regime_of(ste, cd, caches_.capabilities(), caches_.e2h());
  say_where_nothing_is_promised(sid, space.at, 3);
  tags_.push_back(spec::tag_of(space.regime));
  for (unsigned half = 0; half < 2; ++half) {
    if (space.regime.half[half].epd) continue;
    space.half = half;
    this->space(space);
  }
  const std::vector<std::string> cached = notes_.under_tag(spec::tag_of(space.regime));
  if (cached.empty()) return;
  lines_.add(2, "cached under ASID {:#x}, and not what memory says now", space.regime.asid);
  for (const std::string& text : cached) lines_.add(3, "<-- {}", text);
}

/// What stage 2 translates for the stream: its addresses, or those that a user's stage 1 gives.
void MemoryDrawing::stage2_tables(u32 sid, const Ste<u64>& ste, bool below_users) {
  if (spec::stage2_unsupported(ste, caches_.capabilities())) {
    lines_.add(1, "its stage 2 tables are not drawn");
    return;
  }
  Space space;
  space.sid = sid;
  space.regime = spec::stage2_regime_of(ste, caches_.capabilities());
  space.below_users = below_users;
  if (below_users) {
    lines_.add(1, "stage 1 is its user's: ask for one address to see it walked");
  } else {
    say_where_nothing_is_promised(sid, {}, 3);
  }
  const spec::Tag<u64> tag = spec::tag_of(space.regime);
  tags_.push_back(tag);
  this->space(space);
  const std::vector<std::string> cached = notes_.under_tag(tag);
  if (cached.empty()) return;
  lines_.add(2, "cached under {}, and not what memory says now", spec::tag_text(tag));
  for (const std::string& text : cached) lines_.add(3, "<-- {}", text);
}

Monitor& monitor_of_stream(Monitor& monitor, u32 sid) {
  return monitor.of_smmu(monitor.smmu_number_of(monitor.interface().device_of(sid)));
}

std::string draw_memory(Monitor& monitor, const DrawOptions& options) {
  if (monitor.smmu_count() == 1) return MemoryDrawing(monitor, options).draw();
  if (options.sid) return MemoryDrawing(monitor_of_stream(monitor, *options.sid), options).draw();
  std::string text;
  for (u32 number = 0; number < monitor.smmu_count(); ++number) {
    text += fmt::format("{}SMMU {}\n", number == 0 ? "" : "\n", number);
    text += MemoryDrawing(monitor.of_smmu(number), options).draw();
  }
  return text;
}

}  // namespace iommucheck::oracle
