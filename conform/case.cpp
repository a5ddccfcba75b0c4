// SPDX-License-Identifier: MIT
#include "conform/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/bits.h"
#include "spec/arch/granule.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Granule;

constexpr u64 cr0_queues = spec::cr0::cmdqen | spec::cr0::eventqen;

std::string substream_text(const Step& step) {
  if ((step.c & step_substream) == 0) return {};
  return fmt::format(", substream {:#x}", step.c >> step_substream_place);
}

}  // namespace

u64 access_word(unsigned engine, const DmaAttributes& attributes) {
  u64 word = engine;
  if (attributes.privileged) word |= step_privileged;
  if (attributes.instruction) word |= step_instruction;
  if (attributes.translated) word |= step_translated;
  if (attributes.substream) {
    word |= step_substream | (u64{*attributes.substream} << step_substream_place);
  }
  return word;
}

std::string step_text(const Step& step) {
  switch (step.kind) {
    case StepKind::store: return fmt::format("store {:#x} = {:#x}", step.a, step.b);
    case StepKind::fill: return fmt::format("fill {:#x}, {} words = {:#x}", step.a, step.b, step.c);
    case StepKind::write: {
      const auto info = spec::register_at(static_cast<u32>(step.a));
      return fmt::format("write {} = {:#x}", info ? info->name : "?", step.b);
    }
    case StepKind::read: {
      const auto info = spec::register_at(static_cast<u32>(step.a));
      return fmt::format("read {}", info ? info->name : "?");
    }
    case StepKind::command: {
      spec::Capabilities caps;
      caps.ril = true;
      return "command " + spec::describe(spec::decode_command<u64>(step.a, step.b, caps)) +
             (step.c == 0 ? "" : ", published with the next");
    }
    case StepKind::sync: return "CMD_SYNC, until it is consumed";
    case StepKind::access:
      return fmt::format("engine {} {} {:#x}{}{}", step.c & step_engine,
                         step.b != 0                        ? "writes"
                         : (step.c & step_instruction) != 0 ? "fetches an instruction at"
                                                            : "reads",
                         step.a, (step.c & step_privileged) != 0 ? ", privileged" : "",
                         substream_text(step)) +
             ((step.c & step_translated) != 0 ? ", translated" : "");
    case StepKind::request:
      return fmt::format("engine {} asks for the translation of {:#x}{}{}", step.c & step_engine,
                         step.a, step.b != 0 ? ", to write" : "", substream_text(step));
    case StepKind::answer: return "an endpoint answers the oldest invalidation";
    case StepKind::silence: return "no endpoint answers in time";
    case StepKind::poll:
      return step.a != 0 ? "poll the event queue, acknowledge no overflow" : "poll the event queue";
    case StepKind::save: return "save, and go on from what was saved";
    case StepKind::page_request: {
      const auto has = [&](u64 flag, const char* name) { return (step.b & flag) != 0 ? name : ""; };
      return fmt::format("engine {} sends a page request for {:#x}, PRG index {}{}{}{}{}{}{}",
                         step.c & step_engine, step.a, step.b & page_index,
                         has(page_read, ", read"), has(page_write, ", write"),
                         has(page_execute, ", execute"), has(page_privileged, ", privileged"),
                         has(page_last, ", Last"), substream_text(step));
    }
    case StepKind::page_poll:
      return std::string("poll the page request queue") +
             (step.a != 0 ? ", and leave its overflow" : "");
    case StepKind::look: return fmt::format("look at {:#x}", step.a);
    case StepKind::drain:
      return step.a == 0 ? "wait until all commands are consumed"
                         : fmt::format("wait until all but {} commands are consumed", step.a);
    case StepKind::barrier: return "a barrier";
    case StepKind::await: {
      const auto info = spec::register_at(static_cast<u32>(step.a));
      return fmt::format("wait until {} is {:#x}", info ? info->name : "?", step.b);
    }
    case StepKind::resume:
      return fmt::format("CMD_RESUME of each stall that was recorded, Ac = {}, Ab = {}", step.a,
                         step.b);
    case StepKind::mend: {
      spec::Capabilities caps;
      caps.ril = true;
      return "mend the command that is in error by " +
             spec::describe(spec::decode_command<u64>(step.a, step.b, caps)) +
             ", and acknowledge it";
    }
  }
  return "?";
}

spec::Command pri_resp(u32 sid, u32 prg_index, unsigned resp, std::optional<u32> ssid) {
  spec::Command command;
  command.op = spec::Opcode::pri_resp;
  command.sid = sid;
  command.prg_index = prg_index;
  command.resp = resp;
  command.ssv = ssid.has_value();
  command.ssid = ssid.value_or(0);
  return command;
}

spec::Command atc_inv(u32 sid, u64 address, unsigned size) {
  spec::Command command;
  command.op = spec::Opcode::atc_inv;
  command.sid = sid;
  command.address = address;
  command.size = size;
  return command;
}

unsigned log2size_of(const DeviceIdentity& device) {
  const u32 largest = *std::ranges::max_element(device.sids);
  return std::max(6U, static_cast<unsigned>(std::bit_width(largest)));
}

std::vector<Granule> granules_of(const spec::Capabilities& caps) {
  std::vector<Granule> granules;
  if (caps.gran4k) granules.push_back(Granule::g4k);
  if (caps.gran16k) granules.push_back(Granule::g16k);
  if (caps.gran64k) granules.push_back(Granule::g64k);
  return granules;
}

u64 tg0_of(Granule granule) {
  return granule == Granule::g4k ? 0 : granule == Granule::g64k ? 1 : 2;
}

u64 tg1_of(Granule granule) {
  return granule == Granule::g4k ? 2 : granule == Granule::g16k ? 1 : 3;
}

void use_upper_half(spec::Cd<u64>& cd, u64 ttb1, unsigned tsz, Granule granule) {
  cd.dw[0] = with_bits(cd.dw[0], 30, 16, tsz | tg1_of(granule) << 6);
  cd.dw[2] = ttb1;
}

void use_upper_half_alone(spec::Cd<u64>& cd, u64 ttb1, unsigned tsz, Granule granule) {
  use_upper_half(cd, ttb1, tsz, granule);
  cd.dw[0] |= u64{1} << 14;
}

u64 leaf_word(Granule granule, unsigned level, u64 pa, const LeafBits& leaf) {
  u64 word = pa & mask(47, page_shift(granule));
  if (leaf.valid) word |= level == spec::last_level ? 3 : 1;
  word |= leaf.user ? u64{1} << 6 : 0;
  word |= leaf.writable ? 0 : u64{1} << 7;
  word |= u64{3} << 8;
  word |= leaf.af ? u64{1} << 10 : 0;
  word |= leaf.ng ? u64{1} << 11 : 0;
  return word ^ leaf.extra;
}

CaseBuilder::CaseBuilder(const DeviceIdentity& device, std::string name, const CaseOptions& options)
    : device_(device),
      caps_(spec::parse_capabilities(device.id)),
      options_(options),
      log2size_(options.log2size.value_or(log2size_of(device))) {
  options_.cmdq_lg2 = std::min(options.cmdq_lg2, caps_.cmdqs);
  options_.eventq_lg2 = std::min(options.eventq_lg2, caps_.eventqs);
  options_.priq_lg2 = std::min(options.priq_lg2, caps_.priqs);
  const bool few = options_.eventq_lg2 < options.eventq_lg2;
  polls_often_ = (few && options_.eventq != QueuePlace::absent) || ends_stalls();
  case_.name = std::move(name);
  next_ = device.structures_pa;
  bring_up();
}

void CaseBuilder::bring_up() {
  strtab_ = memory(options_.two_level ? 4096 : pow2(log2size_ + 6));
  cds_ = memory(device_.sids.size() * 64);
  place_queues();
  write(reg::strtab_base, strtab_, 8);
  write(reg::strtab_base_cfg, stream_table_cfg());
  write(reg::cr2, options_.cr2);
  write(reg::cmdq_base, case_.queues.cmdq | options_.cmdq_lg2, 8);
  write(reg::eventq_base, case_.queues.eventq | options_.eventq_lg2, 8);
  const auto near_end = [](unsigned lg2) { return (pow2(lg2 + 1) - 2) & mask(lg2, 0); };
  if (options_.cmdq == QueuePlace::huge) {
    for (const u32 index : {reg::cmdq_prod, reg::cmdq_cons}) {
      write(index, near_end(options_.cmdq_lg2));
    }
  }
  if (options_.eventq == QueuePlace::huge) {
    for (const u32 index : {reg::eventq_prod, reg::eventq_cons}) {
      write(index, near_end(options_.eventq_lg2));
    }
  }
  cr0_ = options_.event_queue ? cr0_queues : u64{spec::cr0::cmdqen};
  if (options_.pages != PageQueue::none && device_.pri) bring_page_queue_up();
  write(reg::cr0, cr0_);
  read(reg::cr0ack);
  if (options_.cmdq != QueuePlace::absent) invalidate_all();
  case_.fixed = case_.steps.size();
}

void CaseBuilder::place_queues() {
  QueueLayout& queues = case_.queues;
  const u64 commands = options_.cmdq == QueuePlace::huge ? 64 : pow2(options_.cmdq_lg2 + 4);
  const u64 events = options_.eventq == QueuePlace::huge ? 64 : pow2(options_.eventq_lg2 + 5);
  queues.cmdq = memory(commands);
  // In pages of its own: a table that is larger than it was meant does not reach into records,
  // which the judge sees later than the device.
  queues.eventq = memory(std::max<u64>(events, 4096));
  if (options_.cmdq == QueuePlace::beside_size) {
    queues.cmdq = memory(2 * commands, 2 * commands) + commands;
  }
  if (options_.eventq == QueuePlace::beside_size) {
    queues.eventq = memory(std::max<u64>(2 * events, 4096), 4096) + events;
  }
  if (options_.cmdq == QueuePlace::huge) queues.cmdq = upper_half();
  if (options_.eventq == QueuePlace::huge) queues.eventq = upper_half();
  if (options_.cmdq == QueuePlace::absent) queues.cmdq = device_.absent_pa;
  if (options_.eventq == QueuePlace::absent) queues.eventq = device_.absent_pa;
  queues.cmdq_lg2 = options_.cmdq_lg2;
  queues.eventq_lg2 = options_.eventq_lg2;
}

void CaseBuilder::bring_page_queue_up() {
  QueueLayout& queues = case_.queues;
  queues.priq = options_.priq == QueuePlace::absent ? device_.absent_pa
                : options_.priq == QueuePlace::huge
                    ? upper_half()
                    : memory(std::max<u64>(pow2(options_.priq_lg2 + 4), 4096));
  queues.priq_lg2 = options_.priq_lg2;
  write(reg::priq_base, queues.priq | options_.priq_lg2, 8);
  if (options_.pages == PageQueue::enabled) cr0_ |= spec::cr0::priqen;
}

Case CaseBuilder::take() { return std::move(case_); }

void CaseBuilder::store(u64 pa, u64 value) {
  words_[pa] = value;
  const auto table = tables_.lower_bound(pa);
  const bool turned = big_endian() && table != tables_.end() && table->second <= pa;
  step(StepKind::store, pa, turned ? __builtin_bswap64(value) : value);
}
/// Where messages of what IRQ_CTRL enables go is UNKNOWN after reset: unless the case says it,
/// nowhere. IHI 0070 6.3.21.
void CaseBuilder::address_messages(u64 enabled) {
  constexpr std::pair<u32, u64> sources[] = {{reg::gerror_irq_cfg0, spec::irq_ctrl::gerror_irqen},
                                             {reg::eventq_irq_cfg0, spec::irq_ctrl::eventq_irqen},
                                             {reg::priq_irq_cfg0, spec::irq_ctrl::priq_irqen}};
  for (const auto& [offset, enable] : sources) {
    const bool there = caps_.msi && (offset != reg::priq_irq_cfg0 || caps_.pri);
    if (there && (enabled & enable) != 0 && !addressed_.contains(offset)) write(offset, 0, 8);
  }
}

void CaseBuilder::write(u32 offset, u64 value, unsigned bytes) {
  if (offset == reg::irq_ctrl) address_messages(value);
  if (bytes == 8) addressed_.insert(offset);
  if (bytes == 8 && options_.by_halves) {
    step(StepKind::write, offset, bits(value, 31, 0), 4);
    step(StepKind::write, offset + 4, value >> 32, 4);
    return;
  }
  step(StepKind::write, offset, value, bytes);
}
void CaseBuilder::read(u32 offset, unsigned bytes) { step(StepKind::read, offset, 0, bytes); }
void CaseBuilder::command(const spec::Command& command) {
  const spec::CommandWords words = spec::encode_command(command);
  command_words(words.dw0, words.dw1);
}
void CaseBuilder::command_words(u64 low, u64 high) { step(StepKind::command, low, high); }
void CaseBuilder::sync() { step(StepKind::sync); }
void CaseBuilder::drain() { step(StepKind::drain); }
void CaseBuilder::access(u64 iova, bool write, unsigned engine, DmaAttributes attributes) {
  step(StepKind::access, iova, write ? 1 : 0, access_word(engine, attributes));
  if (polls_often_) poll();
}
void CaseBuilder::request(u64 iova, bool write, unsigned engine, DmaAttributes attributes) {
  step(StepKind::request, iova, write ? 1 : 0, access_word(engine, attributes));
  if (polls_often_) poll();
}
void CaseBuilder::answer() { step(StepKind::answer); }
void CaseBuilder::silence() { step(StepKind::silence); }
void CaseBuilder::all_accesses(u64 iova) {
  for (const bool privileged : {false, true}) {
    if (privileged && !device_.sends_privileged) continue;
    access(iova, false, 0, {.privileged = privileged});
    access(iova, true, 0, {.privileged = privileged});
    if (!device_.sends_instructions) continue;
    access(iova, false, 0, {.privileged = privileged, .instruction = true});
  }
}

void CaseBuilder::both(u64 iova, unsigned engine) {
  access(iova, false, engine);
  access(iova, true, engine);
}
void CaseBuilder::poll(bool keeps_overflow) {
  step(StepKind::poll, keeps_overflow ? 1 : 0);
  if (ends_stalls()) resume(false);
}
void CaseBuilder::save() { step(StepKind::save); }
void CaseBuilder::resume(bool ac, bool ab) { step(StepKind::resume, ac ? 1 : 0, ab ? 1 : 0); }

void CaseBuilder::mend(const spec::Command& instead) {
  const spec::CommandWords words = spec::encode_command(instead);
  step(StepKind::mend, words.dw0, words.dw1);
}
void CaseBuilder::page_request(spec::PageRequest request, unsigned engine) {
  const u64 flags = (request.last ? page_last : 0) | (request.write ? page_write : 0) |
                    (request.read ? page_read : 0) | (request.execute ? page_execute : 0) |
                    (request.privileged ? page_privileged : 0);
  step(StepKind::page_request, request.address, (request.prg_index & page_index) | flags,
       access_word(engine, {.substream = request.ssid}));
}
void CaseBuilder::page_poll(bool keeps_overflow) {
  step(StepKind::page_poll, keeps_overflow ? 1 : 0);
}
void CaseBuilder::look(u64 pa) { step(StepKind::look, pa); }

u64 CaseBuilder::memory(u64 bytes, u64 align) {
  const u64 size = bytes < 64 ? 64 : (bytes + 63) & ~u64{63};
  next_ = (next_ + align - 1) & ~(align - 1);
  const u64 pa = next_;
  next_ += size;
  step(StepKind::fill, pa, size / 8, 0);
  // Before what leads there: else it may be read as it was before, which is unknown.
  if ((cr0_ & spec::cr0::smmuen) != 0) step(StepKind::barrier);
  return pa;
}

u64 CaseBuilder::tables(u64 bytes, u64 align) {
  const u64 first = memory(bytes, align);
  tables_[next_ - 1] = first;
  return first;
}

u64 CaseBuilder::word(u64 pa) const {
  const auto found = words_.find(pa);
  return found == words_.end() ? 0 : found->second;
}

u32 CaseBuilder::stream_table_cfg() const {
  return log2size_ | (options_.split << 6) | (options_.two_level ? u32{1} << 16 : 0);
}

u64 CaseBuilder::ste_place(u32 sid) const {
  const spec::StreamTable table = spec::stream_table_of(strtab_, stream_table_cfg(), caps_);
  if (!options_.two_level) return spec::linear_ste_address<u64>(table, sid);
  const spec::L1Std<u64> l1{word(spec::l1std_address<u64>(table, sid))};
  return spec::second_level_ste_address<u64>(table, l1, sid);
}

u64 CaseBuilder::cd_place(unsigned engine) const { return cds_ + 64 * engine; }

void CaseBuilder::ste(unsigned engine, const spec::Ste<u64>& ste) {
  constexpr u64 stage2 = u64{1} << 2, s2endi = u64{1} << 52;
  const u64 place = ste_place(sid(engine));
  for (unsigned i = spec::ste_words; i-- != 0;) {
    const bool turned = i == 2 && big_endian() && (ste.dw[0] & stage2) != 0;
    const u64 value = ste.dw[i] | (turned ? s2endi : 0);
    if (word(place + 8 * i) != value) store(place + 8 * i, value);
  }
}

void CaseBuilder::cd(unsigned engine, const spec::Cd<u64>& cd) { cd_at(cd_place(engine), cd); }

void CaseBuilder::cd_at(u64 place, const spec::Cd<u64>& cd) {
  for (unsigned i = spec::cd_words; i-- != 0;) {
    if (word(place + 8 * i) != cd.dw[i]) store(place + 8 * i, cd.dw[i]);
  }
}

spec::Ste<u64> CaseBuilder::stage1_ste(unsigned engine) const {
  spec::Stage1SteFields fields;
  fields.s1contextptr = cd_place(engine);
  return spec::make_stage1_ste(fields);
}

spec::Cd<u64> CaseBuilder::plain_cd(u64 ttb0, unsigned tsz, unsigned asid) const {
  spec::CdFields fields;
  fields.ttb0 = ttb0;
  fields.t0sz = tsz;
  fields.asid = asid;
  fields.ips = spec::address_size_encoding(caps_.oas_lg2);
  fields.s = always_stalls();
  spec::Cd<u64> cd = spec::make_cd(fields);
  if (big_endian()) cd.dw[0] |= u64{1} << 15;  // ENDI
  return cd;
}

u64 CaseBuilder::root(Granule granule, unsigned tsz) {
  const unsigned start = spec::start_level<u64>(granule, tsz);
  const u64 bytes =
      pow2(static_cast<unsigned>(spec::start_entries_lg2<u64>(granule, start, tsz)) + 3);
  return tables(bytes, bytes < 64 ? 64 : bytes);
}

u64 CaseBuilder::entry(u64 root, Granule granule, unsigned tsz, u64 va, unsigned level) {
  return entry_from(spec::start_level<u64>(granule, tsz), root, granule, tsz, va, level);
}

u64 CaseBuilder::entry_from(unsigned start, u64 root, Granule granule, unsigned tsz, u64 va,
                            unsigned level) {
  u64 table = root;
  for (unsigned l = start;; ++l) {
    const u64 place = table + 8 * spec::table_index<u64>(granule, start, l, tsz, va);
    if (l == level) return place;
    u64 next = word(place) & mask(47, page_shift(granule));
    if ((word(place) & 3) != 3) {
      next = tables(pow2(page_shift(granule)), pow2(page_shift(granule)));
      store(place, next | 3);
    }
    table = next;
  }
}

void CaseBuilder::map(u64 root, u64 va, u64 pa, unsigned level, const LeafBits& leaf,
                      Granule granule, unsigned tsz) {
  store(entry(root, granule, tsz, va, level), leaf_word(granule, level, pa, leaf));
}

void CaseBuilder::translate(unsigned engine, u64 root, unsigned tsz, unsigned asid) {
  translate(engine, plain_cd(root, tsz, asid));
}

void CaseBuilder::translate(unsigned engine, const spec::Cd<u64>& cd) {
  this->cd(engine, cd);
  ste(engine, stage1_ste(engine));
  enable();
}

void CaseBuilder::enable(bool atschk) {
  if ((cr0_ & spec::cr0::smmuen) != 0) return;
  cr0_ |= spec::cr0::smmuen | (atschk ? spec::cr0::atschk : 0);
  write(reg::cr0, cr0_);
  read(reg::cr0ack);
}

void CaseBuilder::wildcards(unsigned vmw) {
  cr0_ |= u64{vmw} << 6;
  write(reg::cr0, cr0_);
  read(reg::cr0ack);
}

void CaseBuilder::disable() {
  if ((cr0_ & spec::cr0::smmuen) == 0) return;
  cr0_ &= ~u64{spec::cr0::smmuen};
  write(reg::cr0, cr0_);
  read(reg::cr0ack);
}

void CaseBuilder::enable_page_queue(bool on) {
  if (((cr0_ & spec::cr0::priqen) != 0) == on) return;
  cr0_ ^= spec::cr0::priqen;
  write(reg::cr0, cr0_);
  read(reg::cr0ack);
}

void CaseBuilder::invalidate_all() {
  command(spec::cmd_cfgi_all());
  command(spec::cmd_tlbi_nsnh_all());
  sync();
}

}  // namespace iommucheck::oracle
