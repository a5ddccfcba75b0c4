// SPDX-License-Identifier: MIT
// What memory says, and what any legal cache may hold besides: SEMANTICS 1 to 4 for stage 1 alone
// and stage 2 alone; of both the second, whatever the first is.
//
// The idea in five lines. Nothing that memory says now is kept twice: it can be fetched at any
// time, so a walk of memory yields it. When a word's old version stops being visible, what a cache
// may have filled from it becomes an item; a covering invalidation marks items with the group of
// commands it belongs to, and the observed completion of that group removes them. An outcome is
// one walk plus a look-up in a list that is nearly always empty.
//
// Why one moment per command is enough: of the moments a command may act at, its exposure leaves
// the most alive once it is complete (all that can be filled later can be filled after it), and
// until then nothing need have died. So an item carries one number, `dies`.
//
// Owners keep a part of the state each, and what must hold of it. Who stands on them calls only
// those above it in the list; nothing calls back:
//   Memory Commands FromReset ConfigCache Regimes TableGraph TlbItems Atcs ToldCds ToldPointers
//   KnownStreams Controls LeafNotes   the state, on one Trail
//   Work Findings Changes   what is no part of it: bounds, broken rules, what changed
//   Scopes        what commands remove under a tag
//   Fetches       what a fetch of an STE or CD may read, and what streams translate by then
//   Lookups       what a look-up may meet
//   Accesses AtsAccesses NestedAccesses   what becomes of an access by both
//   CachesView    all that a question may read: causes.h, recordings.h, visits.h, consistent.h
//   Ats           what devices keep by ATS, where an answer goes
//   Tables        which pages are tables, and what is noted of their words
//   Makes         break before make
//   Fills         what TLBs hold and memory no longer says
//   FormedRegimes regimes that come and go under the tags
//   ConfigFills   what caches hold of configuration and memory no longer says
//   Configuration where structures lie, and what streams form
//   Walkers ToldStage1   walkers beside the SMMU; a user's stage 1, as somebody tells
// Caches has the events, and says in which order each is told to whom: of memory in stores.cpp, of
// registers in enable.cpp, of commands in invalidate.cpp and dropped.cpp.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "spec/smmu/accesses.h"
#include "spec/smmu/ats_accesses.h"
#include "spec/smmu/configuration.h"
#include "spec/smmu/consistent.h"
#include "spec/smmu/nested.h"
#include "spec/smmu/told_stage1.h"
#include "spec/smmu/view.h"
#include "spec/smmu/walkers.h"

namespace iommucheck::spec {

class Caches {
 public:
  Caches(const Capabilities& caps, const Profile& profile);
  Caches(const Caches&) = delete;
  Caches& operator=(const Caches&) = delete;

  // ---- time and undo ----------------------------------------------------------------------------
  Trail& trail() { return trail_; }
  Memory& memory() { return memory_; }
  [[nodiscard]] const Memory& memory() const { return memory_; }
  [[nodiscard]] const Capabilities& capabilities() const { return caps_; }
  [[nodiscard]] const Profile& profile() const { return profile_; }
  /// Number of the event that the calls below belong to.
  void set_now(EventIndex now) {
#ifdef IOMMUCHECK_CONSISTENT
    stop_if_inconsistent();
#endif
    findings_.set_now(now);
    work_.set_now(now);
    work_.earn(Work::per_event);
  }
  [[nodiscard]] EventIndex now() const { return findings_.now(); }

  // ---- memory events; pa of words is 8-byte aligned ---------------------------------------------
  void store(AgentId by, u64 pa, u64 value);
  /// Any size from 1 to 8 and any alignment: each intermediate word is a version.
  void store_bytes(AgentId by, u64 pa, unsigned size, u64 value);
  void fill(AgentId by, u64 pa, u64 words, u64 value);
  /// An atomic exchange that succeeds: performed at once.
  void rmw(AgentId by, u64 pa, u64 value);
  void barrier(AgentId by);
  /// By a barrier of `by`, or by an exchange of the word, a version of a table's word goes that
  /// came after another one, since changes() were forgotten. Where it yields nothing that is
  /// cached, an invalid descriptor, nothing of it is left to be judged later: whoever judges does
  /// it before.
  [[nodiscard]] bool barrier_ends_version(AgentId by) const;
  [[nodiscard]] bool rmw_ends_version(u64 pa) const;
  void handoff(AgentId from, AgentId to) { memory_.handoff(from, to); }
  void clean(AgentId by, u64 pa, u64 bytes = 1) { memory_.clean(pa, bytes, by); }
  /// A store of the SMMU (HTTU) or of a device: performed and visible at once.
  void device_store(u64 pa, u64 value);
  /// A page becomes memory of unknown content: allocated (`given_back` false) or freed.
  void recycle(u64 pa, bool given_back);
  /// Content that was always there.
  void assume(u64 pa, u64 value);
  /// Whoever stores does so around the CPUs' caches, as a tester of devices: a barrier is enough
  /// for the SMMU to see it where IDR0.COHACC = 0, too.
  void stores_bypass_caches() { memory_.set_coherent(true); }

  // ---- registers that caches depend on ----------------------------------------------------------
  /// STRTAB_BASE and STRTAB_BASE_CFG; SMMUEN is 0 and acknowledged, else the caller has objected.
  void set_stream_table(const StreamTable& table);
  [[nodiscard]] const StreamTable& stream_table() const { return controls_.stream_table(); }
  void set_e2h(bool e2h);
  /// CR0.VMW, acknowledged: so many low bits of a VMID do not count in TLBIs. Entries may keep the
  /// one that they were cached with until all of EL1 is invalidated, and TLBIs that name a VMID and
  /// are in flight need not remove anything. IHI 0070 6.3.9.1.
  void set_vmw(unsigned bits);
  [[nodiscard]] unsigned vmw() const { return static_cast<unsigned>(controls_.vmw()); }
  [[nodiscard]] bool e2h() const { return controls_.e2h(); }
  /// CR0.SMMUEN written, and its acknowledgement. While they differ both are outcomes.
  void write_smmuen(bool enable);
  void acknowledge_smmuen();
  [[nodiscard]] bool enabled() const { return controls_.enabled(); }
  /// While a call (or the steps of a litmus test) rewrites the CDs of a space in turn, a half with
  /// EPDx = 1 takes no part in the comparison of regimes under one tag. Ending it judges what is
  /// left. SEMANTICS 2.
  void tolerate_disabled_halves(bool tolerate) { formed_.tolerate_disabled_halves(tolerate); }
  /// Makes::judge_group_outputs()
  void judge_group_outputs() { makes_.judge_group_outputs(); }
  /// Nothing was ever invalidated: unknown items of every tag and stream.
  void reset();
  /// GBPA.ABORT: what SMMUEN = 0 does.
  void set_gbpa_abort(bool abort);
  /// Until set_gbpa_abort() either value may be in effect.
  void write_gbpa_abort(bool abort);
  /// CR0.ATSCHK: translated accesses are checked against STE.EATS.
  void set_atschk(bool check);
  /// ATS enabled or disabled at the endpoint. Disabled, it neither asks nor sends translated
  /// accesses, and its ATC is empty when it is enabled again (PCIe).
  void set_ats(u32 sid, bool on) { ats_.enable(sid, on); }
  [[nodiscard]] bool has_ats(u32 sid) const { return atcs_.is_on(sid); }

  // ---- commands, in queue order -----------------------------------------------------------------
  /// A command that may act from now on. `certain`: its slot was surely what was fetched and the
  /// command is legal; otherwise it proves nothing. Returns the group it belongs to; a certain
  /// CMD_SYNC ends that group.
  Group expose(const Command& command, bool certain);
  /// The driver observed that the CMD_SYNC which ends `group` is complete (and so all before).
  void complete(Group group);
  /// The last `count` commands that were exposed are lost: the queue was disabled, and its indices
  /// were set anew. What they were to remove may live on.
  void drop_commands(u64 count);
  /// Before the last `later` commands some ATC_INV was exposed that is not known to be complete.
  [[nodiscard]] bool awaits_atc_inv(u64 later) const;
  /// CERROR_ATC_INV_SYNC: those that are not complete may have done nothing, and never will.
  void fail_atc_invs();

  /// A CPU's TLBI that the SMMU hears (IDR0.BTM = 1, CR2.PTM = 0): it acts until that CPU's next
  /// DSB, without an order with commands in flight. Beside another CPU's broadcasts, or where a
  /// CMD_SYNC completes before the DSB, it is not followed, and nothing can be judged from there
  /// on. IHI 0070 3.17.
  void broadcast(AgentId by, const Command& command);
  /// One with CR2.PTM = 1, for explanations alone.
  void unheard_broadcast(const Command& command);
  /// One of which it is not known what it removes, and why: nothing can be judged from there on.
  void unknown_broadcast(std::string_view why) { findings_.leave_unsupported(why); }
  /// Some CPU's are not complete, so that another's are not followed.
  [[nodiscard]] bool broadcasts_in_flight() const { return broadcaster_ != 0; }
  /// A DSB of `by`: its broadcasts are complete.
  void complete_broadcasts(AgentId by);

  /// Walkers beside the SMMU (walker.h), by a number of the caller's.
  [[nodiscard]] Walkers& walkers() { return walkers_; }
  [[nodiscard]] const Walkers& walkers() const { return walkers_; }

  /// What look-ups may meet, and what becomes of accesses by them.
  [[nodiscard]] const Lookups& lookups() const { return lookups_; }
  [[nodiscard]] const Accesses& accesses() const { return accesses_; }
  [[nodiscard]] const AtsAccesses& ats_accesses() const { return ats_accesses_; }
  [[nodiscard]] const NestedAccesses& nested() const { return nested_; }
  /// What fetches of configuration may read.
  [[nodiscard]] const Fetches& fetches() const { return fetches_; }

  /// All that may be read: causes.h, recordings.h, visits.h ask it.
  [[nodiscard]] const CachesView& view() const { return view_; }

  // ---- questions: nothing changes ---------------------------------------------------------------
  /// Distinct outcomes of an access now; `visit(const Outcome&)` for each. False: a bound was hit.
  template <class Visit>
  bool outcomes(const Access& access, Visit&& visit) const {
    std::vector<Outcome>& found = scratch_outcomes_;
    found.clear();
    const bool done = collect_outcomes(access, found);
    for (const Outcome& outcome : found) visit(outcome);
    return done;
  }

  /// The SMMU translates the address now by the user's stage 1, as memory has it or by a CD that it
  /// was told before, and keeps the CD and the entry of stage 1. True: there is one. So many are
  /// remembered that a scenario needs; more are not, which leaves fewer outcomes and no wrong ones.
  /// `relied_on` gets the addresses of the words that led to the CD and to the descriptor, of both
  /// stages: what SMMUs may cache of them is not followed, so that whoever changes one knows less
  /// of what an access may meet. `followed` gets those of the words of the CD, and of the
  /// descriptor, whose old values are.
  bool fill_nested(u32 sid, u32 ssid, bool ssv, u64 va, std::vector<u64>* relied_on = nullptr,
                   std::vector<u64>* followed = nullptr) {
    return told_stage1_.fill(sid, ssid, ssv, va, relied_on, followed);
  }

  /// A store of unknown value to the aligned word.
  void store_unknown(AgentId by, u64 pa);
  /// The group that the next command belongs to; groups below completed_groups() are complete.
  [[nodiscard]] u64 next_group() const { return commands_.group(); }
  [[nodiscard]] u64 completed_groups() const { return commands_.completed(); }

  [[nodiscard]] const Regime<u64>& regime(u32 id) const { return regimes_[id].regime; }
  [[nodiscard]] const Tag<u64>& tag(u32 number) const { return regimes_.tag(number).tag; }
  [[nodiscard]] const AtcOwner& atc_owner(u32 tag) const { return atcs_.owner(tag & ~atc_tag_bit); }
  [[nodiscard]] u64 atc_items_alive() const { return atcs_.items(); }
  [[nodiscard]] u64 items_alive() const { return items_.count(); }
  [[nodiscard]] const Item& item(u32 index) const { return items_[index]; }
  /// Combined entries, of both stages, may live or be made.
  [[nodiscard]] bool combines() const { return regimes_.any_combines(); }
  // ---- findings ---------------------------------------------------------------------------------
  /// Rules of the driver's side that an event just broke. Not part of the state.
  std::vector<Violation>& violations() { return findings_.violations(); }
  /// Intervals whose outcomes may have changed, if `track` asked for them. Not part of the state.
  void track_changes(bool track) { changes_.follow(track); }
  std::vector<DirtyInterval>& dirty() { return changes_.intervals(); }
  Changes& changes() { return changes_; }
  /// Streams whose configuration may have changed; StreamID ~0 stands for every stream.
  StreamParts& dirty_streams() { return changes_.streams(); }
  /// Some bound was hit: there is no verdict.
  [[nodiscard]] bool gave_up() const { return findings_.gave_up(); }
  /// Which one, of what, and at which event; of a question that found not all, too. Else empty.
  [[nodiscard]] std::string bound() const { return findings_.bound(); }
  /// The bound on work was hit (paths.h): until that is undone tables are followed no more, and
  /// what a question finds is not all.
  [[nodiscard]] bool stands_still() const { return !work_.spend(0); }
  [[nodiscard]] const std::string& unsupported() const { return findings_.unsupported(); }
  /// What was reported is gone, and bounds are whole again; what cannot be followed stays so.
  void forget_findings();
  /// That too, as from the beginning.
  void clear_findings();
  /// What must hold of each owner and between them (consistent.cpp), while no bound was hit: the
  /// first disagreement, which is this program's mistake and nobody else's, or nothing.
  [[nodiscard]] std::string consistent() const { return spec::consistent(view_); }
  /// How often each rule was asked where breaking it would have shown. Not part of the state.
  std::array<u64, rule_numbers>& exercised() { return findings_.exercised(); }
  [[nodiscard]] const std::array<u64, rule_numbers>& exercised() const {
    return findings_.exercised();
  }

  // ---- words ------------------------------------------------------------------------------------
  /// Names addresses for people; default: hex.
  void set_namer(Namer namer) { findings_.set_namer(std::move(namer)); }
  [[nodiscard]] std::string name(u64 pa) const { return findings_.name(pa); }

 private:
  // stores.cpp
  void before_table_store(Frame& frame, unsigned index, u64 value, bool plain);
  void store_word(AgentId by, Frame& frame, unsigned index, Content content, bool plain);
  void after_table_store(Frame& frame, unsigned index, u64 value);
  void settle_word(u64 pa);
  void settle(std::vector<Vanished>& vanished);

  // invalidate.cpp
  void act(const InFlight& sent);

  // enable.cpp
  void stop_if_inconsistent();
  bool collect_outcomes(const Access& access, std::vector<Outcome>& found) const;

  Trail trail_;
  Memory memory_{trail_};
  Commands commands_{trail_};
  FromReset from_reset_{trail_, commands_};
  ConfigCache config_{trail_, memory_};
  Regimes regimes_{trail_};
  TlbItems items_{trail_};
  ToldCds told_cds_{trail_};
  Work work_{trail_, memory_};
  Findings findings_{work_};
  Controls controls_{trail_};
  ToldPointers told_pointers_{trail_, controls_};
  Scopes scopes_{controls_, regimes_};
  LeafNotes leaves_{trail_};
  KnownStreams streams_{trail_};
  SteSpans spans_{trail_};
  TableGraph graph_{trail_, memory_, regimes_, items_, work_};
  Capabilities caps_;
  Profile profile_;
  Changes changes_;
  Atcs atcs_{trail_, commands_, changes_, profile_.untagged_covers_pasids};
  Fetches fetches_{caps_, profile_, controls_, memory_,  config_, from_reset_,
                   atcs_, spans_,   trail_,    regimes_, items_,  findings_};
  Lookups lookups_{caps_, profile_, memory_, regimes_, items_, atcs_, from_reset_, leaves_, work_};
  Ats ats_{caps_, controls_, regimes_, items_, from_reset_, lookups_, fetches_, findings_, atcs_};
  Accesses accesses_{caps_, memory_, regimes_, items_, fetches_, lookups_};
  AtsAccesses ats_accesses_{caps_, controls_, config_,  regimes_,
                            atcs_, fetches_,  lookups_, accesses_};
  NestedAccesses nested_{caps_,     controls_,      memory_,  regimes_, items_,   atcs_,
                         told_cds_, told_pointers_, fetches_, lookups_, accesses_};
  const CachesView view_{caps_,    profile_, controls_, memory_,       commands_, regimes_,
                         items_,   graph_,   config_,   streams_,      atcs_,     scopes_,
                         fetches_, lookups_, findings_, told_pointers_};
  Tables tables_{caps_, memory_, regimes_, items_, work_, graph_, leaves_, findings_};
  Makes makes_{view_, findings_, work_};
  Fills fills_{profile_, memory_, commands_, regimes_,  scopes_, atcs_,  work_,
               graph_,   items_,  changes_,  findings_, ats_,    tables_};
  FormedRegimes formed_{profile_,  trail_,  memory_, commands_, from_reset_, items_,
                        scopes_,   leaves_, work_,   regimes_,  graph_,      changes_,
                        findings_, tables_, makes_,  fills_};
  ConfigFills config_fills_{caps_,   profile_, controls_, memory_,  commands_,
                            scopes_, streams_, findings_, fetches_, config_};
  Configuration configuration_{caps_,     controls_, memory_,       atcs_,  config_,
                               regimes_,  graph_,    streams_,      spans_, changes_,
                               findings_, fetches_,  config_fills_, ats_,   formed_};
  Walkers walkers_{trail_, items_, regimes_, graph_, accesses_, lookups_, fills_, formed_};
  ToldStage1 told_stage1_{caps_,    controls_, memory_,   fetches_,       findings_,
                          regimes_, items_,    told_cds_, told_pointers_, fills_};

  u64 broadcaster_ = 0;      // trailed; whose broadcasts are not complete, plus one; 0: none are
  u64 broadcast_group_ = 0;  // trailed; theirs
  u64 recounts_asked_ = 0;  // by events, of which not each is followed by one; no part of the state
  std::vector<Vanished> scratch_vanished_;
  mutable std::vector<Outcome> scratch_outcomes_;
};

}  // namespace iommucheck::spec
