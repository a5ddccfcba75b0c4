// SPDX-License-Identifier: MIT
// What is sent to the IOMMU, and what it tells: page requests, and accesses that were ended.
#include <cstdio>

#include "impl/two/two.h"

namespace iommucheck::impl {

namespace {

constexpr unsigned request_stream_lsb =
    32;  // in the number of a fault, above that of the group of page requests

}  // namespace

void Two::send(two::Command command, u64 a, u64 b, u64 c, u64 d) {
  platform_.write64(two::reg::argument_a, a);
  platform_.write64(two::reg::argument_b, b);
  platform_.write64(two::reg::argument_c, c);
  platform_.write64(two::reg::argument_d, d);
  platform_.write64(two::reg::command, static_cast<u64>(command));
  ++sent_;
}

/// With what users' tables have made over it.
void Two::drop_translations(Tag tag, const Places& /*places*/) {
  send(two::Command::drop_root, tag.inner, 0, 0);
}

void Two::drop_gathered(const Gather& gather, Tag tag, const Places& places) {
  if (gather.all()) return drop_translations(tag, places);
  for (const TlbRange& range : gather) {
    send(two::Command::drop_range, tag.inner, range.first, range.end - 1);
  }
}

void Two::drop_device(u32 device, u32 pasid) {
  for_each_stream(
      device, [&](u32 stream) { send(two::Command::drop_device, who(stream, pasid), 0, ~u64{0}); });
}

void Two::drop_device_range(u32 device, u32 pasid, u64 first, u64 end) {
  for_each_stream(device, [&](u32 stream) {
    send(two::Command::drop_device, who(stream, pasid), first, end - 1);
  });
}

/// Waits for all that was sent.
SyncResult Two::flush() {
  if (done_ == sent_) return SyncResult::complete;
  // With a last look after the time is up.
  for (bool in_time = true;; in_time = platform_.wait(IOMMUCHECK_WAIT_REGISTER)) {
    done_ = platform_.read64(two::reg::done);
    if (done_ == sent_) return SyncResult::complete;
    if (!in_time) return SyncResult::timed_out;
  }
}

/// A second time, for what was filled before the first had acted by what that has dropped.
bool Two::drop_everything() {
  for (int time = 0; time < 2; ++time) {
    send(two::Command::drop_all, 0, 0, 0);
    if (flush() != SyncResult::complete) return false;
  }
  return true;
}

// ---- page requests ----

void Two::read_faults(FaultSink& sink) {
  // An IOMMU that is gone answers with ones, and never comes to an end.
  for (u32 i = 0; i < 2 * faults_max(); ++i) {
    const u64 id = platform_.read64(two::reg::request);
    if (id == 0 || id == ~u64{0}) break;
    const u64 from = platform_.read64(two::reg::request_who);
    const u64 iova = platform_.read64(two::reg::request_iova);
    platform_.write64(two::reg::request_take, 1);
    sink.take({.id = id | (from & mask(31, 0)) << request_stream_lsb,
               .pasid = static_cast<u32>(from >> 32),
               .prot = static_cast<u32>(bits(iova, 2, 0)),
               .iova = iova & ~(two::page_bytes - 1),
               .last = bit(iova, 3)});
  }
  read_events(sink);
}

// ---- accesses that were ended ----

/// Whose it is, the core knows by the stream and the PASID; the stream and the host's table are
/// none of the user's business.
Event Two::event_of(u64 word, u64 iova) const {
  const bool has_pasid = (word & two::event_has_pasid) != 0;
  return {.from = {.id = (word >> 32) << request_stream_lsb,
                   .pasid = has_pasid ? static_cast<u32>(bits(word, 31, 12)) : no_pasid,
                   .iova = iova},
          .words = {word & mask(31, 0), iova}};
}

void Two::set_number(Event& event, u32 number) const { event.words[0] |= u64{number} << 32; }

void Two::read_events(FaultSink& sink) {
  for (u32 i = 0; i < 2 * two::events_max; ++i) {
    const u64 word = platform_.read64(two::reg::event);
    if (word == 0 || word == ~u64{0}) return;
    const u64 iova = platform_.read64(two::reg::event_iova);
    const Event event = event_of(word, iova);
    platform_.write64(two::reg::event_take, 1);
    if (!is_users(word) || !sink.tell(event)) log_event(word, iova);
  }
}

void Two::log_event(u64 word, u64 iova) const {
  char at[24] = "";
  if ((word & two::event_has_pasid) != 0) {
    std::snprintf(at, sizeof at, ", PASID %u", static_cast<unsigned>(bits(word, 31, 12)));
  }
  char line[96];
  std::snprintf(line, sizeof line, "an access of stream 0x%x%s to 0x%llx was ended",
                static_cast<unsigned>(word >> 32), at, static_cast<unsigned long long>(iova));
  platform_.log(IOMMUCHECK_LOG_WARNING, line);
}

bool Two::came_from(const Fault& fault, u32 device) const {
  bool its = false;
  for_each_stream(device, [&](u32 stream) { its |= stream == fault.id >> request_stream_lsb; });
  return its;
}

Answered Two::answer(const Fault& fault, Response response) {
  const u64 code = response == Response::success   ? two::respond_again
                   : response == Response::failure ? two::respond_failure
                                                   : two::respond_invalid;
  send(two::Command::respond, fault.id & mask(request_stream_lsb - 1, 0), code, 0);
  return flush() == SyncResult::complete ? Answered::done : Answered::on_its_way;
}

}  // namespace iommucheck::impl
