// SPDX-License-Identifier: MIT
// Devices that are broken in one way each: the specification as a device behind something that
// forgets, lies or mixes up.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "conform/dut/spec_device.h"

namespace iommucheck::oracle {

enum class Fault : u8 {
  none,
  forgets_tlbi,              ///< TLBI commands do nothing while SMMUEN = 1
  forgets_range,             ///< TLBI by range does nothing while SMMUEN = 1
  ignores_cfgi,              ///< CFGI commands do nothing while SMMUEN = 1
  ignores_permission,        ///< writes are let through where reads are
  wrong_event_type,          ///< F_TRANSLATION is recorded as F_ACCESS
  wrong_event_address,       ///< InputAddr is the page, not the address
  loses_events,              ///< EVENTQ_PROD never moves
  repeats_events,            ///< each record comes twice (the second says another StreamID)
  sync_is_early,             ///< CMDQ_CONS is CMDQ_PROD at once while SMMUEN = 1
  wrong_cons,                ///< CMDQ_CONS is one too far
  stuck_cons,                ///< CMDQ_CONS does not move
  takes_illegal,             ///< illegal commands are ignored
  refuses_legal,             ///< TLBI_NH_VAA raises CERROR_ILL
  claims_16k,                ///< IDR5.GRAN16K is 1, and there is nothing behind it
  claims_version,            ///< AIDR says SMMUv3.3, and IDR3 is 0
  idr_writable,              ///< ID registers are read as written
  wrong_address,             ///< every translation leads one page further
  ignores_disable,           ///< with SMMUEN = 0 transactions are terminated
  never_acknowledges,        ///< CR0ACK stays
  waits_for_prod,            ///< after an error the queue goes on with CMDQ_PROD, not with GERRORN
  loses_upper_half,          ///< a write of the upper half of a 64-bit register does nothing
  spills_half,               ///< a write of a half clears the other one
  reads_halves_as_0,         ///< halves of 64-bit registers read as 0
  loses_hint,                ///< bit 62 of base registers is not stored
  takes_guarded_cr2,         ///< CR2 is written while SMMUEN = 1
  dies,                      ///< a third TLBI brings it down
  ignores_privilege,         ///< privileged accesses are taken as unprivileged ones
  ignores_instruction,       ///< instruction fetches are taken as reads of data
  wrong_outside,             ///< what goes to where no data is goes to the next page
  sends_message,             ///< CMD_SYNC with CS = 1 writes MSIData, although IDR0.MSI = 0
  writes_structure,          ///< an access writes a word of the stream table
  clears_commands,           ///< a command that was consumed is set to 0
  aborts_commands,           ///< TLBI_NH_VAA raises CERROR_ABT, in memory that is there
  passes_beyond_oas,         ///< with SMMUEN = 0 an address beyond OAS is cut and passes
  aborts_as_zero,            ///< a fetch that aborts reads zeros
  wrong_fetch_address,       ///< FetchAddr is the next structure's
  no_substream_zero,         ///< substream 0 is taken as none
  no_substream_range,        ///< SubstreamIDs beyond S1CDMax are cut
  drops_substream,           ///< transactions with a substream use CD 0
  no_event_interrupt,        ///< the event queue sends none
  one_event_interrupt,       ///< the event queue sends its first one only
  no_error_interrupt,        ///< a global error sends none
  no_sync_interrupt,         ///< CMD_SYNC with CS = 1 sends none
  sync_always_interrupts,    ///< CMD_SYNC sends one with CS = 0, too
  error_interrupts_twice,    ///< a global error sends two
  interrupts_when_disabled,  ///< records send one though IRQ_CTRL says no
  early_interrupt,           ///< the event queue's comes before EVENTQ_PROD shows the record
  pri_interrupt,             ///< the page request queue sends one, although IDR0.PRI = 0
  loses_message,             ///< with IDR0.MSI = 1: messages are not written
  wrong_message,             ///< with IDR0.MSI = 1: the payload has a wrong bit
  message_when_disabled,     ///< with IDR0.MSI = 1: the event queue's is sent though it is disabled
  changes_record,            ///< a record is another one when it is read again
  writes_next_record,        ///< a record spills into the place of the next one
  ignores_span,              ///< L1STD.Span is always taken as 7
  takes_ssec,                ///< commands with SSec = 1 are ignored
  error_is_silent,           ///< GERROR does not show a command error
  error_is_forgotten,        ///< CMDQ_CONS.ERR is 0
  refuses_s1cdmax,           ///< with SSIDSIZE = 0: an STE with S1CDMax is C_BAD_STE
  early_atc_sync,            ///< CMD_SYNC does not wait for endpoints
  drops_atc_inv,             ///< CMD_ATC_INV sends nothing
  wrong_atc_address,         ///< CMD_ATC_INV of a page sends the next one
  loses_atc_pasid,           ///< CMD_ATC_INV with SSV = 1 is sent without its PASID
  ignores_time_out,          ///< CMD_SYNC completes when no endpoint answers in time
  times_out_answered,        ///< CERROR_ATC_INV_SYNC although the endpoint answered
  passes_translated,         ///< translated accesses pass whatever STE.EATS says
  refuses_translated,        ///< with ATSCHK = 0 translated accesses are terminated
  passes_translated_off,     ///< with SMMUEN = 0 translated accesses pass
  grants_write,              ///< a request is granted writing where it may read
  grants_unmapped,           ///< a request for nothing is granted reading
  ignores_eats,              ///< a request is granted with EATS = 0
  aborts_faults,             ///< a request for nothing is answered with Completer Abort
  withholds_write,           ///< a request is never granted writing
  answers_too_much,          ///< the answer for a page covers 2 MiB
  refuses_requests,          ///< every request is Unsupported, and none has a record
  knows_48_bits,             ///< input addresses from 2^48 on are terminated in silence
  dies_when_short,           ///< as wrong_address, and a case with one access alone brings it down
  ignores_cd_fields,         ///< WXN, UWXN, PAN and EPD0 of a CD are taken as 0
  ignores_fields_and_cfgi,   ///< that and ignores_cfgi
  ignores_fields_and_tlbi,   ///< that and forgets_tlbi
  ignores_log2size,          ///< StreamIDs are bounded by IDR1 alone
  uses_base_bits,            ///< bits of STRTAB_BASE below the table's size count
  range_of_first_page,       ///< a TLBI by range does for its first page
  loses_cons_wrap,    ///< CMDQ_CONS goes from the last slot to the first without its wrap bit
  keeps_pointers,     ///< TLBIs by address are taken as Leaf = 1
  takes_vaa_as_asid,  ///< TLBI_NH_VAA is taken as TLBI_NH_ASID
  ignores_ips,        ///< CD.IPS is taken as 48 bits
};

class BrokenDevice final : public DeviceUnderTest {
 public:
  BrokenDevice(Fault fault, u64 seed);

  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override;
  void mmio_write(u32 offset, unsigned size, u64 value) override;
  Ticket mmio_read(u32 offset, unsigned size) override;
  void store(u64 pa, u64 value) override;
  void fill(u64 pa, u64 words, u64 value) override { inner_.fill(pa, words, value); }
  Ticket load(u64 pa) override;
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  Expected<void> settle() override;
  [[nodiscard]] u64 value(Ticket ticket) const override;
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return seen_.at(ticket); }
  std::vector<Interrupt> take_interrupts() override;
  Ticket ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  [[nodiscard]] AtsSeen answered(Ticket ticket) const override { return answered_.at(ticket); }
  void invalidated(u32 tag) override;
  void invalidations_time_out() override;
  std::vector<AtcInvalidation> take_invalidations() override { return std::exchange(sent_, {}); }

 private:
  void gather_invalidations();
  [[nodiscard]] AtsSeen changed(AtsSeen seen, u64 iova, bool write) const;
  Ticket answer(u64 value);
  [[nodiscard]] bool in_queue(u64 pa) const;
  void events_shown(u64 value);
  [[nodiscard]] bool drops(u64 low, u64 high) const;
  [[nodiscard]] std::optional<spec::CommandWords> taken_as(u64 low, u64 high) const;
  [[nodiscard]] bool ignores_fields() const;

  Fault fault_;
  SpecDevice inner_;
  DeviceIdentity identity_;
  u64 cmdq_ = 0, cmdq_bytes_ = 0, eventq_ = 0, eventq_bytes_ = 0;
  u64 prod_ = 0, cr0_ = 0;
  std::optional<u64> held_gerrorn_;  // of waits_for_prod
  u64 low_ = 0;                      // first word of the command that is being stored
  unsigned tlbis_ = 0, accesses_ = 0;
  bool dead_ = false;
  std::map<u64, u64> meant_;       // words as they were stored, where it takes them as others
  std::vector<Interrupt> extra_;   // interrupts of its own
  u64 shown_events_ = 0;           // EVENTQ_PROD as it was shown last
  bool stale_events_ = false;      // it is shown so once more
  std::map<u64, unsigned> loads_;  // of words of the event queue
  bool sent_event_ = false;        // an interrupt of the event queue
  std::map<u32, u64> written_;
  std::vector<u64> values_;
  std::map<Ticket, DmaSeen> seen_;
  std::map<Ticket, AtsSeen> answered_;
  std::vector<AtcInvalidation> sent_;  // to endpoints
  std::vector<u32> awaited_;           // their tags, until they answer
};

}  // namespace iommucheck::oracle
