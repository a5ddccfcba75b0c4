// SPDX-License-Identifier: MIT
#include "conform/runner.h"

#include <fmt/format.h>

#include <deque>
#include <map>

#include "base/bits.h"
#include "conform/held_memory.h"
#include "monitor/trace_setup.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/queue.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

/// How often CMDQ_CONS is read for a CMD_SYNC, and CR0ACK for CR0, of a device that needs time.
constexpr unsigned sync_reads_max = 8;
/// So many words that changed by themselves are told of a case.
constexpr std::size_t changed_words_max = 4;

bool lies_within(u64 pa, u64 bytes, u64 first, u64 size) {
  return pa - first < size && bytes <= size - (pa - first);
}

class Runner {
 public:
  Runner(DeviceUnderTest& device, const Case& what) : device_(device), case_(what) {}

  Run take() {
    const bool alive = run_steps() && end();
    run_.answered = waiting_.empty() || alive ? run_.trace.events.size() : waiting_.front().place;
    resolve();
    if (!alive) {
      event(trace::environment_agent, trace::Note{.text = "the device died: " + run_.death});
    }
    header();
    return std::move(run_);
  }

 private:
  bool run_steps() {
    for (step_ = 0; step_ < case_.steps.size(); ++step_) {
      if (!run_step(case_.steps[step_])) return false;
      if (interrupts_ && !settle()) return false;
    }
    return true;
  }

  /// What comes late has had its time.
  bool end() {
    bool alive = true;
    // Of a queue that lies where no memory is nothing can be read.
    const DeviceIdentity& identity = device_.identity();
    const bool absent = case_.queues.eventq - identity.absent_pa < identity.absent_bytes;
    for (unsigned i = 0; i < 3 && alive && !absent; ++i) alive = poll(false) && page_poll(false);
    read(reg::gerror, 4);
    // An error that stops it is told by that, and not as progress that fails.
    if (alive && identity.far) alive = look_again_at_cons();
    // CERROR_ATC_INV_SYNC is sure once GERROR has shown that there is an error.
    if (identity.ats) read(reg::cmdq_cons, 4);
    return alive && settle() && compare_memory();
  }

  /// Who reads CMDQ_CONS once for each CMD_SYNC has not seen that it stands still.
  bool look_again_at_cons() {
    for (unsigned i = 0; i < sync_reads_max; ++i) {
      if (!look_at_cons()) return false;
      if (cons_ == prod_) break;
    }
    return true;
  }

  /// What the case stored is there still, but for records in the event queue.
  /// A record is as it was when it was read, and where none was yet the queue is as it began.
  bool compare_memory() {
    struct Asked {
      u64 pa, value;
      Ticket ticket;
    };
    std::vector<Asked> asked;
    held_.visit([&](u64 pa, u64 value) {
      const auto recorded = record_words_.find(pa);
      const bool is_record = recorded != record_words_.end();
      asked.push_back({pa, is_record ? recorded->second : value, device_.load(pa)});
    });
    if (!settle()) return false;
    std::size_t told = 0;
    for (const Asked& one : asked) {
      if (device_.value(one.ticket) == one.value || told++ == changed_words_max) continue;
      event(AgentId::cpu0,
            trace::Load{.pa = one.pa, .size = 8, .value = device_.value(one.ticket)});
    }
    return true;
  }

  bool run_step(const Step& step) {
    switch (step.kind) {
      case StepKind::store: store(step.a, step.b); return true;
      case StepKind::fill:
        device_.fill(step.a, step.b, step.c);
        held_.fill(step.a, step.b, step.c);
        event(AgentId::cpu0, trace::Fill{.pa = step.a, .words = step.b, .value = step.c});
        unordered_ = true;
        return true;
      case StepKind::write: return write_step(step);
      case StepKind::read:
        return read_step(static_cast<u32>(step.a), static_cast<unsigned>(step.c));
      case StepKind::command: return command(step.a, step.b, step.c == 0);
      case StepKind::drain: return drain(step.a);
      case StepKind::barrier: order(); return true;
      case StepKind::await:
        return await(static_cast<u32>(step.a), static_cast<unsigned>(step.c), step.b);
      case StepKind::sync: return sync();
      case StepKind::access: access(step); return true;
      case StepKind::request: request(step); return true;
      case StepKind::answer: return answer_one();
      case StepKind::silence: return silence();
      case StepKind::poll: return poll(step.a != 0);
      case StepKind::mend: return mend(step.a, step.b);
      case StepKind::resume: return resume(step.a != 0, step.b != 0);
      case StepKind::page_request: return page_request(step);
      case StepKind::page_poll: return page_poll(step.a != 0);
      case StepKind::save:
        device_.save_restore();
        event(trace::environment_agent, trace::Note{.text = saved_note});
        return true;
      case StepKind::look:
        waiting_.push_back({run_.trace.events.size(), device_.load(step.a)});
        event(AgentId::cpu0, trace::Load{.pa = step.a, .size = 8});
        return true;
    }
    return true;
  }

  template <class Payload>
  void event(AgentId by, Payload payload) {
    run_.trace.events.push_back({by, std::move(payload), std::nullopt});
    run_.step_of.push_back(step_);
  }

  void store(u64 pa, u64 value) {
    device_.store(pa, value);
    held_.store(pa, value);
    event(AgentId::cpu0, trace::Store{.pa = pa, .size = 8, .value = value});
    unordered_ = true;
  }
  /// Without a second page the indices are where the device has them; the trace has them in page 1.
  [[nodiscard]] u32 place_of(u32 offset) const {
    const bool moved = !device_.profile().has_page1 && reg::is_page1_index(offset);
    return moved ? offset - reg::page1 : offset;
  }
  void write(u32 offset, unsigned size, u64 value) {
    device_.mmio_write(place_of(offset), size, value);
    event(AgentId::cpu0,
          trace::MmioWrite{
              .offset = offset, .size = static_cast<u8>(size), .value = value, .ordered = true});
    unordered_ = false;
    if (offset == reg::cr0) cr0_ = value;
    if (offset == reg::irq_ctrl) {
      interrupts_ |= value != 0;
      irq_ctrl_ = value;
    }
    if (offset == reg::cmdq_base) prod_ = cons_ = exposed_ = 0;
    if (offset == reg::cmdq_prod) prod_ = exposed_ = value;
    if (offset == reg::cmdq_cons) cons_ = value;
    if (offset == reg::eventq_base) event_cons_ = 0;
    if (offset == reg::eventq_cons) event_cons_ = value & spec::queue_index_mask;
    if (offset == reg::priq_base) page_cons_ = page_overflow_ = 0;
  }
  /// Interrupts are known when the device has settled: those of before are told before what enables
  /// or disables them.
  bool write_step(const Step& step) {
    const auto offset = static_cast<u32>(step.a);
    if (offset == reg::irq_ctrl && device_.identity().wires_interrupts && !settle()) return false;
    write(offset, static_cast<unsigned>(step.c), step.b);
    return true;
  }
  Ticket read(u32 offset, unsigned size) {
    const Ticket ticket = device_.mmio_read(place_of(offset), size);
    waiting_.push_back({run_.trace.events.size(), ticket});
    event(AgentId::cpu0,
          trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = 0});
    return ticket;
  }

  /// What was asked for by a write is done: no field may be altered again before. IHI 0070 6.3.9,
  /// 6.3.14.1, 6.3.16.
  [[nodiscard]] bool is_updated(u32 offset, u64 value) const {
    switch (offset) {
      case reg::cr0ack: return value == cr0_;
      case reg::irq_ctrlack: {
        const auto caps = spec::parse_capabilities(device_.identity().id);
        return ((value ^ irq_ctrl_) & spec::irq_ctrl_fields(caps)) == 0;
      }
      case reg::gbpa: return (value & spec::gbpa::update) == 0;
      default: return true;
    }
  }
  /// It is polled, as a driver does, where the device needs time.
  bool read_step(u32 offset, unsigned size) {
    Ticket ticket = read(offset, size);
    const bool updates = offset == reg::cr0ack || offset == reg::irq_ctrlack || offset == reg::gbpa;
    if (!updates || device_.identity().prompt) return true;
    for (unsigned i = 1; i < sync_reads_max; ++i) {
      if (!settle()) return false;
      if (is_updated(offset, device_.value(ticket))) break;
      ticket = read(offset, size);
    }
    return true;
  }

  /// `exposes`: it is the last of its batch.
  bool command(u64 low, u64 high, bool exposes = true) {
    const unsigned lg2 = case_.queues.cmdq_lg2;
    if (spec::queue_used<u64>(lg2, prod_, cons_) == pow2(lg2)) {
      expose();
      if (!look_at_cons()) return false;
      if (spec::queue_used<u64>(lg2, prod_, cons_) == pow2(lg2)) return true;  // stopped
    }
    store_command(spec::queue_index<u64>(lg2, prod_), low, high);
    prod_ = spec::queue_next<u64>(lg2, prod_);
    if (exposes) expose();
    return true;
  }
  void expose() {
    if (exposed_ != prod_) write(reg::cmdq_prod, 4, prod_);
  }
  void store_command(u64 index, u64 low, u64 high) {
    const u64 slot = case_.queues.cmdq + 16 * index;
    store(slot, low);
    store(slot + 8, high);
  }
  /// Only what a record has shown may be named, and once. IHI 0070 4.7.1.
  bool resume(bool ac, bool ab) {
    if (stalled_.empty()) return true;
    for (const auto& [sid, stag] : std::exchange(stalled_, {})) {
      spec::Command command;
      command.op = spec::Opcode::resume;
      command.sid = sid;
      command.stag = stag;
      command.ac = ac;
      command.ab = ab;
      const spec::CommandWords words = spec::encode_command(command);
      if (!this->command(words.dw0, words.dw1)) return false;
    }
    return sync();
  }
  /// As a driver does: the queue goes on without another write of CMDQ_PROD. IHI 0070 7.1.
  bool mend(u64 low, u64 high) {
    if (!answer_all()) return false;
    const Ticket gerror = read(reg::gerror, 4);
    const Ticket gerrorn = read(reg::gerrorn, 4);
    if (!settle()) return false;
    const u64 active = device_.value(gerror) ^ device_.value(gerrorn);
    if ((active & spec::gerror::cmdq_err) == 0) return true;
    if (!look_at_cons()) return false;  // that the error is active says that it is at the command
    store_command(spec::queue_index<u64>(case_.queues.cmdq_lg2, cons_), low, high);
    write(reg::gerrorn, 4, device_.value(gerror));
    for (unsigned i = 0; i < sync_reads_max; ++i) {
      if (!look_at_cons()) return false;
      if (cons_ == prod_) break;
      // A CMD_ATC_INV behind it was read only now.
      if (!answer_all()) return false;
    }
    return true;
  }
  /// What endpoints were sent by now.
  bool gather_invalidations() {
    if (!device_.identity().ats) return true;
    if (!settle()) return false;
    for (const AtcInvalidation& one : device_.take_invalidations()) sent_.push_back(one);
    return true;
  }
  bool answer_one() {
    if (!gather_invalidations()) return false;
    if (!sent_.empty()) answer_first();
    return true;
  }
  bool answer_all() {
    if (!gather_invalidations()) return false;
    while (!sent_.empty()) answer_first();
    return true;
  }
  void answer_first() {
    const AtcInvalidation one = sent_.front();
    sent_.pop_front();
    trace::AtcInvalidated done{.sid = one.sid, .iova = one.address, .length = one.bytes};
    done.ssid = one.substream ? trace::substream(*one.substream) : trace::no_substream;
    if (one.substream) done.global = one.global;
    event(engine_of(one.sid), done);
    device_.invalidated(one.tag);
  }
  bool silence() {
    if (!gather_invalidations()) return false;
    if (sent_.empty()) return true;
    sent_.clear();
    event(trace::environment_agent, trace::Note{.text = silence_note});
    device_.invalidations_time_out();
    return true;
  }
  [[nodiscard]] AgentId engine_of(u32 sid) const {
    const std::vector<u32>& sids = device_.identity().sids;
    for (std::size_t i = 0; i < sids.size(); ++i) {
      if (sids[i] == sid) return trace::device_agent(static_cast<u16>(i));
    }
    return trace::device_agent(0);
  }

  bool look_at_cons() {
    const Ticket ticket = read(reg::cmdq_cons, 4);
    if (!settle()) return false;
    cons_ = spec::queue_bits<u64>(case_.queues.cmdq_lg2, device_.value(ticket));
    return true;
  }
  bool sync() {
    const spec::CommandWords words = spec::encode_command(spec::cmd_sync());
    return command(words.dw0, words.dw1) && drain(0);
  }
  bool drain(u64 most) {
    expose();
    if (device_.identity().far) {
      read(reg::cmdq_cons, 4);
      cons_ = prod_;  // if not, the answer shows it to the judge
      return true;
    }
    for (unsigned i = 0; i < sync_reads_max; ++i) {
      if (!look_at_cons()) return false;
      const u64 left = spec::queue_used<u64>(case_.queues.cmdq_lg2, prod_, cons_);
      if (left == 0) break;
      // It may wait for endpoints, which have answered nothing yet.
      if (!answer_all()) return false;
      if (left <= most) break;
    }
    return true;
  }
  bool await(u32 offset, unsigned size, u64 value) {
    for (unsigned i = 0; i < sync_reads_max; ++i) {
      const Ticket ticket = read(offset, size);
      if (device_.identity().prompt) return true;
      if (!settle()) return false;
      if (device_.value(ticket) == value) break;
    }
    return true;
  }

  void order() {
    if (unordered_) {
      event(AgentId::cpu0, trace::Barrier{.kind = trace::BarrierKind::full, .completes = true});
    }
    unordered_ = false;
  }
  [[nodiscard]] unsigned engine_in(const Step& step) const {
    return static_cast<unsigned>((step.c & step_engine) % device_.identity().sids.size());
  }

  void request(const Step& step) {
    const DeviceIdentity& identity = device_.identity();
    if (!identity.ats) return;
    order();
    const unsigned engine = engine_in(step);
    DmaAttributes attributes;
    trace::AtsRequest request;
    if (identity.sends_substreams && (step.c & step_substream) != 0) {
      attributes.substream = static_cast<u32>(step.c >> step_substream_place);
      // Without a PASID a request is an unprivileged one. IHI 0070 13.7.
      attributes.privileged = identity.sends_privileged && (step.c & step_privileged) != 0;
    }
    request.sid = identity.sids[engine];
    request.ssid =
        attributes.substream ? trace::substream(*attributes.substream) : trace::no_substream;
    request.iova = step.a & ~u64{3};
    request.no_write = step.b == 0;
    request.execute = false;
    request.privileged = attributes.privileged;
    const Ticket ticket = device_.ats_request(engine, request.iova, step.b != 0, attributes);
    waiting_.push_back({run_.trace.events.size(), ticket});
    event(trace::device_agent(static_cast<u16>(engine)), request);
  }

  /// What was sent before comes before it, and its own answer of the SMMU before the next one.
  bool page_request(const Step& step) {
    const DeviceIdentity& identity = device_.identity();
    if (!identity.pri) return true;
    if (!settle()) return false;
    order();
    const unsigned engine = engine_in(step);
    spec::PageRequest request{.sid = identity.sids[engine],
                              .address = step.a & ~u64{0xfff},
                              .prg_index = static_cast<u32>(step.b & page_index),
                              .last = (step.b & page_last) != 0,
                              .write = (step.b & page_write) != 0,
                              .read = (step.b & page_read) != 0};
    if (identity.sends_substreams && (step.c & step_substream) != 0) {
      request.ssid = static_cast<u32>(step.c >> step_substream_place);
      request.execute = (step.b & page_execute) != 0;
      request.privileged = (step.b & page_privileged) != 0;
    }
    trace::PageRequest sent{.sid = request.sid, .iova = request.address};
    sent.ssid = request.ssid ? trace::substream(*request.ssid) : trace::no_substream;
    sent.rights =
        trace::Rights{.read = request.read, .write = request.write, .execute = request.execute};
    sent.privileged = request.privileged;
    sent.page_group = static_cast<u16>(request.prg_index);
    sent.last = request.last;
    event(trace::device_agent(static_cast<u16>(engine)), sent);
    device_.page_request(request);
    return settle();
  }

  [[nodiscard]] bool lies_in_structures(u64 pa, u64 bytes) const {
    const DeviceIdentity& identity = device_.identity();
    return lies_within(pa, bytes, identity.structures_pa, identity.structures_bytes);
  }
  [[nodiscard]] bool is_memory(u64 pa, u64 bytes) const {
    const DeviceIdentity& identity = device_.identity();
    return lies_in_structures(pa, bytes) ||
           lies_within(pa, bytes, identity.data_pa, identity.data_bytes);
  }

  bool page_poll(bool keeps_overflow) {
    if (!device_.identity().pri || case_.queues.priq == 0) return true;
    const Ticket ticket = read(reg::priq_prod, 4);
    if (!settle()) return false;
    const u64 prod = device_.value(ticket);
    const unsigned lg2 = case_.queues.priq_lg2;
    u64 end = spec::queue_bits<u64>(lg2, prod & spec::queue_index_mask);
    const bool sound = spec::queue_used<u64>(lg2, end, page_cons_) <= pow2(lg2) &&
                       is_memory(case_.queues.priq, u64{16} << lg2);
    if (!sound) end = page_cons_;
    std::vector<Ticket> words;
    std::vector<u64> places;
    for (u64 at = page_cons_; at != end; at = spec::queue_next<u64>(lg2, at)) {
      const u64 place = case_.queues.priq + 16 * spec::queue_index<u64>(lg2, at);
      for (const u64 word : {place, place + 8}) {
        words.push_back(device_.load(word));
        places.push_back(word);
      }
    }
    if (!settle()) return false;
    for (std::size_t i = 0; i < words.size(); ++i) {
      record_words_[places[i]] = device_.value(words[i]);
    }
    for (std::size_t i = 0; i < words.size(); i += 2) {
      const trace::PageRequestRecord record = {device_.value(words[i]),
                                               device_.value(words[i + 1])};
      const u64 slot = (places[i] - case_.queues.priq) / 16;
      event(trace::smmu_agent(),
            trace::PageRequestQueued{.slot = static_cast<u32>(slot), .record = record});
    }
    const u64 overflow = keeps_overflow ? page_overflow_ : prod & spec::queue_overflow_flag;
    const bool changes = end != page_cons_ || overflow != page_overflow_;
    page_cons_ = end;
    page_overflow_ = overflow;
    if (changes || keeps_overflow) write(reg::priq_cons, 4, page_cons_ | page_overflow_);
    return true;
  }

  /// An engine that moves data and is let pass untranslated would write over queues, structures and
  /// tables there, and what the SMMU reads then is none that the case has stored.
  [[nodiscard]] bool may_write(u64 address) const {
    return device_.identity().every_pa || !lies_in_structures(address, 4);
  }

  void access(const Step& step) {
    const DeviceIdentity& identity = device_.identity();
    const bool translated = (step.c & step_translated) != 0;
    if (translated && !identity.ats) return;
    order();
    const unsigned engine = engine_in(step);
    const bool writes = step.b != 0 && may_write(step.a);
    DmaAttributes attributes;
    attributes.translated = translated;
    attributes.privileged = identity.sends_privileged && (step.c & step_privileged) != 0;
    attributes.instruction =
        identity.sends_instructions && !writes && (step.c & step_instruction) != 0;
    if (!translated && identity.sends_substreams && (step.c & step_substream) != 0) {
      attributes.substream = static_cast<u32>(step.c >> step_substream_place);
    }
    const Ticket ticket = device_.dma(engine, step.a & ~u64{3}, writes, attributes);
    waiting_.push_back({run_.trace.events.size(), ticket});
    trace::Dma dma;
    dma.sid = identity.sids[engine];
    dma.ssid = attributes.substream ? trace::substream(*attributes.substream) : trace::no_substream;
    dma.iova = step.a & ~u64{3};
    dma.direction = writes                   ? trace::Direction::write
                    : attributes.instruction ? trace::Direction::execute
                                             : trace::Direction::read;
    dma.privileged = attributes.privileged;
    dma.length = 4;
    dma.kind =
        translated ? trace::TransactionKind::translated : trace::TransactionKind::untranslated;
    dma.result = trace::DmaResult::abort;
    event(trace::device_agent(static_cast<u16>(engine)), dma);
  }

  bool poll(bool keeps_overflow) {
    const Ticket ticket = read(reg::eventq_prod, 4);
    if (!settle()) return false;
    const u64 prod = device_.value(ticket);
    const unsigned lg2 = case_.queues.eventq_lg2;
    const u64 fresh = spec::queue_used<u64>(lg2, prod & spec::queue_index_mask, event_cons_);
    if (fresh == 0 || fresh > pow2(lg2)) {
      const bool overflows = ((prod ^ overflow_) & spec::queue_overflow_flag) != 0;
      if (overflows && !keeps_overflow) acknowledge(prod, false);
      return true;
    }
    std::vector<Ticket> words;
    std::vector<u64> places;
    for (u64 at = event_cons_; at != spec::queue_bits<u64>(lg2, prod & spec::queue_index_mask);
         at = spec::queue_next<u64>(lg2, at)) {
      const u64 place = case_.queues.eventq + 32 * spec::queue_index<u64>(lg2, at);
      for (unsigned i = 0; i < 4; ++i) {
        words.push_back(device_.load(place + 8 * i));
        places.push_back(place + 8 * i);
      }
    }
    if (!settle()) return false;
    for (std::size_t i = 0; i < words.size(); ++i) {
      record_words_[places[i]] = device_.value(words[i]);
    }
    for (std::size_t i = 0; i < words.size(); i += 4) {
      trace::EventRecord record;
      for (std::size_t k = 0; k < 4; ++k) record[k] = device_.value(words[i + k]);
      event(trace::smmu_agent(), trace::EventRecorded{.record = record});
      if (const auto stag = spec::stall_in(record)) {
        stalled_.emplace_back(spec::event_sid(record), *stag);
      }
    }
    acknowledge(prod, keeps_overflow);
    return true;
  }
  void acknowledge(u64 prod, bool keeps_overflow) {
    event_cons_ = spec::queue_bits<u64>(case_.queues.eventq_lg2, prod & spec::queue_index_mask);
    if (!keeps_overflow) overflow_ = prod & spec::queue_overflow_flag;
    write(reg::eventq_cons, 4, event_cons_ | overflow_);
  }

  bool settle() {
    if (auto ok = device_.settle(); !ok) {
      run_.death = ok.error().message;
      return false;
    }
    resolve();
    for (const spec::PageResponse& one : device_.take_page_responses()) {
      event(trace::smmu_agent(), note_of(one));
    }
    for (const Interrupt& one : device_.take_interrupts()) {
      event(trace::smmu_agent(), trace::Irq{.kind = one.kind});
    }
    return true;
  }
  /// Answers go where they were asked for.
  void resolve() {
    if (run_.death.empty()) {
      for (const auto& [place, ticket] : waiting_) answer(run_.trace.events[place], ticket);
    }
    waiting_.clear();
  }
  void answer(trace::Event& asked, Ticket ticket) {
    if (auto* read = std::get_if<trace::MmioRead>(&asked.payload)) {
      read->value = device_.value(ticket);
    } else if (auto* dma = std::get_if<trace::Dma>(&asked.payload)) {
      const DmaSeen seen = device_.seen(ticket);
      dma->result = seen.reached   ? trace::DmaResult::ok
                    : seen.stalled ? trace::DmaResult::stall
                                   : trace::DmaResult::abort;
      dma->pa = seen.pa;
    } else if (auto* request = std::get_if<trace::AtsRequest>(&asked.payload)) {
      const AtsSeen seen = device_.answered(ticket);
      request->result = seen.result;
      if (seen.result == trace::AtsResult::success) {
        request->rights = seen.rights;
        if (seen.rights.read || seen.rights.write) {
          request->pa = seen.pa;
          request->length = seen.bytes;
        }
      }
    } else if (auto* load = std::get_if<trace::Load>(&asked.payload)) {
      load->value = device_.value(ticket);
    }
  }

  void header() {
    const DeviceIdentity& identity = device_.identity();
    trace::Header& header = run_.trace.header;
    header.versions["iommucheck-conform"] = "1";
    header.versions[identity.name] = identity.version;
    header.about = trace::TextMap{{"case", case_.name}};
    header.ram = trace::Ranges{{identity.data_pa, identity.data_bytes}};
    if (!case_.asks.empty()) (*header.about)["asks"] = case_.asks;
    header.profile = trace::Profile{
        {"device-under-test", true},
        {"cmdq", case_.queues.cmdq},
        {"cmdq-lg2", u64{case_.queues.cmdq_lg2}},
        {"eventq", case_.queues.eventq},
        {"eventq-lg2", u64{case_.queues.eventq_lg2}},
    };
    if (case_.boot_commands != Case::boot_commands_default) {
      (*header.profile)[boot_commands_key] = u64{case_.boot_commands};
    }
    if (case_.queues.priq != 0) {
      (*header.profile)["priq"] = case_.queues.priq;
      (*header.profile)["priq-lg2"] = u64{case_.queues.priq_lg2};
    }
    if (identity.every_pa) (*header.profile)["every-pa"] = true;
    if (identity.wires_interrupts) (*header.profile)["wires-interrupts"] = true;
    if (identity.ats) (*header.profile)["ats"] = true;
    if (identity.pri) (*header.profile)["pri"] = true;
    if (identity.delegates) (*header.profile)["delegates"] = true;
    if (identity.absent_bytes != 0) {
      (*header.profile)["absent"] = identity.absent_pa;
      (*header.profile)["absent-bytes"] = identity.absent_bytes;
    }
    state_profile(header, device_.judged_by());
    header.id_registers = registers_of(identity.id);
    trace::Devices devices;
    for (std::size_t i = 0; i < identity.sids.size(); ++i) {
      trace::DeviceInfo info;
      info.device = trace::DeviceId{static_cast<u32>(i)};
      info.sids = {identity.sids[i]};
      devices.push_back(info);
    }
    header.devices = devices;
  }

  struct Waiting {
    std::size_t place = 0;
    Ticket ticket = 0;
  };

  DeviceUnderTest& device_;
  const Case& case_;
  Run run_;
  HeldMemory held_;
  std::map<u64, u64> record_words_;  // of the event queue, as they were read last
  std::vector<Waiting> waiting_;
  std::vector<std::pair<u32, u16>> stalled_;  // StreamID and STAG of records, not resumed yet
  std::deque<AtcInvalidation> sent_;          // to endpoints, which have not answered yet
  std::size_t step_ = 0;
  u64 exposed_ = 0;  // what was written to CMDQ_PROD last
  u64 prod_ = 0, cons_ = 0, event_cons_ = 0, overflow_ = 0, cr0_ = 0, irq_ctrl_ = 0;
  u64 page_cons_ = 0, page_overflow_ = 0;
  bool unordered_ = false;
  /// Some were enabled: each step is waited for, so that what caused one is known.
  bool interrupts_ = false;
};

}  // namespace

namespace {

/// Number of the engine that has that StreamID.
u64 engine_of(const trace::Trace& trace, u32 sid) {
  for (const trace::DeviceInfo& info : trace.header.devices.value_or(trace::Devices{})) {
    if (!info.sids.empty() && info.sids.front() == sid) return static_cast<u64>(info.device);
  }
  return 0;
}

}  // namespace

namespace {

constexpr std::string_view response_begins = "a response to a page request: ";
// The fields of a response in the value of its note: StreamID below, then these.
constexpr unsigned note_ssid = 32, note_tagged = 52, note_index = 53;

/// The step that sends it.
Step page_request_step(const trace::Trace& trace, const trace::PageRequest& request) {
  Step step{.kind = StepKind::page_request,
            .a = request.iova,
            .b = request.page_group & page_index,
            .c = engine_of(trace, request.sid)};
  const trace::Rights rights = request.rights.value_or(trace::Rights{});
  if (request.last) step.b |= page_last;
  if (rights.read) step.b |= page_read;
  if (rights.write) step.b |= page_write;
  if (rights.execute) step.b |= page_execute;
  if (request.privileged.value_or(false)) step.b |= page_privileged;
  if (request.ssid && request.ssid->valid) {
    step.c |= step_substream | (u64{request.ssid->value} << step_substream_place);
  }
  return step;
}

}  // namespace

trace::Note note_of(const spec::PageResponse& response) {
  trace::Note note;
  note.text = std::string(response_begins) + std::string(spec::response_name(response.code));
  note.value = u64{response.sid} | u64{response.ssid.value_or(0)} << note_ssid |
               u64{response.ssid ? 1U : 0U} << note_tagged | u64{response.prg_index} << note_index;
  return note;
}

std::optional<spec::PageResponse> response_in(const trace::Note& note) {
  if (!note.text.starts_with(response_begins) || !note.value) return std::nullopt;
  const std::string_view name = std::string_view(note.text).substr(response_begins.size());
  for (const spec::ResponseCode code :
       {spec::ResponseCode::success, spec::ResponseCode::invalid_request,
        spec::ResponseCode::failure}) {
    if (name != spec::response_name(code)) continue;
    spec::PageResponse response{.sid = static_cast<u32>(bits(*note.value, 31, 0)), .code = code};
    response.prg_index = static_cast<u32>(bits(*note.value, note_index + 8, note_index));
    if (bit(*note.value, note_tagged)) {
      response.ssid = static_cast<u32>(bits(*note.value, note_tagged - 1, note_ssid));
    }
    return response;
  }
  return std::nullopt;
}

Expected<Run> run_case(DeviceUnderTest& device, const Case& what) {
  if (auto ok = device.reset(); !ok) return std::unexpected(ok.error());
  return Runner(device, what).take();
}

Expected<Case> case_of(const trace::Trace& trace, const std::string& name) {
  Case result;
  result.name = name;
  if (trace.header.about) {
    const auto asks = trace.header.about->find("asks");
    if (asks != trace.header.about->end()) result.asks = asks->second;
  }
  const auto fact = [&](const char* key) -> std::optional<u64> {
    if (!trace.header.profile) return std::nullopt;
    const auto found = trace.header.profile->find(key);
    if (found == trace.header.profile->end()) return std::nullopt;
    const u64* number = std::get_if<u64>(&found->second);
    return number == nullptr ? std::nullopt : std::optional<u64>(*number);
  };
  const auto cmdq = fact("cmdq"), eventq = fact("eventq");
  const auto cmdq_lg2 = fact("cmdq-lg2"), eventq_lg2 = fact("eventq-lg2");
  if (!cmdq || !eventq || !cmdq_lg2 || !eventq_lg2 || *cmdq_lg2 > 19 || *eventq_lg2 > 19) {
    return fail(ErrorCode::bad_input, name +
                                          ": is no trace of conform (its header does not say "
                                          "where the queues are)");
  }
  result.queues = {*cmdq, *eventq, static_cast<unsigned>(*cmdq_lg2),
                   static_cast<unsigned>(*eventq_lg2)};
  result.queues.priq = fact("priq").value_or(0);
  const u64 priq_lg2 = fact("priq-lg2").value_or(0);
  if (priq_lg2 > 19) {
    return fail(ErrorCode::bad_input, name + ": its page request queue has no size");
  }
  result.queues.priq_lg2 = static_cast<unsigned>(priq_lg2);
  result.boot_commands = fact(boot_commands_key).value_or(Case::boot_commands_default);
  bool polling = false;
  u64 prod = 0;  // as it was read last, of the page request queue
  for (const trace::Event& event : trace.events) {
    if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
      if (store->size != 8 || !store->value || store->pa % 8 != 0) {
        return fail(ErrorCode::bad_input, name + ": a store that is no aligned word");
      }
      result.steps.push_back({StepKind::store, store->pa, *store->value});
    } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
      result.steps.push_back({StepKind::fill, fill->pa, fill->words, fill->value});
    } else if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
      if (polling && write->offset == reg::eventq_cons) continue;  // poll does that itself
      if (polling && write->offset == reg::priq_cons) {
        if (((write->value ^ prod) & spec::queue_overflow_flag) != 0) result.steps.back().a = 1;
        continue;
      }
      result.steps.push_back({StepKind::write, write->offset, write->value, write->size});
    } else if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
      polling = read->offset == reg::eventq_prod || read->offset == reg::priq_prod;
      if (read->offset == reg::priq_prod) {
        prod = read->value;
        result.steps.push_back({StepKind::page_poll});
      } else if (polling) {
        result.steps.push_back({StepKind::poll});
      } else {
        result.steps.push_back({StepKind::read, read->offset, 0, read->size});
      }
      continue;
    } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
      u64 engine = engine_of(trace, dma->sid);
      const u64 writes = dma->direction == trace::Direction::write ? 1 : 0;
      if (dma->direction == trace::Direction::execute) engine |= step_instruction;
      if (dma->privileged.value_or(false)) engine |= step_privileged;
      if (dma->kind == trace::TransactionKind::translated) engine |= step_translated;
      if (dma->ssid && dma->ssid->valid) {
        engine |= step_substream | (u64{dma->ssid->value} << step_substream_place);
      }
      result.steps.push_back({StepKind::access, dma->iova, writes, engine});
    } else if (const auto* request = std::get_if<trace::AtsRequest>(&event.payload)) {
      u64 word = engine_of(trace, request->sid);
      if (request->privileged.value_or(false)) word |= step_privileged;
      if (request->ssid && request->ssid->valid) {
        word |= step_substream | (u64{request->ssid->value} << step_substream_place);
      }
      const u64 writes = request->no_write.value_or(true) ? 0 : 1;
      result.steps.push_back({StepKind::request, request->iova, writes, word});
    } else if (std::holds_alternative<trace::Barrier>(event.payload)) {
      result.steps.push_back({StepKind::barrier});
    } else if (std::holds_alternative<trace::AtcInvalidated>(event.payload)) {
      result.steps.push_back({StepKind::answer});
    } else if (const auto* note = std::get_if<trace::Note>(&event.payload)) {
      if (note->text == saved_note) result.steps.push_back({StepKind::save});
      if (note->text == silence_note) result.steps.push_back({StepKind::silence});
      if (response_in(*note)) continue;
    } else if (const auto* page = std::get_if<trace::PageRequest>(&event.payload)) {
      result.steps.push_back(page_request_step(trace, *page));
    } else if (const auto* load = std::get_if<trace::Load>(&event.payload)) {
      if (load->size != 8 || load->pa % 8 != 0) {
        return fail(ErrorCode::bad_input, name + ": a load that is no aligned word");
      }
      result.steps.push_back({StepKind::look, load->pa});
    } else if (std::holds_alternative<trace::EventRecorded>(event.payload) ||
               std::holds_alternative<trace::PageRequestQueued>(event.payload)) {
      continue;
    }
    polling = false;
  }
  return result;
}

}  // namespace iommucheck::oracle
