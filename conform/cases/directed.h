// SPDX-License-Identifier: MIT
// Cases: directed ones for each rule that engines can reach, and random ones.
#pragma once

#include <optional>
#include <vector>

#include "conform/case.h"

namespace iommucheck::oracle {

/// All directed cases that make sense for what the device claims.
std::vector<Case> directed_cases(const DeviceIdentity& device);

/// Case number `number` of a run with that seed: a legal configuration, and a random sequence of
/// stores, invalidations, configuration changes and accesses.
Case random_case(const DeviceIdentity& device, u64 seed, u64 number);

/// Of devices with stage 2 one random case in four is of it, alone and under stage 1.
bool is_stage2_case(const DeviceIdentity& device, u64 number);
Case random_stage2_case(const DeviceIdentity& device, u64 seed, u64 number);

/// The case with each run of commands published by one write of CMDQ_PROD, with the CMD_SYNC behind
/// it; absent where none of its commands is followed by another one.
std::optional<Case> published_together(const Case& what);
/// So, of what is already in `cases`, some that send each command.
void batch_cases(std::vector<Case>& cases);
/// And such as are made for it.
void published_batch_cases(const DeviceIdentity& device, std::vector<Case>& cases);

// In parts, one file each.
void stream_table_cases(const DeviceIdentity& device, std::vector<Case>& cases);
void descriptor_cases(const DeviceIdentity& device, std::vector<Case>& cases);
void walk_cases(const DeviceIdentity& device, std::vector<Case>& cases);
void command_cases(const DeviceIdentity& device, std::vector<Case>& cases);
void invalidation_cases(const DeviceIdentity& device, std::vector<Case>& cases);
void register_content_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices whose engines can send them, or that can be saved.
void attribute_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices that set Access flags or dirty state.
void flag_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of these with both stages, or whose engines ask by ATS.
void nested_flag_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Walks through both stages whose sizes differ, or that are made again.
void nested_walk_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Blocks, by each bit of the place in them.
void block_offset_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices with big-endian tables.
void endian_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Contiguous groups, filled by each of their members.
void contiguous_group_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices with stage 2, alone and under stage 1.
void stage2_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// What both stages keep for each other.
void cached_stage2_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// The same devices, over time.
void stage2_sequences(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of engines that send SubstreamIDs: CDs that cannot be used.
void cd_record_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// CR0.VMW and stage 1.
void vmid_wildcard_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Parts of blocks of both stages.
void nested_block_part_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Tables of CDs below stage 2.
void nested_cd_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Tables of stage 2 that give way to others.
void stage2_table_change_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices with IDR0.Hyp: streams of EL2.
void el2_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices that let transactions wait.
void stall_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Output sizes, and tables and queues that lie beside where larger ones would.
void size_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of engines that send SubstreamIDs.
void substream_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices whose engines are endpoints with ATS.
void ats_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices whose engines send page requests.
void page_request_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Of devices in whose memory there is a place that aborts.
void external_abort_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// What sends an interrupt, and what does not.
void interrupt_cases(const DeviceIdentity& device, std::vector<Case>& cases);
void queue_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Queues of each size, and where no memory is.
void queue_place_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Granules of one stage with those of the other, and start levels of stage 2 with each size.
void shape_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// Bits of the addresses of first tables that are below their alignment, or beyond the output size.
void table_base_cases(const DeviceIdentity& device, std::vector<Case>& cases);
/// What was ended or answered does nothing more, and what waits for room is told when there is
/// room.
void stall_end_cases(const DeviceIdentity& device, std::vector<Case>& cases);

/// Each value of the fields of STEs and CDs, in each kind of configuration.
void each_value_cases(const DeviceIdentity& device, std::vector<Case>& cases);

/// Each value of the operands of commands.
void each_operand_cases(const DeviceIdentity& device, std::vector<Case>& cases);

}  // namespace iommucheck::oracle
