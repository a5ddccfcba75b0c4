// SPDX-License-Identifier: MIT
#include "spec/sva/interface.h"

#include <algorithm>

#include "spec/sva/account.h"
#include "spec/sva/attach.h"
#include "spec/sva/calls.h"
#include "spec/sva/dirty.h"
#include "spec/sva/duties.h"
#include "spec/sva/exit.h"
#include "spec/sva/fault_queues.h"
#include "spec/sva/faults.h"
#include "spec/sva/hooks.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/processes.h"
#include "spec/sva/promises.h"
#include "spec/sva/time_outs.h"
#include "spec/sva/user_events.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

Interface::Interface(Trail& trail, const Setup& setup) : state_(trail, setup) {}

const std::vector<u32>& Interface::stream_ids(u32 device) const {
  return state_.constants.at(device).stream_ids;
}

u32 Interface::device_of(u32 stream_id) const {
  const auto at = std::lower_bound(state_.device_of_stream.begin(), state_.device_of_stream.end(),
                                   std::pair<u32, u32>(stream_id, 0));
  const bool found = at != state_.device_of_stream.end() && at->first == stream_id;
  return found ? at->second : device_count();
}

bool Interface::is_mapped(u64 handle) const {
  const u32 index = state_.find(handle);
  return index != 0 && is_mapped_by_driver(state_.spaces[index].kind);
}

bool Interface::is_paging(u64 handle) const { return state_.find_paging(handle) != 0; }

namespace {

DomainFacts facts_of_space(const InterfaceState& state, u32 index) {
  if (index == 0) return {.input_bits = 0, .output_bits = 0, .page_sizes = 0};
  const Space& space = state.spaces[index];
  return {space.input_bits, space.output_bits, space.page_sizes};
}

}  // namespace

u64 Interface::master_of(u64 handle) const {
  const u32 index = state_.find_dynamic(handle);
  return index == 0 ? 0 : state_.spaces[state_.spaces[index].domain].handle;
}

DomainFacts Interface::facts_of_token(u64 handle) const {
  const u32 token = state_.find_token(handle);
  return facts_of_space(state_, token == 0 ? 0 : state_.tokens[token].space);
}

u32 Interface::device_of_token(u64 handle) const {
  const u32 token = state_.find_token(handle);
  return token == 0 ? device_count() : state_.tokens[token].device;
}

u64 Interface::table_of_token(u64 handle) const {
  const u32 token = state_.find_token(handle);
  const u32 space = token == 0 ? 0 : state_.tokens[token].space;
  return space == 0 ? 0 : state_.spaces[space].table;
}

bool Interface::walks_token_of(u32 walker, u32 device) const {
  const Walker* record = find_walker(state_, walker);
  const u32 space = record == nullptr ? 0 : record->space;
  return space != 0 && state_.spaces[space].owner == Owner::task &&
         state_.spaces[space].maker == device;
}

u64 Interface::table_of(u64 handle) const {
  const u32 index = state_.find(handle);
  return index == 0 ? 0 : state_.spaces[index].table;
}

bool Interface::user_table_made(u64 parent, const UserTable& table) {
  return sva::user_table_made(state_, parent, table);
}

bool Interface::user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot) {
  return sva::user_maps(state_, parent, root, va, bytes, ipa, prot);
}

bool Interface::user_unmaps(u64 parent, u64 root, u64 va, u64 bytes) {
  return sva::user_unmaps(state_, parent, root, va, bytes);
}

bool Interface::user_sets_entry(u64 parent, u64 entry, const UserEntry& content) {
  return sva::user_sets_entry(state_, parent, entry, content);
}

u64 Interface::parent_of(u64 handle) const {
  const u32 parent = sva::parent_of(state_, state_.find(handle));
  return parent != 0 ? state_.spaces[parent].handle : 0;
}

bool Interface::has_users(u64 handle) const {
  const u32 index = state_.find_stage2(handle);
  return index != 0 && has_nested(state_, index);
}

u32 Interface::pasid_bits_of_user(u64 handle) const {
  const u32 index = state_.find(handle);
  if (index == 0 || !is_nested(state_.spaces[index]) || state_.user_format == nullptr) return 0;
  const auto route = state_.user_format->route(state_.spaces[index].structure);
  return route ? route->pasid_bits : 0;
}

std::optional<std::array<u64, 2>> Interface::structure_of_user(u64 handle) const {
  const u32 index = state_.find(handle);
  if (index == 0 || !is_nested(state_.spaces[index])) return std::nullopt;
  return state_.spaces[index].structure;
}

std::optional<u64> Interface::number_of(u64 parent, u32 device) const {
  return sva::number_of(state_, state_.find_stage2(parent), device);
}

Alternatives Interface::expected_within(u32 device, Substream at, u64 ipa) const {
  return sva::expected_within(state_, device, at, ipa);
}

bool Interface::is_master(u64 handle) const {
  const u32 index = state_.find(handle);
  return index != 0 && has_dynamic(state_, index);
}

DomainFacts Interface::facts_of(u64 handle) const {
  return facts_of_space(state_, state_.find(handle));
}

DomainFacts Interface::facts_of_io_mm(u64 handle) const {
  return facts_of_space(state_, state_.find_private(handle));
}

Substream Interface::pasid_of_io_mm(u64 handle) const {
  const u32 index = state_.find_private(handle);
  if (index == 0 || state_.spaces[index].number == 0) return {};
  return substream(state_.numbers[state_.spaces[index].number].value);
}

u64 Interface::attached_at(u32 device, u32 pasid) const {
  u64 handle = 0;
  state_.for_each_attachment([&](u32 i) {
    const Attachment& at = state_.attachments[i];
    if (at.device != device || state_.numbers[at.number].value != pasid || at.domain == 0) return;
    handle = state_.spaces[at.domain].handle;
  });
  return handle;
}

bool Interface::is_linked(u64 handle, u32 device) const {
  const u32 index = state_.find_private(handle);
  return index != 0 && state_.is_linked(state_.spaces[index], device);
}

u64 Interface::domain_of_io_mm(u64 handle) const {
  const u32 index = state_.find_private(handle);
  return index == 0 ? 0 : state_.spaces[state_.spaces[index].domain].handle;
}

Substream Interface::pasid_of_process(u64 mm) const {
  const u32 number = state_.main_number(state_.find_process(mm));
  return number == 0 ? Substream{} : substream(state_.numbers[number].value);
}

bool Interface::is_bound(u64 mm) const {
  const u32 process = state_.find_process(mm);
  return process != 0 && state_.is_watched(process);
}

bool Interface::is_stale(u64 mm) const {
  const u32 index = state_.find_process(mm);
  if (index == 0) return false;
  const Space& process = state_.spaces[index];
  const auto has_any = [&](u64 layer) {
    return state_.forest.first_mapped_in(layer, 0, whole_space).found;
  };
  return has_any(process.stale) || std::ranges::any_of(process.older, has_any);
}

Permitted Interface::permitted(const Call& call, Circumstances around) const {
  return answers(state_, call, around, nullptr);
}

Permitted Interface::permitted(Ticket ticket, const Call& call, Circumstances around) const {
  return answers(state_, call, around, state_.tickets.find(ticket));
}

const char* Interface::caller_may_not(const Call& call) const {
  return sva::caller_may_not(state_, call);
}

Verdict Interface::duty_of_call(const Call& call) const { return sva::duty_of_call(state_, call); }

Verdict Interface::duty_of_page(u64 pa, u64 size) const {
  return sva::duty_of_page(state_, pa, size);
}

Verdict Interface::duty_of_dma(u32 device, u32 pasid) const {
  return sva::duty_of_dma(state_, device, pasid);
}

Ticket Interface::begin_call(const Call& call) { return sva::begin_call(state_, call); }

Verdict Interface::end_call(Ticket ticket, const Call& call, const Observed& observed,
                            Circumstances around) {
  return sva::end_call(state_, ticket, call, observed, around);
}

Verdict Interface::end_call(const Call& call, const Observed& observed, Circumstances around) {
  return end_last_call(state_, call, observed, around);
}

Verdict Interface::apply(const Call& call, const Observed& observed, Circumstances around) {
  return sva::apply(state_, call, observed, around);
}

bool Interface::may_end(Ticket ticket) const { return sva::may_end(state_, ticket); }

void Interface::device_added(u32 device) { sva::device_added(state_, device); }

void Interface::endpoint_silent(u32 stream_id) {
  sva::endpoint_says(state_, device_of(stream_id), records::Silence::silent);
}

void Interface::endpoint_answers(u32 stream_id) {
  sva::endpoint_says(state_, device_of(stream_id), records::Silence::answered);
}

void Interface::device_removed(u32 device, bool timed_out) {
  sva::device_removed(state_, device, timed_out);
}

void Interface::recovered() { sva::recovered(state_); }

bool Interface::process_created(u64 mm, u32 input_bits) {
  return sva::process_created(state_, mm, input_bits);
}

bool Interface::process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  return sva::process_maps(state_, mm, va, bytes, pa, prot);
}

bool Interface::process_unmaps(u64 mm, u64 va, u64 bytes) {
  return sva::process_unmaps(state_, mm, va, bytes);
}

bool Interface::process_protects(u64 mm, u64 va, u64 bytes, u32 prot) {
  return sva::process_protects(state_, mm, va, bytes, prot);
}

bool Interface::process_forks(u64 mm, u64 child) { return sva::process_forks(state_, mm, child); }

bool Interface::process_gone(u64 mm) { return sva::process_gone(state_, mm); }

Ticket Interface::invalidate_begins(u64 mm, u64 va, u64 bytes) {
  return sva::invalidate_begins(state_, mm, va, bytes);
}

Verdict Interface::invalidate_ends(Ticket ticket, bool timed_out) {
  return sva::invalidate_ends(state_, ticket, timed_out);
}

Ticket Interface::release_begins(u64 mm) { return sva::release_begins(state_, mm); }

Verdict Interface::release_waits(Ticket ticket) const { return sva::release_waits(state_, ticket); }

Verdict Interface::release_ends(Ticket ticket, bool timed_out) {
  return sva::release_ends(state_, ticket, timed_out);
}

void Interface::walker_switches(u32 walker, u64 root) {
  sva::walker_switches(state_, walker, root);
}

void Interface::walker_flushes(u32 walker) { sva::walker_flushes(state_, walker); }

bool Interface::has_walker(u32 walker) const { return find_walker(state_, walker) != nullptr; }

bool Interface::walks_afresh(u32 walker) const {
  const Walker* record = find_walker(state_, walker);
  return record != nullptr && record->space != 0 && is_private_table(state_, record->space);
}

u64 Interface::table_of_walker(u32 walker) const {
  const Walker* record = find_walker(state_, walker);
  return record == nullptr || record->space == 0 ? 0 : state_.spaces[record->space].table;
}

u64 Interface::master_of_table(u64 root) const {
  const u32 index = space_of_table(state_, root);
  return index == 0 ? 0 : state_.spaces[state_.spaces[index].domain].handle;
}

DomainFacts Interface::facts_of_table(u64 root) const {
  return facts_of_space(state_, space_of_table(state_, root));
}

Alternatives Interface::expected_of_walker(u32 walker, u64 iova) const {
  return sva::expected_of_walker(state_, walker, iova);
}

Verdict Interface::handler_called(u32 device, u32 pasid, u64 drvdata) {
  return sva::handler_called(state_, device, pasid, drvdata);
}

Verdict Interface::handler_returned(u32 device, u32 pasid, Status status) {
  return sva::handler_returned(state_, device, pasid, status);
}

Verdict Interface::bound_passes(u32 device, u32 pasid) {
  return sva::bound_passes(state_, device, pasid);
}

Expectation Interface::expected(u32 device, Substream at, u64 iova) const {
  return sva::expected(state_, device, at, iova);
}

Alternatives Interface::expected_during(u32 device, Substream at, u64 iova) const {
  return sva::expected_during(state_, device, at, iova);
}

void Interface::fault_waits(const FaultRecord& fault, u32 sid, u32 stag) {
  sva::fault_waits(state_, fault, sid, stag);
}

void Interface::device_wrote(u32 device, Substream at, u64 iova, std::optional<u64> pa, bool sure) {
  sva::device_wrote(state_, device, at, iova, pa, sure);
}

std::vector<u64> Interface::written_bits(const Call& call) const {
  return sva::written_bits(state_, call);
}

void Interface::faults_are_read(bool of_events, bool of_requests) {
  sva::faults_are_read(state_, of_events, of_requests);
}

void Interface::process_answered(const FaultRecord& fault, bool again) {
  sva::process_answered(state_, fault, again);
}

Verdict Interface::fault_resumed(u32 sid, u32 stag, bool again, bool alone) {
  return sva::fault_resumed(state_, sid, stag, again ? response_success : response_invalid, alone);
}

void Interface::page_is_requested(const FaultRecord& fault, u32 sid, u32 name) {
  sva::page_is_requested(state_, fault, sid, name);
}

void Interface::begun_groups_are_lost() { sva::begun_groups_are_lost(state_); }

Verdict Interface::group_answered(u32 sid, u32 name, u32 response) {
  return sva::fault_resumed(state_, sid, name, response);
}

std::optional<bool> Interface::requests_are_on(u32 device) const {
  return sva::requests_are_on(state_, device);
}

std::optional<StallName> Interface::stall_of(const Call& call) const {
  return sva::stall_of(state_, call);
}

std::vector<Interface::WaitingFault> Interface::waiting_faults() const {
  std::vector<WaitingFault> waiting;
  state_.for_each_waiting([&](u32 i) {
    const Waiting& fault = state_.waitings[i];
    const bool begun = fault.state == FaultState::begun && fault.seen != 0;
    const bool there =
        begun || fault.state == FaultState::unread || fault.state == FaultState::read;
    if (!there || fault.unsure != 0) return;
    waiting.push_back({{fault.sid, fault.stag}, fault.device, fault.pasid, begun});
  });
  return waiting;
}

std::vector<StallName> Interface::waiting_names() const {
  std::vector<StallName> names;
  state_.for_each_waiting(
      [&](u32 i) { names.push_back({state_.waitings[i].sid, state_.waitings[i].stag}); });
  return names;
}

std::optional<FaultRecord> Interface::oldest_fault(u64 queue) const {
  return sva::oldest_fault(state_, queue);
}

void Interface::event_recorded(u32 stream_id, const EventWords& words) {
  sva::event_recorded(state_, device_of(stream_id), words);
}

void Interface::event_was_lost() { sva::event_was_lost(state_); }

std::optional<EventRead> Interface::oldest_event(u64 queue) const {
  return sva::oldest_event(state_, queue);
}

void Interface::forget_refused() { sva::forget_refused(state_); }

Verdict Interface::fault_handler_called(const FaultRecord& fault, std::optional<u64> iova,
                                        u64 word) {
  return sva::fault_handler_called(state_, fault, iova, word);
}

Verdict Interface::handlers_were_called() { return sva::handlers_were_called(state_); }

std::optional<u64> Interface::fault_handler_of(u32 device, u32 pasid) const {
  return sva::fault_handler_of(state_, device, pasid);
}

FaultKind Interface::faults_of(u32 device, Substream at) const {
  return sva::faults_of(state_, device, at);
}

bool Interface::may_reach(u32 device, u32 number) const {
  return sva::may_reach(state_, device, number);
}

bool Interface::equal_promises(u32 a, u32 b, Substream at) const {
  return sva::equal_promises(state_, a, b, at);
}

bool Interface::page_in_flight(u64 pa, u64 size) const {
  return sva::page_in_flight(state_, pa, size);
}

std::vector<Leak> Interface::leaks() const { return sva::leaks(state_); }

Held Interface::held() const { return sva::held(state_); }

Verdict Interface::hook_called(Hook hook, u64 io_mm, u32 device, bool failed) {
  return sva::hook_called(state_, hook, io_mm, device, failed);
}

u32 Interface::hooked_io_mms() const { return sva::hooked_io_mms(state_); }
u32 Interface::hooked_attachments() const { return sva::hooked_attachments(state_); }

std::string Interface::dump() const { return sva::dump(state_); }

std::string Interface::dump_with_history() const { return sva::dump_with_history(state_); }

}  // namespace iommucheck::spec::sva
