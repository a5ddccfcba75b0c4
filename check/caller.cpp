// SPDX-License-Identifier: MIT
#include "check/caller.h"

#include <utility>

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

/// Neither what a caller must not do nor what the driver has not got.
bool Caller::may_call(const Call& call) const {
  // Who frees a domain closes its fault queue before: INTERFACE does not say what becomes of it.
  const bool has_queue = call.kind == spec::sva::CallKind::domain_free &&
                         monitor_.interface().queue_of_domain(call.domain) != 0;
  return host_.has(call.kind) && !has_queue && is_claimed(call) &&
         monitor_.interface().caller_may(call);
}

void Caller::forget_rules() {
  if (seen_ == nullptr) return;
  RuleTally now;
  now.add(monitor_);
  exercised_ = now.discriminating;
}

void Caller::note_rules() {
  if (seen_ == nullptr) return;
  RuleTally now;
  now.add(monitor_);
  for (std::size_t i = 0; i < RuleTally::size; ++i) {
    if (now.discriminating[i] == exercised_[i]) continue;
    seen_->rule_in(static_cast<spec::Rule>(i), doing_);
  }
  exercised_ = now.discriminating;
}

void Caller::does(std::string_view what) {
  note_rules();
  doing_ = what;
  passed_over_.note(monitor_.now(), what);
}

/// What was put off comes in the call that begins now.
void Caller::begin_next() {
  const LockstepCase::Next next = std::exchange(case_.next, {});
  if (next.stuck == 0U) {
    monitor_.queue_stuck(true);
  } else if (next.stuck) {
    host_.in_the_middle(*next.stuck, [this] { monitor_.queue_stuck(true); });
  }
  if (case_.hardware.stop.command != 0)
    monitor_.smmu().stop_at_command(case_.hardware.stop.command);
  if (case_.hardware.stop.sync != 0) monitor_.smmu().stop_at_sync(case_.hardware.stop.sync);
  if (!next.access) return;
  // Its driver may have stopped the device meanwhile, since the call ends what it used.
  const auto access_then = [this, access = *next.access] { send(access); };
  const u32 what = next.before_atomic ? DriverHost::before_atomic : spec::reg::cmdq_prod;
  host_.in_the_middle(next.access_at, access_then, what);
}

bool Caller::send(const spec::Access& access) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 device = interface.device_of(access.sid);
  if (access.ssv && interface.duty_of_dma(device, access.ssid).blames_caller) return false;
  ++accesses_;
  return monitor_.device_access(access, host_.choices());
}

void Caller::end_next() {
  host_.nothing_in_the_middle();
  case_.hardware.stop = monitor_.smmu().take_stop();
  if (monitor_.smmu().is_stuck()) monitor_.queue_stuck(false);
}

spec::sva::Observed Caller::make_call(const Call& call) {
  ++case_.calls;
  does(spec::sva::call_name(call.kind));
  begin_next();
  host_.unroll(claims(Claim::unrolling) ? 0 : free_bytes(call));
  const DriverHost::Progress progress = host_.start(call);
  end_next();
  if (seen_ != nullptr) {
    seen_->call(call, progress.observed, progress.waits, case_.last_call);
    case_.last_call = static_cast<u32>(call.kind);
  }
  if (call_hook_) call_hook_(call, progress.observed, progress.waits);
  const Status status = progress.waits ? Status::ok : progress.observed.status;
  note_answer(call, status);
  // Who waits for a handler gives its result to nobody: what is left is seen from the state.
  if (progress.waits) return {.status = Status::not_built};
  const spec::sva::Observed& observed = progress.observed;
  const bool counts_bytes = call.kind == CallKind::unmap || call.kind == CallKind::unmap_fast ||
                            call.kind == CallKind::sva_unmap ||
                            call.kind == CallKind::sva_unmap_fast;
  if (observed.status == Status::ok && (!counts_bytes || observed.value != 0)) ++calls_succeeded_;
  return observed;
}

void Caller::note_answer(const Call& call, Status status) {
  const bool not_built = status == Status::not_built;
  const bool ran_out = status == Status::enomem || status == Status::etimedout;
  const bool declined =
      status != Status::ok && !not_built && !ran_out && monitor_.could_have_been_done();
  const auto note = [&](std::size_t what) {
    // What is refused for its arguments shows nothing of what is built.
    if (not_built || status == Status::ok) ++answered_.asked[what];
    if (not_built) ++answered_.not_built[what];
    if (declined) ++answered_.declined[what];
  };
  note(CallTally::of(call.kind));
  if (call.kind != CallKind::domain_alloc) return;
  const auto kind = static_cast<spec::sva::DomainKind>(call.domain_kind);
  const bool translates = monitor_.interface().translates_by_users_table(call);
  const bool nested = kind == spec::sva::DomainKind::nested;
  const std::size_t its = nested && translates ? CallTally::nested_stage1 : CallTally::of(kind);
  if (its < CallTally::size) note(its);
  if (!spec::sva::is_mapped_by_driver(call.domain_kind)) return;
  ++answered_.domains_asked;
  if (status == Status::ok) ++answered_.domains_made;
}

u32 Caller::device_of(const fuzz::Operation& operation) const {
  return operation.device % monitor_.interface().device_count();
}

}  // namespace iommucheck::oracle
