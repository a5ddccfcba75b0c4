// SPDX-License-Identifier: MIT
// What the driver has configured for accesses that are not its devices': with which attributes the
// SMMU fetches structures and walks tables, and whether it believes who says "translated".
//
// IDR0.COHACC = 1 promises coherent accesses where they are configured so: "Whether a specific
// access is performed in a cacheable shareable manner is dependent on the access type configured
// for access to structures, queues and translation table walks" (IHI 0070 6.3.1, 3.15). Table
// memory is cached, write-back (driver.h), so a fetch that is not coherent may find what memory had
// before. What a driver cleans may be fetched with any attributes: judged is what it stored in
// lines that it never cleaned. With COHACC = 0 any attributes will do: there each store has to be
// cleaned, which the caches follow.
#include <fmt/format.h>

#include "monitor/fetch_attributes.h"
#include "spec/rules/promises.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

/// 3 is reserved, and as good as 0. IHI 0070 6.3.11.
FetchedWith of_cr1(u64 field) {
  const auto cacheability = [](u64 value) { return value == 3 ? u64{0} : value; };
  return {cacheability(field & 3), cacheability(field >> 2 & 3), field >> 4 & 3};
}

/// Device and non-cacheable are 0 and 1 in each half of MemAttr; of MSH 1 is as 0. IHI
/// 0070 4.7.3, 5.2.
FetchedWith of_message(const spec::Smmu::MessageAttributes& its) {
  const auto cacheability = [](u64 value) { return value < 2 ? u64{0} : value; };
  return {cacheability(its.memory & 3), cacheability(its.memory >> 2), its.shareability};
}

/// Memory as the last stores left it; nothing where its contents are not known.
struct NewestWords {
  const spec::Memory& memory;
  std::optional<u64> read(spec::Structure /*kind*/, u64 pa) {
    const spec::Content word = memory.newest(pa);
    return word.unknown ? std::nullopt : std::optional(word.value);
  }
};

/// And whether a fetch that does not look into the CPUs' caches may have missed some of it.
struct WordsInCaches {
  NewestWords words;
  bool any = false;
  std::optional<u64> read(spec::Structure kind, u64 pa) {
    any |= words.memory.hides(pa, sizeof(u64));
    return words.read(kind, pa);
  }
};

}  // namespace

std::string FetchedWith::text() const {
  if (inner == 0 && outer == 0) return "non-cacheable";
  if (inner == 0) return "non-cacheable (inner)";
  if (outer == 0) return "non-cacheable (outer)";
  return fmt::format("non-shareable (SH = {})", shareability);
}

bool FetchAttributes::judges_attributes() const {
  return case_.promises_on && caches_.capabilities().cohacc;
}

/// Of the stream table and the queues, and of messages of CMD_SYNCs, for which the driver looks in
/// memory that it has cached.
void FetchAttributes::check_attributes_of_registers() {
  if (!judges_attributes() || !smmu_.smmuen()) return;
  count(spec::rule::WILD_STRUCTURE);
  const spec::QueueGeometry ring = smmu_.command_ring();
  const FetchedWith of_queues = of_cr1(cr1_);
  if (!of_queues.coherent() && caches_.memory().hides(ring.base, spec::command_bytes << ring.lg2)) {
    blame_attributes(spec::rule::WILD_STRUCTURE, "accesses to queues", "CR1.QUEUE_*", of_queues);
  }
  for (u32 device = 0; device < interface_.device_count() && findings().empty(); ++device) {
    for (const u32 sid : streams_here(device)) {
      if (!check_structure(sid)) break;
    }
  }
  const auto message = smmu_.message_attributes();
  // Elsewhere it is an interrupt controller that hears it.
  if (!message || message->pa - setup_.window_pa >= setup_.window_bytes) return;
  if (caches_.memory().left_caches(message->pa)) return;
  count(spec::rule::WILD_STRUCTURE);
  if (const FetchedWith its = of_message(*message); !its.coherent()) {
    find(spec::rule::WILD_STRUCTURE,
         fmt::format(
             "messages of CMD_SYNCs (MSH, MSIAttr) are {}: they go past the CPUs' caches, in "
             "which the driver looks for them, and it drops nothing of those. IDR0.COHACC",
             its.text()));
  }
}

void FetchAttributes::check_attributes(const spec::StreamPart& part) {
  if (!judges_attributes() || !findings().empty()) return;
  const u32 device = device_here(part.sid);
  if (device == interface_.device_count()) return;
  if (part.first == 0 && !check_attributes(part.sid, {})) return;
  if (part.first == part.last && part.first != 0) {
    check_attributes(part.sid, spec::sva::substream(part.first));
    return;
  }
  interface_.for_each_substream(device, [&](u32 number) {
    if (number < part.first || number > part.last || !findings().empty()) return;
    check_attributes(part.sid, spec::sva::substream(number));
  });
}

/// Of CDs and walks: those of the configuration that the driver stored last. False: found.
bool FetchAttributes::check_attributes(u32 sid, spec::sva::Substream at) {
  const spec::Capabilities& caps = caches_.capabilities();
  if (!check_structure(sid)) return false;
  NewestWords words{caches_.memory()};
  const auto ste = spec::find_ste(words, caches_.stream_table(), sid);
  if (!ste) return true;
  const spec::StreamDecision stream = spec::decide_stream(*ste, caps, at.present, u64{at.number});
  const bool judged = !stream.stage2 || stream.not_modelled == spec::NotModelled::no;
  if (!judged || stream.event != spec::EventType::none) return true;
  Where where{.sid = sid, .device = interface_.device_of(sid)};
  if (at.present) where.pasid = at.number;
  if (stream.stage2) {
    const FetchedWith its{ste->s2ir0(), ste->s2or0(), ste->s2sh0()};
    count(spec::rule::WILD_WALK);
    const spec::Stage2<u64> stage2 = spec::stage2_of(*ste, caps);
    const u64 entries_lg2 = spec::start_entries_lg2(stage2.tg, stage2.start, stage2.t0sz);
    const u64 table = spec::stage2_start_table(stage2);
    if (its.coherent() || !caches_.memory().hides(table, u64{8} << entries_lg2)) return true;
    blame_attributes(spec::rule::WILD_WALK, "walks of " + where_text(where),
                     "STE.S2IR0, S2OR0, S2SH0", its, where);
    return false;
  }
  if (!stream.cd) return true;
  const FetchedWith of_cds{ste->s1cir(), ste->s1cor(), ste->s1csh()};
  count(spec::rule::WILD_STRUCTURE);
  WordsInCaches cached{words};
  if (!of_cds.coherent()) (void)spec::find_cd(cached, *ste, caps, *stream.cd);
  if (cached.any) {
    blame_attributes(spec::rule::WILD_STRUCTURE, "fetches of CDs of " + where_text(where),
                     "STE.S1CIR, S1COR, S1CSH", of_cds, where);
    return false;
  }
  const auto cd = spec::find_cd(words, *ste, caps, *stream.cd);
  if (!cd || !cd->v().value) return true;
  const spec::ContextDecision context = spec::decide_context(*ste, *cd, caps, caches_.e2h());
  if (context.illegal || !spec::is_described(context.not_modelled)) return true;
  for (unsigned half = 0; half < 2; ++half) {
    if (cd->epd(half).value) continue;
    const FetchedWith its{cd->ir(half), cd->or_(half), cd->sh(half)};
    count(spec::rule::WILD_WALK);
    if (its.coherent() || !hides_table(context.regime, half)) continue;
    const char* fields = half == 0 ? "CD.IR0, OR0, SH0" : "CD.IR1, OR1, SH1";
    blame_attributes(spec::rule::WILD_WALK, "walks of " + where_text(where), fields, its, where);
    return false;
  }
  return true;
}

/// Of what is fetched and in part was never cleaned.
void FetchAttributes::blame_attributes(spec::Rule rule, const std::string& what, const char* fields,
                                       const FetchedWith& its, const Where& where) {
  Finding finding = finding_of(
      rule, fmt::format("{} are {} ({}): they do not look into the CPUs' caches, in which what the "
                        "driver stored there lies, and it did not clean that. IDR0.COHACC",
                        what, its.text(), fields));
  finding.where = where;
  find(std::move(finding));
}

/// Of the stream's STE, and of what leads there. False: found.
bool FetchAttributes::check_structure(u32 sid) {
  constexpr unsigned table_lsb = 6;
  const FetchedWith its = of_cr1(cr1_ >> table_lsb);
  count(spec::rule::WILD_STRUCTURE);
  if (its.coherent()) return true;
  WordsInCaches cached{NewestWords{caches_.memory()}};
  (void)spec::find_ste(cached, caches_.stream_table(), u64{sid});
  if (!cached.any) return true;
  blame_attributes(spec::rule::WILD_STRUCTURE, "accesses to the stream table", "CR1.TABLE_*", its);
  return false;
}

bool FetchAttributes::hides_table(const spec::Regime<u64>& regime, unsigned half) const {
  const spec::Half<u64>& its = regime.half[half];
  const spec::TablePosition<u64> start = spec::start_table(regime, half);
  const u64 entries_lg2 = spec::start_entries_lg2(its.tg, start.level, its.tsz);
  return caches_.memory().hides(start.address, u64{8} << entries_lg2);
}

/// CR0.ATSCHK = 0 lets whatever calls itself translated pass, from any stream, to any address: "an
/// endpoint to issue Translated transactions that bypass the SMMU" (IHI 0070 3.9). So nothing is
/// denied to a stream on which nobody has turned ATS on.
void FetchAttributes::check_translated_traffic() {
  if (!caches_.capabilities().ats || !smmu_.surely_enabled()) return;
  count(spec::rule::PROMISE_OUTCOME);
  if ((smmu_.cr0() & spec::cr0::atschk) != 0) return;
  find(spec::rule::PROMISE_OUTCOME,
       "an access that says of itself that it is translated may pass, from any stream: CR0.ATSCHK "
       "is 0, and what such accesses say is not checked against STE.EATS");
}

}  // namespace iommucheck::oracle
