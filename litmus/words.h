// SPDX-License-Identifier: MIT
// The words of the format: what the parser takes, `litmus --list-words` prints, `ask` goes by, and
// docs/litmus.md has.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace iommucheck::litmus {

/// How a line of a test begins.
inline constexpr std::array<std::string_view, 7> line_words{"says", "init", "run",   "access",
                                                            "dma",  "load", "driver"};

/// How a line of init goes on.
inline constexpr std::array<std::string_view, 20> init_words{
    "use",      "strtab", "ste",   "l1std",  "cd",  "l1cd", "word", "cont", "ats",  "bbml",
    "coherent", "atom",   "reset", "atschk", "btm", "ptm",  "e2h",  "vmw",  "gbpa", "lacks"};

/// What an implementation states that it has not got, behind `lacks`.
inline constexpr std::array<std::string_view, 6> lacks_words{
    "config-cache", "walk-cache", "tlb", "combined-entries", "reset-caches", "untagged-atc-inv"};

/// How a step goes on, behind its agent.
inline constexpr std::array<std::string_view, 23> step_words{
    "store",    "rmw",     "store16", "barrier", "clean",  "zero", "free", "clear",
    "fillcont", "handoff", "release", "cmd",     "ring",   "wait", "dsb",  "bcast",
    "mark",     "dma",     "do",      "cmdq",    "smmuen", "ats",  "reg"};

inline constexpr std::array<std::string_view, 22> command_names{
    "CFGI_STE",       "CFGI_CD",      "CFGI_CD_ALL",   "CFGI_STE_RANGE", "CFGI_ALL",
    "TLBI_NH_ALL",    "TLBI_NH_ASID", "TLBI_NH_VA",    "TLBI_NH_VAA",    "TLBI_EL3_ALL",
    "TLBI_EL3_VA",    "TLBI_EL2_ALL", "TLBI_EL2_ASID", "TLBI_EL2_VA",    "TLBI_EL2_VAA",
    "TLBI_S12_VMALL", "TLBI_S2_IPA",  "TLBI_NSNH_ALL", "ATC_INV",        "SYNC",
    "RESUME",         "STALL_TERM"};

/// Outcomes beside pages.
inline constexpr std::array<std::string_view, 19> fault_names{
    "F_UUT",          "C_BAD_STREAMID",     "F_STE_FETCH",       "C_BAD_STE",
    "F_BAD_ATS_TREQ", "F_TRANSL_FORBIDDEN", "F_STREAM_DISABLED", "C_BAD_SUBSTREAMID",
    "F_CD_FETCH",     "C_BAD_CD",           "F_WALK_EABT",       "F_TRANSLATION",
    "F_ADDR_SIZE",    "F_ACCESS",           "F_PERMISSION",      "F_TLB_CONFLICT",
    "F_CFG_CONFLICT", "F_VMS_FETCH",        "E_PAGE_REQUEST"};

inline constexpr std::array<std::string_view, 4> outcome_words{"any", "abort", "bypass", "denied"};

/// Of these, `!stall`: the access waits. IHI 0070 3.12.
inline constexpr std::array<std::string_view, 4> stalling_names{"F_TRANSLATION", "F_ADDR_SIZE",
                                                                "F_ACCESS", "F_PERMISSION"};

inline constexpr std::array<std::string_view, 11> rule_names{
    "page-reuse", "table-free", "conflict", "tag",  "promise", "lost-update",
    "wild",       "unknown",    "cont",     "torn", "ats"};

inline constexpr std::array<std::string_view, 7> load_names{
    "0", "af0", "af", "af0+clean", "af0+dirty", "af+clean", "af+dirty"};

// What may stand behind a word as `key=value`; of a descriptor as a word.
inline constexpr std::array<std::string_view, 22> ste_field_names{
    "table", "v",    "cfg",    "cd",    "cdmax",    "fmt",    "s1dss", "eats",
    "cont",  "strw", "priv",   "inst",  "vmid",     "s2t0sz", "s2sl",  "s2tg",
    "s2ha",  "s2hd", "s2haft", "s2ttb", "s1stalld", "s2s"};
inline constexpr std::array<std::string_view, 20> cd_field_names{
    "v",  "asid", "t0sz", "tg0", "epd0",  "t1sz", "tg1",  "epd1",  "tbi0", "tbi1",
    "ha", "hd",   "aset", "ttb", "e0pd0", "haft", "ttb1", "e0pd1", "mair", "s"};
inline constexpr std::array<std::string_view, 2> l1std_field_names{"span", "l2"};
inline constexpr std::array<std::string_view, 2> l1cd_field_names{"v", "l2"};
inline constexpr std::array<std::string_view, 2> group_field_names{"n", "block"};
inline constexpr std::array<std::string_view, 10> leaf_flag_names{
    "g", "af0", "dbm", "cont", "dev", "nt", "priv", "uxn", "pxn", "xn"};
inline constexpr std::array<std::string_view, 9> tlbi_field_names{
    "vmid", "asid", "va", "leaf", "tg", "num", "scale", "ttl", "e2h"};
inline constexpr std::array<std::string_view, 2> atc_inv_field_names{"va", "size"};
inline constexpr std::array<std::string_view, 2> sync_field_names{"msi", "data"};
inline constexpr std::array<std::string_view, 2> resume_words{"abort", "retry"};

/// Whether a list has the word.
template <class Words>
constexpr bool contains(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

struct WordList {
  std::string_view of;  ///< what the words are of, in words
  std::span<const std::string_view> words;
};
/// All of them.
std::span<const WordList> word_lists();

}  // namespace iommucheck::litmus
