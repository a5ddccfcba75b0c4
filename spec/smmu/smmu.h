// SPDX-License-Identifier: MIT
// The Non-secure programming interface: registers, queues, and what the driver's use of them
// promises or breaks. IHI 0070 3.5, 6, 7; arch 1. What caches follow is caches.h.
//
// Two readings of one state. As a judge it observes: write(), then observe_read() of what the
// device answered. As a device it answers: read() chooses among what observe_read() would admit.
//
// Each part owns its state and stands on those above it in the list; nothing calls back. Smmu is
// the way in: it says which register is whose, and what of one part follows for another.
//   Ground               the engine, the trail, the findings, the world around
//   GlobalErrors         GERROR and GERRORN
//   ControlRegisters     CR0 to CR2, GBPA, STRTAB_BASE, with their acknowledgements
//   InterruptRegisters   IRQ_CTRL and the messages that it enables
//   ResetIndices         PROD and CONS that the driver has not written since reset
//   Progress CommandStops   as a device: at which look it goes on, and where it stops
//   SyncMessages SyncInterrupts   by what else than CMDQ_CONS a CMD_SYNC completes
//   Stalls               stalled accesses, and what commands answer to devices
//   CommandErrors        the error at which the command queue stands
//   CommandQueue         commands: exposed, executed, seen to be consumed
//   Refusals             which the device may refuse, and what CMDQ_CONS may answer
//   Consumption          as a device: which are consumed at which look
//   OutputQueues         the event and the PRI queue; OutputQueue and RecordLoads are one of them
#pragma once

#include <functional>
#include <utility>

#include "spec/smmu/consumption.h"
#include "spec/smmu/output_queues.h"
#include "spec/smmu/reset_indices.h"

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
  /// Where the register of page 1 is: in page 0, where there is but that.
  [[nodiscard]] u32 register_of_page1(u32 offset) const {
    return is_absent(offset) ? offset - reg::page1 : offset;
  }

  /// A register write of 4 or 8 bytes. `ordered`: the agent's earlier stores are visible before it.
  void write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered);

  /// As a device: answers, and what the answer shows is observed by the driver.
  u64 read(u32 offset, unsigned size, Choices& choices);

  /// As a judge: `value` is what the device answered. False, with a violation of the device's side,
  /// if no device may answer so.
  bool observe_read(u32 offset, unsigned size, u64 value);

  /// A recording knows commands only when they are consumed: then slots are not read from memory.
  void commands_come_from_events() { ground_.set_recording(); }
  /// The device took the command in `slot`; `words` absent: as memory says.
  void command_consumed(u32 slot, const std::optional<CommandWords>& words) {
    commands_.command_consumed(slot, words);
  }

  /// Calls `says(StreamID, answered)` for each stream whose ATC_INV a CMD_SYNC has waited for: in
  /// vain, and from the first such one on with success, too.
  void tell_endpoints(std::function<void(u32, bool)> says) {
    commands_.tell_endpoints(std::move(says));
  }

  /// As a device: commands may be refused that are legal, CERROR_ABT and CERROR_ATC_INV_SYNC.
  void draw_command_errors() { consumption_.draw_errors(); }
  /// As a judge: memory that is there, so that the SMMU's accesses to it do not abort.
  void memory_is(u64 first, u64 bytes) { ground_.memory_is(first, bytes); }
  /// No memory is there: accesses of the SMMU to it do abort.
  void no_memory_at(u64 first, u64 bytes) { ground_.no_memory_at(first, bytes); }

  /// Does the word lie in the command queue?
  [[nodiscard]] bool is_command_slot(u64 pa) const { return commands_.is_slot(pa); }
  /// A store of the driver is about to hit memory: the command queue's slots are watched.
  void before_store(u64 pa) { commands_.before_store(pa); }
  void before_store(u64 pa, u64 bytes) { commands_.before_store(pa, bytes); }

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
  Delivery record_event(const EventRecord& record) { return outputs_.record_event(record); }

  /// What a page request meets in the PRI queue; the write of its record is not taken to abort.
  [[nodiscard]] PageQueue page_queue() const { return outputs_.page_queue(); }
  /// Where the next record of the PRI queue goes.
  [[nodiscard]] u64 page_slot() const { return outputs_.requests().slot(); }
  /// As a device: one of page_request_outcomes() happens. What its check of STE.PPAR records is
  /// left to record_event().
  void take_page_request(const PageRequest& request, const PageRequestOutcome& outcome) {
    outputs_.take_page_request(request, outcome);
  }

  /// As a device: an access stalls from now on, until CMD_RESUME or CMD_STALL_TERM ends it, or
  /// SMMUEN = 0. Its STAG; nothing if IDR5.STALL_MAX are stalled already.
  std::optional<u16> begin_stall(u32 sid, u32 ssid, bool ssv) {
    return stalls_.begin(sid, ssid, ssv);
  }
  /// A record with Stall = 1 was seen.
  void observe_stall(u32 sid, u32 ssid, bool ssv, u16 stag) {
    stalls_.observe(sid, ssid, ssv, stag);
  }
  /// Whether an access of the stream, at the substream, is stalled.
  [[nodiscard]] bool has_stall(u32 sid, u32 ssid, bool ssv) const {
    return stalls_.has(sid, ssid, ssv);
  }
  /// Whether the one of that name still is.
  [[nodiscard]] bool has_stall_tag(u32 sid, u32 stag) const { return stalls_.has_tag(sid, stag); }
  using Resumed = Stalls::Resumed;
  /// Those that commands ended since the reader emptied it. Not part of the state.
  std::vector<Resumed>& resumed() { return stalls_.resumed(); }
  /// The STAG of what stalls alone: how they are named is the SMMU's to say.
  void name_stalls_from(u16 first) { stalls_.name_from(first); }
  /// What devices were sent by CMD_PRI_RESP since the reader emptied it. Not part of the state.
  std::vector<PageResponse>& page_responses() { return stalls_.page_responses(); }

  /// How an access is answered while SMMUEN = 0 depends on GBPA, which caches() knows.
  [[nodiscard]] Caches& caches() { return ground_.caches(); }
  [[nodiscard]] const Caches& caches() const { return ground_.caches(); }
  [[nodiscard]] const Capabilities& capabilities() const { return ground_.capabilities(); }
  [[nodiscard]] bool smmuen() const { return controls_.smmuen(); }
  /// SMMUEN = 1, and acknowledged.
  [[nodiscard]] bool surely_enabled() const { return controls_.surely_enables(cr0::smmuen); }
  /// Records that the event queue surely takes: those that the driver was seen to read make room.
  [[nodiscard]] u64 event_slots() const {
    return pow2(outputs_.events().geometry().lg2) - outputs_.events().used();
  }
  /// EVENTQ_PROD.WR moved on since the records that were observed, by so many.
  [[nodiscard]] u64 events_since(u64 prod) const {
    const OutputQueue& events = outputs_.events();
    return queue_used(events.geometry().lg2, prod & queue_index_mask,
                      events.prod() & queue_index_mask);
  }
  /// EVENTQEN = 1 and acknowledged, and no EVENTQ_ABT_ERR is active.
  [[nodiscard]] bool records_events() const { return outputs_.records_events(); }
  /// The event queue lies where no memory is: of records that it loses by that EVENTQ_ABT_ERR
  /// tells. IHI 0070 7.2.2.
  [[nodiscard]] bool events_abort() const {
    return ground_.aborts(outputs_.events().geometry().base);
  }
  [[nodiscard]] bool event_overflow() const {
    return (outputs_.events().prod() & queue_overflow_flag) != 0;
  }
  /// OVFLG was seen to have toggled.
  void observe_event_overflow() { outputs_.observe_event_overflow(); }
  /// OVFLG toggled and OVACKFLG did not follow yet.
  [[nodiscard]] bool event_overflow_open() const { return outputs_.events().overflow_open(); }
  /// The driver has seen an overflow, emptied the queue, and not acknowledged it; or has left
  /// records behind that came to a queue that was not empty: now that the queue's next interrupt
  /// comes, it is too late. IHI 0070 7.4, 3.18.2.
  void interrupt_of_event_queue(bool at_rest = true) { outputs_.interrupt_of_event_queue(at_rest); }
  void interrupt_of_page_queue() { outputs_.interrupt_of_page_queue(); }
  void page_queue_is_left() { outputs_.page_queue_is_left(); }
  /// The driver loaded up to 8 bytes at `pa`: a word of a record, if an output queue lies there.
  void observe_load(u64 pa) { outputs_.observe_load(pa); }
  /// It loaded `value` there: it has seen what messages of CMD_SYNCs have written.
  void observe_message(u64 pa, u64 bytes, u64 value);
  using MessageAttributes = SyncMessages::Attributes;
  /// With what attributes the last message of a CMD_SYNC is written; nothing: there was none.
  [[nodiscard]] std::optional<MessageAttributes> message_attributes() const {
    return messages_.attributes();
  }
  /// Memory has what the message of a CMD_SYNC writes.
  void message_written(u64 pa, u64 data) {
    if (messages_.write(pa, data)) progress_.make();
  }
  /// A CMD_SYNC is open whose message is not written.
  [[nodiscard]] bool awaits_messages() const { return messages_.awaits(); }
  /// One of the bytes is of a message that the driver has not seen.
  [[nodiscard]] bool is_message_word(u64 pa, u64 bytes) const {
    return messages_.is_word(pa, bytes);
  }
  /// As a device: the driver looks for a message, or waits for one. Commands are consumed as at a
  /// look at CMDQ_CONS; what it learns of that is the messages.
  void consume_unseen(Choices& choices) { consumption_.look_unseen(choices); }
  using MessageWrite = SyncMessages::Write;
  /// As a device: what it is to write now, of what is consumed; its writer says message_written().
  std::optional<MessageWrite> due_message(Choices& choices);
  /// As a device: an access of its own aborts, of those that 7.5 has a bit for: it looks at a queue
  /// that is on; or writes a message of an interrupt that is due, or of the next CMD_SYNC that has
  /// one. False: it makes no such access now, or the error is active already.
  bool abort(u64 error);
  /// As a device: no CMD_SYNC from here on fails of which fail_sync() or abort() said so.
  void fail_no_sync() {
    stops_.fail_sync(0, 1);
    messages_.abort_next(false);
  }
  /// The driver hears of them by interrupt.
  [[nodiscard]] bool tells_errors() const { return irq_.surely_enables(irq_ctrl::gerror_irqen); }
  /// As a device: the interrupt of global errors is due; whoever tells the driver says
  /// interrupt_of_error().
  bool take_error_interrupt();
  /// The driver takes it.
  void interrupt_of_error() { errors_.interrupt(); }
  /// A message of a CMD_SYNC was lost since somebody asked last.
  bool take_lost_message();
  /// As a device: the interrupt of a CMD_SYNC reaches the driver now; who tells it says
  /// interrupt_of_sync().
  bool due_interrupt(Choices& choices) { return consumption_.due_interrupt(choices); }
  /// The driver takes the interrupt of a CMD_SYNC.
  void interrupt_of_sync();
  /// A barrier that orders its loads before later ones, and before later stores.
  void observe_load_barrier() { outputs_.observe_load_barrier(); }
  /// Lines that have a part of [pa, pa + bytes) leave the driver's CPU's caches.
  void observe_invalidate(u64 pa, u64 bytes) { outputs_.observe_invalidate(pa, bytes); }
  /// Of a trace that does not tell them nothing is known of any line.
  void invalidations_are_not_told() { outputs_.invalidations_are_not_told(); }
  /// Counts acknowledgements and consumed commands that the driver saw.
  [[nodiscard]] u64 progress_made() const { return progress_.made(); }
  /// A command error is active; and what is asked of CR0ACK and CMDQ_CONS in the end.
  [[nodiscard]] bool stopped_by_error() const { return errors_.command_error(); }
  [[nodiscard]] u64 cr0() const { return controls_.cr0(); }
  [[nodiscard]] u64 gerror() const { return errors_.gerror(); }
  /// What was last written to reserved bits of CR0, which CR0ACK never shows: "CR0 was ...", with
  /// the reason that ATSCHK or PRIQEN is one of them. Empty: nothing was.
  [[nodiscard]] std::string reserved_in_cr0() const { return controls_.reserved_in_cr0(); }
  /// Why the command queue consumes nothing: GERROR, CERROR, and the command that was refused;
  /// empty if it is not stopped by an error.
  [[nodiscard]] std::string why_stopped() const { return commands_.why_stopped(); }
  /// How often in a row the same command was refused, the error acknowledged in between and the
  /// slot as it was: nothing else can come of it.
  [[nodiscard]] u64 refusals() const { return command_errors_.refusals(); }
  [[nodiscard]] u64 commands_end() const { return commands_.exposed(); }
  /// CPUs' broadcasts may be ignored.
  [[nodiscard]] bool ptm() const { return (controls_.cr2() & cr2::ptm) != 0; }
  [[nodiscard]] bool recinvsid() const { return (controls_.cr2() & cr2::recinvsid) != 0; }
  [[nodiscard]] bool rec_cfg_ats() const { return (controls_.cr2() & cr2::rec_cfg_ats) != 0; }
  /// Commands executed so far, for statistics.
  [[nodiscard]] u64 commands() const { return commands_.exposed_total(); }
  /// As a device: the command queue consumes nothing any more; or goes on, and does not stop where
  /// it was to.
  void set_stuck(bool stuck) { stops_.set_stuck(stuck); }
  [[nodiscard]] bool is_stuck() const { return stops_.is_stuck(); }
  /// The driver gives the memory back: no queue of the SMMU's own may be written there any more.
  void given_back(u64 pa, u64 bytes) { outputs_.given_back(pa, bytes); }
  using Pace = Progress::Pace;
  void set_pace(const Pace& pace) { progress_.set_pace(pace); }
  /// As a device: CR0ACK, IRQ_CTRLACK and GBPA follow at the look behind so many, from now on.
  void set_acknowledgement(u64 looks) { progress_.set_acknowledgement(looks); }
  /// As a device: the driver lets so many microseconds pass. Each is as good as a look.
  void time_passes(u64 us) { progress_.pass(us); }
  /// As a device: what comes before the n-th command from now on (n >= 1) is consumed, or before
  /// the n-th CMD_SYNC; then nothing. The later of two calls counts.
  void stop_at_command(u64 n) { stops_.stop_at_command(n, commands_.exposed_total()); }
  void stop_at_sync(u64 n) { stops_.stop_at_sync(n); }
  using Stop = CommandStops::Stop;
  /// What of it was not reached: it does not stop any more.
  Stop take_stop() { return stops_.take(commands_.exposed_total()); }
  /// CMDQ_CONS has come to there: nobody has set_stuck() it yet.
  [[nodiscard]] bool has_stopped() const {
    return stops_.has_stopped(commands_.exposed_total(),
                              commands_.consumed_total() + commands_.ahead());
  }
  /// As a device: the n-th CMD_SYNC from now on (n >= 1), of those that an endpoint may fail, is
  /// refused with CERROR_ATC_INV_SYNC.
  void fail_sync(u64 n, u64 times = 1) { stops_.fail_sync(n, times); }
  /// Commands that the queue has room for.
  [[nodiscard]] u64 command_slots() const { return pow2(commands_.geometry().lg2); }
  [[nodiscard]] QueueGeometry command_ring() const { return commands_.geometry(); }

 private:
  // smmu.cpp
  u64* storage(u32 offset);
  [[nodiscard]] bool guard_is_open(Guard guard) const;
  bool guarded(Guard guard, const char* name);
  bool has_width(const RegisterInfo& info, u32 offset, unsigned size, const char* what);
  [[nodiscard]] bool is_absent(u32 offset) const;
  [[nodiscard]] u32 place_of(u32 offset) const;
  void check_alias(u32 offset);
  void check_size(const char* name, u64 value, unsigned largest);
  void write_register(u32 offset, u64 value);
  void write_cr0(u64 value);
  void write_gerrorn(u64 value);
  void acknowledge(u64 mask);
  bool raise(u64 error);

  // register_reads.cpp
  void look_at(u32 offset, Choices& choices);
  u64 read_register(u32 offset, Choices& choices);
  u64 admit_register(u32 offset, u64 value);
  u64 admit_gerror(u64 value);
  [[nodiscard]] bool may_abort(const OutputQueue& queue) const {
    return ground_.may_abort(queue.geometry().base);
  }

  IdRegisters id_;
  Ground ground_;
  GlobalErrors errors_{ground_};
  ControlRegisters controls_{ground_};
  InterruptRegisters irq_{ground_};
  ResetIndices indices_{ground_};
  Progress progress_{ground_};
  CommandStops stops_{ground_};
  SyncMessages messages_{ground_};
  SyncInterrupts interrupts_{ground_};
  Stalls stalls_{ground_};
  CommandErrors command_errors_{ground_, errors_};
  CommandQueue commands_{ground_, controls_, command_errors_, progress_,
                         stops_,  messages_, interrupts_,     stalls_};
  Refusals refusals_{ground_, errors_, command_errors_, commands_};
  Consumption consumption_{controls_, errors_,   progress_, stops_,
                           commands_, refusals_, messages_, interrupts_};
  OutputQueues outputs_{ground_, controls_, irq_, errors_};
  u64 error_told_ = 0;    // as a device: the interrupt of global errors is due
  u64 message_lost_ = 0;  // and a message of a CMD_SYNC is lost
};

}  // namespace iommucheck::spec
