// SPDX-License-Identifier: MIT
// An access that does not simply hit: from its StreamID to its end. IHI 0070 3.3.1, 3.9.1, 7.3.22.
#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

constexpr Reaction always_aborts{.stall = false, .record = true, .abort = true};

/// The record of a fault, IHI 0070 7.3. What is UNKNOWN is 0.
std::array<u64, 4> record_of(const Access& access, const Fault& fault, Kind seen, bool stalls) {
  const Event e = fault.event;
  std::array<u64, 4> words{static_cast<u64>(e) | u64{access.sid} << 32};
  const bool named = e != Event::f_stream_disabled && e != Event::f_transl_forbidden;
  if (named && access.ssv) words[0] |= u64{access.ssid & 0xfffff} << 12;
  if (named && access.ssv && e != Event::c_bad_substreamid) words[0] |= 1 << 11;
  if (e == Event::f_transl_forbidden) {
    words[1] = u64{seen.type != Type::write} << 35;
    words[2] = access.address;
    return words;
  }
  if (e == Event::f_ste_fetch || e == Event::f_cd_fetch) words[3] = fault.fetch & mask(51, 3);
  if (e != Event::f_walk_eabt && !is_translation_fault(e)) return words;
  words[1] = u64{seen.privileged} << 33 | u64{seen.type == Type::execute} << 34 |
             u64{seen.type != Type::write} << 35 | u64{fault.stage2} << 39 | u64(fault.what) << 40;
  words[2] = access.address;
  if (e == Event::f_walk_eabt) {
    words[3] = fault.fetch & mask(51, 3);
    return words;
  }
  words[1] |= u64{stalls} << 31;
  if (e == Event::f_permission && fault.what == Class::table && fault.descriptor_read) {
    words[1] |= u64{1} << 44;
  }
  if (fault.stage2) words[3] = fault.ipa & mask(51, 12);
  return words;
}

}  // namespace

Port::Port(Smmu& smmu) : smmu_(smmu) {
  const std::lock_guard lock(smmu_.ports_lock_);
  next_ = smmu_.ports_;
  smmu_.ports_ = this;
}

Port::~Port() {
  const std::lock_guard lock(smmu_.ports_lock_);
  Port** at = &smmu_.ports_;
  while (*at != this) at = &(*at)->next_;
  *at = next_;
}

/// What was found goes into the TLB, unless something was invalidated meanwhile, or somebody else
/// is at it: nobody waits to cache.
void Port::keep(u64 tlb_epoch) {
  if (found_.empty()) return;
  const std::unique_lock lock(smmu_.fills_, std::try_to_lock);
  if (lock.owns_lock() && smmu_.tlb_epoch_.load(std::memory_order_relaxed) == tlb_epoch)
    found_.put_into(smmu_.tlb_);
  found_.clear();
}

/// Of this thread, of the cache of all, or from memory.
bool Port::context_of(const Access& access, const Smmu::Mode& mode, const Context*& out,
                      Fault& fault) {
  Recent& recent = recent_[place_of(access)];
  const u64 key = ConfigCache::key_of(access.sid, access.ssv, access.ssid);
  const u64 epoch = mode.epoch;
  out = &recent.context;
  if (recent.key == key && recent.epoch == epoch) return true;
  recent.key = 0;
  if (!smmu_.configs_.find(key, recent.context)) {
    const u64 tlb_epoch = smmu_.tlb_epoch_.load(std::memory_order_acquire);
    const bool found = smmu_.find_context(mode, access, recent.context, found_, fault);
    keep(tlb_epoch);
    if (!found) return false;
    const std::lock_guard lock(smmu_.fills_);
    if (smmu_.epoch_.load(std::memory_order_relaxed) == epoch) {
      smmu_.configs_.fill(key, recent.context);
    }
  }
  recent.key = key;
  recent.epoch = epoch;
  return true;
}

/// Whether it is recorded, stalls, or is ended; `seen` is what the record says of it.
Answer Port::ended(const Access& access, const Fault& fault, Kind seen, Reaction reaction) {
  Answer answer{.end = reaction.abort ? End::aborted : End::raz_wi, .event = fault.event};
  if (!is_translation_fault(fault.event)) {
    record(access, fault, seen);
    answer.end = End::aborted;
    return answer;
  }
  if (reaction.stall) {
    const auto stag = smmu_.record_stall(access.sid, record_of(access, fault, seen, true));
    answer.end = stag ? End::stalled : End::waits;
    answer.stag = stag.value_or(0);
    return answer;
  }
  if (reaction.record) record(access, fault, seen);
  return answer;
}

void Port::record(const Access& access, const Fault& fault, Kind seen) {
  (void)smmu_.record(record_of(access, fault, seen, false));
}

/// Stage 1 is bypassed, and there is no stage 2. IHI 0070 3.4.
Answer Port::bypass(const Context& context, const Access& access) {
  if ((access.address & ~low_mask(smmu_.features_.oas)) != 0) {
    const Kind seen = context.effective({access.type, access.privileged});
    return ended(access, {.event = Event::f_addr_size}, seen, always_aborts);
  }
  return {.end = End::passed, .pa = access.address};
}

Answer Port::through(const Context& context, const Access& access) {
  if (context.way == Context::Way::abort) return {};
  const bool stage1 = context.stage1 && !context.skips_stage1;
  if (context.way == Context::Way::bypass || (!stage1 && !context.stage2)) {
    return bypass(context, access);
  }
  const Kind kind = context.effective({access.type, access.privileged});
  if (!stage1 && (access.address & ~low_mask(smmu_.features_.oas)) != 0) {
    return ended(access, {.event = Event::f_addr_size}, kind, always_aborts);
  }
  found_.clear();
  const u64 tlb_epoch = smmu_.tlb_epoch_.load(std::memory_order_acquire);
  Walker walker(smmu_.bus_, smmu_.tlb_, context, found_);
  const auto entry = walker.translate(access.address, {.kind = kind});
  keep(tlb_epoch);
  if (!entry) {
    const Fault& fault = walker.fault();
    return ended(access, fault, kind, fault.stage2 ? context.s2.reaction : context.s1.reaction);
  }
  return {.end = End::passed,
          .lg2 = entry->lg2,
          .pa = entry->output | (access.address & low_mask(entry->lg2)),
          .attributes = static_cast<u32>(entry->extra)};
}

Answer Port::miss(const Access& access) {
  // A context of this epoch says that SMMUEN is 1, and all else that registers say of it.
  if (const Recent& recent = recent_[place_of(access)];
      !access.translated &&
      recent.key == ConfigCache::key_of(access.sid, access.ssv, access.ssid) &&
      recent.epoch == smmu_.epoch_.load(std::memory_order_acquire)) {
    return through(recent.context, access);
  }
  const Smmu::Mode mode = smmu_.mode();
  if (access.translated) return translated(mode, access);
  if (!mode.smmuen) {
    const bool beyond = (access.address & ~low_mask(smmu_.features_.oas)) != 0;
    if (mode.gbpa_abort || beyond) return {};
    return {.end = End::passed, .pa = access.address};
  }
  found_.clear();
  const Context* context = nullptr;
  Fault fault;
  if (context_of(access, mode, context, fault)) {
    Answer answer;
    return hit(*context, access, answer) ? answer : through(*context, access);
  }
  // What stage 2 has against the fetch of a CD reacts as it says.
  const Kind own{access.type, access.privileged};
  const Context& half = *context;
  const Kind seen = half.effective(own);
  if (fault.event == Event::c_bad_streamid && !mode.recinvsid) {
    return {.end = End::aborted, .event = fault.event};
  }
  return ended(access, fault, seen, half.s2.reaction);
}

// ---- ATS, IHI 0070 3.9.1 ------------------------------------------------------------------------

/// An access with an address that ATS gave. Its STE is looked at, not what else is cached of it.
Answer Port::translated(const Smmu::Mode& mode, const Access& access) {
  const Kind seen{access.type, access.privileged};
  const Fault forbidden{.event = Event::f_transl_forbidden};
  if (!mode.smmuen) return ended(access, forbidden, seen, always_aborts);
  const Features& f = smmu_.features_;
  const auto passes = [&]() -> Answer {
    if ((access.address & ~low_mask(f.oas)) != 0) return {};
    return {.end = End::passed, .pa = access.address};
  };
  if (!mode.atschk) return passes();
  const auto silent = [&](const Fault& fault) -> Answer {
    if (mode.rec_cfg_ats) record(access, fault, seen);
    return {.end = End::aborted, .event = fault.event};
  };
  Words ste{};
  Fault fault;
  if (!smmu_.find_ste(mode, access.sid, ste, fault)) return silent(fault);
  Context context;
  if (!decode_ste(ste, {f, mode.e2h}, context)) return silent({.event = Event::c_bad_ste});
  if (context.way == Context::Way::abort) return {};
  if (!context.ats) return ended(access, forbidden, seen, always_aborts);
  if (!access.ssv) {
    const CdChoice choice = choose_cd(ste, f, false, 0);
    if (choice.event == Event::f_stream_disabled) return silent({.event = choice.event});
  }
  return passes();
}

/// What an ordinary access would have met is no success, unless it is a fault of translation.
AtsAnswer Port::refused(const Smmu::Mode& mode, const Access& access, const Fault& fault) {
  if (is_translation_fault(fault.event)) return {};
  const bool named = fault.event != Event::c_bad_streamid || mode.recinvsid;
  if (mode.rec_cfg_ats && named) record(access, fault, {access.type, access.privileged});
  return {.status = AtsAnswer::Status::completer_abort};
}

AtsAnswer Port::request(const AtsRequest& request) {
  const Smmu::Mode mode = smmu_.mode();
  // Without a PASID it is unprivileged. IHI 0070 13.7.
  const Access access{.sid = request.sid,
                      .ssv = request.ssv,
                      .ssid = request.ssid,
                      .address = request.address,
                      .privileged = request.ssv && request.privileged};
  const auto unsupported = [&](bool told) -> AtsAnswer {
    if (told) record(access, {.event = Event::f_bad_ats_treq}, {});
    return {.status = AtsAnswer::Status::unsupported_request};
  };
  if (!mode.smmuen) return unsupported(true);
  const Features& f = smmu_.features_;
  Words ste{};
  Fault fault;
  if (!smmu_.find_ste(mode, access.sid, ste, fault)) return refused(mode, access, fault);
  Context stream;
  if (!decode_ste(ste, {f, mode.e2h}, stream)) {
    return refused(mode, access, {.event = Event::c_bad_ste});
  }
  if (stream.way == Context::Way::abort) return unsupported(false);
  if (!stream.ats) return unsupported(true);
  found_.clear();
  const Context* context = nullptr;
  if (!context_of(access, mode, context, fault)) return refused(mode, access, fault);
  // The cached one may be of before; what it does not allow any more is nobody's right.
  if (context->way != Context::Way::translate) return unsupported(false);
  const bool stage1 = context->stage1 && !context->skips_stage1;
  if (!stage1 && (access.address & ~low_mask(f.oas)) != 0) return {};
  if (!stage1 && !context->stage2) {
    return {.read = true, .write = true, .execute = true, .pa = access.address};
  }
  const Kind kind = context->effective({Type::read, access.privileged});
  const u64 tlb_epoch = smmu_.tlb_epoch_.load(std::memory_order_acquire);
  Walker walker(smmu_.bus_, smmu_.tlb_, *context, found_);
  const auto entry = walker.translate(access.address,
                                      {.kind = kind, .by_ats = true, .wants_write = request.write});
  keep(tlb_epoch);
  if (!entry) return refused(mode, access, walker.fault());
  const auto may = [&](Type type) {
    const u32 needs = right::of(context->effective({type, access.privileged}));
    return (entry->rights & needs) == needs;
  };
  AtsAnswer answer{.read = may(Type::read),
                   .write = request.write && may(Type::write),
                   .execute = request.ssv && may(Type::read) && may(Type::execute),
                   .global = bit(entry->extra, 63),
                   .lg2 = entry->lg2};
  if (answer.read || answer.write) {
    answer.pa = entry->output | (access.address & low_mask(entry->lg2));
  }
  return answer;
}

}  // namespace iommucheck::device
