// SPDX-License-Identifier: MIT
// The Non-secure programming interface: registers, queues, and what the driver's use of them
// promises or breaks. IHI 0070 3.5, 6, 7; arch 1. What caches follow is caches.h.
//
// Two readings of one state. As a judge it observes: write(), then observe_read() of what the
// device answered. As a device it answers: read() chooses among what observe_read() would admit.
#pragma once

#include <functional>
#include <utility>

#include "spec/choices.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/page_request.h"
#include "spec/smmu/queue.h"

namespace iommucheck::spec {

class Smmu {
 public:
  Smmu(Caches& caches, const IdRegisters& id);
  Smmu(const Smmu&) = delete;
  Smmu& operator=(const Smmu&) = delete;

  /// Registers at reset; caches hold anything unless `assumed_clean`.
  void reset(bool assumed_clean);
  /// Who writes from now on knows of MSI registers what it writes itself: they reset to UNKNOWN
  /// values, and who had the SMMU before may have left others. IHI 0070 6.3.21.
  void driver_begins();

  /// A register write of 4 or 8 bytes. `ordered`: the agent's earlier stores are visible before it.
  void write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered);

  /// As a device: answers, and what the answer shows is observed by the driver.
  u64 read(u32 offset, unsigned size, Choices& choices);

  /// As a judge: `value` is what the device answered. False, with a violation of the device's side,
  /// if no device may answer so.
  bool observe_read(u32 offset, unsigned size, u64 value);

  /// A recording knows commands only when they are consumed: then slots are not read from memory.
  void commands_come_from_events() { slots_from_events_ = true; }
  /// The device took the command in `slot`; `words` absent: as memory says.
  void command_consumed(u32 slot, const std::optional<CommandWords>& words);

  /// Calls `says(StreamID, answered)` for each stream whose ATC_INV a CMD_SYNC has waited for: in
  /// vain, and from the first such one on with success, too.
  void tell_endpoints(std::function<void(u32, bool)> says) { endpoint_says_ = std::move(says); }

  /// As a device: commands may be refused that are legal, CERROR_ABT and CERROR_ATC_INV_SYNC.
  void draw_command_errors() { command_errors_ = true; }
  /// As a judge: memory that is there, so that the SMMU's accesses to it do not abort.
  void memory_is(u64 first, u64 bytes) {
    memory_first_ = first;
    memory_bytes_ = bytes;
  }

  /// No memory is there: accesses of the SMMU to it do abort.
  void no_memory_at(u64 first, u64 bytes) {
    absent_first_ = first;
    absent_bytes_ = bytes;
  }

  /// Does the word lie in the command queue?
  [[nodiscard]] bool is_command_slot(u64 pa) const { return pa - cmdq_first_ < cmdq_bytes_; }
  /// A store of the driver is about to hit memory: the command queue's slots are watched.
  void before_store(u64 pa) {
    if (pa - cmdq_first_ < cmdq_bytes_) check_slot(pa);
  }
  void before_store(u64 pa, u64 bytes) {
    if (pa >= cmdq_first_ + cmdq_bytes_ || pa + bytes <= cmdq_first_) return;
    for (u64 word = pa; word < pa + bytes; word += 8) before_store(word);
  }

  /// As a device: what its fault records, and where it stalls it stalls from now on. A delivery of
  /// `waits` did nothing: there is no room, or IDR5.STALL_MAX are stalled already.
  struct Recorded {
    Delivery delivery = Delivery::discarded;
    EventRecord record{};
    bool stalls = false;
  };
  /// Nothing: the access makes no record.
  std::optional<Recorded> record(const Access& access, const Outcome& outcome);

  /// A record for the event queue; one that overflows sets OVFLG.
  Delivery record_event(const EventRecord& record);

  /// What a page request meets in the PRI queue; the write of its record is not taken to abort.
  [[nodiscard]] PageQueue page_queue() const;
  /// Where the next record of the PRI queue goes.
  [[nodiscard]] u64 page_slot() const;
  /// As a device: one of page_request_outcomes() happens. What its check of STE.PPAR records is
  /// left to record_event().
  void take_page_request(const PageRequest& request, const PageRequestOutcome& outcome);

  /// As a device: an access stalls from now on, until CMD_RESUME or CMD_STALL_TERM ends it, or
  /// SMMUEN = 0. Its STAG; nothing if IDR5.STALL_MAX are stalled already.
  std::optional<u16> begin_stall(u32 sid, u32 ssid, bool ssv);
  /// A record with Stall = 1 was seen.
  void observe_stall(u32 sid, u32 ssid, bool ssv, u16 stag) {
    stalls_.push(caches_.trail(), {.sid = sid, .ssid = ssid, .ssv = ssv ? 1U : 0U, .stag = stag});
  }
  /// Whether an access of the stream, at the substream, is stalled.
  [[nodiscard]] bool has_stall(u32 sid, u32 ssid, bool ssv) const;
  /// Whether the one of that name still is.
  [[nodiscard]] bool has_stall_tag(u32 sid, u32 stag) const;
  /// A stalled access that a command ended; `again`: it is made once more (CMD_RESUME.Ac).
  struct Resumed {
    u32 sid = 0;
    u32 stag = 0;
    bool again = false;
    bool by_name = false;  ///< by CMD_RESUME, else with all of its stream
  };
  /// Those ended since the reader emptied it. Not part of the state.
  std::vector<Resumed>& resumed() { return resumed_; }
  /// The STAG of what stalls alone: how they are named is the SMMU's to say.
  void name_stalls_from(u16 first) { first_stag_ = first; }
  /// What devices were sent by CMD_PRI_RESP since the reader emptied it. Not part of the state.
  std::vector<PageResponse>& page_responses() { return page_responses_; }

  /// How an access is answered while SMMUEN = 0 depends on GBPA, which caches() knows.
  [[nodiscard]] Caches& caches() { return caches_; }
  [[nodiscard]] const Caches& caches() const { return caches_; }
  [[nodiscard]] const Capabilities& capabilities() const { return caches_.capabilities(); }
  [[nodiscard]] bool smmuen() const { return (r_.cr0 & cr0::smmuen) != 0; }
  /// SMMUEN = 1, and acknowledged.
  [[nodiscard]] bool surely_enabled() const { return (r_.cr0 & r_.cr0ack & cr0::smmuen) != 0; }
  /// Records that the event queue surely takes: those that the driver was seen to read make room.
  [[nodiscard]] u64 event_slots() const {
    const QueueGeometry queue = eventq();
    return pow2(queue.lg2) - queue_used(queue.lg2, r_.eventq_prod, r_.eventq_cons & 0xfffff);
  }
  /// EVENTQ_PROD.WR moved on since the records that were observed, by so many.
  [[nodiscard]] u64 events_since(u64 prod) const {
    return queue_used(eventq().lg2, prod & 0xfffff, r_.eventq_prod & 0xfffff);
  }
  /// EVENTQEN = 1 and acknowledged, and no EVENTQ_ABT_ERR is active.
  [[nodiscard]] bool records_events() const {
    return (r_.cr0 & r_.cr0ack & cr0::eventqen) != 0 &&
           ((r_.gerror ^ r_.gerrorn) & gerror::eventq_abt_err) == 0;
  }
  [[nodiscard]] bool event_overflow() const { return (r_.eventq_prod & queue_overflow_flag) != 0; }
  /// OVFLG was seen to have toggled.
  void observe_event_overflow() { set(r_.eventq_prod, r_.eventq_prod ^ queue_overflow_flag); }
  /// OVFLG toggled and OVACKFLG did not follow yet.
  [[nodiscard]] bool event_overflow_open() const {
    return ((r_.eventq_prod ^ r_.eventq_cons) & queue_overflow_flag) != 0;
  }
  /// The driver has seen an overflow, emptied the queue, and not acknowledged it; or has left
  /// records behind that came to a queue that was not empty: now that the queue's next interrupt
  /// comes, it is too late. IHI 0070 7.4, 3.18.2.
  void interrupt_of_event_queue();
  void interrupt_of_page_queue();
  /// The driver loaded up to 8 bytes at `pa`: a word of a record, if an output queue lies there.
  void observe_load(u64 pa);
  /// It loaded `value` there: it has seen what messages of CMD_SYNCs have written (messages.cpp).
  void observe_message(u64 pa, u64 bytes, u64 value);
  /// With what attributes the last message of a CMD_SYNC is written; nothing: there was none.
  struct MessageAttributes {
    u64 pa = 0;
    u64 shareability = 0;  ///< MSH
    u64 memory = 0;        ///< MSIAttr, as STE.MemAttr
  };
  [[nodiscard]] std::optional<MessageAttributes> message_attributes() const {
    if (r_.message_attributes == 0) return std::nullopt;
    return MessageAttributes{r_.message_pa, (r_.message_attributes - 1) >> 4,
                             (r_.message_attributes - 1) & 15};
  }
  /// Memory has what the message of a CMD_SYNC writes.
  void message_written(u64 pa, u64 data);
  /// A CMD_SYNC is open whose message is not written.
  [[nodiscard]] bool awaits_messages() const;
  /// One of the bytes is of a message that the driver has not seen.
  [[nodiscard]] bool is_message_word(u64 pa, u64 bytes) const;
  /// As a device: the driver looks for a message, or waits for one. Commands are consumed as at a
  /// look at CMDQ_CONS; what it learns of that is the messages.
  void consume_unseen(Choices& choices);
  /// As a device: what it is to write now, of what is consumed; its writer says message_written().
  struct MessageWrite {
    u64 pa = 0;    ///< aligned to 4 bytes
    u64 data = 0;  ///< of 32 bits
  };
  std::optional<MessageWrite> due_message(Choices& choices);
  /// As a device: the interrupt of a CMD_SYNC reaches the driver now; who tells it says
  /// interrupt_of_sync().
  bool due_interrupt(Choices& choices);
  /// The driver takes the interrupt of a CMD_SYNC.
  void interrupt_of_sync();
  /// A barrier that orders its loads before later ones, and before later stores.
  void observe_load_barrier();
  /// Counts acknowledgements and consumed commands that the driver saw.
  [[nodiscard]] u64 progress_made() const { return r_.progress; }
  /// A command error is active; and what is asked of CR0ACK and CMDQ_CONS in the end.
  [[nodiscard]] bool stopped_by_error() const { return command_error(); }
  [[nodiscard]] u64 cr0() const { return r_.cr0; }
  [[nodiscard]] u64 gerror() const { return r_.gerror; }
  /// What was last written to reserved bits of CR0, which CR0ACK never shows: "CR0 was ...", with
  /// the reason that ATSCHK or PRIQEN is one of them. Empty: nothing was.
  [[nodiscard]] std::string reserved_in_cr0() const;
  /// Why the command queue consumes nothing: GERROR, CERROR, and the command that was refused;
  /// empty if it is not stopped by an error.
  [[nodiscard]] std::string why_stopped() const;
  /// How often in a row the same command was refused, the error acknowledged in between and the
  /// slot as it was: nothing else can come of it.
  [[nodiscard]] u64 refusals() const { return r_.refusals; }
  [[nodiscard]] u64 commands_end() const { return r_.exposed; }
  /// CPUs' broadcasts may be ignored.
  [[nodiscard]] bool ptm() const { return (r_.cr2 & cr2::ptm) != 0; }
  [[nodiscard]] bool recinvsid() const { return (r_.cr2 & cr2::recinvsid) != 0; }
  [[nodiscard]] bool rec_cfg_ats() const { return (r_.cr2 & cr2::rec_cfg_ats) != 0; }
  /// Commands executed so far, for statistics.
  [[nodiscard]] u64 commands() const { return r_.exposed_total; }
  /// As a device: the command queue consumes nothing any more; or goes on, and does not stop where
  /// it was to.
  void set_stuck(bool stuck);
  [[nodiscard]] bool is_stuck() const { return r_.stuck != 0; }
  /// As a device: from now on commands are consumed so, and not as Choices say.
  struct Pace {
    u64 looks = 0;     ///< at CMDQ_CONS that find nothing new, since one was exposed or consumed
    u64 commands = 0;  ///< that the next one finds consumed; 0: all
  };
  void set_pace(const Pace& pace);
  /// As a device: CR0ACK, IRQ_CTRLACK and GBPA follow at the look behind so many, from now on.
  void set_acknowledgement(u64 looks) { set(r_.ack_pace, looks + 1); }
  /// As a device: what comes before the n-th command from now on (n >= 1) is consumed, or before
  /// the n-th CMD_SYNC; then nothing. The later of two calls counts.
  void stop_at_command(u64 n);
  void stop_at_sync(u64 n);
  /// What of it was not reached: it does not stop any more. In numbers of commands or CMD_SYNCs
  /// from now on; 0: no such thing was to come.
  struct Stop {
    u64 command = 0;
    u64 sync = 0;
  };
  Stop take_stop();
  /// CMDQ_CONS has come to there: nobody has set_stuck() it yet.
  [[nodiscard]] bool has_stopped() const {
    return r_.stop_end != 0 && r_.exposed_total >= r_.stop_end &&
           r_.cons_total + commands_ahead() + 1 >= r_.stop_end;
  }
  /// As a device: the n-th CMD_SYNC from now on (n >= 1), of those that an endpoint may fail, is
  /// refused with CERROR_ATC_INV_SYNC.
  void fail_sync(u64 n) { set(r_.sync_fails, n); }
  /// Commands that the queue has room for.
  [[nodiscard]] u64 command_slots() const { return pow2(cmdq().lg2); }

 private:
  // All u64, so that each goes through the trail alone.
  struct Registers {
    u64 cr0 = 0, cr0ack = 0, cr1 = 0, cr2 = 0, gbpa = 0, gbpa_updating = 0;
    u64 cr0_reserved = 0;  // written to reserved bits: they may read so, or as 0
    u64 gbpa_written = 0;  // before, its fields are IMPLEMENTATION DEFINED
    u64 irq_ctrl = 0, irq_ctrlack = 0, gerror = 0, gerrorn = 0;
    u64 strtab_base = 0, strtab_base_cfg = 0;
    u64 cmdq_base = 0, cmdq_prod = 0, cmdq_cons = 0;
    u64 eventq_base = 0, eventq_prod = 0, eventq_cons = 0;
    u64 priq_base = 0, priq_prod = 0, priq_cons = 0;
    u64 eventq_seen = 0, priq_seen = 0;  // PROD as the driver last read or wrote it
    u64 prod_followed = 0;               // a recording has shown it, of either queue
    u64 overflow_drained = 0;  // the driver saw an overflow, and emptied the queue without a word
    u64 page_overflow_drained = 0;  // the same of the page request queue
    u64 event_told = 0;             // an interrupt of the event queue is on its way
    u64 event_left = 0;             // CONS left records, and none is
    u64 irq_cfg[9] = {};            // GERROR, EVENTQ, PRIQ: CFG0, CFG1, CFG2
    u64 irq_cfg_unknown = 0;        // their halves of 32 bits that are; four bits each
    u64 driver_began = 0;
    u64 message_attributes = 0;  // 1 + MSH and MSIAttr of the last CMD_SYNC with a message
    u64 message_pa = 0;
    u64 exposed = 0;        // index up to which commands may have been executed
    u64 exposed_total = 0;  // the same, counted from the beginning
    u64 taken = 0;          // index up to which events said that commands were consumed
    u64 cons_total = 0;     // what the driver has observed of CONS, counted likewise
    u64 done_total = 0;     // as a device: up to there it has consumed, seen or not
    u64 acted_total = 0;    // up to there one has ended a stall, which was seen
    u64 cons_known = 0;     // CONS was read or written since CMDQEN = 0 was acknowledged
    u64 queue_changed = 0;  // CONS, PROD or a slot that is not consumed is another since then
    u64 error = 0;          // CMDQ_CONS.ERR while GERROR.CMDQ_ERR is active
    u64 error_rule = 0;     // 1 + the rule that made the command illegal
    u64 error_claimed = 0;  // the device shows CMDQ_ERR; CMDQ_CONS will say at which command
    u64 refused[2] = {};    // words of the command that was refused last
    u64 refused_at = 0;     // 1 + its number; 0: none was
    u64 refusals = 0;       // how often in a row: each time acknowledged and left as it is
    u64 gerror_seen = 0;    // GERROR as last observed: it may lag behind
    u64 polls = 0;          // choices to make no progress since the last progress
    u64 progress = 0;       // what the driver saw of it: acknowledgements, commands consumed
    u64 stuck = 0;
    u64 pace = 0;           // 1 + Pace::looks; 0: Choices decide
    u64 pace_commands = 0;  // Pace::commands
    u64 ack_pace = 0;       // 1 + looks until a register is acknowledged; 0: Choices decide
    u64 stop_end = 0;       // 1 + the number of the command that is not consumed; 0: none
    u64 stop_sync = 0;      // CMD_SYNCs that are exposed until then; 0: none
    u64 sync_fails = 0;     // CMD_SYNCs that may fail until the one that does; 0: none
  };
  /// The records of an output queue that the driver loaded, as positions: indices with their wrap
  /// bit. CONS, `settled`, `loaded` follow each other, and `ordered` comes before PROD.
  struct RecordLoads {
    u64 ordered = 0;  // PROD as it was read before the last barrier: up to there loads are in order
    u64 loaded = 0;   // up to there records were loaded
    u64 settled = 0;  // and up to there before the last barrier
    u64 words = 0;    // a bit for each word that was loaded of the one before `loaded`
    u64 late = 0, late_end = 0;  // what CONS gave back last and nobody had loaded
  };
  struct OutputQueue {
    QueueGeometry queue;
    unsigned record_bytes = 0;
    u64 cons = 0;
    u64 seen = 0;
    std::string_view name;
  };
  struct SyncPoint {
    u64 position = 0;  // as exposed_total
    u64 group = 0;
  };

  struct Message {
    u64 pa = 0;
    u64 data = 0;
    u64 position = 0;  // of its CMD_SYNC, as exposed_total
    u64 proves = 0;    // nothing else can have put that value there
    u64 written = 0;
    u64 late = 0;  // as a device: it has put it off
  };
  struct SyncInterrupt {
    u64 position = 0;  // of its CMD_SYNC, as exposed_total
    u64 sent = 0;      // as a device: it has come, or another one for it
    u64 late = 0;      // as a device: it has put it off
  };

  void set(u64& place, u64 value) {
    if (place != value) caches_.trail().set(place, value);
  }
  void report(Rule rule, std::string text);
  void write_register(u32 offset, u64 value);
  void write_cr0(u64 value);
  void write_gbpa(u64 value);
  void write_gerrorn(u64 value);
  void note_refusal(const CommandWords& words);
  void write_prod(u64 value);
  void write_irq_ctrl(u64 value);
  void note_irq_cfg(u32 offset, unsigned size);
  void check_irq_cfg(u64 enabled);
  void write_eventq_cons(u64 value);
  void write_priq_cons(u64 value);
  void check_cons(unsigned lg2, u64 cons, u64 prod, u64 seen, u64 value, const char* name);
  void begin_loads(RecordLoads& loads, u64 position);
  void load_of_record(const OutputQueue& its, RecordLoads& loads, u64 pa);
  void records_given_back(const OutputQueue& its, RecordLoads& loads, u64 value);
  [[nodiscard]] OutputQueue event_queue() const {
    return {eventq(), event_bytes, r_.eventq_cons, r_.eventq_seen, "EVENTQ"};
  }
  [[nodiscard]] OutputQueue pri_queue() const {
    return {priq(), page_request_bytes, r_.priq_cons, r_.priq_seen, "PRIQ"};
  }
  void check_size(const char* name, u64 value, unsigned largest);
  bool has_width(const RegisterInfo& info, u32 offset, unsigned size, const char* what);
  void check_alias(u32 offset);
  bool guarded(Guard guard, const char* name);
  [[nodiscard]] bool guard_is_open(Guard guard) const;
  u64* storage(u32 offset);
  void enable_queue();
  void process_queue();
  bool execute(const CommandWords& words, bool certain);
  void check_reserved(const Command& command, const CommandWords& words);
  void check_stall_term(const Command& command);
  [[nodiscard]] bool is_believed(const Command& command) const;
  void stop_at(u64 cons, u64 code);
  bool draw_command_error(Choices& choices);
  [[nodiscard]] u64 open_commands() const;
  u64 commands_of_look(Choices& choices);
  bool refuse_sync(u64 commands);
  void consume(u64 commands);
  [[nodiscard]] bool may_stop() const;
  [[nodiscard]] bool may_stop_at(u64 cons, u64 code) const;
  [[nodiscard]] bool may_abort(u64 pa) const { return pa - memory_first_ >= memory_bytes_; }
  void command_taken(const QueueGeometry& queue, u32 slot);
  void raise_command_error(u64 code);
  void end_stalls(const Command& command, const CommandWords& words);
  void check_slot(u64 pa);
  void update_queue_window();
  void update_stream_table();
  void acknowledge(u64 mask);
  void acknowledge_gbpa();
  void observe_cons(u64 cons);
  void complete_syncs();
  void note_message(const Command& sync);
  void forget_messages();
  void drop_messages(u64 position);
  void note_interrupt(const Command& sync);
  void forget_interrupts();
  void set_first_interrupt(u64 first);
  void drop_interrupts(u64 position);
  /// As a device: commands that it has consumed, which the driver has not seen.
  [[nodiscard]] u64 commands_ahead() const {
    return r_.done_total > r_.cons_total ? r_.done_total - r_.cons_total : 0;
  }
  [[nodiscard]] bool command_error() const {
    return ((r_.gerror ^ r_.gerrorn) & gerror::cmdq_err) != 0;
  }
  /// CMDQEN = 0 and acknowledged: nothing is consumed.
  [[nodiscard]] bool queue_is_off() const { return ((r_.cr0 | r_.cr0ack) & cr0::cmdqen) == 0; }
  [[nodiscard]] QueueGeometry cmdq() const {
    return queue_geometry(r_.cmdq_base, capabilities().cmdqs, command_bytes);
  }
  [[nodiscard]] QueueGeometry priq() const {
    return queue_geometry(r_.priq_base, capabilities().priqs, page_request_bytes);
  }
  [[nodiscard]] QueueGeometry eventq() const {
    return queue_geometry(r_.eventq_base, capabilities().eventqs, event_bytes);
  }
  bool progress(ChoiceSite site, u32 alternatives, Choices& choices, u32& chosen);
  u64 read_register(u32 offset, Choices& choices);
  bool admit_register(u32 offset, u64 value);
  bool admit_cmdq_cons(u64 value);
  void report_refused(const QueueGeometry& queue, u64 cons, u64 code);
  bool admit_claimed(const QueueGeometry& queue, u64 value);
  bool admit_prod(unsigned lg2, u64 value, u64 cons, u64& seen);
  void note_prod(u32 offset, u64 value);
  void overflow_seen();
  void note_overflow(const OutputQueue& its, u64 enabled, u64& drained);
  void check_overflow(const OutputQueue& its, u64& drained);
  void note_left();
  bool admit_stopped(const QueueGeometry& queue, u64 value, u64 limit);
  bool admit_gerror(u64 value);

  static constexpr u64 max_polls = 3;  // that Choices may answer with "not yet"

  Caches& caches_;
  IdRegisters id_;
  Registers r_;
  RecordLoads event_loads_, pri_loads_;
  TrailArray<SyncPoint> syncs_;
  u64 first_sync_ = 0;  // of syncs_: those before are complete
  TrailArray<Message> messages_;
  u64 first_message_ = 0;  // of messages_: those before are written, and seen
  TrailArray<SyncInterrupt> interrupts_;
  u64 first_interrupt_ = 0;     // of interrupts_: those before have come, or may come late
  u64 late_interrupt_ = 0;      // one may, whose CMD_SYNC was seen to be consumed before
  u64 late_interrupt_due_ = 0;  // as a device: it will
  u64 cmdq_first_ = 0;          // memory of the command queue
  u64 cmdq_bytes_ = 0;
  bool slots_from_events_ = false;
  bool command_errors_ = false;
  std::function<void(u32, bool)> endpoint_says_;
  u64 endpoints_failed_ = 0;
  u64 memory_first_ = 0;  // in it no access of the SMMU aborts
  u64 memory_bytes_ = 0;
  u64 absent_first_ = 0, absent_bytes_ = 0;

  struct alignas(8) Stall {
    u32 sid = 0;
    u32 ssid = 0;
    u32 ssv = 0;
    u32 stag = 0;
  };
  TrailArray<Stall> stalls_;
  u32 first_stag_ = 0;
  std::vector<Resumed> resumed_;
  std::vector<PageResponse> page_responses_;
};

}  // namespace iommucheck::spec
