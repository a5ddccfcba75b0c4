// SPDX-License-Identifier: MIT
// The SMMU of the small world: commands, caches, translation.
#include "tests/impl/fake_registers.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::test {

using namespace fake_registers;

namespace {

constexpr u64 address_51_6 = 0x000f'ffff'ffff'ffc0;
constexpr u64 address_47_12 = 0x0000'ffff'ffff'f000;

u64 level_bytes(unsigned level) { return u64{1} << (12 + (3 - level) * 9); }

u64 field(u64 word, unsigned hi, unsigned lo) {
  return (word >> lo) & ((u64{1} << (hi - lo + 1)) - 1);
}

constexpr u64 of_stage2 = u64{1} << 63;
u64 tag_of(u64 vmid, u64 asid) { return vmid << 16 | asid; }
u64 tag_of(const FakeCommand& command) {
  return tag_of(field(command.word0, 47, 32), command.word0 >> 48);
}
u64 stage2_tag_of(const FakeCommand& command) {
  return of_stage2 | tag_of(field(command.word0, 47, 32), 0);
}
u64 vmid_of(u64 tag) { return field(tag, 31, 16); }

}  // namespace

/// The code for CMDQ_CONS.ERR, 0 if the command is taken. After CERROR_ATC_INV_SYNC the CMD_SYNC is
/// tried again, and the invalidation that was not answered has had no effect.
u32 FakeWorld::error_of(const FakeCommand& command) {
  constexpr u32 ill = 1, atc_inv_sync = 3;
  if (!accept(command)) return ill;
  if (command.op() != 0x46 || !unanswered_) return 0;
  unanswered_ = false;
  return atc_inv_sync;
}

/// Whether the command is legal.
bool FakeWorld::accept(const FakeCommand& command) {
  if (illegal_after && (*illegal_after)-- == 0) {
    illegal_after.reset();
    return false;
  }
  switch (command.op()) {
    case 0x10:
    case 0x28:
      if (!options_.stage2) errors.push_back("a command about VMIDs without stage 2");
      return options_.stage2;
    case 0x12:
    case 0x13:
    case 0x2a: {
      const bool ranged = field(command.word1, 11, 10) != 0;
      const bool plain = field(command.word0, 16, 12) == 0 && field(command.word0, 24, 20) == 0;
      if (ranged && plain && field(command.word1, 9, 8) == 0) {
        errors.push_back("TG != 0 with NUM = SCALE = TTL = 0");
        return false;
      }
      return true;
    }
    case 0x40:
      if (!options_.ats) errors.push_back("CMD_ATC_INV without IDR0.ATS");
      return options_.ats;
    case 0x44:
      if (options_.stalling_devices == 0) errors.push_back("CMD_RESUME without stalls");
      return options_.stalling_devices != 0;
    case 0x03:
    case 0x04:
    case 0x05:
    case 0x06:
    case 0x11:
    case 0x20:
    case 0x30:
    case 0x46: return true;
    default: errors.push_back("unknown command"); return false;
  }
}

void FakeWorld::act(const FakeCommand& command) {
  const u64 tag = tag_of(command);
  const auto sid = static_cast<u32>(command.word0 >> 32);
  const auto ssid = static_cast<u32>(field(command.word0, 31, 12));
  const auto of_asid = [&](const auto& item) { return std::get<0>(item.first) == tag; };
  const auto of_sid = [&](const auto& item) { return std::get<0>(item.first) == sid; };
  switch (command.op()) {
    case 0x03:
      ste_cache_.erase(sid);
      if ((command.word1 & 1) == 0) l1std_cache_.erase(sid);
      std::erase_if(cd_cache_, of_sid);
      std::erase_if(l1cd_cache_, of_sid);
      break;
    case 0x04:
      ste_cache_.clear();
      l1std_cache_.clear();
      cd_cache_.clear();
      l1cd_cache_.clear();
      break;
    case 0x05:
      cd_cache_.erase({sid, ssid});
      if ((command.word1 & 1) == 0) l1cd_cache_.erase({sid, ssid / 64});
      break;
    case 0x06:
      std::erase_if(cd_cache_, of_sid);
      std::erase_if(l1cd_cache_, of_sid);
      break;
    case 0x11:
      std::erase_if(leaves_, of_asid);
      std::erase_if(pointers_, of_asid);
      std::erase_if(combined_,
                    [&](const auto& item) { return std::get<0>(item.first) == vmid_of(tag); });
      break;
    case 0x10:
    case 0x28: invalidate_vmid(command); break;
    case 0x12:
    case 0x13:
    case 0x2a: invalidate_address(command); break;
    case 0x30:
      leaves_.clear();
      pointers_.clear();
      combined_.clear();
      break;
    case 0x40: invalidate_atc(command); break;
    default: break;
  }
}

/// Exactly what is asked for: without SSV what has no PASID, with Global as well what has any.
void FakeWorld::invalidate_atc(const FakeCommand& command) {
  const auto sid = static_cast<u32>(command.word0 >> 32);
  const bool ssv = field(command.word0, 11, 11) != 0;
  const auto pasid = ssv ? static_cast<u32>(field(command.word0, 31, 12)) : 0;
  const u64 size = field(command.word1, 5, 0);
  const u64 first = size == 52 ? 0 : (command.word1 & ~u64{0xfff}) >> (12 + size) << (12 + size);
  const u64 last = size == 52 ? ~u64{0} : first + (u64{0x1000} << size) - 1;
  std::erase_if(atc_, [&](const auto& item) {
    const auto& [its_sid, its_pasid, its_page] = item.first;
    const bool its = ssv && field(command.word0, 9, 9) != 0 ? its_pasid != 0 : its_pasid == pasid;
    return its_sid == sid && its && its_page >= first && its_page <= last;
  });
}

/// NH_ALL leaves what is of stage 2 alone.
void FakeWorld::invalidate_vmid(const FakeCommand& command) {
  const u64 vmid = field(command.word0, 47, 32);
  const auto of_vmid = [&](const auto& item) {
    const u64 tag = std::get<0>(item.first);
    return vmid_of(tag) == vmid && (command.op() == 0x28 || (tag & of_stage2) == 0);
  };
  std::erase_if(leaves_, of_vmid);
  std::erase_if(pointers_, of_vmid);
  std::erase_if(combined_, [&](const auto& item) { return std::get<0>(item.first) == vmid; });
}

/// TLBI_NH_VA, NH_VAA and S2_IPA by the letter of arch 5.2: nothing is removed that need not be.
void FakeWorld::invalidate_address(const FakeCommand& command) {
  const bool of_ipa = command.op() == 0x2a;
  const u64 asid_mask = command.op() == 0x13 ? ~u64{0xffff} : ~u64{0};
  const u64 tag = (of_ipa ? stage2_tag_of(command) : tag_of(command)) & asid_mask;
  const u64 first = command.word1 & ~u64{0xfff};
  const bool leaf_only = (command.word1 & 1) != 0;
  const bool ranged = field(command.word1, 11, 10) != 0;
  const unsigned ttl = ranged ? static_cast<unsigned>(field(command.word1, 9, 8)) : 0;
  u64 bytes = 1;
  if (ranged) {
    bytes = (field(command.word0, 16, 12) + 1) << field(command.word0, 24, 20) << 12;
    if (!options_.range_invalidation) errors.push_back("range command without IDR3.RIL");
    if (ttl != 0 && first % level_bytes(ttl) != 0) errors.push_back("TTL and address disagree");
  }
  const auto overlaps = [&](const auto& key) {
    const auto& [item_tag, level, start] = key;
    return (item_tag & asid_mask) == tag && start < first + bytes &&
           first < start + level_bytes(level);
  };
  std::erase_if(combined_, [&](const auto& item) {
    const auto& [vmid, start] = item.first;
    return !of_ipa && vmid == vmid_of(tag) && start >= first && start - first < bytes;
  });
  std::erase_if(leaves_, [&](const auto& item) {
    return overlaps(item.first) && (ttl == 0 || std::get<1>(item.first) == ttl);
  });
  if (leaf_only) return;
  std::erase_if(pointers_, [&](const auto& item) {
    return overlaps(item.first) && (ttl == 0 || std::get<1>(item.first) < ttl);
  });
}

u64 FakeWorld::fetch(u64 pa) {
  if (pa >= window_pa && pa + 8 <= window_pa + window_bytes) return seen(pa);
  if (pa >= environment_pa && pa < environment_bump_) return environment_[pa];
  return 0x0bad'0000'0000'0003;  // memory of somebody else, read as a descriptor
}

std::optional<FakeWorld::Ste> FakeWorld::ste_of(u32 stream) {
  if (const auto it = ste_cache_.find(stream); it != ste_cache_.end()) return it->second;
  const u32 cfg = read32(strtab_cfg);
  const u64 base = registers_[strtab_base] & address_51_6;
  const unsigned lg2 = cfg & 63;
  const unsigned split = (cfg >> 6) & 31;
  if ((u64{stream} >> lg2) != 0) return std::nullopt;
  u64 ste = base + stream * u64{64};
  if ((cfg >> 16) == 1) {
    const auto cached = l1std_cache_.find(stream);
    const u64 l1std =
        cached != l1std_cache_.end() ? cached->second : fetch(base + (stream >> split) * u64{8});
    l1std_cache_[stream] = l1std;
    if ((l1std & 31) == 0) return std::nullopt;
    ste = (l1std & address_51_6) + (stream & ((1u << split) - 1)) * u64{64};
  }
  return ste_cache_[stream] = {.word0 = fetch(ste),
                               .word1 = fetch(ste + 8),
                               .word2 = fetch(ste + 16),
                               .word3 = fetch(ste + 24)};
}

/// Of a CD with V = 1: MAIR knows normal memory, and what is reserved or for TTB1 is 0.
void FakeWorld::check_cd(u64 cd) {
  for (const u64 word : {2u, 4u, 5u, 6u, 7u}) {
    if (fetch(cd + word * 8) != 0) errors.push_back("a word of a CD that means nothing is not 0");
  }
  if ((fetch(cd + 24) & 0xff) != 0xff) errors.push_back("MAIR attribute 0 is not write-back");
}

/// arch 3.1, 3.2. The words of a CD are cached whether it is valid or not.
std::optional<FakeWorld::Cd> FakeWorld::cd_of(u32 stream, const Ste& ste,
                                              std::optional<u32> pasid) {
  const auto cdmax = static_cast<unsigned>(field(ste.word0, 63, 59));
  if (pasid && (cdmax == 0 || (*pasid >> cdmax) != 0)) return std::nullopt;
  const u64 dss = field(ste.word1, 1, 0);
  if (cdmax != 0 && pasid.value_or(0) == 0 && (dss != 2 || pasid)) return std::nullopt;
  if (cdmax > (read32(0x04) >> 6 & 31)) errors.push_back("S1CDMax > IDR1.SSIDSIZE");
  const u32 n = pasid.value_or(0);
  u64 cd = (ste.word0 & address_51_6) + n * u64{64};
  if (cdmax != 0 && field(ste.word0, 5, 4) == 1) {
    if (!options_.two_level_cds) errors.push_back("S1Fmt = 1 without IDR0.CD2L");
    const std::tuple<u32, u32> key{stream, n / 64};
    const auto cached = l1cd_cache_.find(key);
    const u64 l1cd = cached != l1cd_cache_.end() ? cached->second
                                                 : fetch((ste.word0 & address_51_6) + n / 64 * 8);
    l1cd_cache_[key] = l1cd;
    if ((l1cd & 1) == 0) return std::nullopt;
    cd = (l1cd & address_47_12) + n % 64 * u64{64};
  }
  const std::tuple<u32, u32> key{stream, n};
  if (const auto it = cd_cache_.find(key); it != cd_cache_.end()) return it->second;
  const u64 word0 = fetch(cd);
  if ((word0 >> 31 & 1) != 0) check_cd(cd);
  return cd_cache_[key] = {.word0 = word0, .ttb0 = fetch(cd + 8)};
}

/// Nothing if it ends before a walk begins.
std::optional<FakeWorld::Cd> FakeWorld::context_of(u32 stream, std::optional<u32> pasid) {
  const std::optional<Ste> ste = ste_of(stream);
  if (!ste || (ste->word0 & 0xf) != 0xb) return std::nullopt;
  const std::optional<Cd> cd = cd_of(stream, *ste, pasid);
  if (!cd || (cd->word0 >> 31 & 1) == 0) return std::nullopt;
  const bool stall = (cd->word0 >> 44 & 1) != 0;
  if (stall && (ste->word1 >> 27 & 1) != 0) {
    errors.push_back("CD.S = 1 under S1STALLD = 1");
    return std::nullopt;
  }
  return cd;
}

bool FakeWorld::stalls(u32 stream, u32 pasid) {
  const std::optional<Cd> cd = context_of(stream, pasid);
  return cd && (cd->word0 >> 44 & 1) != 0;
}

std::optional<FakeWorld::Access> FakeWorld::access_as(u32 stream, u64 iova,
                                                      std::optional<u32> pasid) {
  if ((read32(cr0) & 1) == 0) {
    if ((read32(gbpa) & 1 << 20) != 0) return std::nullopt;
    return Access{iova, true};
  }
  const std::optional<Ste> ste = ste_of(stream);
  if (ste && (ste->word0 & 0xf) == 9 && !pasid) return Access{iova, true};
  if (ste && ste->is_nested()) return nested_access(*ste, iova);
  if (ste && ste->by_stage2() && !pasid) return translate(*ste, iova);
  const std::optional<Cd> cd = context_of(stream, pasid);
  return cd ? translate(*cd, ste->vmid(), iova) : std::nullopt;
}

std::optional<FakeWorld::Access> FakeWorld::access(u32 stream, u64 iova) {
  return access_as(stream, iova, std::nullopt);
}

std::optional<FakeWorld::Access> FakeWorld::access(u32 stream, u64 iova, u32 pasid) {
  return access_as(stream, iova, pasid);
}

std::optional<FakeWorld::Access> FakeWorld::ats_access(u32 stream, u64 iova, u32 pasid) {
  if ((read32(cr0) & 1) == 0) return std::nullopt;
  const std::optional<Ste> ste = ste_of(stream);
  // ATSCHK and EATS: neither requests nor translated traffic get further.
  if ((read32(cr0) & 0x11) != 0x11) errors.push_back("ATS without ATSCHK");
  const bool translates = ste && ((ste->word0 & 0xf) == 0xb || ste->by_stage2());
  if (!translates || field(ste->word1, 29, 28) != 1) return std::nullopt;
  const std::tuple<u32, u32, u64> key{stream, pasid, iova & ~u64{0xfff}};
  if (const auto it = atc_.find(key); it != atc_.end()) {
    return Access{it->second.pa + (iova & 0xfff), it->second.writable};
  }
  const auto answer =
      access_as(stream, iova & ~u64{0xfff}, pasid == 0 ? std::nullopt : std::optional<u32>(pasid));
  if (!answer) return std::nullopt;
  atc_[key] = *answer;
  return Access{answer->pa + (iova & 0xfff), answer->writable};
}

std::optional<FakeWorld::Access> FakeWorld::translate(const Cd& cd, u64 vmid, u64 iova) {
  const auto input_bits = static_cast<unsigned>(64 - (cd.word0 & 63));
  return translate({.tag = tag_of(vmid, cd.word0 >> 48),
                    .root = cd.ttb0 & address_47_12,
                    .level = 4 - (input_bits - 12 + 8) / 9,
                    .input_bits = input_bits,
                    .off = (cd.word0 >> 14 & 1) != 0},
                   iova);
}

std::optional<FakeWorld::Access> FakeWorld::translate(const Ste& ste, u64 ipa) {
  return translate({.tag = of_stage2 | tag_of(ste.vmid(), 0),
                    .root = ste.word3 & address_47_12,
                    .level = 2 - static_cast<unsigned>(field(ste.word2, 39, 38)),
                    .input_bits = static_cast<unsigned>(64 - field(ste.word2, 37, 32)),
                    .stage2 = true},
                   ipa);
}

/// Whatever has once gone through both stages is kept for the VMID.
std::optional<FakeWorld::Access> FakeWorld::nested_access(const Ste& ste, u64 iova) {
  const u64 start = iova & ~u64{0xfff};
  auto found = combined_.find({ste.vmid(), start});
  if (found == combined_.end()) {
    const auto its = users_stage1.find(start);
    if (its == users_stage1.end()) return std::nullopt;
    const std::optional<Access> output = translate(ste, its->second);
    if (!output) return std::nullopt;
    found = combined_.emplace(std::tuple{ste.vmid(), start}, *output).first;
  }
  return Access{found->second.pa + (iova & 0xfff), found->second.writable};
}

std::optional<FakeWorld::Access> FakeWorld::translate(const Walk& walk, u64 iova) {
  if ((iova >> walk.input_bits) != 0) return std::nullopt;
  const u64 tag = walk.tag;
  const auto hit = [&](unsigned level, u64 word) {
    const u64 offset = iova & (level_bytes(level) - 1);
    return Access{(word & address_47_12) + offset, ((word & 1 << 7) != 0) == walk.stage2};
  };
  for (unsigned level = 1; level <= 3; ++level) {
    const auto it = leaves_.find({tag, level, iova & ~(level_bytes(level) - 1)});
    if (it != leaves_.end()) return hit(level, it->second);
  }
  unsigned level = walk.level;
  if (walk.off) return std::nullopt;
  u64 table = walk.root;
  // A walk begins at the deepest pointer that is cached.
  const unsigned first = level;
  for (unsigned deepest = 2; deepest + 1 > first; --deepest) {
    const auto cached = pointers_.find({tag, deepest, iova & ~(level_bytes(deepest) - 1)});
    if (cached == pointers_.end()) continue;
    table = cached->second & address_47_12;
    level = deepest + 1;
    break;
  }
  for (;; ++level) {
    const u64 start = iova & ~(level_bytes(level) - 1);
    const u64 slot = table + ((iova >> (12 + (3 - level) * 9)) & 511) * 8;
    const u64 word = fetch(slot);
    if ((word & 1) == 0) return std::nullopt;
    const bool is_table = level != 3 && (word & 2) != 0;
    if (!is_table) {
      if (level == 0 || (level == 3 && (word & 2) == 0)) return std::nullopt;
      leaves_[{tag, level, start}] = word;
      return hit(level, word);
    }
    pointers_[{tag, level, start}] = word;
    table = word & address_47_12;
  }
}

}  // namespace iommucheck::test
