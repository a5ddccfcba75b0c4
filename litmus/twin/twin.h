// SPDX-License-Identifier: MIT
// The literal model of SEMANTICS 1 to 4: every schedule of the moments at which commands act, and
// in each schedule all items that any cache may hold, filled and killed step by step. Slow and
// obvious; the fast engine must agree with it, and what that has not got is judged here: stage 2
// and nested translation, granules of 16 and 64 KiB, STE.CONT, DMAs that take time, flags that
// software reads.
//
// Readings that the text leaves open (docs/semantics.md):
//  - every register write but a relaxed ring is a barrier of its agent;
//  - a slot that may not have been read holds nothing;
//  - a leaf that maps a released page again gives it back to the caller;
//  - a torn structure (rule family `tag`) is an ILLEGAL mixture that no store ever left in memory
//    as a whole;
//  - below BBML 2 a leaf beside a pointer of its slot is a conflict even if the table is empty;
//  - "any" by itself reaches no released page;
//  - an ATC may hold any part of the range that was granted; a write by ATS to a page that its
//    request, or an earlier one, marked dirty is both `P!dirty` and `P`;
//  - an ATC_INV that may act while SMMUEN is not 1 for sure may be ignored;
//  - STRTAB_BASE written while SMMUEN may be 1 is ignored (v3.2).
#pragma once

#include <vector>

#include "litmus/ast.h"
#include "litmus/judgement.h"

namespace iommucheck::litmus {

/// Bound: so many states over all schedules; beyond it `unsupported` says so. A state to which
/// several schedules come is gone on from once, unless `merge` is false, which tests ask for.
/// `ways`: for each access, one for each member of its set.
Judgement judge_literally(const Test& test, u64 states_max = 20'000, bool merge = true,
                          std::vector<std::vector<Way>>* ways = nullptr);

}  // namespace iommucheck::litmus
