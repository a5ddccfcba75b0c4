// SPDX-License-Identifier: MIT
// What the members of a kind are called: a name, which files keep and which stays, and words, which
// are for people.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "monitor/finding_kind.h"

namespace iommucheck::oracle {

template <class T>
struct MemberName {
  T value;
  std::string_view name, words;
};

inline constexpr MemberName<LeftOver::Thing> thing_names[] = {
    {LeftOver::Thing::store, "store", "store not visible"},
    {LeftOver::Thing::table, "table", "table cached"},
    {LeftOver::Thing::leaf, "leaf", "leaf cached"},
    {LeftOver::Thing::combined, "combined", "combined entry cached"},
    {LeftOver::Thing::unknown, "unknown", "unknown content cached"},
    {LeftOver::Thing::atc, "atc", "ATC"},
    {LeftOver::Thing::atc_at_pasid, "atc_at_pasid", "ATC at a PASID"},
    {LeftOver::Thing::l1std, "l1std", "L1STD"},
    {LeftOver::Thing::ste, "ste", "STE"},
    {LeftOver::Thing::l1cd, "l1cd", "L1CD"},
    {LeftOver::Thing::cd, "cd", "CD"},
};

inline constexpr MemberName<LeftOver::Why> why_names[] = {
    {LeftOver::Why::none_sent, "none_sent", "none sent"},
    {LeftOver::Why::covers, "covers", "covers"},
    {LeftOver::Why::other_kind, "other_kind", "other kind"},
    {LeftOver::Why::vmid, "vmid", "VMID"},
    {LeftOver::Why::asid, "asid", "ASID"},
    {LeftOver::Why::not_for_global, "not_for_global", "not for global"},
    {LeftOver::Why::aset, "aset", "ASET"},
    {LeftOver::Why::stage1_only, "stage1_only", "stage 1 only"},
    {LeftOver::Why::stage2_only, "stage2_only", "stage 2 only"},
    {LeftOver::Why::not_combined, "not_combined", "not combined"},
    {LeftOver::Why::world, "world", "world"},
    {LeftOver::Why::unaligned, "unaligned", "unaligned"},
    {LeftOver::Why::leaf_only, "leaf_only", "leaf only"},
    {LeftOver::Why::granule, "granule", "granule"},
    {LeftOver::Why::level, "level", "level"},
    {LeftOver::Why::address, "address", "address"},
    {LeftOver::Why::ends_before, "ends_before", "ends before it"},
    {LeftOver::Why::range_ends_before, "range_ends_before", "range ends before it"},
    {LeftOver::Why::stream, "stream", "stream"},
    {LeftOver::Why::pasid, "pasid", "PASID"},
    {LeftOver::Why::size, "size", "size"},
    {LeftOver::Why::not_all, "not_all", "not all"},
    {LeftOver::Why::early, "early", "early"},
    {LeftOver::Why::no_sync, "no_sync", "no SYNC"},
    {LeftOver::Why::fetched_again, "fetched_again", "fetched again"},
    {LeftOver::Why::answered_later, "answered_later", "answered later"},
    {LeftOver::Why::answered_by_tlb, "answered_by_tlb", "answered by the TLB"},
    {LeftOver::Why::combined_later, "combined_later", "combined later"},
    {LeftOver::Why::not_enabled, "not_enabled", "not enabled"},
    {LeftOver::Why::unheard, "unheard", "broadcast not heard"},
};

/// Of `memory` the words are the memory type itself.
inline constexpr MemberName<FindingKind::Wrong> wrong_names[] = {
    {FindingKind::Wrong::place, "place", "elsewhere"},
    {FindingKind::Wrong::rights, "rights", "with more rights"},
    {FindingKind::Wrong::memory, "memory", ""},
};

/// What has a number has it behind that.
inline constexpr MemberName<FindingKind::End> end_names[] = {
    {FindingKind::End::never, "never", "no end"},
    {FindingKind::End::signal, "signal", "signal"},
    {FindingKind::End::exit, "exit", "exit"},
};

template <class T, std::size_t n>
const MemberName<T>* named(const MemberName<T> (&names)[n], T value) {
  const auto its = std::ranges::find(names, value, &MemberName<T>::value);
  return its == std::end(names) ? nullptr : &*its;
}

template <class T, std::size_t n>
std::optional<T> value_of(const MemberName<T> (&names)[n], std::string_view text,
                          std::string_view MemberName<T>::* how) {
  const auto its = std::ranges::find(names, text, how);
  return its == std::end(names) ? std::nullopt : std::optional(its->value);
}

/// In words and in files alike.
std::string_view name_of(const MayDo& may);
std::optional<MayDo> may_of_name(std::string_view name);
std::optional<spec::sva::State> state_of_name(std::string_view name);
std::optional<spec::sva::Status> status_of_name(std::string_view name);

}  // namespace iommucheck::oracle
