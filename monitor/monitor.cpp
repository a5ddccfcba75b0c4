// SPDX-License-Identifier: MIT
#include "monitor/monitor.h"

#include <memory>
#include <utility>

namespace iommucheck::oracle {

void Monitor::clear_findings() {
  forget_findings();
  forget_endless();
  caches_.clear_findings();
  forget_calls();
  case_.calls = {};
}

void Monitor::forget_the_past() {
  findings_are_told();
  forget_the_past_beside();
  // Nothing is undone that far, unless a trace puts everything back to where its driver was ready:
  // one that has waited for that too long is told that it is not known any more.
  const Trail::Mark most = Trail::Mark{1} << (is_ready_known() ? 27 : 20);
  if (trail().mark() < most) return;
  trail().forget();
  forget_ready();
  forget_freed();
}

void Monitor::begin_case(EventIndex now) {
  Case begun;
  begun.now = now;
  begun.promises_on = setup_.calls_are_known;
  begin_case(std::move(begun));
  begin_case_beside(now);
}

void Monitor::begin_case(Case begun) {
  clear_findings();
  if (device_rules_) device_rules_->begin_case();
  forget_allocations(begun.now);
  caches_.set_now(begun.now);
  smmu_.page_responses().clear();
  smmu_.resumed().clear();
  case_ = std::move(begun);
}

std::unique_ptr<Monitor::Point> Monitor::point() {
  auto point = std::make_unique<Point>();
  point->case_ = case_;
  point->changes_ = caches_.changes();
  return point;
}

void Monitor::go_back_to(const Point& point) {
  begin_case(point.case_);
  caches_.changes() = point.changes_;
}

}  // namespace iommucheck::oracle
