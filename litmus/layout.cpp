// SPDX-License-Identifier: MIT
#include "litmus/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/bits.h"
#include "litmus/encode.h"
#include "litmus/names.h"

namespace iommucheck::litmus {
namespace {

constexpr u64 page_bytes = u64{1} << 12;
constexpr u64 structure_bytes = u64{1} << 26;  // 2^20 CDs, or 2^16 STEs with room to spare
constexpr u64 block_bytes = u64{1} << 30;
// Small pages first, then structures, then blocks: each kind in its own part of 48 bits.
constexpr u64 page_base = u64{0x100} << 20;
constexpr u64 structure_base = u64{0x40} << 30;
constexpr u64 block_base = u64{0x400} << 30;
constexpr const char* unknown_name = "-";
constexpr const char* empty_name = "(empty)";

/// One table, or 16 side by side at the start of stage 2; each is aligned to all of it.
u64 largest_table_in_pages(const Test& test) {
  bool wide = false;
  bool wide2 = false;
  bool stage2 = false;
  for_each_object(test, [&](const Object& object) {
    const auto* ste = std::get_if<SteLine>(&object);
    const auto* cd = std::get_if<CdLine>(&object);
    if (cd != nullptr) wide |= is_wide(cd->tg0) || is_wide(cd->tg1);
    if (ste != nullptr) wide2 |= is_wide(ste->s2tg);
    if (ste != nullptr) stage2 |= ste->s2ttb.has_value();
  });
  return wide2 ? 256 : wide ? 32 : stage2 ? 16 : 1;
}

class Builder {
 public:
  explicit Builder(const Test& test) : test_(test) {}

  Expected<Layout> build() {
    place_regions();
    find_facts();
    find_stage2();
    find_granules();
    for (const InitLine& line : test_.init) lay_down(line);
    for (const auto& [pa, value] : memory_) out_.memory.push_back({pa, value});
    agent("cpu0");
    for (u32 i = 0; i < test_.run.size(); ++i) {
      step_ = i;
      agent_ = agent(test_.run[i].agent.text);
      std::visit([this](const auto& step) { expand(step); }, test_.run[i].what);
    }
    if (error_) return std::unexpected(*error_);
    return std::move(out_);
  }

 private:
  // ---- places ----
  void place_regions() {
    auto names = names_in(test_);
    names.try_emplace(empty_name).first->second.structure = true;
    names.try_emplace("T").first->second.stes = true;
    NameUse& l = names.try_emplace("L").first->second;  // where STEs live with fmt=2lvl
    l.stes |= !l.pages || has_two_levels();
    NameUse unknown;
    unknown.cds = true;
    names.emplace(unknown_name, unknown);
    const u64 table_bytes = page_bytes * largest_table_in_pages(test_);
    u64 next_page = page_base;
    u64 next_structure = structure_base;
    u64 next_block = block_base;
    for (const auto& [name, use] : names) {
      Region region;
      region.name = name;
      region.paged = use.pages;
      region.unknown = name == unknown_name;
      if (use.pages && (use.cds || use.stes)) {
        fail(use.place, name, "used both as a block and as a configuration table");
      }
      const bool big = use.cds || use.stes;
      region.bytes = use.pages ? block_bytes : big ? structure_bytes : table_bytes;
      u64& next = use.pages ? next_block : big ? next_structure : next_page;
      region.pa = next;
      next += region.bytes;
      by_name_.emplace(name, out_.regions.size());
      out_.regions.push_back(std::move(region));
    }
  }

  bool has_two_levels() const {
    return std::ranges::any_of(test_.init, [](const InitLine& line) {
      const auto* strtab = std::get_if<StrtabLine>(&line.what);
      return strtab != nullptr && strtab->fmt == TableFormat::two_level;
    });
  }

  u64 address(const std::string& name) const { return out_.regions[by_name_.at(name)].pa; }

  u64 address(const Target& target) const {
    if (target.kind == Target::Kind::unknown) return address(unknown_name);
    if (target.kind == Target::Kind::intermediate) return target.page << 12;
    const Region& region = out_.regions[by_name_.at(target.name)];
    return region.pa + (u64{target.part.value_or(0)} << region.granule);
  }

  Resolve resolve() const {
    return [this](const Target& target) { return address(target); };
  }

  // ---- facts ----
  void find_facts() {
    for (const InitLine& line : test_.init) {
      std::visit([this](const auto& what) { fact(what); }, line.what);
    }
    if (out_.strtab_base == 0) out_.strtab_base = address("T");
    out_.broadcasts = btm_ && !ptm_;
  }
  void fact(const StrtabLine& strtab) {
    out_.strtab_base = address(strtab.table.text);
    out_.strtab_format = strtab.fmt;
  }
  void fact(const AtsLine& ats) { out_.ats_sids.insert(ats.sid.value); }
  void fact(const BbmlLine& bbml) { out_.bbml = static_cast<unsigned>(bbml.level.value); }
  void fact(const CoherentLine& line) { out_.coherent = line.value.value != 0; }
  void fact(const AtomLine& line) { out_.atom_bytes = static_cast<unsigned>(line.bytes.value); }
  void fact(const BitLine& line) {
    const bool on = line.value.value != 0;
    switch (line.which) {
      case Bit::atschk: out_.atschk = on; break;
      case Bit::btm: btm_ = on; break;
      case Bit::ptm: ptm_ = on; break;
      case Bit::e2h: out_.e2h = on; break;
      case Bit::vmw: out_.vmw = static_cast<unsigned>(line.value.value); break;
      case Bit::gbpa: out_.gbpa_abort = on; break;
    }
  }
  void fact(const ResetLine& /*no fields*/) { out_.reset = true; }
  void fact(const LacksLine& line) { out_.lacks.insert(line.which); }
  template <class Other>
  void fact(const Other& /*an object, not a fact*/) {}

  /// Stage 2 tables are those that an s2ttb leads to through any descriptor ever named.
  void find_stage2() {
    std::set<std::string> tables;
    for_each_object(test_, [&tables](const Object& object) {
      const auto* ste = std::get_if<SteLine>(&object);
      if (ste != nullptr && ste->s2ttb && ste->s2ttb->kind == Target::Kind::named) {
        tables.insert(ste->s2ttb->name);
      }
    });
    for (std::size_t before = tables.size() + 1; before != tables.size();) {
      before = tables.size();
      for_each_object(test_, [&tables](const Object& object) {
        const auto* word = std::get_if<WordLine>(&object);
        if (word != nullptr && tables.contains(word->table.text) &&
            word->descriptor.kind == Descriptor::Kind::table &&
            word->descriptor.target.kind == Target::Kind::named) {
          tables.insert(word->descriptor.target.name);
        }
      });
    }
    for (const std::string& table : tables) out_.stage2_tables.insert(address(table));
  }

  /// The granule of the tables that lead to a page is that of the page; of the first structure that
  /// leads to a table, that of the table. Tables of a guest are reached by way of stage 2, whose
  /// pages they are: their own granule is that of the CD.
  void find_granules() {
    std::map<std::string, unsigned> tables;
    const auto root = [&](const std::optional<Target>& target, const std::optional<Number>& kib) {
      const bool named = target && target->kind == Target::Kind::named;
      if (named && is_wide(kib)) tables.try_emplace(target->name, kib->value == 16 ? 14U : 16U);
    };
    for_each_object(test_, [&](const Object& object) {
      if (const auto* ste = std::get_if<SteLine>(&object)) root(ste->s2ttb, ste->s2tg);
      if (const auto* cd = std::get_if<CdLine>(&object)) {
        root(cd->ttb, cd->tg0);
        root(cd->ttb1, cd->tg1);
      }
    });
    const auto leads = [&](const Name& table, const Descriptor& descriptor) {
      const auto from = tables.find(table.text);
      if (from == tables.end() || descriptor.target.kind != Target::Kind::named) return;
      if (descriptor.kind == Descriptor::Kind::table) {
        tables.try_emplace(descriptor.target.name, from->second);
      } else {
        out_.regions[by_name_.at(descriptor.target.name)].granule = from->second;
      }
    };
    for (std::size_t before = tables.size() + 1; before != tables.size();) {
      before = tables.size();
      for_each_object(test_, [&](const Object& object) {
        if (const auto* word = std::get_if<WordLine>(&object)) leads(word->table, word->descriptor);
        if (const auto* cont = std::get_if<ContLine>(&object)) leads(cont->table, cont->descriptor);
      });
    }
  }

  // ---- words ----
  u64 ste_address(const SteLine& ste) const {
    const bool two_level = out_.strtab_format == TableFormat::two_level;
    const std::string name = ste.table ? ste.table->text : two_level ? "L" : "T";
    const u64 index = two_level ? ste.sid.value % (u64{1} << stream_table_split) : ste.sid.value;
    return address(name) + index * 64;
  }
  u64 cd_address(const CdLine& cd) const {
    return address(cd.name.text) + (cd.index ? cd.index->value : 0) * 64;
  }

  u64 descriptor_word(u64 table, const Descriptor& descriptor, u64 member) {
    if (descriptor.kind == Descriptor::Kind::zero) return 0;
    u64 target = address(descriptor.target);
    if (descriptor.target.kind == Target::Kind::named) {
      target += member << out_.regions[by_name_.at(descriptor.target.name)].granule;
    } else {
      target += member * page_bytes;
    }
    return out_.stage2_tables.contains(table) ? encode_stage2(descriptor, target)
                                              : encode_stage1(descriptor, target);
  }

  /// The words of an object as a store: one, or 16 for a group.
  std::vector<WriteAction> words_of(const Object& object, bool rmw) {
    std::vector<WriteAction> words;
    const auto masked = [&](u64 base, const std::vector<MaskedWord>& fields) {
      for (const MaskedWord& word : fields) {
        words.push_back({base + word.index * 8, word.value, word.mask, rmw});
      }
    };
    if (const auto* ste = std::get_if<SteLine>(&object)) {
      masked(ste_address(*ste), encode_fields(*ste, resolve()));
    } else if (const auto* cd = std::get_if<CdLine>(&object)) {
      masked(cd_address(*cd), encode_fields(*cd, resolve()));
    } else if (const auto* l1std = std::get_if<L1StdLine>(&object)) {
      masked(address(l1std->table.text) + l1std->index.value * 8, encode_fields(*l1std, resolve()));
    } else if (const auto* l1cd = std::get_if<L1CdLine>(&object)) {
      masked(address(l1cd->table.text) + l1cd->index.value * 8, encode_fields(*l1cd, resolve()));
    } else if (const auto* word = std::get_if<WordLine>(&object)) {
      const u64 table = address(word->table.text);
      words.push_back({table + offset_in(word->table, word->index, 1),
                       descriptor_word(table, word->descriptor, 0), ~u64{0}, rmw});
    } else if (const auto* cont = std::get_if<ContLine>(&object)) {
      words = group(cont->table, cont->index, cont->descriptor, cont->group);
      for (WriteAction& member : words) member.rmw = rmw;
    }
    return words;
  }

  std::vector<WriteAction> group(const Name& table, const Number& index,
                                 const Descriptor& descriptor, const ContGroup& which) {
    std::vector<WriteAction> words;
    const u64 base = address(table.text);
    const u64 first = base + offset_in(table, index, which.words());
    for (u64 i = 0; i < which.words(); ++i) {
      words.push_back(
          {first + 8 * i, descriptor_word(base, descriptor, i * which.granules()), ~u64{0}});
    }
    return words;
  }

  /// Of the first of `count` words of a table of descriptors, in bytes.
  u64 offset_in(const Name& table, const Number& index, u64 count) {
    const u64 words = out_.regions[by_name_.at(table.text)].bytes / 8;
    if (count <= words && index.value <= words - count) return 8 * index.value;
    fail(index.place, table.text, "this table is shorter than that");
    return 0;
  }

  // ---- init ----
  void lay_down(const InitLine& line) {
    std::visit([this](const auto& object) { lay(object); }, line.what);
  }
  void lay(const SteLine& ste) {
    lay_structure(ste_address(ste), encode_ste(ste, resolve(), address(unknown_name)));
  }
  void lay(const CdLine& cd) {
    lay_structure(cd_address(cd), encode_cd(cd, resolve(), address(empty_name)));
  }
  void lay_structure(u64 base, const std::array<u64, 8>& words) {
    for (u64 i = 0; i < 8; ++i) memory_[base + i * 8] = words[i];
  }
  template <class Other>
  void lay(const Other& other) {
    if constexpr (requires { Object{other}; }) {
      for (const WriteAction& word : words_of(Object{other}, false)) memory_[word.pa] = word.value;
    }
  }

  // ---- steps ----
  template <class What>
  void act(What what) {
    out_.actions.push_back({std::move(what), agent_, step_});
  }

  void expand(const StoreStep& step) {
    std::vector<WriteAction> words = words_of(step.object, step.rmw);
    const bool whole = step.wide && out_.atom_bytes == 16 && words.size() == 2;
    for (WriteAction& word : words) {
      word.wide = whole;
      act(word);
    }
  }
  void expand(const BarrierStep& /*no operands*/) { act(BarrierAction{}); }
  void expand(const CleanStep& step) {
    const Region& region = out_.regions[by_name_.at(step.table.text)];
    // Entries are STEs or CDs where the region holds those, else words.
    const NameUse use = names_in(test_).at(step.table.text);
    const bool wide = (use.cds || use.stes) && !holds_first_level(step.table.text);
    const u64 offset = step.index.value * (wide ? 64 : 8);
    if (offset >= region.bytes) fail(step.index.place, step.table.text, "shorter than that");
    act(CleanAction{region.pa + offset});
  }
  void expand(const HandoffStep& step) {
    act(HandoffAction{agent(step.from.text), agent(step.to.text)});
  }
  void expand(const ZeroStep& step) {
    const Region& region = out_.regions[by_name_.at(step.table.text)];
    act(ZeroAction{region.pa, region.bytes});
  }
  void expand(const ClearStep& step) {
    const u64 first =
        address(step.table.text) + offset_in(step.table, step.index, step.count.value);
    for (u64 i = 0; i < step.count.value; ++i) {
      act(WriteAction{first + 8 * i, 0});
      act(BarrierAction{});
    }
  }
  void expand(const FillContStep& step) {
    for (const WriteAction& word : group(step.table, step.index, step.descriptor, step.group)) {
      act(word);
      act(BarrierAction{});
    }
  }
  void expand(const FreeStep& step) {
    const Region& region = out_.regions[by_name_.at(step.table.text)];
    act(FreeAction{region.pa, region.bytes});
  }
  void expand(const ReleaseStep& step) {
    if (step.page.kind != Target::Kind::named) {
      fail(step.page.place, "-", "a page that is released has a name");
      return;
    }
    const Region& region = out_.regions[by_name_.at(step.page.name)];
    act(ReleaseAction{address(step.page),
                      step.page.part ? u64{1} << region.granule : region.bytes});
  }
  void expand(const CmdStep& step) {
    sync_written_ |= step.command.op == CommandOp::sync;
    act(CommandAction{step.command});
  }
  void expand(const RingStep& step) {
    sync_held_ |= queue_off_ && sync_written_;
    sync_written_ = false;
    act(RingAction{step.relaxed});
  }
  void expand(const WaitStep& step) {
    if (step.stall) return act(WaitAction{.msi = {}, .stall = step.stall->text});
    if (sync_held_) {
      fail(test_.run[step_].place, "wait",
           "a CMD_SYNC that is rung while the queue is off completes only after `cmdq on`");
    }
    act(WaitAction{step.msi ? step.msi->text : "", step.data.value, step.irq});
  }
  void expand(const MsiStoreStep& step) { act(MsiStoreAction{step.word.text, step.data.value}); }
  void expand(const CmdqStep& step) {
    const bool off = step.change == CmdqChange::off;
    if (queue_off_ == off) {
      fail(test_.run[step_].place, std::string(cmdq_words[static_cast<std::size_t>(step.change)]),
           queue_off_ ? "the command queue is off already" : "the command queue is not off");
    }
    if (step.change != CmdqChange::reset) queue_off_ = off;
    if (step.change != CmdqChange::off) sync_held_ = false;
    if (step.change == CmdqChange::reset) sync_written_ = false;
    act(CmdqAction{step.change});
  }
  void expand(const DoStep& step) {
    for (const Command& command : step.commands) act(CommandAction{command});
    Command sync;
    sync.place = test_.run[step_].place;
    expand(CmdStep{sync});
    expand(RingStep{});
    expand(WaitStep{});
  }
  void expand(const AtsStep& step) { act(AtsAction{step.sid.value, step.value.value != 0}); }
  void expand(const SmmuenStep& step) { act(SmmuenAction{step.value.value != 0, !step.noack}); }
  void expand(const BroadcastStep& step) { act(BroadcastAction{step.command}); }
  void expand(const DsbStep& /*no operands*/) { act(DsbAction{}); }
  void expand(const RegBitStep& step) {
    act(RegisterAction{step.which, step.value.value, !step.noack});
  }
  void expand(const RegStrtabStep& step) { act(StrtabAction{address(step.table.text)}); }
  void expand(const DmaBeginStep& step) {
    act(DmaBeginAction{step.name.text, step.stream, step.va.value, step.direction, step.privileged,
                       step.ats});
  }
  void expand(const DmaEndStep& step) { act(DmaEndAction{step.name.text}); }
  void expand(const MarkStep& /*no operands*/) { act(MarkAction{}); }

  // ---- small ----
  bool holds_first_level(const std::string& name) const {
    bool found = false;
    for_each_object(test_, [&](const Object& object) {
      const auto* l1std = std::get_if<L1StdLine>(&object);
      const auto* l1cd = std::get_if<L1CdLine>(&object);
      found |= (l1std != nullptr && l1std->table.text == name) ||
               (l1cd != nullptr && l1cd->table.text == name);
    });
    return found;
  }
  u16 agent(const std::string& name) {
    const auto found = std::find(out_.agents.begin(), out_.agents.end(), name);
    if (found == out_.agents.end()) {
      out_.agents.push_back(name);
      return static_cast<u16>(out_.agents.size() - 1);
    }
    return static_cast<u16>(found - out_.agents.begin());
  }
  void fail(const Place& place, const std::string& word, const char* message) {
    if (error_) return;
    error_ =
        Error{ErrorCode::bad_input, fmt::format("{}: '{}': {}", to_string(place), word, message)};
  }

  const Test& test_;
  Layout out_;
  bool queue_off_ = false;
  bool sync_written_ = false;  // to the queue and not rung
  bool sync_held_ = false;     // rung while the queue is off
  std::map<std::string, std::size_t> by_name_;
  std::map<u64, u64> memory_;
  u16 agent_ = 0;
  u32 step_ = 0;
  bool btm_ = false;
  bool ptm_ = false;
  std::optional<Error> error_;
};

}  // namespace

const Region* Layout::region_of(u64 pa) const {
  for (const Region& region : regions) {
    if (pa >= region.pa && pa - region.pa < region.bytes) return &region;
  }
  return nullptr;
}

const Region* Layout::region_named(const std::string& name) const {
  for (const Region& region : regions) {
    if (region.name == name) return &region;
  }
  return nullptr;
}

std::string Layout::name_of(u64 pa, bool device) const {
  const Region* region = region_of(pa);
  const char* suffix = device ? ":dev" : "";
  if (region == nullptr) return fmt::format("{:#x}{}", align_down(pa, 12), suffix);
  const u64 page = (pa - region->pa) >> region->granule;
  if (region->paged || page != 0) return fmt::format("{}#{}{}", region->name, page, suffix);
  return region->name + suffix;
}

Expected<Layout> layout(const Test& test) { return Builder(test).build(); }

}  // namespace iommucheck::litmus
