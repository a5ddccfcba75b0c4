// SPDX-License-Identifier: MIT
#include "host/user_memory.h"

#include <algorithm>

#include "base/bits.h"
#include "host/user_commands.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::UserEntry;
using spec::sva::UserEntryKind;

constexpr u64 cd_bytes = 64;

// Words of a CD and of an STE (IHI 0070 5.2, 5.4), apart from the driver's and the specification's.
constexpr u64 cd_write_back = (u64{1} << 8) | (u64{1} << 10) | (u64{3} << 12);
constexpr u64 cd_no_half_1 = u64{1} << 30;
constexpr u64 cd_v = u64{1} << 31;
constexpr unsigned cd_ips_lsb = 32;
constexpr u64 cd_aa64 = u64{1} << 41;
constexpr u64 cd_hd = u64{1} << 42;
constexpr u64 cd_ha = u64{1} << 43;
constexpr u64 cd_stalls = u64{1} << 44;
constexpr u64 cd_records = u64{1} << 45;
constexpr u64 cd_aborts = u64{1} << 46;
constexpr unsigned cd_asid_lsb = 48;
constexpr u64 cd_reserved_ips = u64{7} << cd_ips_lsb;

constexpr u64 ste_v = 1;
constexpr u64 ste_stage1 = u64{5} << 1;
constexpr unsigned ste_s1cdmax_lsb = 59;
constexpr u64 ste_first_is_entry_0 = 2;
constexpr u64 ste_write_back = (u64{1} << 2) | (u64{1} << 4) | (u64{3} << 6);

/// IPS of the greatest output size that the SMMU has.
u64 encoded_size(u64 bits) {
  constexpr u64 sizes[] = {32, 36, 40, 42, 44, 48};
  const auto beyond = std::ranges::upper_bound(sizes, bits);
  return static_cast<u64>(std::distance(std::begin(sizes), beyond)) - 1;
}

}  // namespace

UserMemory::UserMemory(Sink& sink, u64 pa, const spec::Capabilities& caps, const UserWords& words)
    : sink_(sink),
      words_(words),
      next_pa_(pa),
      output_size_(encoded_size(caps.oas_lg2)),
      asid16_(caps.asid16),
      stalls_(caps.stall_model),
      httu_(words.has_entries() ? caps.httu : 0) {}

template <class Tell>
void UserMemory::tell(Tell tell_one) {
  for (const auto& [parent, pa] : users_) tell_one(parent);
}

/// `pa`: where the user's memory is.
void UserMemory::tell_table(u64 parent, u64 pa, u64 root) {
  sink_.table_made(
      parent,
      {.root = root, .input_bits = input_bits(), .first = first_ipa, .bytes = bytes, .pa = pa});
}

u64 UserMemory::add_user(u64 parent) {
  const u64 pa = next_pa_;
  next_pa_ += bytes;
  users_[parent] = pa;
  empty_pages(pa, next_ - first_ipa);
  for (u64 i = 0; i < image_.size(); ++i) {
    if (image_[i] != 0) sink_.store(pa + 8 * i, image_[i]);
  }
  sink_.barrier();
  for (const u64 root : tables_) tell_table(parent, pa, root);
  for (const auto& [at, mapped] : pages_) {
    sink_.maps(parent, at.first, at.second, mapped.ipa, mapped.prot);
  }
  for (const auto& [at, content] : entries_) sink_.sets_entry(parent, at, content);
  return pa;
}

u64 UserMemory::new_pages(u64 count) {
  if (count * page_bytes > first_ipa + bytes - next_) return 0;
  const u64 at = next_;
  next_ += count * page_bytes;
  image_.resize((next_ - first_ipa) / 8);
  for (const auto& [parent, pa] : users_) empty_pages(pa + (at - first_ipa), next_ - at);
  return at;
}

/// What a user puts words into has none before, where hardware takes what is not 0 for one.
void UserMemory::empty_pages(u64 pa, u64 size) {
  if (size != 0 && words_.empties_pages()) sink_.clear(pa, size);
}

void UserMemory::write(u64 ipa, u64 value) {
  u64& word = image_[(ipa - first_ipa) / 8];
  if (word == value) return;
  word = value;
  for (const auto& [parent, pa] : users_) sink_.store(pa + (ipa - first_ipa), value);
}

u64 UserMemory::new_table() {
  const u64 root = new_pages(1);
  if (root == 0) return 0;
  tables_.push_back(root);
  for (const auto& [parent, pa] : users_) tell_table(parent, pa, root);
  return root;
}

u64 UserMemory::entry_bytes() const {
  return words_.has_entries() ? cd_bytes : 8 * u64{words_.entry_words()};
}

u64 UserMemory::new_entries(u64 count) {
  const u64 at = new_pages((count * entry_bytes() + page_bytes - 1) / page_bytes);
  for (u64 i = 0; i < count && at != 0; ++i) {
    entries_[at + i * entry_bytes()] = {};
    tell([&](u64 parent) { sink_.sets_entry(parent, at + i * entry_bytes(), {}); });
  }
  return at;
}

/// Not valid first, which may be cached as well, then the other words, then as it is to be.
bool UserMemory::set_words_of_entry(u64 at, UserEntry content) {
  const bool outside = content.kind == UserEntryKind::outside;
  const u64 root = outside ? first_ipa + bytes : content.root;
  content.asid = content.kind == UserEntryKind::table ? words_.number_of(root) : 0;
  const auto says = words_.entry_to(content.kind, root);
  if (read(at) != 0) {
    write(at, 0);
    sink_.barrier();
    tell([&](u64 parent) { sink_.sets_entry(parent, at, {}); });
  }
  for (unsigned i = 1; i < words_.entry_words(); ++i) write(at + 8 * i, says[i]);
  sink_.barrier();
  write(at, says[0]);
  sink_.barrier();
  entries_[at] = content;
  tell([&](u64 parent) { sink_.sets_entry(parent, at, content); });
  return true;
}

u64 UserMemory::slot_of(u64 root, u64 va, bool make, unsigned of_level) {
  u64 table = root;
  for (unsigned level = page::last_level + 1 - words_.levels();; ++level) {
    const unsigned lg2 = 12 + 9 * (page::last_level - level);
    const u64 slot = table + 8 * ((va >> lg2) & 511);
    if (level == of_level) return slot;
    if (read(slot) == 0) {
      const u64 next = make ? new_pages(1) : 0;
      if (next == 0) return 0;
      write(slot, words_.pointer(next));
    }
    table = words_.next(read(slot));
  }
}

/// By where it is: as it is used already, not accessed yet, clean, or both.
u64 UserMemory::leaf(u64 va, u64 ipa, u32 prot) const {
  u64 word = words_.leaf(ipa, prot);
  if (httu_ >= 1 && bit(va, 12)) word &= ~page::accessed;
  const bool writable = (prot & spec::sva::prot_write) != 0;
  if (httu_ >= 2 && bit(va, 13) && writable) word |= page::read_only | page::dirty_bit_modifier;
  return word;
}

bool UserMemory::map(u64 root, u64 va, u64 ipa, u32 prot) {
  if ((va >> input_bits()) != 0) return false;
  const u64 slot = slot_of(root, va, true);
  if (slot == 0) return false;
  sink_.before(va);
  write(slot, leaf(va, ipa, prot));
  sink_.barrier();
  pages_[{root, va}] = {ipa, prot};
  tell([&](u64 parent) { sink_.maps(parent, root, va, ipa, prot); });
  return true;
}

bool UserMemory::unmap(u64 root, u64 va) {
  const u64 slot = (va >> input_bits()) != 0 ? 0 : slot_of(root, va, false);
  if (slot == 0) return false;
  sink_.before(va);
  write(slot, 0);
  sink_.barrier();
  pages_.erase({root, va});
  tell([&](u64 parent) { sink_.unmaps(parent, root, va); });
  return true;
}

std::optional<u64> UserMemory::take_out(u64 root, u64 va) {
  const u64 first = align_down(va, 21);
  const bool has = (va >> input_bits()) == 0 && slot_of(root, va, false) != 0;
  const u64 slot = has ? slot_of(root, va, false, page::last_level - 1) : 0;
  if (slot == 0) return std::nullopt;
  sink_.before(first);
  for (const auto& [place, mapped] : pages_) {
    if (place.first == root && place.second - first < table_reach) sink_.before(place.second);
  }
  write(slot, 0);
  sink_.barrier();
  std::erase_if(pages_, [&](const auto& page) {
    return page.first.first == root && page.first.second - first < table_reach;
  });
  tell([&](u64 parent) { sink_.takes_out(parent, root, first, table_reach); });
  return first;
}

std::vector<u64> UserMemory::pages_to_write(u64 root, u64 ipa, u64 length) const {
  std::vector<u64> found;
  for (const auto& [place, page] : pages_) {
    const bool writes = (page.prot & spec::sva::prot_write) != 0;
    if (place.first == root && writes && page.ipa - ipa < length) found.push_back(place.second);
  }
  return found;
}

/// Tables have numbers in the order in which they were made.
u64 UserMemory::asid_of(u64 root) const {
  const auto at = std::ranges::find(tables_, root);
  const u64 number = static_cast<u64>(std::distance(tables_.begin(), at)) + 1;
  return user_command::asid_of_table(number, asid16_);
}

/// Whoever goes by an entry has done so, by each page behind it: what the entry says is cached
/// also where that is nothing, or garbage. IHI 0070 3.21.
void UserMemory::fetched_by(u64 root) {
  bool any = false;
  for (const auto& [place, mapped] : pages_) {
    if (place.first != root) continue;
    sink_.before(place.second);
    any = true;
  }
  if (!any) sink_.before(0);
}

bool UserMemory::set_entry(u64 first, u64 number, const UserEntry& content) {
  const u64 at = first + number * entry_bytes();
  if (!entries_.contains(at)) return false;
  fetched_by(entries_[at].root);
  if (!words_.has_entries()) return set_words_of_entry(at, content);
  UserEntry now = content;
  u64 word0 = cd_v;
  u64 word1 = read(at + 8);
  if (content.kind == UserEntryKind::empty) {
    word0 = read(at) & ~cd_v;
  } else if (content.kind == UserEntryKind::garbage) {
    word0 |= cd_reserved_ips;  // no AA64: tables of 32 bits, which the SMMU need not have
  } else {
    // Where stage 2 maps nothing there is no table either.
    const bool outside = content.kind == UserEntryKind::outside;
    const u64 root = outside ? first_ipa + bytes : content.root;
    now.asid = outside ? 0 : asid_of(root);
    word0 |= u64{64 - input_bits()} | cd_write_back | cd_no_half_1 | (output_size_ << cd_ips_lsb) |
             cd_aa64 | cd_records | cd_aborts | (now.asid << cd_asid_lsb);
    now.stalls = content.stalls && stalls_ == spec::StallModel::both;
    if (now.stalls || stalls_ == spec::StallModel::always) word0 |= cd_stalls;
    if (httu_ >= 1) word0 |= cd_ha;
    if (httu_ >= 2) word0 |= cd_hd;
    word1 = root;
  }
  if (content.kind == UserEntryKind::table || content.kind == UserEntryKind::outside) {
    write(at, word0 & ~cd_v);
    write(at + 8, word1);
    write(at + 24, 0xff);  // MAIR: attribute 0 is write-back
    sink_.barrier();
  }
  write(at, word0);
  sink_.barrier();
  entries_[at] = now;
  tell([&](u64 parent) { sink_.sets_entry(parent, at, now); });
  return true;
}

std::array<u64, 2> UserMemory::structure(u64 first, u32 count_lg2) {
  const u64 word0 = ste_v | ste_stage1 | first | (u64{count_lg2} << ste_s1cdmax_lsb);
  return {word0, ste_first_is_entry_0 | ste_write_back};
}

}  // namespace iommucheck::oracle
