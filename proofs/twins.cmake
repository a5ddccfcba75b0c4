# SPDX-License-Identifier: MIT
# Twins of the proofs: a copy of one header of spec/ or impl/ with one line broken, and the property compiled
# over it. The namespace is renamed, so that the broken templates are others than the real ones.

set(iommucheck_twin_sources "")
set(iommucheck_twin_declarations "")
set(iommucheck_twin_entries "")

# A part of them, "K/N": of each property the first, and of the others each N-th, from the K-th on.
set(IOMMUCHECK_TWINS_PART "0/1" CACHE STRING "Which twins of proofs are compiled: K/N, or 0/1 for all")
if(NOT IOMMUCHECK_TWINS_PART MATCHES "^([0-9]+)/([1-9][0-9]*)$")
  message(FATAL_ERROR "IOMMUCHECK_TWINS_PART is ${IOMMUCHECK_TWINS_PART}: it is K/N, as 3/16")
endif()
set(iommucheck_twins_first ${CMAKE_MATCH_1})
set(iommucheck_twins_step ${CMAKE_MATCH_2})

# iommucheck_twin_in_part(RESULT PROPERTY): whether the next twin of PROPERTY is in that part.
set(iommucheck_twins_begun "")   # properties of which one was told
set(iommucheck_twins_others 0)   # how many were told beside the first of each
function(iommucheck_twin_in_part result property)
  set(taken TRUE)
  if(property IN_LIST iommucheck_twins_begun)
    math(EXPR from_first "(${iommucheck_twins_others} - ${iommucheck_twins_first}) % ${iommucheck_twins_step}")
    if(NOT from_first EQUAL 0)
      set(taken FALSE)
    endif()
    math(EXPR iommucheck_twins_others "${iommucheck_twins_others} + 1")
  endif()
  list(APPEND iommucheck_twins_begun "${property}")
  set(iommucheck_twins_begun "${iommucheck_twins_begun}" PARENT_SCOPE)
  set(iommucheck_twins_others ${iommucheck_twins_others} PARENT_SCOPE)
  set(${result} ${taken} PARENT_SCOPE)
endfunction()

# iommucheck_twin(NAME SOURCE PROPERTY HEADER FROM TO): PROPERTY of proofs/SOURCE.cpp; FROM occurs
# exactly once in HEADER. Where it does not any more, the twin is built unbroken: a proof that is
# not refuted, which `iommucheck prove` and the tests report; such a one is in each part.
function(iommucheck_twin name unit_name property header from to)
  if(NOT IOMMUCHECK_TWINS)
    return()
  endif()
  iommucheck_twin_in_part(taken "${property}")
  set(iommucheck_twins_begun "${iommucheck_twins_begun}" PARENT_SCOPE)
  set(iommucheck_twins_others ${iommucheck_twins_others} PARENT_SCOPE)
  set(source "${PROJECT_SOURCE_DIR}/${header}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(READ "${source}" text)
  string(FIND "${text}" "${from}" first)
  string(FIND "${text}" "${from}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(WARNING "proofs/twins.cmake: twin ${name}: '${from}' must occur once in ${header}")
    set(to "STALE: does not occur once in ${header}")
  elseif(NOT taken)
    return()
  else()
    string(REPLACE "${from}" "${to}" text "${text}")
  endif()
  set(tree "${CMAKE_CURRENT_BINARY_DIR}/twins/${name}")
  file(CONFIGURE OUTPUT "${tree}/${header}" CONTENT "${text}" @ONLY)
  # A header of this folder that the twin broke before would hide the real one.
  file(GLOB_RECURSE stale "${tree}/*.h")
  list(REMOVE_ITEM stale "${tree}/${header}")
  if(stale)
    file(REMOVE ${stale})
  endif()
  # One object for each twin, with no name in common with the real code or with another twin.
  set(unit "${tree}/${unit_name}.cpp")
  file(CONFIGURE OUTPUT "${unit}" CONTENT
"#define spec spec_twin_${name}
#define impl impl_twin_${name}
#define IOMMUCHECK_PROPERTY(property) twin_${name}_##property
#include \"${PROJECT_SOURCE_DIR}/proofs/${unit_name}.cpp\"
" @ONLY)
  # The copy too: a twin of another header than before is found in the place of the real one, which nothing else tells.
  set_property(SOURCE "${unit}" APPEND PROPERTY OBJECT_DEPENDS
               "${PROJECT_SOURCE_DIR}/proofs/${unit_name}.cpp" "${tree}/${header}")
  set_source_files_properties("${unit}" PROPERTIES
    INCLUDE_DIRECTORIES "${tree}"
    COMPILE_OPTIONS -w) # a broken line may leave something unused
  if(IOMMUCHECK_HOT_OPTIONS AND unit_name IN_LIST iommucheck_hot_proofs)
    set_source_files_properties("${unit}" PROPERTIES
      COMPILE_OPTIONS "-w;${IOMMUCHECK_HOT_OPTIONS}" SKIP_PRECOMPILE_HEADERS ON)
  endif()
  list(APPEND iommucheck_twin_sources "${unit}")
  string(APPEND iommucheck_twin_declarations "Property twin_${name}_${property}();\n")
  string(APPEND iommucheck_twin_entries
         "      {R\"(${from}  ->  ${to})\", twin_${name}_${property}()},\n")
  set(iommucheck_twin_sources "${iommucheck_twin_sources}" PARENT_SCOPE)
  set(iommucheck_twin_declarations "${iommucheck_twin_declarations}" PARENT_SCOPE)
  set(iommucheck_twin_entries "${iommucheck_twin_entries}" PARENT_SCOPE)
endfunction()

iommucheck_twin(start_index address_split address_split spec/arch/granule.h
  "(va & low_mask(W(64) - tsz)) >> shift" "va >> shift")
iommucheck_twin(index_width address_split address_split spec/arch/granule.h
  "shift + bits_per_level(granule) - 1" "shift + bits_per_level(granule)")
iommucheck_twin(start_level address_split address_split spec/arch/granule.h
  "63 - level_shift(granule, level)" "62 - level_shift(granule, level)")
iommucheck_twin(table_alignment address_split address_split spec/arch/tables.h
  "h.ttb & ~low_mask(lg2)" "h.ttb")
iommucheck_twin(top_byte input_range input_range spec/arch/tables.h "mask(55, 0)" "mask(56, 0)")
iommucheck_twin(upper_half input_range input_range spec/arch/tables.h
  "half == 1 ? above : W(0)" "W(0)")
iommucheck_twin(num tlbi_range tlbi_formula spec/smmu/coverage.h "command.num + W(1)" "command.num")
iommucheck_twin(granule_size tlbi_range tlbi_formula spec/smmu/coverage.h
  "W(10) + (command.tg << 1)" "W(12) + command.tg")
iommucheck_twin(top_of_space tlbi_range tlbi_formula spec/smmu/coverage.h
  "select(less(last, command.address), ~W(0), last)" "last")
iommucheck_twin(pointer_level tlbi_range tlbi_range spec/smmu/coverage.h
  "less(W(target.level), command.ttl)" "less_equal(W(target.level), command.ttl)")
iommucheck_twin(alignment tlbi_range tlbi_formula spec/smmu/coverage.h
  "ttl == 0 ? last_level : ttl" "ttl == 1 ? last_level : ttl")
iommucheck_twin(leaf_only tlbi_range tlbi_range spec/smmu/coverage.h
  "meets & granule & above & !command.leaf" "meets & granule & above")
iommucheck_twin(extent tlbi_range tlbi_range spec/smmu/coverage.h
  "less_equal(first, range.last)" "less_equal(target.base, range.first)")
iommucheck_twin(num_field tlbi_range tlbi_formula spec/smmu/command.h
  "field(dw0, 16, 12)" "field(dw0, 15, 12)")
iommucheck_twin(output_size walk_output walk_output spec/arch/tables.h
  "is_zero(address & ~low_mask(regime.ips_lg2))" "Flag<W>(true) | is_zero(address)")
iommucheck_twin(read_only walk_output walk_output spec/arch/permissions.h
  "regime.ha & regime.hd & dirty_bit_modifier(word) & ap2(word)"
  "regime.ha & dirty_bit_modifier(word) & ap2(word)")
iommucheck_twin(reserved_page walk_output walk_output spec/arch/descriptor.h
  "if (bit1) return DescriptorType::leaf;" "return DescriptorType::leaf;")
iommucheck_twin(walk_ttb0 walk_output walk_output spec/arch/tables.h
  "if (flag(va, 55)) return 1;" "if (flag(va, 55)) return 0;")
iommucheck_twin(walk_e0pd walk_output walk_output spec/arch/walk.h
  "access.privileged || !has_unprivileged(regime.world)" "true")
iommucheck_twin(walk_high_bits walk_output walk_output spec/arch/descriptor.h
  "field(word, 15, 12) << 48" "field(word, 15, 12) << 47")
iommucheck_twin(walk_hierarchy walk_output walk_output spec/arch/walk.h
  "accumulate(hierarchical, word)" "accumulate(HierarchicalAttributes<W>{}, word)")
iommucheck_twin(small_table address_split address_split spec/arch/tables.h
  "less(size_lg2, W(6))" "less(size_lg2, W(5))")
iommucheck_twin(range_epd input_range input_range spec/arch/tables.h "h.epd | equal(upper" "equal(upper")

iommucheck_twin(access_epan access_check access_check spec/arch/permissions.h
  "regime.epan & !leaf.uxn" "regime.epan & leaf.uxn")
iommucheck_twin(access_read_only access_check access_check spec/arch/permissions.h
  "| (heed & hierarchical.read_only)" "| (heed & Flag<W>(false))")
iommucheck_twin(access_false_fault access_check access_check spec/arch/permissions.h
  "leaf.unprivileged = {user, user_write," "leaf.unprivileged = {user & !(regime.wxn & user_write), user_write,")
iommucheck_twin(access_global access_check access_check spec/arch/tables.h
  "not_global(word) & Flag<W>(has_asid(regime.world))" "not_global(word)")

iommucheck_twin(stage2_xn stage2_access stage2_access spec/arch/stage2.h
  "((!xn1) & !xn0) | (xn1 & xn0)" "(!xn1) & !xn0")
iommucheck_twin(stage2_dirty stage2_access stage2_access spec/arch/stage2.h
  "stage2.ha & stage2.hd & dirty_bit_modifier(word)" "stage2.ha & dirty_bit_modifier(word)")
iommucheck_twin(stage2_fetch stage2_access stage2_access spec/arch/stage2_walk.h
  "fetched ? own : access" "access")
iommucheck_twin(stage2_device stage2_access stage2_access spec/arch/stage2.h
  "select(stage2.fwb, !flag(word, 4), is_zero(field(word, 5, 4)))" "is_zero(field(word, 5, 4))")
iommucheck_twin(stage2_affd stage2_access stage2_access spec/arch/stage2_walk.h
  "leaf.af | stage2.ha | stage2.affd" "leaf.af | stage2.ha")

iommucheck_twin(stage2_walk_concatenated stage2_walk stage2_walk spec/arch/stage2.h
  "stage2.ttb & ~low_mask(select(less_equal(W(52), stage2.ps_lg2), wide_lg2, size_lg2))" "stage2.ttb")
iommucheck_twin(stage2_walk_range stage2_walk stage2_walk spec/arch/stage2.h
  "is_zero(ipa & ~low_mask(W(64) - stage2.t0sz))" "is_zero(ipa & ~low_mask(W(65) - stage2.t0sz))")
iommucheck_twin(stage2_walk_output stage2_walk stage2_walk spec/arch/stage2_walk.h
  "is_zero(output & ~low_mask(stage2.ps_lg2))" "is_zero(output & ~low_mask(stage2.ps_lg2 + W(1)))")
iommucheck_twin(stage2_walk_offset stage2_walk stage2_walk spec/arch/stage2_walk.h
  "leaf_offset(stage2.tg, level, ipa)" "leaf_offset(stage2.tg, last_level, ipa)")

iommucheck_twin(monotone_wxn monotone monotone spec/arch/permissions.h
  "leaf.unprivileged = {user, user_write," "leaf.unprivileged = {user & !(regime.wxn & user_write), user_write,")
iommucheck_twin(monotone_table monotone monotone spec/arch/permissions.h
  "above.no_unprivileged | ap_table0(word)" "above.no_unprivileged | !ap_table0(word)")
iommucheck_twin(monotone_dirty monotone monotone spec/arch/permissions.h
  "(ap2(word) & !cleans)" "(ap2(word) | dirty_bit_modifier(word))")
iommucheck_twin(stage2_monotone_read monotone stage2_monotone spec/arch/stage2.h
  "leaf.read = flag(word, 6)" "leaf.read = flag(word, 6) & !flag(word, 7)")
iommucheck_twin(stage2_monotone_xn monotone stage2_monotone spec/arch/stage2.h
  "leaf.execute_unprivileged = !xn1" "leaf.execute_unprivileged = (!xn1) & xn0")

iommucheck_twin(ste_eats structures ste_legal spec/smmu/ste_legal.h
  "nested & !ste.s2s() & Flag<W>(!caps.ns1ats)" "nested & Flag<W>(!caps.ns1ats)")
iommucheck_twin(ste_vmid structures ste_legal spec/smmu/ste.h
  "some_stage & !el2 & Flag<W>(caps.s2p)" "some_stage & Flag<W>(caps.s2p)")
iommucheck_twin(ste_start structures ste_legal spec/smmu/ste_stage2.h
  "t0sz + W(bits_per_level(granule) + 4)" "t0sz + W(bits_per_level(granule) + 5)")
iommucheck_twin(ste_haft structures ste_legal spec/smmu/ste_legal.h
  "Flag<W>(caps.httu != 3) | !ste.s2haft()" "!ste.s2haft()")
iommucheck_twin(cd_endi structures cd_legal spec/smmu/cd_legal.h
  "no_walks | endianness_supported<W>(cd.endi(), caps)" "endianness_supported<W>(cd.endi(), caps)")
iommucheck_twin(cd_ttb structures cd_legal spec/smmu/cd_legal.h
  "*granule == Granule::g64k ? size : minimum(size, W(48))" "size")
iommucheck_twin(cd_asid structures cd_legal spec/smmu/cd_legal.h
  "field(cd.asid(), 15, 8)" "field(cd.asid(), 15, 9)")

iommucheck_twin(covers_vmid covers_table covers_table spec/smmu/coverage.h
  "is_zero((command.vmid ^ target.vmid) >> vmw)" "is_zero(command.vmid ^ target.vmid)")
iommucheck_twin(covers_global covers_table covers_table spec/smmu/coverage.h
  "vmid & asid & !target.global" "vmid & asid")
iommucheck_twin(covers_el2 covers_table covers_table spec/smmu/coverage.h
  "StreamWorld::el2 || target.world == StreamWorld::el2_e2h" "StreamWorld::el2")
iommucheck_twin(covers_foreign covers_table covers_table spec/smmu/coverage.h
  "StreamWorld::el2 || target.world == StreamWorld::el2_e2h"
  "StreamWorld::el2 || target.world != StreamWorld::el1")
iommucheck_twin(covers_asid covers_table covers_table spec/smmu/command.h
  "field(dw0, 63, 48)" "field(dw0, 55, 48)")

iommucheck_twin(impl_index written_twice same_tables impl/vmsav8/layout.h
  "W((u64{1} << lg2) - 1)" "W((u64{1} << index_lg2(page)) - 1)")
iommucheck_twin(spec_index written_twice same_tables spec/arch/granule.h
  "(va & low_mask(W(64) - tsz)) >> shift" "va >> shift")
iommucheck_twin(impl_asid written_twice same_words impl/smmuv3/commands.h
  "asid_lsb = 48" "asid_lsb = 47")
iommucheck_twin(impl_scale written_twice same_words impl/smmuv3/commands.h
  "scale_lsb = 20" "scale_lsb = 19")
iommucheck_twin(impl_epd written_twice same_words impl/smmuv3/structures.h
  "epd1 = u64{1} << 30" "epd1 = u64{1} << 14")
iommucheck_twin(impl_never written_twice same_words impl/vmsav8/descriptor.h
  "privileged_never = u64{1} << 53" "privileged_never = u64{1} << 55")

iommucheck_twin(impl_granule written_twice same_words impl/smmuv3/structures.h
  "page == 16 ? 1 : 2" "page == 16 ? 2 : 1")
iommucheck_twin(impl_range_granule written_twice same_words impl/smmuv3/commands.h
  "u64{page - 10} / 2" "u64{1}")
iommucheck_twin(impl_concatenated written_twice same_words impl/vmsav8/layout.h
  "page == 14 && start == 0 ? 1 : start" "start")

iommucheck_twin(step_slot table_step table_step impl/vmsav8/layout.h
  "(iova >> level_shift(level, page))" "(iova >> (level_shift(level, page) + 1))")
iommucheck_twin(step_table table_step table_step impl/vmsav8/descriptor.h
  "return pa | W(valid | table_or_page);" "return pa | W(valid);")
iommucheck_twin(step_index table_step table_step spec/arch/granule.h
  "shift + bits_per_level(granule) - 1" "shift + bits_per_level(granule)")
iommucheck_twin(step_output table_step table_step spec/arch/descriptor.h
  "field_in_place(word, 47, lo)" "field_in_place(word, 46, lo)")

# A table that is linked before its zeros are seen, or where they never are.
iommucheck_twin(writer_order table_writer table_writer impl/pgtable/page_table.h "platform.barrier();" "")
iommucheck_twin(writer_zeros table_writer table_writer impl/pgtable/page_table.h
  "platform.clean(pa, entries << Layout::entry_lg2);" "")
iommucheck_twin(writer_clean table_writer table_writer impl/pgtable/page_table.h
  "platform.clean(entry_pa, entry_bytes);" "")
iommucheck_twin(writer_aligned table_writer table_writer impl/pgtable/page_table.h
  "leaf_offset(iova | pa, level) == 0" "leaf_offset(iova, level) == 0")
iommucheck_twin(writer_over_a_page table_writer table_writer impl/pgtable/page_table.h
  "if (Format::is_valid(words[n])) {" "if (Format::is_valid(words[n]) && n == 0) {")
iommucheck_twin(writer_through_a_block table_writer table_writer impl/pgtable/page_table.h
  "if (!Format::is_table(word, level)) return {0, MapStop::exists};" "")
iommucheck_twin(writer_not_empty table_writer table_writer impl/pgtable/page_table.h
  "return Format::is_table(word, level) &&" "return Format::is_table(word, level) ||")
iommucheck_twin(writer_part_of_a_block table_writer table_writer impl/pgtable/page_table.h
  "if (!Format::is_valid(word) || !whole) return {};" "if (!Format::is_valid(word)) return {};")
iommucheck_twin(writer_part_of_a_table table_writer table_writer impl/pgtable/page_table.h
  "run == last_entries && parent_slot" "run == limit && parent_slot")
iommucheck_twin(writer_one_too_many table_writer table_writer impl/pgtable/page_table.h
  "platform.fill64(slots, run, 0);" "platform.fill64(slots, run + 1, 0);")
iommucheck_twin(writer_untold table_writer table_writer impl/pgtable/page_table.h
  "return {run_bytes, level_bit(last_level), true};" "return {run_bytes, level_bit(last_level), false};")
iommucheck_twin(writer_concatenated table_writer table_writer impl/pgtable/page_table.h
  "level == start_level_ ? root_lg2_ : Format::index_lg2(level)" "Format::index_lg2(level)")
iommucheck_twin(writer_of_two table_writer table_writer impl/two/format.h
  "return level != last_level && (word >> 62) == 2;" "return level != last_level && is_valid(word);")

iommucheck_twin(pasid_two_holders pasid_steps pasid_steps impl/pasid/state.h
  "step(is_free(state), state, state | W(kind))"
  "step(is_free(state) | has(state, leaving), state, state | W(kind))")
iommucheck_twin(pasid_device pasid_steps pasid_steps impl/pasid/state.h
  "leaving) & all_done & no_entry"
  "leaving) & no_entry")
iommucheck_twin(pasid_entry pasid_steps pasid_steps impl/pasid/state.h
  "all_done & no_entry & no_doubt"
  "all_done & no_doubt")
iommucheck_twin(pasid_doubt pasid_steps pasid_steps impl/pasid/state.h
  "no_entry & no_doubt"
  "no_entry")
iommucheck_twin(pasid_fault pasid_steps pasid_steps impl/pasid/state.h
  "no_doubt & no_fault"
  "no_doubt")
iommucheck_twin(pasid_cleared pasid_steps pasid_steps impl/pasid/state.h
  "state - one<W>(entries) + one<W>(open)"
  "state - one<W>(entries)")
iommucheck_twin(pasid_leak pasid_steps pasid_steps impl/pasid/state.h
  "settled(state | W(leaving))"
  "state | W(leaving)")
iommucheck_twin(pasid_enter pasid_steps pasid_steps impl/pasid/state.h
  "has(state, process | private_space) & (!has(state, leaving))" "has(state, process | private_space)")
iommucheck_twin(pasid_never_answered pasid_steps pasid_steps impl/pasid/state.h
  "const Flag<W> ok = !is_zero(count(state, faults));" "const Flag<W> ok = Flag<W>(false);")
iommucheck_twin(pasid_never_released pasid_steps pasid_steps impl/pasid/state.h
  "const Flag<W> ok = (!is_free(state)) & (!has(state, leaving));" "const Flag<W> ok = Flag<W>(false);")
iommucheck_twin(pasid_overflow pasid_steps pasid_steps impl/pasid/state.h
  "less(count(state, c), W((u64{1} << c.bits) - 1))"
  "less_equal(count(state, c), W((u64{1} << c.bits) - 1))")

file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/twins.cpp" CONTENT
"// Made by proofs/twins.cmake.
#include \"proofs/twins.h\"
namespace iommucheck::proofs {
${iommucheck_twin_declarations}
std::vector<Twin> all_twins() {
  return {
${iommucheck_twin_entries}  };
}
}  // namespace iommucheck::proofs
" @ONLY)
list(APPEND iommucheck_twin_sources "${CMAKE_CURRENT_BINARY_DIR}/twins.cpp")
