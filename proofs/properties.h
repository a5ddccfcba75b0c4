// SPDX-License-Identifier: MIT
// What is proved. Each property is compiled once with the code as it is and once for each of its
// twins (twins.cmake): the same property over the same code with one line broken. A twin renames
// the namespaces spec and impl for its compilation, so that both live in one program.
#pragma once

#include "proofs/judge.h"

#ifndef IOMMUCHECK_PROPERTY
#define IOMMUCHECK_PROPERTY(name) name
#endif

namespace iommucheck::proofs {

/// spec/arch/granule.h, tables.h: an input address and its table indices determine each other.
Property address_split();

/// spec/arch/tables.h: the range of input addresses, both halves, with and without TBI.
Property input_range();

/// spec/smmu/command.h, coverage.h: the range of a TLBI is (NUM + 1) * 2^SCALE granules; and it
/// covers what that range meets.
Property tlbi_formula();
Property tlbi_range();

/// spec/arch/walk.h: where a walk ends, for any memory.
Property walk_output();

/// spec/arch/access.h: which accesses fault, in every world.
Property access_check();

/// spec/arch/stage2_walk.h: which accesses and fetches fault at stage 2.
Property stage2_access();

/// spec/arch/stage2_walk.h: where a stage 2 walk ends, for any memory.
Property stage2_walk();

/// spec/arch/access.h, stage2_walk.h: no right turns an access into a fault.
Property monotone();
Property stage2_monotone();

/// spec/smmu/ste_legal.h, cd_legal.h: which structures are ILLEGAL.
Property ste_legal();
Property cd_legal();

/// spec/smmu/coverage.h: which entries each opcode is about.
Property covers_table();

/// impl/vmsav8: what a stored entry changes; impl/pgtable: map and unmap, seen at each store.
Property table_step();
Property table_writer();

/// spec/ against impl/, which never include each other: tables; and the words of structures.
Property same_tables();
Property same_words();

/// impl/pasid/state.h: no step gives a PASID to two holders, or away while something of it is left.
Property pasid_steps();

}  // namespace iommucheck::proofs
