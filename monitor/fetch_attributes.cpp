// SPDX-License-Identifier: MIT
// What the driver has configured for accesses that are not its devices': with which attributes the
// SMMU fetches structures and walks tables, and whether it believes who says "translated".
//
// IDR0.COHACC = 1 promises coherent accesses where they are configured so: "Whether a specific
// access is performed in a cacheable shareable manner is dependent on the access type configured
// for access to structures, queues and translation table walks" (IHI 0070 6.3.1, 3.15). Table
// memory is cached, write-back (driver.h), so a fetch that is not coherent may find what memory had
// before. A driver that cleans what it stores is not judged. With COHACC = 0 any attributes will
// do: there each store has to be cleaned, which the caches follow.
#include <fmt/format.h>

#include "monitor/fetch_attributes.h"
#include "spec/rules/promises.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

/// Cacheability is 0 for none in all of these fields, shareability 2 or 3 for outer and inner. CPUs
/// map table memory write-back, inner and outer: an access that is cacheable in one of the two
/// alone has attributes that do not match, and coherency is not guaranteed (DDI 0487, "Mismatched
/// memory attributes").
struct Attributes {
  u64 inner = 0;
  u64 outer = 0;
  u64 shareability = 0;
  [[nodiscard]] bool coherent() const { return inner != 0 && outer != 0 && shareability >= 2; }
  [[nodiscard]] std::string text() const {
    if (inner == 0 && outer == 0) return "non-cacheable";
    if (inner == 0 || outer == 0)
      return inner == 0 ? "non-cacheable (inner)" : "non-cacheable (outer)";
    return fmt::format("non-shareable (SH = {})", shareability);
  }
};

/// 3 is reserved, and as good as 0. IHI 0070 6.3.11.
Attributes of_cr1(u64 field) {
  const auto cacheability = [](u64 value) { return value == 3 ? u64{0} : value; };
  return {cacheability(field & 3), cacheability(field >> 2 & 3), field >> 4 & 3};
}

/// Device and non-cacheable are 0 and 1 in each half of MemAttr; of MSH 1 is as 0. IHI
/// 0070 4.7.3, 5.2.
Attributes of_message(const spec::Smmu::MessageAttributes& its) {
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

}  // namespace

bool FetchAttributes::judges_attributes() const {
  return case_.promises_on && caches_.capabilities().cohacc && cleaned_ == 0;
}

/// Of the stream table and the queues, and of messages of CMD_SYNCs, for which the driver looks in
/// memory that it has cached.
void FetchAttributes::check_attributes_of_registers() {
  if (!judges_attributes() || !smmu_.smmuen()) return;
  constexpr unsigned table_lsb = 6;
  struct Field {
    const char* what;
    Attributes its;
  };
  const Field fields[] = {{"queues (CR1.QUEUE_*)", of_cr1(cr1_)},
                          {"the stream table (CR1.TABLE_*)", of_cr1(cr1_ >> table_lsb)}};
  for (const Field& field : fields) {
    count(spec::rule::WILD_STRUCTURE);
    if (field.its.coherent()) continue;
    find(spec::rule::WILD_STRUCTURE,
         fmt::format("accesses to {} are {}: they do not look into the CPUs' caches, in which "
                     "what the driver stores lies, and it cleans nothing. IDR0.COHACC",
                     field.what, field.its.text()));
  }
  const auto message = smmu_.message_attributes();
  // Elsewhere it is an interrupt controller that hears it.
  if (!message || message->pa - setup_.window_pa >= setup_.window_bytes) return;
  count(spec::rule::WILD_STRUCTURE);
  if (const Attributes its = of_message(*message); !its.coherent()) {
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
  NewestWords words{caches_.memory()};
  const auto ste = spec::find_ste(words, caches_.stream_table(), sid);
  if (!ste) return true;
  const spec::StreamDecision stream = spec::decide_stream(*ste, caps, at.present, u64{at.number});
  const bool judged = !stream.stage2 || stream.not_modelled == spec::NotModelled::no;
  if (!judged || stream.event != spec::EventType::none) return true;
  const auto broken = [&](spec::Rule rule, std::string what, const char* field,
                          const Attributes& its) {
    count(rule);
    if (its.coherent()) return false;
    Where where{.sid = sid, .device = interface_.device_of(sid)};
    if (at.present) where.pasid = at.number;
    Finding finding = finding_of(
        rule, fmt::format("{} of {} are {} ({}): they do not look into the CPUs' caches, in which "
                          "what the driver stores lies, and it cleans nothing. IDR0.COHACC",
                          what, where_text(where), its.text(), field));
    finding.where = where;
    find(std::move(finding));
    return true;
  };
  if (stream.stage2) {
    const Attributes of_walks{ste->s2ir0(), ste->s2or0(), ste->s2sh0()};
    return !broken(spec::rule::WILD_WALK, "walks", "STE.S2IR0, S2OR0, S2SH0", of_walks);
  }
  if (!stream.cd) return true;
  const Attributes of_cds{ste->s1cir(), ste->s1cor(), ste->s1csh()};
  if (broken(spec::rule::WILD_STRUCTURE, "fetches of CDs", "STE.S1CIR, S1COR, S1CSH", of_cds)) {
    return false;
  }
  const auto cd = spec::find_cd(words, *ste, caps, *stream.cd);
  if (!cd || !cd->v().value) return true;
  for (unsigned half = 0; half < 2; ++half) {
    if (cd->epd(half).value) continue;
    const Attributes of_walks{cd->ir(half), cd->or_(half), cd->sh(half)};
    const char* fields = half == 0 ? "CD.IR0, OR0, SH0" : "CD.IR1, OR1, SH1";
    if (broken(spec::rule::WILD_WALK, "walks", fields, of_walks)) return false;
  }
  return true;
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
